package source

import (
	"bytes"
	"context"
	"image/jpeg"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSchedules(t *testing.T) {
	t.Parallel()
	if got := Rate(50)(100); got != 2*time.Second {
		t.Errorf("change 100 at 50 a second is at %v, want 2s", got)
	}
	bursts := Bursts(10, 5, 3*time.Second)
	for i, want := range map[uint64]time.Duration{0: 0, 4: 400 * time.Millisecond, 5: 3 * time.Second, 11: 6*time.Second + 100*time.Millisecond} {
		if got := bursts(i); got != want {
			t.Errorf("change %d of the bursts is at %v, want %v", i, got, want)
		}
	}
}

func TestJPEGRectangleIsARealJPEGOfItsLength(t *testing.T) {
	t.Parallel()
	message, stampAt, err := JPEG20K.frame()
	if err != nil {
		t.Fatal(err)
	}
	data := message[stampAt-stampInJPEG:]
	if len(data) != jpegBytes {
		t.Errorf("JPEG data is %d bytes, want %d", len(data), jpegBytes)
	}
	picture, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if size := picture.Bounds().Size(); size.X != 128 || size.Y != 128 {
		t.Errorf("JPEG is %v, want 128 × 128", size)
	}
}

func TestAViewerThatOnlyProbesThePortEndsNothing(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := New(Config{Kind: Raw16K, Pattern: Flood()})
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, listener) }()
	for range 3 {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
	}
	// One that stays silent must not hold up the end.
	silent, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("the source did not end")
	}
	if s.Greeted() != 0 {
		t.Errorf("%d viewers were greeted, want none", s.Greeted())
	}
}

func TestUnknownKindIsRefused(t *testing.T) {
	t.Parallel()
	if _, _, err := Kind("webp").frame(); err == nil {
		t.Fatal("an unknown kind made a frame")
	}
}
