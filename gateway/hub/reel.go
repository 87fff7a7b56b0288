package hub

import (
	"encoding/binary"
	"image"
	"time"

	"github.com/streamspace/streamspace/gateway/video"
	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/picture"
	"github.com/streamspace/streamspace/rfb/tight"
)

// A film on the screen goes as H.264 (RFB's encoding 50) to the viewers on
// WebSocket who decode that, in the midst of what is else on the screen: it takes a
// fraction of the bytes of so many JPEG images.
//
// Frames of H.264 build on each other. So the viewers who get them are a class of
// their own: who enters it does so with a key frame, and who misses a frame leaves
// it, and gets images until there is another key frame.

const (
	// reelPause is how long a viewer that has missed a frame does without, at first:
	// each return costs all a key frame. It doubles up to reelPauseMost, and begins
	// anew after as long without a miss.
	reelPause     = time.Second
	reelPauseMost = 16 * time.Second
	// reelRests is how long a film must not have changed to be shown exactly, as what
	// rests is: its next frame shows all of it as video again.
	reelRests = 150 * time.Millisecond

	// Flags of a rectangle in H.264.
	reelResetAll = 2
)

// reelBits is what a pixel of a film may take, in bits a thousand: a third of what
// JPEG of the same quality takes.
var reelBits = map[tight.Quality]int{tight.High: 500, tight.Medium: 250, tight.Low: 100}

// reel is a film as the viewers of a class see it.
type reel struct {
	encoder *video.Encoder
	picture *picture.Picture // the film's own pixels
	at      image.Rectangle  // where it is on the screen
	begun   bool             // a frame has been made
	frame   uint64           // number of the screen's frame that it has last seen
	waited  bool             // somebody waits for a key frame, as of the screen's frame

	// What came of that frame: the rectangle as it is sent, empty if nothing had
	// changed.
	rect []byte
	key  bool
}

// reelKey is the class of a viewer with the film as video.
func (k classKey) reelKey() classKey {
	k.reel = true
	return k
}

// wantsReel tells whether the viewer ought to see films as video.
func (v *viewer) wantsReel(now time.Time) bool {
	return v.wish.reel && v.seat.Screen == nil && v.class != nil && !v.class.key.reel && !now.Before(v.reelFrom)
}

// project looks for a film on the screen, and for whom it is to be coded.
func (h *Hub) project(now time.Time) {
	if h.motion.note(&h.frame) {
		h.dropReels()
	}
	if h.motion.film.Empty() || h.reelless {
		return
	}
	for _, r := range h.reels {
		r.waited = false
	}
	for _, v := range h.viewers {
		if v.wantsReel(now) && v.takes(&h.frame) {
			key := v.class.key.reelKey()
			if h.reels[key] == nil {
				h.openReel(key)
			}
			if r := h.reels[key]; r != nil {
				r.waited = true
			}
		}
	}
	for _, r := range h.reels {
		if err := h.shootReel(r, now); err != nil {
			h.options.Log.Warn("coding a film for viewers on WebSocket", "error", err)
			h.reelless = true
			h.dropReels()
			return
		}
	}
	for _, v := range h.viewers {
		if v.wantsReel(now) && v.takes(&h.frame) {
			if r := h.reels[v.class.key.reelKey()]; r != nil && r.key && r.frame == h.frame.number {
				h.classify(v, now, true)
			}
		}
	}
	for key, r := range h.reels {
		if h.classes[key] == nil && !r.waited { // who waited for it has left
			h.closeReel(key)
		}
	}
}

// CodesFilms tells whether there is what codes films as video on this machine.
func CodesFilms() bool {
	encoder, err := video.Open(video.Settings{Codec: video.H264, Bitrate: video.MinBitrate, FrameRate: filmRate})
	if err != nil {
		return false
	}
	encoder.Close()
	return true
}

// Filmed is when a viewer was last shown a part of a film as video; the zero time
// for never.
func (h *Hub) Filmed() time.Time {
	at := h.filmed.Load()
	if at == 0 {
		return time.Time{}
	}
	return time.Unix(0, at)
}

// openReel begins a film for a class.
func (h *Hub) openReel(key classKey) {
	at := h.motion.film
	rate := min(max(h.motion.rate, filmRate), video.MaxFrameRate)
	bits := at.Dx() * at.Dy() * rate / 1000 * reelBits[key.quality.WithoutGradient()]
	encoder, err := video.Open(video.Settings{Codec: video.H264, Bitrate: min(max(bits, video.MinBitrate), video.MaxBitrate), FrameRate: rate})
	if err != nil {
		h.options.Log.Debug("films go as images", "error", err)
		h.reelless = true
		return
	}
	h.reels[key] = &reel{encoder: encoder, picture: picture.New(at.Dx(), at.Dy()), at: at}
}

// shootReel codes what the frame has changed in the film.
func (h *Hub) shootReel(r *reel, now time.Time) error {
	r.rect, r.key, r.frame = r.rect[:0], false, h.frame.number
	var damage []image.Rectangle
	changed := [][]image.Rectangle{h.frame.damage, h.frame.moved}
	if !r.begun {
		changed = [][]image.Rectangle{{r.at}}
	}
	for _, rects := range changed {
		for _, d := range rects {
			if d = d.Intersect(r.at); d.Empty() {
				continue
			}
			for y := d.Min.Y; y < d.Max.Y; y++ {
				copy(r.picture.Row(y-r.at.Min.Y, d.Min.X-r.at.Min.X, d.Max.X-r.at.Min.X), h.picture.Row(y, d.Min.X, d.Max.X))
			}
			damage = append(damage, d.Sub(r.at.Min))
		}
	}
	if len(damage) == 0 {
		return nil
	}
	f, err := r.encoder.Encode(r.picture, damage, video.FrameOptions{Now: now, Key: r.waited && r.begun})
	if err != nil || len(f.Data) == 0 {
		return err
	}
	r.rect, r.key = appendH264(r.rect, wire(r.at), !r.begun, f.Data), f.Key
	r.begun = true
	return nil
}

// appendH264 appends a rectangle in encoding 50: its length, flags, and units with
// start codes.
func appendH264(b []byte, r rfb.Rect, first bool, data []byte) []byte {
	r.Encoding = rfb.EncodingH264
	var flags uint32
	if first {
		flags = reelResetAll // of films before
	}
	b = rfb.AppendRect(b, r)
	b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
	return append(binary.BigEndian.AppendUint32(b, flags), data...)
}

// reelChunk is the frame for those who see the film as video: that, and what else
// has changed.
func (h *Hub) reelChunk(class *class, copies []copied, rects []image.Rectangle) *chunk {
	r := h.reels[class.key]
	if r == nil || r.frame != h.frame.number || len(r.rect) == 0 {
		return h.encode(class.key, copies, rects)
	}
	var beside region
	beside.addAll(rects)
	beside.subtract(r.at)
	h.filmed.Store(h.frame.at.UnixNano())
	c := h.encode(class.key, copies, beside, r.rect)
	c.lossy = append(c.lossy, r.at)
	return c
}

// missReel takes a viewer out of a film of which it has missed a frame.
func (h *Hub) missReel(v *viewer, now time.Time) {
	if v.class == nil || !v.class.key.reel {
		return
	}
	if now.Sub(v.reelFrom) > reelPauseMost {
		v.reelPause = 0
	}
	v.reelPause = min(max(2*v.reelPause, reelPause), reelPauseMost)
	v.reelFrom = now.Add(v.reelPause)
	h.classify(v, now, false)
}

// dropReels ends all films: whoever saw one as video sees images.
func (h *Hub) dropReels() {
	for _, v := range h.viewers {
		if v.class != nil && v.class.key.reel {
			h.classify(v, h.frame.at, false)
		}
	}
	h.closeReels()
}

func (h *Hub) closeReels() {
	for key := range h.reels {
		h.closeReel(key)
	}
}

func (h *Hub) closeReel(key classKey) {
	if r := h.reels[key]; r != nil {
		r.encoder.Close()
		delete(h.reels, key)
	}
}

// offReel is what of a region is to be shown exactly: not a film that runs, whose
// next frame would undo it.
func (h *Hub) offReel(key classKey, g region, now time.Time) region {
	if !key.reel || h.motion.film.Empty() || now.Sub(h.motion.at) >= reelRests {
		return g
	}
	rest := append(region(nil), g...)
	rest.subtract(h.motion.film)
	return rest
}
