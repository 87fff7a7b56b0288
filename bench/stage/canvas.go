package stage

import (
	"errors"
	"fmt"
	"image"

	"github.com/jezek/xgb"
	"github.com/jezek/xgb/xproto"

	"github.com/streamspace/streamspace/bench/scene"
	"github.com/streamspace/streamspace/rfb/picture"
)

// maxRequest is what one request may carry without the big-requests
// extension: 65,535 words of four bytes, less a PutImage's header.
const maxRequest = 4*65_535 - 24

// canvas is a window with a copy of it in the X server. A frame is drawn on the
// copy and then shown by a few small requests that follow one another at once,
// so that hardly anybody sees half a frame: big ones take the X server
// milliseconds. What is moved is moved on the window too, so that the X server
// can tell that it was moved.
type canvas struct {
	conn   *xgb.Conn
	size   image.Point
	window xproto.Window
	back   xproto.Pixmap
	gc     xproto.Gcontext
	bytes  []byte // scratch of Put

	// on the copy, not yet on the window
	moved []move
	put   []image.Rectangle
}

// move is a part of the window that was elsewhere.
type move struct {
	to   image.Rectangle
	from image.Point
}

func openCanvas(conn *xgb.Conn) (*canvas, error) {
	setup := xproto.Setup(conn)
	screen := setup.DefaultScreen(conn)
	if screen.RootDepth != 24 || setup.ImageByteOrder != xproto.ImageOrderLSBFirst {
		return nil, fmt.Errorf("the display has %d bits a pixel, want 24 in little-endian order", screen.RootDepth)
	}
	c := &canvas{conn: conn, size: scene.SizeOn(int(screen.WidthInPixels), int(screen.HeightInPixels))}
	var err error
	if c.window, err = xproto.NewWindowId(conn); err != nil {
		return nil, fmt.Errorf("asking for a window: %w", err)
	}
	if c.back, err = xproto.NewPixmapId(conn); err != nil {
		return nil, fmt.Errorf("asking for a pixmap: %w", err)
	}
	if c.gc, err = xproto.NewGcontextId(conn); err != nil {
		return nil, fmt.Errorf("asking for a graphics context: %w", err)
	}
	width, height := uint16(c.size.X), uint16(c.size.Y)
	// No window manager touches a window with override-redirect: it is the
	// same everywhere, without a frame, over all others.
	const events = xproto.EventMaskKeyPress | xproto.EventMaskPointerMotion | xproto.EventMaskExposure | xproto.EventMaskFocusChange
	err = errors.Join(
		xproto.CreateWindowChecked(conn, screen.RootDepth, c.window, screen.Root, 0, 0, width, height, 0,
			xproto.WindowClassInputOutput, screen.RootVisual,
			xproto.CwOverrideRedirect|xproto.CwEventMask, []uint32{1, events}).Check(),
		xproto.CreatePixmapChecked(conn, screen.RootDepth, c.back, xproto.Drawable(c.window), width, height).Check(),
		// Without graphics exposures: each copy would be answered by an event.
		xproto.CreateGCChecked(conn, c.gc, xproto.Drawable(c.window), xproto.GcGraphicsExposures, []uint32{0}).Check(),
		xproto.MapWindowChecked(conn, c.window).Check(),
	)
	if err != nil {
		return nil, fmt.Errorf("opening the stage's window: %w", err)
	}
	return c, nil
}

// Put implements scene.Canvas.
func (c *canvas) Put(at image.Point, block *picture.Picture) {
	rows := maxRequest / (4 * block.Width)
	for top := 0; top < block.Height; top += rows {
		height := min(rows, block.Height-top)
		// The library keeps the bytes until they are written.
		c.bytes = append([]byte(nil), block.Pix[4*top*block.Width:4*(top+height)*block.Width]...)
		xproto.PutImage(c.conn, xproto.ImageFormatZPixmap, xproto.Drawable(c.back), c.gc,
			uint16(block.Width), uint16(height), int16(at.X), int16(at.Y+top), 0, 24, c.bytes)
	}
	c.put = append(c.put, block.Bounds().Add(at))
}

// Move implements scene.Canvas.
func (c *canvas) Move(r image.Rectangle, from image.Point) {
	c.copy(xproto.Drawable(c.back), r, from)
	if len(c.put) > 0 {
		// What was put in this frame is not on the window yet: it cannot be
		// moved there.
		c.put = append(c.put, r)
		return
	}
	c.moved = append(c.moved, move{r, from})
}

// flush shows the frame.
func (c *canvas) flush() {
	for _, m := range c.moved {
		c.copy(xproto.Drawable(c.window), m.to, m.from)
	}
	for _, r := range c.put {
		c.expose(r)
	}
	c.moved, c.put = c.moved[:0], c.put[:0]
}

func (c *canvas) copy(on xproto.Drawable, r image.Rectangle, from image.Point) {
	xproto.CopyArea(c.conn, on, on, c.gc, int16(from.X), int16(from.Y), int16(r.Min.X), int16(r.Min.Y), uint16(r.Dx()), uint16(r.Dy()))
}

// expose shows a part of the copy.
func (c *canvas) expose(r image.Rectangle) {
	xproto.CopyArea(c.conn, xproto.Drawable(c.back), xproto.Drawable(c.window), c.gc,
		int16(r.Min.X), int16(r.Min.Y), int16(r.Min.X), int16(r.Min.Y), uint16(r.Dx()), uint16(r.Dy()))
}

// focus asks for the keyboard.
func (c *canvas) focus() {
	xproto.SetInputFocus(c.conn, xproto.InputFocusPointerRoot, c.window, xproto.TimeCurrentTime)
}

// wait returns when the X server has done everything so far.
func (c *canvas) wait() { xproto.GetInputFocus(c.conn).Reply() }

// keyboard is the first keysym of each keycode.
type keyboard struct {
	first   xproto.Keycode
	each    int
	symbols []xproto.Keysym
}

func readKeyboard(conn *xgb.Conn) (keyboard, error) {
	setup := xproto.Setup(conn)
	count := setup.MaxKeycode - setup.MinKeycode + 1
	mapping, err := xproto.GetKeyboardMapping(conn, setup.MinKeycode, byte(count)).Reply()
	if err != nil {
		return keyboard{}, fmt.Errorf("reading the keyboard's mapping: %w", err)
	}
	return keyboard{first: setup.MinKeycode, each: int(mapping.KeysymsPerKeycode), symbols: mapping.Keysyms}, nil
}

func (k keyboard) symbol(code xproto.Keycode) uint32 {
	i := int(code-k.first) * k.each
	if code < k.first || i >= len(k.symbols) {
		return 0
	}
	return uint32(k.symbols[i])
}
