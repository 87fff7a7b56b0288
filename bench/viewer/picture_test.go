package viewer_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/streamspace/streamspace/bench/peer"
	"github.com/streamspace/streamspace/bench/source"
	"github.com/streamspace/streamspace/bench/viewer"
	"github.com/streamspace/streamspace/rfb"
)

func TestPaintedTellsAPictureFromAnEmptyScreen(t *testing.T) {
	t.Parallel()
	address := serve(t, "tcp", "127.0.0.1:0", source.Config{Kind: source.Raw16K, Pattern: source.Flood()})
	v := connect(t, "tcp:"+address.String())
	picture := viewer.NewPicture(v.Width, v.Height)
	if picture.Painted(0.001) {
		t.Error("nothing was drawn and it counts as a picture")
	}
	if err := v.Stream(); err != nil {
		t.Fatal(err)
	}
	if _, err := picture.Update(v); err != nil {
		t.Fatal(err)
	}
	// 64 × 64 of noise on 1280 × 720.
	if !picture.Painted(0.001) {
		t.Error("noise does not count as a picture")
	}
	if picture.Painted(0.01) {
		t.Error("4,096 of 921,600 pixels count as a hundredth")
	}
}

// An independent server: TigerVNC's, on a Unix socket, as desktops have it.
func TestXvncIsRead(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("Xvnc")
	if err != nil {
		t.Skip("Xvnc is not installed: apt-get install tigervnc-standalone-server")
	}
	socket := filepath.Join(t.TempDir(), "rfb.sock")
	display := ":" + strconv.Itoa(7000+os.Getpid()%1000)
	server, err := peer.Launch(peer.Here(), exec.Command(program, display, "-geometry", "640x480", "-depth", "24",
		"-rfbport", "-1", "-rfbunixpath", socket, "-SecurityTypes", "None", "-nolisten", "tcp", "-AlwaysShared"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var v *viewer.Viewer
	for v == nil {
		v, err = viewer.Connect(ctx, "unix:"+socket, viewer.Options{Encodings: []rfb.Encoding{rfb.EncodingRaw, rfb.EncodingCursor, rfb.EncodingLastRect}})
		if errors.Is(err, os.ErrNotExist) || err != nil && ctx.Err() == nil {
			select {
			case <-time.After(20 * time.Millisecond):
				continue
			case <-server.Exited():
				t.Fatalf("Xvnc ended: %s", server.Messages())
			case <-ctx.Done():
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	defer v.Close()
	defer context.AfterFunc(ctx, func() { v.Close() })()
	if v.Width != 640 || v.Height != 480 {
		t.Errorf("the screen is %d × %d", v.Width, v.Height)
	}
	picture := viewer.NewPicture(v.Width, v.Height)
	if err := v.Request(false); err != nil {
		t.Fatal(err)
	}
	drawn := 0
	for drawn < 640*480 {
		rectangle, err := picture.Update(v)
		if err != nil {
			t.Fatal(err)
		}
		if rectangle.Encoding == rfb.EncodingRaw {
			drawn += rectangle.Width * rectangle.Height
		}
	}
	if picture.Painted(0.001) {
		t.Error("the empty screen of a bare X server counts as a picture")
	}
}
