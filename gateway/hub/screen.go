package hub

import (
	"errors"
	"image"
	"time"

	"github.com/streamspace/streamspace/gateway/relay"
	"github.com/streamspace/streamspace/gateway/video"
	"github.com/streamspace/streamspace/rfb"
)

// ErrVideo ends a viewer of video when none can be made.
var ErrVideo = errors.New("the desktop cannot be coded as video")

// Screen is where the desktop's pixels go as video. A viewer whose Seat has one is
// sent no pixels on its socket, and all else as everybody. Who learns something
// from which Refresh or Motion follow nudges that socket.
type Screen interface {
	// Format does not change.
	Format() (codec video.Codec, fullChroma bool)
	// Bitrate is what the way to the viewer carries, in bits a second.
	Bitrate() int
	// Show takes a frame: data is valid during the call. It must not block, is
	// called by one goroutine at a time, and maybe once more after Serve has
	// returned.
	Show(data []byte, at time.Time) error
	// Refresh tells, once, that the viewer needs a key frame.
	Refresh() bool
	// Pointed is told of each pointer message that came on the socket, and Motion is
	// where the pointer has gone since without one.
	Pointed(e rfb.PointerEvent)
	Motion() (e rfb.PointerEvent, ok bool)
}

// rungs are the bitrates from which on viewers are in another class: they share one
// encoder, at what the slowest of them takes.
var rungs = [...]int{0, 1_500_000, 4_000_000, 12_000_000}

const (
	// climb is how much more than its rung's a viewer's bitrate has to be for it to
	// get there, in percent: each move costs a key frame.
	climb = 125
	// share is how much of what the way carries is video, in percent: the rest is
	// for headers, what is sent again and what else is on the way.
	share = 85
)

// rungFor is the rung of a viewer, which is on one already, or on -1.
func rungFor(bitrate, now int) int {
	rung := 0
	for i, from := range rungs {
		if i > now && now >= 0 {
			from = from * climb / 100
		}
		if bitrate >= from {
			rung = i
		}
	}
	return rung
}

// bitrate is what the viewer's way carries, or less if it wishes for less.
func (v *viewer) bitrate() int {
	if v.encodings == nil {
		return v.seat.Screen.Bitrate()
	}
	return min(v.seat.Screen.Bitrate(), v.wish.bitrate)
}

// turn brings a viewer of video in front of the camera that its way has room for.
func (h *Hub) turn(v *viewer) {
	codec, full := v.seat.Screen.Format()
	key := cameraKey{codec: codec, full: full, rung: -1}
	if v.camera != nil {
		key = v.camera.key
	}
	if key.rung = rungFor(v.bitrate(), key.rung); v.camera != nil && key == v.camera.key {
		return
	}
	c := h.cameras[key]
	switch {
	case c == nil && v.camera != nil && len(v.camera.viewers) == 1:
		// Alone: the camera comes along.
		delete(h.cameras, v.camera.key)
		v.camera.key = key
		h.cameras[key] = v.camera
		return
	case c == nil:
		c = h.open(key)
	}
	h.turnAway(v)
	v.camera, v.showing = c, &showing{screen: v.seat.Screen}
	c.viewers = append(c.viewers, v)
	c.fresh = true
	h.options.Observer.Viewers(c.label(), 1)
	h.shoot(c, time.Now())
}

// screened does what a viewer's screen has learned.
func (r *receiver) screened(s Screen) error {
	if s.Refresh() {
		v := r.viewer
		if err := r.post(func() error { v.refresh(); return nil }); err != nil {
			return err
		}
	}
	e, moved := s.Motion()
	if !moved {
		return nil
	}
	r.batch = r.batch[:0]
	m := rfb.ClientMessage{Type: rfb.ClientPointerEvent, Raw: rfb.AppendPointerEvent(nil, e)}
	if err := r.message(m); err != nil || len(r.batch) == 0 {
		return err
	}
	r.seat.Observer.Moved(relay.ToDesktop, len(r.batch))
	return r.hub.up.write(r.batch)
}

// refresh has the next frame be a key frame.
func (v *viewer) refresh() {
	if v.camera != nil {
		v.camera.fresh = true
		v.hub.shoot(v.camera, time.Now())
	}
}

// perfectAfter is how long the whole screen must have rested for a viewer of video
// to get its exact pixels: a page shows either those or the video, so that what was
// on its way has to be there.
const perfectAfter = 300 * time.Millisecond

// softenAll notes that a viewer of video has not got one pixel exactly, if it wants
// them.
func (v *viewer) softenAll() {
	v.soft = nil
	if v.seat.Screen != nil && v.wish.exact {
		v.soft.add(v.hub.bounds())
		v.hub.wake(time.Now().Add(perfectAfter))
	}
}

// soften has a viewer of video sent something exactly, though it has it all: a frame
// without a change, such as a key frame, has its page show the video again.
func (v *viewer) soften() {
	if v.wish.exact && len(v.soft) == 0 {
		v.soft.add(image.Rect(0, 0, 1, 1))
		v.hub.wake(time.Now().Add(perfectAfter))
	}
}

// perfect sends a viewer of video, in one update on its socket, the exact pixels of
// all that has changed since it last got those.
func (h *Hub) perfect(v *viewer, now time.Time) {
	c := v.camera
	still := c != nil && !c.busy && !c.fresh && len(c.pending) == 0 && c.due.IsZero()
	if !still || now.Sub(h.frame.at) < perfectAfter || now.Sub(c.soonest) < perfectAfter || v.class.key.raw {
		return
	}
	var rects []image.Rectangle
	for _, r := range v.soft {
		if r = r.Intersect(h.bounds()); !r.Empty() {
			rects = append(rects, r)
		}
	}
	v.soft = nil
	if len(rects) > 0 {
		h.options.Observer.Sharpened(area(rects))
		v.send(h.parcel(v.class.key.exact(), rects), now, false)
	}
}
