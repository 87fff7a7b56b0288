package trace

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/streamspace/streamspace/bench/scene"
	"github.com/streamspace/streamspace/bench/screen"
	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/picture"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func load(t *testing.T, name string) *Trace {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", name+".rfbtrace"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	trace, err := Read(file)
	if err != nil {
		t.Fatal(err)
	}
	return trace
}

func TestWrittenTracesAreReadBack(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"idle", "typing", "scroll", "drag"} {
		want := load(t, name)
		var file bytes.Buffer
		if err := want.Write(&file); err != nil {
			t.Fatal(err)
		}
		got, err := Read(&file)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Updates) != len(want.Updates) || got.Header.Updates != len(got.Updates) || got.Header.Width != 320 {
			t.Fatalf("%s: %+v came back as %+v", name, want.Header, got.Header)
		}
		for i, u := range got.Updates {
			if u.At != want.Updates[i].At || !bytes.Equal(u.Message, want.Updates[i].Message) {
				t.Fatalf("%s: update %d differs", name, i)
			}
		}
	}
}

// serve plays a trace until the test ends.
func serve(t *testing.T, trace *Trace, options Options) string {
	t.Helper()
	options.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- NewServer(trace, options).Run(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "tcp:" + listener.Addr().String()
}

func watch(t *testing.T, target string, offer []rfb.Encoding, see func(*screen.Screen, screen.Update) bool) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	s, err := screen.Connect(ctx, target, screen.Options{Quality: screen.Lossless, Compress: 1, Offer: offer})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	return s.Run(ctx, func(u screen.Update) bool { return see(s, u) })
}

// What a viewer decodes from a replay is what the scene draws: recorder, trace,
// server and decoder together change no pixel.
func TestAReplayShowsTheScene(t *testing.T) {
	t.Parallel()
	for _, name := range []scene.Name{scene.Typing, scene.Scroll, scene.Drag} {
		trace := load(t, string(name))
		target := serve(t, trace, Options{})
		player, err := scene.New(name, scene.SizeOn(trace.Header.Width, trace.Header.Height))
		if err != nil {
			t.Fatal(err)
		}
		truth := scene.NewMemory(scene.SizeOn(trace.Header.Width, trace.Header.Height))
		updates, drawn := 0, -1
		if err := watch(t, target, nil, func(s *screen.Screen, u screen.Update) bool {
			updates++
			if updates < len(trace.Updates) {
				return true
			}
			for drawn < int(u.Mark.Frame) {
				drawn = player.Step(truth)
			}
			area := truth.Picture.Bounds()
			area.Min.Y = 72 // below the marker's bar
			if !u.Marked || !truth.Picture.Equal(s.Picture(), area) {
				t.Errorf("%s: after %d updates the picture is not frame %d of the scene", name, updates, u.Mark.Frame)
			}
			return false
		}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestALoopBeginsWithFreshStreams(t *testing.T) {
	t.Parallel()
	trace := load(t, "typing")
	target := serve(t, trace, Options{Loop: true})
	var end *picture.Picture
	updates := 0
	err := watch(t, target, nil, func(s *screen.Screen, _ screen.Update) bool {
		updates++
		if updates == len(trace.Updates) {
			end = s.Picture().Clone()
		}
		// Once more, with an update that resets the streams in between.
		return updates < 2*len(trace.Updates)+1
	})
	if err != nil || end == nil {
		t.Fatalf("after %d updates: %v", updates, err)
	}
}

func TestViewersThatCannotShowATraceAreRefused(t *testing.T) {
	t.Parallel()
	target := serve(t, load(t, "scroll"), Options{})
	err := watch(t, target, []rfb.Encoding{rfb.EncodingRaw}, func(*screen.Screen, screen.Update) bool { return true })
	if !errors.Is(err, io.EOF) && err == nil {
		t.Error("a viewer without Tight was served")
	}
}

func TestARecordingKeepsPixelsOnly(t *testing.T) {
	t.Parallel()
	r := NewRecorder(16, 16, "desktop", "test")
	begin := time.Now()
	raw := rfb.AppendRect(rfb.AppendFramebufferUpdate(nil, 1), rfb.Rect{Width: 2, Height: 1})
	raw = append(raw, 1, 2, 3, 0, 4, 5, 6, 0)
	cursor := rfb.AppendCursor(rfb.AppendFramebufferUpdate(nil, 1), rfb.Rect{Width: 1, Height: 1, Encoding: rfb.EncodingCursor}, []byte{1, 2, 3, 0}, []byte{0x80})
	reader := rfb.NewServerReader(bytes.NewReader(append(append(append([]byte(nil), cursor...), rfb.AppendBell(nil)...), raw...)), rfb.ServerInit{Width: 16, Height: 16, Format: rfb.RGB888()}, 0)
	for range 3 {
		message, err := reader.Read()
		if err != nil {
			t.Fatal(err)
		}
		r.Add(message, begin)
	}
	trace, err := r.Trace()
	if err != nil || len(trace.Updates) != 1 || !bytes.Equal(trace.Updates[0].Message, raw) || trace.Header.Pixels != 2 {
		t.Errorf("recorded are %+v, %v", trace, err)
	}
	if _, err := NewRecorder(16, 16, "", "").Trace(); err == nil {
		t.Error("nothing was recorded and it is a trace")
	}
}

func TestBrokenTracesAreRefused(t *testing.T) {
	t.Parallel()
	whole, err := os.ReadFile("testdata/typing.rfbtrace")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"nothing": nil, "half": whole[:len(whole)/2], "text": []byte("hello, world")} {
		if _, err := Read(bytes.NewReader(text)); err == nil || !strings.Contains(err.Error(), "reading a trace") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, name := range []string{"typing", "idle"} {
		text, err := os.ReadFile(filepath.Join("testdata", name+".rfbtrace"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		trace, err := Read(bytes.NewReader(text))
		if err == nil && len(trace.Updates) == 0 {
			t.Error("an empty trace was read")
		}
	})
}
