package run

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newStack(timeout time.Duration) *Stack {
	return NewStack(slog.New(slog.DiscardHandler), timeout)
}

func TestStopsInReverse(t *testing.T) {
	stack := newStack(time.Minute)
	var order []string // only ever touched by the part whose turn it is
	for _, name := range []string{"database", "broker", "listener"} {
		stack.Start(name, func(ctx context.Context) error {
			<-ctx.Done()
			order = append(order, name)
			return ctx.Err()
		})
	}
	if err := stack.Close(); err != nil {
		t.Fatal(err)
	}
	if want := []string{"listener", "broker", "database"}; !slices.Equal(order, want) {
		t.Errorf("stopped %v, want %v", order, want)
	}
	if err := stack.Close(); err != nil {
		t.Errorf("the second close: %v", err)
	}
}

func TestAPartThatEndsByItselfIsTold(t *testing.T) {
	stack := newStack(time.Minute)
	stack.Defer("pool", func() {})
	stack.Start("listener", func(context.Context) error { return errors.New("port in use") })
	if err := <-stack.Failed(); err == nil || err.Error() != "listener: port in use" {
		t.Errorf("got %v", err)
	}
	stack.Start("quiet", func(context.Context) error { return nil })
	if err := <-stack.Failed(); err == nil || err.Error() != "quiet: ended by itself" {
		t.Errorf("got %v", err)
	}
	stack.Close()
}

func TestCloseGivesUpOnAStuckPart(t *testing.T) {
	stack := newStack(20 * time.Millisecond)
	stack.Start("good", func(ctx context.Context) error { <-ctx.Done(); return nil })
	release := make(chan struct{})
	ended := make(chan struct{})
	stack.Start("stuck", func(context.Context) error { defer close(ended); <-release; return nil })
	err := stack.Close()
	if err == nil || !strings.Contains(err.Error(), "stopping stuck: not ended within 20ms") {
		t.Errorf("got %v", err)
	}
	close(release)
	<-ended
}
