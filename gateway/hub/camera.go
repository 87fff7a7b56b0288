package hub

import (
	"fmt"
	"image"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamspace/streamspace/gateway/relay"
	"github.com/streamspace/streamspace/gateway/video"
	"github.com/streamspace/streamspace/rfb/picture"
)

const (
	// cameraRate is the frames a second for which bits are rationed.
	cameraRate = 30
	// cameraPause is the least time between two frames: 60 a second. A frame that
	// took a core for long is followed by as long a pause, so that one desktop in
	// motion takes no more than half a core; unless it may be what a person waits
	// for.
	cameraPause = time.Second / 60
	// answerTime is how long after an input a frame may be its answer.
	answerTime = 150 * time.Millisecond
)

// cameraKey is all that coded video depends on: viewers with the same one share an
// encoder.
type cameraKey struct {
	codec video.Codec
	full  bool // full chroma
	rung  int
}

// camera codes the desktop once for all viewers of a key. It works on a picture of
// its own, the film, so that the loop never waits for it: what has changed is copied
// there when the camera is ready for it, and is the newest by then.
//
// The film and what is coded from it belong to the camera's goroutine while it has a
// shot, and to the loop otherwise.
type camera struct {
	shots chan shot // holds one

	// owned by the loop
	key     cameraKey
	viewers []*viewer
	pending region        // where the film differs from the screen
	fresh   bool          // a key frame is needed
	busy    bool          // it has a shot
	soonest time.Time     // when a shot may be that a person waits for
	after   time.Time     // when the next shot may be
	due     time.Time     // when there is one without a change; zero for never
	drawn   time.Time     // when the oldest of pending was
	coding  time.Duration // that the latest frames took, and waited before: running means
	queued  time.Duration

	// owned by who has the turn
	film *picture.Picture
}

// shot is a frame to be made.
type shot struct {
	damage  []image.Rectangle
	key     bool
	now     time.Time
	drawn   time.Time // when the desktop drew it
	bitrate int
	shown   []*showing
}

// showing is a viewer in front of a camera.
type showing struct {
	screen Screen
	live   bool // it has had a key frame; owned by the camera's goroutine
	seen   bool // it was shown the shot's frame; owned by who has the turn
}

// take is what came of a shot.
type take struct {
	shot  shot
	frame video.Frame // its data is the encoder's
	bytes int
	took  time.Duration
	cpu   time.Duration
	err   error
}

// label is the camera's class for whoever observes the hub.
func (c *camera) label() string {
	label := strings.ToLower(string(c.key.codec))
	if c.key.full {
		label += "_444"
	}
	return label
}

// open starts a camera.
func (h *Hub) open(key cameraKey) *camera {
	c := &camera{key: key, shots: make(chan shot, 1)}
	h.cameras[key] = c
	settings := video.Settings{Codec: key.codec, FullChroma: key.full, Bitrate: video.MinBitrate, FrameRate: cameraRate}
	h.filming.Go(func() { c.run(settings, func(t take) { h.mail.post(func() { h.taken(c, t) }) }) })
	return c
}

// run makes the frames.
func (c *camera) run(settings video.Settings, taken func(take)) {
	runtime.LockOSThread() // whose time is measured; encoders have one thread
	defer runtime.UnlockOSThread()
	var encoder *video.Encoder
	for s := range c.shots {
		t, before := take{shot: s}, threadTime()
		if encoder == nil {
			encoder, t.err = video.Open(settings)
		}
		if t.err == nil {
			t.frame, t.err = c.encode(encoder, s)
			t.took, t.bytes = time.Since(s.now), len(t.frame.Data)
			t.frame.Data = nil
		}
		t.cpu = threadTime() - before
		taken(t)
	}
	if encoder != nil {
		encoder.Close()
	}
}

// threadTime is how long the thread has had a core.
func threadTime() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now); err != nil {
		return 0
	}
	return time.Duration(now.Nano())
}

// encode makes a frame and shows it.
func (c *camera) encode(encoder *video.Encoder, s shot) (video.Frame, error) {
	encoder.SetBitrate(s.bitrate)
	frame, err := encoder.Encode(c.film, s.damage, video.FrameOptions{Now: s.now, Key: s.key})
	if err != nil {
		return frame, err
	}
	for _, viewer := range s.shown {
		viewer.seen = len(frame.Data) > 0 && (viewer.live || frame.Key)
		if viewer.seen {
			viewer.live = true
			viewer.screen.Show(frame.Data, s.drawn) // what fails is its end, of which it hears
		}
	}
	return frame, nil
}

// filmFrame notes for all cameras what the frame changed.
func (h *Hub) filmFrame(now time.Time) {
	for _, c := range h.cameras {
		if len(c.pending) == 0 {
			c.drawn = now
		}
		c.pending.addAll(h.frame.damage)
		c.pending.addAll(h.frame.moved)
		h.shoot(c, now)
	}
}

// shoot gives a camera its next shot, if it is ready and there is something to do,
// or sees to it that it is looked after in time.
func (h *Hub) shoot(c *camera, now time.Time) {
	idle := len(c.pending) == 0 && !c.fresh && c.film != nil
	switch {
	case c.busy, len(c.viewers) == 0, len(h.missing) > 0:
		return
	case idle && c.due.IsZero():
		return
	case idle && now.Before(c.due):
		h.wake(c.due)
		return
	case now.Before(c.soonest):
		h.wake(c.soonest)
		return
	case now.Before(c.after) && !c.awaited(now):
		h.wake(c.after)
		return
	}
	s := shot{damage: c.pending, key: c.fresh, now: now, drawn: c.drawn, bitrate: c.bitrate(), shown: make([]*showing, len(c.viewers))}
	if len(c.pending) == 0 {
		s.drawn = now
	}
	for i, v := range c.viewers {
		s.shown[i] = v.showing
	}
	if c.film == nil || c.film.Bounds() != h.bounds() {
		c.film = h.picture.Clone()
		s.damage = []image.Rectangle{h.bounds()}
	}
	for _, r := range s.damage {
		c.film.Copy(h.picture, r)
	}
	c.pending, c.fresh, c.busy = nil, false, true
	c.shots <- s // there is room: it has none
}

// awaited tells whether somebody in front of the camera has just done something.
func (c *camera) awaited(now time.Time) bool {
	return slices.ContainsFunc(c.viewers, func(v *viewer) bool {
		return now.UnixNano()-v.active.Load() < int64(answerTime)
	})
}

// bitrate is what all viewers' ways carry, less what else goes there.
func (c *camera) bitrate() int {
	least := video.MaxBitrate
	for _, v := range c.viewers {
		least = min(least, v.bitrate())
	}
	return max(least/100*share, video.MinBitrate)
}

// taken goes on after a shot.
func (h *Hub) taken(c *camera, t take) {
	c.busy = false
	now := time.Now()
	if t.err != nil {
		for _, v := range c.viewers {
			v.socket.Interrupt(fmt.Errorf("%w: %w", ErrVideo, t.err))
		}
		c.due = time.Time{}
		return
	}
	c.due = t.frame.Next
	c.soonest = t.shot.now.Add(cameraPause)
	c.after = t.shot.now.Add(max(cameraPause, 2*t.cpu))
	if t.bytes > 0 {
		c.coding = blend(c.coding, t.took)
		if !t.frame.Rest {
			c.queued = blend(c.queued, t.shot.now.Sub(t.shot.drawn))
		}
		h.options.Observer.Encoded(c.label(), t.frame.Blocks*blockPixels, t.bytes)
		for _, v := range c.viewers {
			if v.showing.seen {
				v.showing.seen = false
				v.shown(t.shot.now, now)
				v.soften()
				v.seat.Observer.Moved(relay.ToViewer, t.bytes)
				v.seat.Observer.Updated(1, 1)
				h.options.Observer.Sent(c.label(), t.bytes, true)
			}
		}
	}
	h.shoot(c, now)
}

// shown notes that the viewer was shown a frame as old as at.
func (v *viewer) shown(at, now time.Time) {
	acted := v.acted.Load()
	if acted != 0 && acted <= at.UnixNano() && v.acted.CompareAndSwap(acted, 0) {
		v.seat.Observer.ClickToPixel(time.Duration(now.UnixNano() - acted))
	}
}

// blend takes a figure into a running mean.
func blend(mean, figure time.Duration) time.Duration {
	const memory = 8
	if mean == 0 {
		return figure
	}
	return mean + (figure-mean)/memory
}

// blockPixels is how many pixels a block of a video encoder has.
const blockPixels = 16 * 16

// turnAway takes a viewer from its camera, and ends that after its last.
func (h *Hub) turnAway(v *viewer) {
	c := v.camera
	if c == nil {
		return
	}
	v.camera = nil
	h.options.Observer.Viewers(c.label(), -1)
	c.viewers = slices.DeleteFunc(c.viewers, func(other *viewer) bool { return other == v })
	if len(c.viewers) == 0 {
		delete(h.cameras, c.key)
		close(c.shots)
	}
}

// filmTick does what had to wait.
func (h *Hub) filmTick(now time.Time) {
	for _, c := range h.cameras {
		h.shoot(c, now)
	}
}

// review looks whether viewers of video ought to be in front of another camera.
func (h *Hub) review() {
	for _, v := range h.viewers {
		if v.camera != nil {
			h.turn(v)
		}
	}
}
