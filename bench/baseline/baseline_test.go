package baseline

import (
	"context"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/streamspace/streamspace/bench/source"
	"github.com/streamspace/streamspace/bench/viewer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run serves until the test ends and returns the address.
func run(t *testing.T, serve func(context.Context, net.Listener) error) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(10 * time.Second):
			t.Error("a server did not end")
		}
	})
	return listener.Addr().String()
}

func TestBothCarryEveryByteAndEndWithTheirContext(t *testing.T) {
	t.Parallel()
	for name, baseline := range map[string]struct {
		scheme string
		serve  func(context.Context, net.Listener, Options) error
	}{"splice": {"tcp:", Splice}, "websocket": {"ws://", WebSocket}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			upstream := run(t, source.New(source.Config{Kind: source.Raw64K, Pattern: source.Flood()}).Run)
			address := run(t, func(ctx context.Context, listener net.Listener) error {
				return baseline.serve(ctx, listener, Options{
					Upstream: "tcp:" + upstream, Buffer: 10_000, Socket: SocketOptions{Congestion: "reno", Unsent: 16 << 10},
				})
			})
			v, err := viewer.Connect(t.Context(), baseline.scheme+address, viewer.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer v.Close()
			if err := v.Stream(); err != nil {
				t.Fatal(err)
			}
			for want := range uint64(50) {
				rectangle, err := v.Next()
				if err != nil {
					t.Fatal(err)
				}
				if rectangle.Stamp.Seq != want {
					t.Fatalf("rectangle %d has sequence number %d", want, rectangle.Stamp.Seq)
				}
			}
			// The viewer stays connected: the relay must end all the same.
		})
	}
}

func TestAnUnknownCongestionControlIsAnError(t *testing.T) {
	t.Parallel()
	client, server := net.Pipe()
	defer client.Close()
	defer server.Close()
	if err := (SocketOptions{Congestion: "none-such"}).apply(client); err != nil {
		t.Errorf("a pipe has no congestion control to set: %v", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := (SocketOptions{Congestion: "none-such"}).apply(conn); err == nil {
		t.Error("an unknown congestion control was taken")
	}
}
