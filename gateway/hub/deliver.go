package hub

import (
	"image"
	"slices"
	"time"

	"github.com/streamspace/streamspace/rfb/tight"
)

const (
	// restAfter is how long pixels must not have changed to be shown exactly.
	restAfter = 100 * time.Millisecond
	// sharpArea bounds, in pixels, what is shown exactly in one go, and
	// sharpEvery how often: fresh damage must not wait behind it.
	sharpArea  = 128 << 10
	sharpEvery = 15 * time.Millisecond
	// catchUpArea bounds, in pixels, what a viewer gets in one go beyond the
	// frame: who comes late sees the screen come in parts, and what changes in
	// the meantime does not wait for all of it.
	catchUpArea = 1 << 20
	// lively is how recent a frame must be for another to be expected, and
	// patience how long a viewer that needs more than that frame waits for it: what
	// all need then is encoded once.
	lively   = 50 * time.Millisecond
	patience = 20 * time.Millisecond
)

// show gives the frame to the viewers that can take it, and to the others a
// larger region that they need.
func (h *Hub) show(now time.Time) {
	for _, c := range h.classes {
		c.overdrawn(&h.frame)
	}
	chunks := make(map[classKey]*chunk, len(h.classes))
	h.filmFrame(now)
	h.project(now)
	for _, v := range h.viewers {
		if v.seat.Screen != nil {
			if v.wish.exact {
				v.soft.addAll(h.frame.damage)
				v.soft.addAll(h.frame.moved)
			}
			v.flush()
			continue
		}
		v.follow(&h.frame)
		takes := v.takes(&h.frame)
		if v.class != nil {
			v.kept(takes, now)
		}
		if !takes {
			h.missReel(v, now)
			v.dirty.addAll(h.frame.damage)
			v.dirty.addAll(h.frame.moved)
			h.judge(v, now)
			h.serve(v, now, true)
			continue
		}
		c := chunks[v.class.key]
		if c == nil {
			c = h.frameChunk(v.class)
			chunks[v.class.key] = c
		}
		v.dirty = v.dirty[:0]
		if v.class.key.reel {
			v.soft.subtract(h.motion.film)
		}
		v.send(c, now, true)
		h.judge(v, now)
	}
	h.rest(now)
}

// follow brings what a viewer alone sees not exactly in line with the frame.
func (v *viewer) follow(f *frame) {
	if len(v.soft) == 0 {
		return
	}
	for _, c := range f.copies {
		v.soft.addAll(v.soft.moved(image.Rectangle{Min: c.from, Max: c.from.Add(c.to.Size())}, c.to.Min.Sub(c.from)))
	}
	for _, r := range f.damage {
		v.soft.subtract(r)
	}
}

// takes tells whether the viewer can take the frame as it came.
func (v *viewer) takes(f *frame) bool {
	return v.asked() && v.open() && (v.inStep() || v.replaces(f))
}

// replaces tells whether the frame has all that the viewer needs: then it gets
// the frame as those in step do.
func (v *viewer) replaces(f *frame) bool {
	return v.owed&oweSize == 0 && len(f.copies) == 0 && v.dirty.within(f.damage)
}

// frameChunk is the frame for those of a class who are in step.
func (h *Hub) frameChunk(class *class) *chunk {
	copies, rects := h.frame.copies, h.frame.damage
	if !class.key.copies && len(copies) > 0 {
		var all region
		all.addAll(rects)
		all.addAll(h.frame.moved)
		copies, rects = nil, all
	}
	c := h.reelChunk(class, copies, rects)
	class.lossy.addAll(c.lossy)
	return c
}

// overdrawn follows what a frame does to the parts that a class sees not
// exactly.
func (c *class) overdrawn(f *frame) {
	if len(c.lossy) == 0 {
		return
	}
	for _, copy := range f.copies {
		moved := c.lossy.moved(image.Rectangle{Min: copy.from, Max: copy.from.Add(copy.to.Size())}, copy.to.Min.Sub(copy.from))
		c.lossy.subtract(copy.to)
		c.lossy.addAll(moved)
	}
	for _, r := range f.damage {
		c.lossy.subtract(r)
	}
}

// serveAll gives every viewer what it may have now.
func (h *Hub) serveAll(now time.Time) {
	for _, v := range h.viewers {
		h.serve(v, now, false)
	}
}

// serve gives a viewer what waits for it. framed says that a frame has just
// come: there is nothing better to wait for.
func (h *Hub) serve(v *viewer, now time.Time, framed bool) {
	if v.asked() && v.open() {
		if !v.inStep() && (framed || !h.wait(now)) {
			h.catchUp(v, now)
		} else if v.inStep() && len(v.soft) > 0 {
			if v.seat.Screen != nil {
				h.perfect(v, now)
			} else {
				h.sharpen(v, now)
			}
		}
	}
	v.flush() // no more than what has not gone with pixels
}

// wait tells whether a viewer had better wait for the next frame, and sees to it
// that it is looked after when none comes.
func (h *Hub) wait(now time.Time) bool {
	until := h.frame.at.Add(patience)
	if now.Sub(h.frame.at) >= lively || !now.Before(until) {
		return false
	}
	h.wake(until)
	return true
}

// catchUp sends the newest pixels of what the viewer still needs. Whoever needs
// the same of the same frame gets the same bytes.
func (h *Hub) catchUp(v *viewer, now time.Time) {
	rects := v.dirty.take(catchUpArea)
	if len(rects) == 0 {
		return // a size alone
	}
	for _, r := range rects {
		v.soft.subtract(r)
	}
	c := h.parcel(v.class.key, rects)
	v.soft.addAll(c.lossy)
	v.send(c, now, false)
	h.rest(now)
}

// parcel returns the screen's pixels in rects as a chunk.
func (h *Hub) parcel(key classKey, rects []image.Rectangle) *chunk {
	if c := h.parcels.find(key, h.frame.number, rects); c != nil {
		return c
	}
	c := h.encode(key, nil, rects)
	h.parcels.keep(parcel{key, h.frame.number, slices.Clone(rects), c})
	return c
}

// exact is the class's key for pixels without loss.
func (k classKey) exact() classKey {
	k.quality, k.reel = tight.Lossless|k.quality&tight.Lossless.WithGradient(), false
	return k
}

// sharpen sends a viewer without loss what it alone sees not exactly and what has
// come to rest.
func (h *Hub) sharpen(v *viewer, now time.Time) {
	rects := h.rested(h.offReel(v.class.key, v.soft, now), now)
	if len(rects) == 0 {
		return
	}
	for _, r := range rects {
		v.soft.subtract(r)
	}
	h.options.Observer.Sharpened(area(rects))
	v.send(h.parcel(v.class.key.exact(), rects), now, false)
}

// sharpenClass does the same for what all in step of a class see not exactly.
func (h *Hub) sharpenClass(c *class, now time.Time) {
	rects := h.rested(h.offReel(c.key, c.lossy, now), now)
	if len(rects) == 0 {
		return
	}
	for _, r := range rects {
		c.lossy.subtract(r)
	}
	h.options.Observer.Sharpened(area(rects))
	var sharp *chunk
	for _, v := range h.viewers {
		if v.class != c || v.seat.Screen != nil {
			continue
		}
		if !v.asked() || !v.inStep() || !v.open() {
			v.soft.addAll(rects)
			continue
		}
		if sharp == nil {
			sharp = h.encode(c.key.exact(), nil, rects)
		}
		v.send(sharp, now, true)
	}
}

// rested returns a part of the region that has come to rest.
func (h *Hub) rested(g region, now time.Time) (rects []image.Rectangle) {
	before := now.Add(-restAfter)
	left := sharpArea
	for _, r := range g {
		if left <= 0 {
			break
		}
		from := len(rects)
		rects = h.changed.rested(rects, r.Intersect(h.bounds()), before, left)
		left -= area(rects[from:])
	}
	return rects
}

func area(rects []image.Rectangle) (pixels int) {
	for _, r := range rects {
		pixels += r.Dx() * r.Dy()
	}
	return pixels
}

// rest makes the loop come back when something may have come to rest.
func (h *Hub) rest(now time.Time) {
	for _, c := range h.classes {
		if len(c.lossy) > 0 {
			h.wake(now.Add(restAfter))
			return
		}
	}
	for _, v := range h.viewers {
		if len(v.soft) > 0 {
			h.wake(now.Add(restAfter))
			return
		}
	}
}

// tick does what had to wait.
func (h *Hub) tick(now time.Time) {
	h.wakeAt = time.Time{}
	h.filmTick(now)
	for _, c := range h.classes {
		if len(c.lossy) > 0 {
			h.sharpenClass(c, now)
			h.wake(now.Add(sharpEvery))
		}
	}
	for _, v := range h.viewers {
		h.serve(v, now, false)
		switch {
		case len(v.soft) == 0:
		case v.seat.Screen != nil:
			h.wake(now.Add(restAfter))
		default:
			h.wake(now.Add(sharpEvery))
		}
	}
}
