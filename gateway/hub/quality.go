package hub

import (
	"time"

	"github.com/streamspace/streamspace/gateway/video"
	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/tight"
)

// ladder is the qualities of those who take lossy pixels, best first.
var ladder = [...]tight.Quality{tight.High, tight.Medium, tight.Low}

// wish is what a viewer's encodings ask for.
type wish struct {
	tight    bool
	copies   bool
	fences   bool
	gradient bool
	lossless bool
	best     int  // on the ladder
	bitrate  int  // of video at most, in bits a second
	exact    bool // beside video the exact pixels, when they rest
	reel     bool // films as H.264
}

// bitrates of video, by JPEG quality level: those who wish for less data get less
// of it. From the usual level on, 6, it is what the way carries.
var bitrates = [...]int{400_000, 800_000, 1_500_000, 2_500_000, 4_000_000, 6_000_000}

// bestLevel of JPEG quality is that of who wants to see every pixel as it is.
const bestLevel = 9

// wishOf reads SetEncodings. Who asks for no JPEG quality takes no JPEG: that is
// how the protocol says lossless. Level 8 and above loses no colour, below 5
// bytes matter most.
func wishOf(encodings []rfb.Encoding) wish {
	w := wish{lossless: true, bitrate: video.MaxBitrate}
	for _, e := range encodings {
		switch {
		case e == rfb.EncodingTight:
			w.tight = true
		case e == rfb.EncodingCopyRect:
			w.copies = true
		case e == rfb.EncodingFence:
			w.fences = true
		case e == rfb.EncodingH264:
			w.reel = true
		case e == rfb.EncodingQEMULEDState:
			w.gradient = true // noVNC that knows the one knows the other
		case e >= rfb.JPEGQuality(0) && e <= rfb.JPEGQuality(9) && w.lossless:
			w.lossless = false
			level := int(e - rfb.JPEGQuality(0))
			if level < len(bitrates) {
				w.bitrate = bitrates[level]
			}
			w.exact = level == bestLevel
			switch {
			case level >= 8:
				w.best = 0
			case level >= 5:
				w.best = 1
			default:
				w.best = 2
			}
		}
	}
	w.reel = w.reel && w.tight && !w.lossless && !w.exact
	return w
}

// TakesFilms tells whether a viewer that asks for these encodings is sent films as
// video.
func TakesFilms(encodings []rfb.Encoding) bool { return wishOf(encodings).reel }

// key is the class of a viewer with this wish, so many steps below the best that
// it takes.
func (w wish) key(format rfb.PixelFormat, steps int) classKey {
	key := classKey{copies: w.copies, fences: w.fences}
	switch {
	case !w.tight || format.TightBytes() != 3:
		key.raw, key.format = true, format
	case w.lossless:
		key.quality = tight.Lossless
	default:
		key.quality = ladder[min(w.best+steps, len(ladder)-1)]
	}
	if w.gradient && !key.raw {
		key.quality = key.quality.WithGradient()
	}
	return key
}

// classify puts a viewer into the class that it belongs to; with reel, into that
// of those who see a film as video.
func (h *Hub) classify(v *viewer, now time.Time, reel bool) {
	if v.left.Load() || v.encodings == nil {
		return
	}
	key := v.wish.key(v.format, v.pace.steps)
	key.reel = reel && !key.raw
	if v.class != nil && v.class.key == key {
		return
	}
	if v.class != nil {
		v.soft.addAll(v.class.lossy)
		h.unclassify(v)
	}
	c := h.classes[key]
	if c == nil {
		c = &class{key: key}
		h.classes[key] = c
	}
	c.viewers++
	v.class = c
	h.options.Observer.Viewers(key.String(), 1)
	h.rest(now)
}

// unclassify takes it out of its class, and forgets a class that is empty.
func (h *Hub) unclassify(v *viewer) {
	if v.class == nil {
		return
	}
	h.options.Observer.Viewers(v.class.key.String(), -1)
	if v.class.viewers--; v.class.viewers == 0 {
		delete(h.classes, v.class.key)
		h.closeReel(v.class.key)
	}
	v.class = nil
}

const (
	// paceEvery is how long frames are counted before it is judged how many of
	// them went out as they came.
	paceEvery = time.Second
	// fewFrames tell nothing.
	fewFrames = 8
	// raiseFirst is how long all must be well before a better quality is tried,
	// and raiseMost what that grows to for a viewer with whom it went wrong.
	raiseFirst = 4 * time.Second
	raiseMost  = time.Minute
)

// pace judges whether a viewer can follow at its quality.
type pace struct {
	steps   int // below the best that it takes
	since   time.Time
	offered int       // frames since
	missed  int       // of them for which there was no room on the way
	well    time.Time // since when all is
	raised  time.Time // when quality last rose
	wait    time.Duration
}

// judge takes a viewer a step down that misses every third frame, and a step up
// again when all has gone well for long.
func (p *pace) judge(now time.Time, worst int) (changed bool) {
	if p.since.IsZero() {
		p.since, p.well, p.wait = now, now, raiseFirst
	}
	if now.Sub(p.since) < paceEvery {
		return false
	}
	offered, missed := p.offered, p.missed
	p.since, p.offered, p.missed = now, 0, 0
	switch {
	case offered >= fewFrames && missed*3 > offered:
		p.well = now
		if p.steps == worst {
			return false
		}
		if now.Sub(p.raised) < 2*raiseFirst {
			p.wait = min(2*p.wait, raiseMost)
		}
		p.steps++
		return true
	case missed*10 > offered:
		p.well = now
	case p.steps > 0 && now.Sub(p.well) >= p.wait:
		p.steps--
		p.raised, p.well = now, now
		return true
	}
	return false
}

// judge looks whether the viewer ought to be in another class.
func (h *Hub) judge(v *viewer, now time.Time) {
	worst := len(ladder) - 1 - v.wish.best
	if v.class == nil || v.class.key.raw || v.wish.lossless {
		return
	}
	if v.pace.judge(now, worst) {
		h.classify(v, now, false)
	}
}
