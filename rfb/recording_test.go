package rfb_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/streamspace/streamspace/rfb"
)

// load returns a recording: what a desktop sent from ServerInit on.
func load(t testing.TB, name string) []byte {
	t.Helper()
	file, err := os.Open(recordingPath(name))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// split takes a recording's ServerInit apart from what follows.
func split(t testing.TB, recording []byte) (rfb.ServerInit, []byte) {
	t.Helper()
	// The client's handshake reads it: a server of version 3.3 that wants nothing.
	server := append([]byte("RFB 003.003\n\x00\x00\x00\x01"), recording...)
	rest := bytes.NewReader(server)
	session, err := rfb.ClientHandshake(readWriter{rest, io.Discard}, rfb.ClientConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return session.Init, recording[len(recording)-rest.Len():]
}

type readWriter struct {
	io.Reader
	io.Writer
}

// recordings are the names of all recordings of desktops.
func recordings(t testing.TB) []string {
	t.Helper()
	paths, err := filepath.Glob(recordingPath("*"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, path := range paths {
		if name := strings.TrimSuffix(filepath.Base(path), ".rfb.gz"); !strings.HasPrefix(name, "viewer-") {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		t.Fatal("no recordings in testdata")
	}
	return names
}

// step is one thing that a walker told.
type step struct {
	offset        int64
	event         rfb.Event
	message       rfb.ServerMessageType
	rect          rfb.Rect
	width, height uint16
	cut           rfb.CutText
	fence         string
}

// walk lets a walker take the stream in pieces of the lengths that cut returns,
// and returns what it told. With skip, opaque bytes go past it.
func walk(init rfb.ServerInit, stream []byte, skip bool, cut func() int) ([]step, *rfb.ServerWalker, error) {
	w := rfb.NewServerWalker(init)
	var steps []step
	note := func(event rfb.Event) {
		if event == 0 {
			return
		}
		width, height := w.Size()
		fence := w.Fence()
		steps = append(steps, step{w.Offset(), event, w.Message(), w.Rect(), width, height, w.CutText(), fmt.Sprint(fence.Flags, fence.Payload)})
	}
	for len(stream) > 0 {
		piece := stream[:min(max(cut(), 1), len(stream))]
		stream = stream[len(piece):]
		for len(piece) > 0 {
			if n := min(w.Opaque(), int64(len(piece))); skip && n > 0 {
				event, err := w.Skip(n)
				if err != nil {
					return steps, w, err
				}
				note(event)
				piece = piece[n:]
				continue
			}
			n, event, err := w.Next(piece)
			if err != nil {
				return steps, w, err
			}
			if n == 0 && event != rfb.EventBegin {
				panic("no progress")
			}
			note(event)
			piece = piece[n:]
		}
	}
	return steps, w, nil
}

func whole(stream []byte) func() int { return func() int { return len(stream) } }

// TestRecordingsAreWalked checks each recording against what is known of it, and
// that it makes no difference how the bytes come.
func TestRecordingsAreWalked(t *testing.T) {
	t.Parallel()
	for _, name := range recordings(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			recording := load(t, name)
			golden, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
			if err != nil {
				t.Fatal(err)
			}
			if got := summarise(t, recording); got != string(golden) {
				t.Errorf("walked\n%s\nrecorded\n%s", got, golden)
			}
			init, stream := split(t, recording)
			want, w, err := walk(init, stream, false, whole(stream))
			if err != nil {
				t.Fatal(err)
			}
			if !w.Between() || w.Offset() != int64(len(stream)) {
				t.Fatalf("ends within a message, at byte %d of %d", w.Offset(), len(stream))
			}
			random := rand.New(rand.NewPCG(1, 2))
			for how, cut := range map[string]func() int{
				"bytes":  func() int { return 1 },
				"twos":   func() int { return 2 },
				"sevens": func() int { return 7 },
				"random": func() int { return 1 + random.IntN(1<<random.IntN(17)) },
				"pages":  func() int { return 4096 },
			} {
				for _, skip := range []bool{false, true} {
					got, _, err := walk(init, stream, skip, cut)
					if err != nil {
						t.Fatalf("in %s: %v", how, err)
					}
					if !slices.Equal(got, want) {
						t.Errorf("in %s, skip %v: something else is told than for the whole", how, skip)
					}
				}
			}
		})
	}
}

// summarise counts what is in a recording, as text.
func summarise(t testing.TB, recording []byte) string {
	t.Helper()
	init, stream := split(t, recording)
	reader := rfb.NewServerReader(bytes.NewReader(stream), init, 0)
	type count struct{ rects, pixels, bytes int64 }
	messages := map[string]int{}
	rects := map[string]count{}
	second := newDecoder(init)
	for {
		m, err := reader.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name := m.Type.String()
		if cut, body, ok := m.CutText(); ok && cut.Extended {
			c, err := rfb.ParseClipboard(body)
			if err != nil {
				t.Fatal(err)
			}
			name += fmt.Sprintf(" flags %#x sizes %v", uint32(c.Flags), c.Sizes)
		}
		messages[name]++
		for _, r := range m.Rects {
			c := rects[r.Encoding.String()]
			c.rects++
			c.bytes += int64(len(r.Data))
			if r.Encoding.Pixels() {
				c.pixels += r.Area()
			}
			rects[r.Encoding.String()] = c
			if err := second.check(r); err != nil {
				t.Fatalf("%+v: %v", r.Rect, err)
			}
		}
	}
	width, height := reader.Walker().Size()
	lines := []string{
		fmt.Sprintf("begins %dx%d %q %d bits per pixel", init.Width, init.Height, init.Name, init.Format.BitsPerPixel),
		fmt.Sprintf("ends %dx%d after %d bytes", width, height, len(stream)),
	}
	var sorted []string
	for name, n := range messages {
		sorted = append(sorted, fmt.Sprintf("message %s %d", name, n))
	}
	for name, c := range rects {
		sorted = append(sorted, fmt.Sprintf("rect %s %d, %d pixels in %d bytes", name, c.rects, c.pixels, c.bytes))
	}
	slices.Sort(sorted)
	return strings.Join(append(lines, sorted...), "\n") + "\n"
}

func writeGolden(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join("testdata", name+".txt"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestRecordingsCoverTheProtocol: every scene has a recording, and together they
// have what a desktop can send.
func TestRecordingsCoverTheProtocol(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for _, name := range recordings(t) {
		text, err := os.ReadFile(filepath.Join("testdata", name+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	for _, s := range scenes() {
		if !slices.Contains(recordings(t), s.name) {
			t.Errorf("no recording of scene %s", s.name)
		}
	}
	for _, e := range []rfb.Encoding{
		rfb.EncodingRaw, rfb.EncodingCopyRect, rfb.EncodingRRE, rfb.EncodingHextile, rfb.EncodingTight, rfb.EncodingZRLE,
		rfb.EncodingDesktopSize, rfb.EncodingExtendedDesktopSize, rfb.EncodingLastRect, rfb.EncodingCursor, rfb.EncodingXCursor,
		rfb.EncodingCursorWithAlpha, rfb.EncodingVMwareCursor, rfb.EncodingVMwareCursorPosition, rfb.EncodingVMwareLEDState,
		rfb.EncodingQEMULEDState, rfb.EncodingQEMUExtendedKey, rfb.EncodingDesktopName,
	} {
		if !strings.Contains(all.String(), "rect "+e.String()+" ") {
			t.Errorf("no recording has a %v rectangle", e)
		}
	}
	for _, m := range []rfb.ServerMessageType{
		rfb.ServerFramebufferUpdate, rfb.ServerSetColourMapEntries, rfb.ServerBell, rfb.ServerCutText,
		rfb.ServerEndOfContinuousUpdates, rfb.ServerFence,
	} {
		if !strings.Contains(all.String(), "message "+m.String()+" ") {
			t.Errorf("no recording has a %v", m)
		}
	}
}
