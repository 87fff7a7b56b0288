package process

import (
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/streamspace/streamspace/rfb"
)

// viewer is an RFB client that keeps the desktop's picture, and answers and
// offers clipboards as browsers do.
type viewer struct {
	conn net.Conn

	mu            sync.Mutex
	width, height int    // guarded by mu
	pixels        []byte // guarded by mu; four bytes each
	offered       string // guarded by mu; our clipboard
	clipboard     string // guarded by mu; the desktop's
	capable       bool   // guarded by mu; the desktop speaks the extended clipboard
}

// open connects to the desktop's address and follows it until the test ends.
func open(t testing.TB, address string) *viewer {
	t.Helper()
	conn, err := net.Dial("unix", strings.TrimPrefix(address, "unix:"))
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(2 * time.Minute))
	session, err := rfb.ClientHandshake(conn, rfb.ClientConfig{})
	if err != nil {
		conn.Close()
		t.Fatal(err)
	}
	v := &viewer{conn: conn}
	v.resized(int(session.Init.Width), int(session.Init.Height))
	hello := rfb.AppendSetEncodings(nil, rfb.EncodingRaw, rfb.EncodingExtendedDesktopSize, rfb.EncodingExtendedClipboard)
	conn.Write(rfb.AppendUpdateRequest(hello, v.whole(false)))
	done := make(chan struct{})
	go func() {
		defer close(done)
		reader := rfb.NewServerReader(conn, session.Init, 0)
		for {
			message, err := reader.Read()
			if err != nil {
				return // the desktop has ended, or the test
			}
			v.take(message)
		}
	}()
	t.Cleanup(func() { conn.Close(); <-done })
	return v
}

func (v *viewer) whole(incremental bool) rfb.UpdateRequest {
	return rfb.UpdateRequest{Incremental: incremental, Width: uint16(v.width), Height: uint16(v.height)}
}

func (v *viewer) resized(width, height int) {
	v.width, v.height, v.pixels = width, height, make([]byte, 4*width*height)
}

func (v *viewer) take(message rfb.ServerMessage) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch message.Type {
	case rfb.ServerFramebufferUpdate:
		whole := false
		for _, rect := range message.Rects {
			if size, ok := rect.DesktopSize(); ok {
				if int(size.Width) != v.width || int(size.Height) != v.height {
					v.resized(int(size.Width), int(size.Height))
					whole = true
				}
				continue
			}
			for y := range int(rect.Height) {
				row := rect.Data[4*y*int(rect.Width):][:4*int(rect.Width)]
				copy(v.pixels[4*((int(rect.Y)+y)*v.width+int(rect.X)):], row)
			}
		}
		v.conn.Write(rfb.AppendUpdateRequest(nil, v.whole(!whole)))
	case rfb.ServerCutText:
		cut, body, _ := message.CutText()
		if cut.Extended {
			v.exchange(body)
		}
	}
}

// exchange is the extended clipboard's conversation; the caller holds mu.
func (v *viewer) exchange(body []byte) {
	clipboard, err := rfb.ParseClipboard(body)
	if err != nil {
		return
	}
	switch clipboard.Flags.Action() {
	case rfb.ClipboardCaps:
		v.capable = true
		v.conn.Write(rfb.AppendClientClipboard(nil, rfb.Clipboard{
			Flags: rfb.ClipboardCaps | rfb.ClipboardText | rfb.ClipboardRequest | rfb.ClipboardPeek | rfb.ClipboardNotify | rfb.ClipboardProvide,
			Sizes: []uint32{0},
		}))
	case rfb.ClipboardNotify: // the desktop has something new
		v.conn.Write(rfb.AppendClientClipboard(nil, rfb.Clipboard{Flags: rfb.ClipboardRequest | rfb.ClipboardText}))
	case rfb.ClipboardProvide:
		if text, err := clipboard.Text(1 << 20); err == nil {
			v.clipboard = text
		}
	case rfb.ClipboardRequest: // the desktop wants ours
		v.conn.Write(rfb.AppendClientClipboard(nil, rfb.ProvideClipboardText(v.offered)))
	}
}

// offer puts text into our clipboard and says so.
func (v *viewer) offer(text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.offered = text
	v.conn.Write(rfb.AppendClientClipboard(nil, rfb.Clipboard{Flags: rfb.ClipboardNotify | rfb.ClipboardText}))
}

// got returns the desktop's clipboard.
func (v *viewer) got() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.clipboard
}

func (v *viewer) extended() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.capable
}

func (v *viewer) size() (width, height int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.width, v.height
}

// share says how much of the picture passes.
func (v *viewer) share(passes func(red, green, blue byte) bool) float64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := 0
	for i := 0; i < len(v.pixels); i += 4 { // Xvnc's own format: little-endian 0x00rrggbb
		if passes(v.pixels[i+2], v.pixels[i+1], v.pixels[i]) {
			n++
		}
	}
	return float64(n) / float64(len(v.pixels)/4)
}

func (v *viewer) colours() int {
	seen := make(map[[3]byte]bool)
	v.share(func(red, green, blue byte) bool { seen[[3]byte{red, green, blue}] = true; return true })
	return len(seen)
}

// typed presses and releases the keys of an ASCII text; '\n' is Return.
func (v *viewer) typed(text string) {
	var keys []byte
	for _, r := range text {
		key := uint32(r)
		if r == '\n' {
			key = 0xff0d // XK_Return
		}
		keys = rfb.AppendKeyEvent(keys, rfb.KeyEvent{Keysym: key, Down: true})
		keys = rfb.AppendKeyEvent(keys, rfb.KeyEvent{Keysym: key})
	}
	v.conn.Write(keys)
}

func (v *viewer) resize(width, height uint16) {
	v.conn.Write(rfb.AppendSetDesktopSize(nil, rfb.DesktopSize{Width: width, Height: height, Screens: []rfb.Screen{{Width: width, Height: height}}}))
}
