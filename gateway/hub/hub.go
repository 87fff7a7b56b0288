// Package hub is one upstream and many viewers: a desktop's pixels are decoded
// once into one framebuffer, what changes is encoded once for each quality class,
// and the same bytes go to every viewer of the class. It knows nothing of
// sessions, tickets or who may do what: each viewer's [Seat] says that.
//
// One goroutine owns the framebuffer and what every viewer has: the loop in
// [Hub.Run]. Each viewer has a writer, which holds one batch at a time, and a
// receiver, which is whoever called [Hub.Serve]; input goes from there to the
// desktop at once and past the loop. No pixels are queued for a viewer: one that
// is not ready has a region that it still needs, and gets that region's newest
// pixels.
//
// A viewer whose seat has a [Screen] gets video instead: a camera for each codec
// and class of bitrate codes the desktop on a goroutine and a copy of the picture of
// its own, whenever something has changed, once for all in front of it.
package hub

import (
	"context"
	"errors"
	"fmt"
	"image"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/streamspace/streamspace/gateway/relay"
	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/picture"
	"github.com/streamspace/streamspace/rfb/tight"
)

// Why a hub ended, or a viewer's time with it, besides the errors of package
// relay.
var (
	ErrStopped = errors.New("hub was stopped")
	// ErrHandedBack says that the viewer was left between two messages, both ways,
	// since HandBack asked for it.
	ErrHandedBack = errors.New("viewer was handed back")
)

// Upstream is a connection to a desktop that has just sent Init.
type Upstream struct {
	Conn net.Conn
	Init rfb.ServerInit
}

// Options is what a hub needs besides its upstream. All zero fields mean their
// defaults.
type Options struct {
	Log      *slog.Logger
	Observer Observer      // hears nothing
	Stall    time.Duration // 15 s: without the desktop taking input, or answering
	Probe    time.Duration // 30 s: of the desktop's silence, until it is asked whether it lives
	FilmRate int           // 8: changes a second from which on a part of the screen is a film
	// Parting, if there is one, is told why the upstream ended, and then all viewers
	// are handed back, to whoever serves them next. Without it they end too.
	Parting func(cause error)
}

// Observer is told what a hub does. It is called by the hub's goroutine and must
// not block.
type Observer interface {
	Frame(rects int)                           // the desktop has drawn
	Encoded(class string, pixels, bytes int)   // once for all viewers of a class
	Sent(class string, bytes int, shared bool) // to one viewer; shared with those who were in step
	Skipped(reason string)                     // a viewer did not get a frame as it came
	Sharpened(pixels int)                      // lossy pixels were sent again without loss
	Viewers(class string, change int)
}

// Hub is one desktop and its viewers.
type Hub struct {
	// immutable
	options Options
	up      *upstream
	ready   chan struct{} // closed when the first whole picture is there
	done    chan struct{} // closed when the loop has ended
	mail    *mailbox
	serving sync.WaitGroup // grows in the loop only

	init   atomic.Pointer[rfb.ServerInit] // present size and name
	filmed atomic.Int64                   // when a viewer was last shown a film as video, nanoseconds since 1970
	cause  error                          // why the loop ended; set before done is closed

	// owned by the loop
	picture  *picture.Picture
	decoder  *picture.Decoder
	encoder  *tight.Encoder
	desktop  desktopState
	missing  region // what of the first picture has not come
	viewers  []*viewer
	classes  map[classKey]*class
	frame    frame
	cameras  map[cameraKey]*camera
	filming  sync.WaitGroup // grows in the loop only
	sequence uint64         // of the latest chunk
	parcels  parcels
	changed  grid // when each part of the screen changed
	motion   motion
	reels    map[classKey]*reel // of the classes with a film as video
	reelless bool               // there is nothing that codes one
	timer    *time.Timer
	wakeAt   time.Time // when the timer goes off; zero when it does not
	parting  bool      // takes nobody any more
}

// New returns a hub for a fresh connection, which it closes when it ends.
func New(up Upstream, options Options) *Hub {
	if options.Observer == nil {
		options.Observer = deaf{}
	}
	if options.Log == nil {
		options.Log = slog.Default()
	}
	if options.Stall == 0 {
		options.Stall = 15 * time.Second
	}
	if options.Probe == 0 {
		options.Probe = 30 * time.Second
	}
	if options.FilmRate == 0 {
		options.FilmRate = filmRate
	}
	init := up.Init
	init.Format = rfb.RGB888()
	done := make(chan struct{})
	h := &Hub{
		options: options, up: newUpstream(up, options.Stall, done),
		ready: make(chan struct{}), done: done, mail: newMailbox(),
		picture: picture.New(int(init.Width), int(init.Height)), decoder: picture.NewDecoder(), encoder: tight.NewEncoder(),
		classes: make(map[classKey]*class), cameras: make(map[cameraKey]*camera), reels: make(map[classKey]*reel), timer: time.NewTimer(time.Hour),
	}
	h.init.Store(&init)
	h.changed.resize(h.bounds())
	h.motion.least = options.FilmRate
	h.motion.resize(h.bounds())
	h.missing.add(h.bounds())
	return h
}

// Ready is closed when the hub has the desktop's whole picture.
func (h *Hub) Ready() <-chan struct{} { return h.ready }

// Init is what a new viewer is greeted with.
func (h *Hub) Init() rfb.ServerInit { return *h.init.Load() }

// Run serves until the desktop ends its connection or ctx ends, and says why:
// with an error of package relay, or ErrStopped. All viewers have been served
// when it returns.
func (h *Hub) Run(ctx context.Context) error {
	var reading sync.WaitGroup
	reading.Go(h.up.read)
	h.cause = h.loop(ctx)
	if h.options.Parting != nil {
		h.handAllBack()
	}
	close(h.done)
	h.up.conn.Close()
	reading.Wait()
	for _, v := range h.viewers {
		v.socket.Interrupt(h.cause)
	}
	h.serving.Wait()
	for _, v := range h.viewers {
		h.unclassify(v)
		h.turnAway(v)
	}
	h.filming.Wait()
	h.closeReels()
	h.encoder.Close()
	return h.cause
}

// lookEvery is how often the loop looks whether the desktop lives.
const lookEvery = time.Second

// loop is the hub's one goroutine.
func (h *Hub) loop(ctx context.Context) error {
	if err := h.up.greet(h.Init()); err != nil {
		return err
	}
	defer h.timer.Stop()
	look := time.NewTicker(min(lookEvery, h.options.Stall/2))
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrStopped, context.Cause(ctx))
		case message := <-h.up.messages:
			err := h.take(message)
			h.up.taken <- struct{}{}
			if err != nil {
				return err
			}
		case err := <-h.up.ended:
			return err
		case <-h.mail.arrived:
			for _, f := range h.mail.open() {
				f()
			}
		case <-h.timer.C:
			h.tick(time.Now())
		case now := <-look.C:
			if err := h.up.lives(now, h.options.Probe); err != nil {
				return err
			}
			h.review()
		}
	}
}

// partingTime bounds how long viewers that do not read are waited for: the others
// are served by somebody else already.
const partingTime = time.Second

// handAllBack hands every viewer back: the loop goes on for as long, without an
// upstream.
func (h *Hub) handAllBack() {
	h.parting = true
	h.up.end()
	h.options.Parting(h.cause)
	for _, v := range h.viewers {
		v.leaving = true
		if v.class == nil || v.class.key.raw || v.seat.Screen != nil {
			v.part()
		} else {
			v.flush()
		}
	}
	late := time.NewTimer(partingTime)
	defer late.Stop()
	for len(h.viewers) > 0 {
		select {
		case <-h.mail.arrived:
			for _, f := range h.mail.open() {
				f()
			}
		case <-late.C:
			for _, v := range h.viewers {
				v.socket.Interrupt(fmt.Errorf("%w: it was to be handed on", relay.ErrViewerSlow))
			}
		}
	}
}

// do has the loop call f, and waits for it. It returns false when the loop ended
// before it did.
func (h *Hub) do(f func()) bool {
	ran := make(chan struct{})
	h.mail.post(func() { f(); close(ran) })
	select {
	case <-ran:
		return true
	case <-h.done:
	}
	select {
	case <-ran:
		return true
	default:
		return false
	}
}

// wake makes the loop look again at a time, or earlier if it is to do so anyway.
func (h *Hub) wake(at time.Time) {
	if h.wakeAt.IsZero() || at.Before(h.wakeAt) {
		h.wakeAt = at
		h.timer.Reset(max(time.Until(at), 0))
	}
}

// bounds is the whole screen.
func (h *Hub) bounds() image.Rectangle { return h.picture.Bounds() }

// mailbox is what others want the loop to do. Posting never waits: whoever posts
// bounds how much of his is there.
type mailbox struct {
	arrived chan struct{} // holds one when there is mail

	mu      sync.Mutex
	letters []func() // guarded by mu
	read    []func() // owned by the loop
}

func newMailbox() *mailbox { return &mailbox{arrived: make(chan struct{}, 1)} }

func (m *mailbox) post(f func()) {
	m.mu.Lock()
	m.letters = append(m.letters, f)
	m.mu.Unlock()
	select {
	case m.arrived <- struct{}{}:
	default:
	}
}

// open returns the letters, valid until the next call.
func (m *mailbox) open() []func() {
	clear(m.read)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.read, m.letters = m.letters, m.read[:0]
	return m.read
}

// deaf is the observer of a hub that has none.
type deaf struct{}

func (deaf) Frame(int)                {}
func (deaf) Encoded(string, int, int) {}
func (deaf) Sent(string, int, bool)   {}
func (deaf) Skipped(string)           {}
func (deaf) Sharpened(int)            {}
func (deaf) Viewers(string, int)      {}

// errors of package relay that a hub returns for its upstream.
func upstreamEnded(err error) error {
	var wrong *rfb.ProtocolError
	switch {
	case errors.As(err, &wrong):
		return fmt.Errorf("%w: %w", relay.ErrDesktopProtocol, err)
	case errors.Is(err, relay.ErrDesktopStalled), errors.Is(err, relay.ErrDesktopGone):
		return err
	}
	return fmt.Errorf("%w: %w", relay.ErrDesktopGone, err)
}
