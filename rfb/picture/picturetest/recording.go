package picturetest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/picture"
)

// Recording is what a desktop sent from ServerInit on.
type Recording struct {
	Name   string
	Init   rfb.ServerInit
	Stream []byte // what follows it
}

// Recordings are those of package rfb whose pixels have the canonical format.
func Recordings(t testing.TB, testdata string) []Recording {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(testdata, "*.rfb.gz"))
	if err != nil {
		t.Fatal(err)
	}
	var all []Recording
	for _, path := range paths {
		r := Recording{Name: strings.TrimSuffix(filepath.Base(path), ".rfb.gz")}
		if strings.HasPrefix(r.Name, "viewer-") {
			continue // the other direction
		}
		if r.Init, r.Stream = load(t, path); r.Init.Format == rfb.RGB888() {
			all = append(all, r)
		}
	}
	if len(all) == 0 {
		t.Fatalf("no recordings in %s", testdata)
	}
	return all
}

func load(t testing.TB, path string) (rfb.ServerInit, []byte) {
	t.Helper()
	packed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	// The client's handshake reads it: a server of version 3.3 that wants nothing.
	rest := bytes.NewReader(append([]byte("RFB 003.003\n\x00\x00\x00\x01"), data...))
	session, err := rfb.ClientHandshake(struct {
		io.Reader
		io.Writer
	}{rest, io.Discard}, rfb.ClientConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return session.Init, data[len(data)-rest.Len():]
}

// Replay decodes the recording, and tells of the picture after each update.
func (r Recording) Replay(t testing.TB, updated func(p *picture.Picture, rects []rfb.ServerRect)) *picture.Picture {
	t.Helper()
	reader := rfb.NewServerReader(bytes.NewReader(r.Stream), r.Init, 0)
	p, d := picture.New(int(r.Init.Width), int(r.Init.Height)), picture.NewDecoder()
	for {
		m, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return p
		}
		if err != nil {
			t.Fatal(err)
		}
		Draw(t, d, p, m)
		if updated != nil && m.Type == rfb.ServerFramebufferUpdate {
			updated(p, m.Rects)
		}
	}
}

// Draw draws a message's rectangles and follows the size of the desktop.
func Draw(t testing.TB, d *picture.Decoder, p *picture.Picture, m rfb.ServerMessage) {
	t.Helper()
	for _, r := range m.Rects {
		if size, ok := r.DesktopSize(); ok && (r.X != rfb.ResizeByThisClient || r.Y == rfb.ResizeOK) {
			p.Resize(int(size.Width), int(size.Height))
		}
		if !r.Encoding.Pixels() {
			continue
		}
		if err := d.Decode(p, r); err != nil {
			t.Fatal(err)
		}
	}
}
