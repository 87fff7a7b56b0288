package hub

import (
	"fmt"
	"image"
	"time"

	"github.com/streamspace/streamspace/gateway/relay"
	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/picture"
)

// frame is what the desktop's latest update changed.
type frame struct {
	number uint64
	at     time.Time
	damage []image.Rectangle // pixels that were sent
	copies []copied          // before the damage, in order
	moved  region            // where copies went to
}

// copied is pixels that went from one place of the screen to another.
type copied struct {
	to   image.Rectangle
	from image.Point
}

// maxDamage bounds a frame's rectangles; what there is more becomes one around
// it. Xvnc sends a few dozen.
const maxDamage = 1024

// take handles one message of the desktop.
func (h *Hub) take(m rfb.ServerMessage) error {
	switch m.Type {
	case rfb.ServerFramebufferUpdate:
		return h.update(m)
	case rfb.ServerEndOfContinuousUpdates:
		h.desktop.continuous = true
		return h.request(true)
	case rfb.ServerBell:
		h.owe(oweBell)
	case rfb.ServerCutText:
		return h.desktopCut(m)
	}
	return nil
}

// update decodes a framebuffer update and shows it to the viewers.
func (h *Hub) update(m rfb.ServerMessage) error {
	now := time.Now()
	h.frame.begin(now)
	for _, r := range m.Rects {
		if !r.Encoding.Pixels() {
			if err := h.told(r); err != nil {
				return err
			}
			continue
		}
		if err := h.decoder.Decode(h.picture, r); err != nil {
			return fmt.Errorf("%w: %w", relay.ErrDesktopProtocol, err)
		}
		h.frame.note(r)
	}
	if !h.desktop.continuous {
		if err := h.request(true); err != nil {
			return err
		}
	}
	if h.frame.empty() {
		h.serveAll(now) // a cursor, a size
		return nil
	}
	h.options.Observer.Frame(len(h.frame.damage) + len(h.frame.copies))
	for _, r := range h.frame.damage {
		h.changed.mark(r, now)
		if len(h.missing) > 0 {
			h.missing.subtract(r)
		}
	}
	for _, r := range h.frame.moved {
		h.changed.mark(r, now)
	}
	h.show(now)
	if len(h.missing) == 0 {
		select {
		case <-h.ready:
		default:
			close(h.ready)
		}
	}
	return nil
}

// request asks the desktop for what comes next, and with all for no reason to
// wait for it: all pixels once more.
func (h *Hub) request(incremental bool) error {
	init := h.Init()
	var b []byte
	if h.desktop.continuous {
		area := rfb.ContinuousUpdates{Enable: true, Width: init.Width, Height: init.Height}
		b = rfb.AppendEnableContinuousUpdates(b, area)
	}
	if !h.desktop.continuous || !incremental {
		b = rfb.AppendUpdateRequest(b, rfb.UpdateRequest{Incremental: incremental, Width: init.Width, Height: init.Height})
	}
	return h.up.write(b)
}

// begin forgets the last frame.
func (f *frame) begin(at time.Time) {
	*f = frame{number: f.number + 1, at: at, damage: f.damage[:0], copies: f.copies[:0], moved: f.moved[:0]}
}

func (f *frame) empty() bool { return len(f.damage)+len(f.copies) == 0 }

// note adds a rectangle of pixels to the frame. A copy stays one when it comes
// before all pixels; later its source may be what viewers do not have yet.
func (f *frame) note(r rfb.ServerRect) {
	area := rectOf(r.Rect)
	if area.Empty() {
		return
	}
	if x, y, ok := picture.CopySource(r); ok && len(f.damage) == 0 && len(f.copies) < maxDamage {
		f.copies = append(f.copies, copied{area, image.Pt(x, y)})
		f.moved.add(area)
		return
	}
	if len(f.damage) == maxDamage {
		area = area.Union(f.damage[maxDamage-1])
		f.damage = f.damage[:maxDamage-1]
	}
	f.damage = append(f.damage, area)
}

// cell is the side of a part of the screen whose changes are noted together, in
// pixels.
const cell = 64

// grid notes when each part of the screen changed.
type grid struct {
	columns int
	times   []time.Time
}

func (g *grid) resize(bounds image.Rectangle) {
	g.columns = (bounds.Dx() + cell - 1) / cell
	g.times = make([]time.Time, g.columns*((bounds.Dy()+cell-1)/cell))
}

func (g *grid) mark(r image.Rectangle, at time.Time) {
	for y := r.Min.Y / cell; y <= (r.Max.Y-1)/cell; y++ {
		for x := r.Min.X / cell; x <= (r.Max.X-1)/cell; x++ {
			g.times[y*g.columns+x] = at
		}
	}
}

// rested returns what of r has not changed since before, a row of cells at a
// time, up to area pixels.
func (g *grid) rested(dst []image.Rectangle, r image.Rectangle, before time.Time, area int) []image.Rectangle {
	for y := r.Min.Y / cell; y <= (r.Max.Y-1)/cell; y++ {
		var run image.Rectangle
		for x := r.Min.X / cell; x <= (r.Max.X-1)/cell; x++ {
			if area <= 0 {
				return appendRun(dst, run)
			}
			part := image.Rect(x*cell, y*cell, (x+1)*cell, (y+1)*cell).Intersect(r)
			if g.times[y*g.columns+x].After(before) {
				dst, run = appendRun(dst, run), image.Rectangle{}
				continue
			}
			run = run.Union(part)
			area -= part.Dx() * part.Dy()
		}
		dst = appendRun(dst, run)
	}
	return dst
}

func appendRun(dst []image.Rectangle, run image.Rectangle) []image.Rectangle {
	if run.Empty() {
		return dst
	}
	return append(dst, run)
}
