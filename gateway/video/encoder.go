package video

import (
	"errors"
	"fmt"
	"image"
	"time"

	"github.com/streamspace/streamspace/rfb/picture"
)

const (
	// restAfter is how long a block must not have changed before it is sharpened:
	// longer than between two frames of a film or two lines of a scroll, short
	// within the 150 ms after which a person looks closely.
	restAfter = 60 * time.Millisecond
	// portionTime is how much of the line one portion of sharpening may fill: what
	// fresh damage may have to wait behind.
	portionTime = 40 * time.Millisecond
	// gapLimit is how much of a pause counts as line left unused. After a longer one
	// the first frame is no larger than that: it comes fast, and is sharpened then.
	gapLimit = 100 * time.Millisecond
	// maxTries ends the sharpening of a codec that does not get finer, at 30 frames a
	// second after two.
	maxTries = 60
	// minPortion of blocks: a portion is worth its frame.
	minPortion = 32
)

// Encoder codes one desktop for all its viewers of one class. It starts no
// goroutine and is for one user at a time.
type Encoder struct {
	settings Settings
	convert  converter
	closed   bool

	// Of the present size; engine is nil before the first picture and after an
	// error.
	engine engine
	size   image.Point
	planes *planes
	blocks *blocks

	start, last time.Time // of the first and the last frame
	fresh       bool      // the planes are empty
	ticks       int64     // the last frame's time for the engine
	lastKey     time.Time
	keyWanted   bool
	lineFree    time.Time // when the line has taken what was coded so far
	tries       int       // frames of sharpening since the last damage, without an active map
	blockBits   float64   // what sharpening a block costs, by the last portions
}

// Open returns an encoder, or says why there is none: *MissingError,
// *UnknownLibraryError, or a mistake in the settings. Close frees what is not
// Go's.
func Open(settings Settings) (*Encoder, error) {
	s, err := settings.check()
	if err != nil {
		return nil, fmt.Errorf("opening a video encoder: %w", err)
	}
	// A small one tells at once what the first picture would find out.
	trial, err := openEngine(s, image.Pt(trialSide, trialSide))
	if err != nil {
		return nil, fmt.Errorf("opening a video encoder: %w", err)
	}
	trial.close()
	return &Encoder{settings: s, convert: newConverter(), blockBits: firstBlockBits}, nil
}

const (
	// trialSide is large enough for every codec.
	trialSide = 64
	// firstBlockBits is what sharpening a block of text costs until it is known.
	firstBlockBits = 300
)

// Encode codes what changed since the last call: damage is where p differs from
// what was given then, clipped to p. A picture of another size begins anew with a
// key frame. What comes back has no data when there was nothing to do.
func (e *Encoder) Encode(p *picture.Picture, damage []image.Rectangle, options FrameOptions) (Frame, error) {
	if e.closed {
		return Frame{}, ErrClosed
	}
	if err := e.fit(p); err != nil {
		return Frame{}, err
	}
	now := e.tick(options.Now)
	if options.Whole {
		damage = []image.Rectangle{p.Bounds()}
	}
	e.take(p, damage, now.Sub(e.start))
	e.keyWanted = e.keyWanted || options.Key
	switch {
	case e.lastKey.IsZero(), e.keyWanted && now.Sub(e.lastKey) >= KeyInterval:
		return e.code(now, job{key: true, coarsest: worstQuantizer}, len(e.blocks.dirty))
	case e.blocks.waiting > 0:
		return e.code(now, job{active: e.blocks.dirty, coarsest: worstQuantizer}, e.blocks.waiting)
	}
	return e.sharpen(now)
}

// fit begins anew when the picture has another size than the last one. Codecs
// that can change their size in place have had their worst memory errors there.
func (e *Encoder) fit(p *picture.Picture) error {
	if p == nil || p.Width < 1 || p.Height < 1 || p.Width > MaxSide || p.Height > MaxSide || p.Width*p.Height > MaxPixels ||
		len(p.Pix) < p.Width*p.Height*picture.BytesPerPixel {
		return errors.New("encoding a picture: it has no pixels, or too many")
	}
	size := image.Pt(p.Width, p.Height)
	if e.engine != nil && size == e.size {
		return nil
	}
	e.drop()
	engine, err := openEngine(e.settings, size)
	if err != nil {
		return fmt.Errorf("encoding pictures of %v: %w", size, err)
	}
	e.engine, e.size = engine, size
	e.planes, e.blocks = newPlanes(size, e.settings.FullChroma), newBlocks(size)
	e.ticks, e.lastKey = 0, time.Time{}
	e.fresh = true
	return nil
}

// tick brings the clock forward.
func (e *Encoder) tick(now time.Time) time.Time {
	if e.start.IsZero() {
		e.start, e.last = now, now
	}
	if now.Before(e.last) {
		now = e.last
	}
	return now
}

// take notes the damage and converts it.
func (e *Encoder) take(p *picture.Picture, damage []image.Rectangle, now time.Duration) {
	if e.fresh {
		e.fresh = false
		damage = []image.Rectangle{p.Bounds()}
	}
	if len(damage) == 0 {
		return
	}
	marks := e.blocks.chosen
	clear(marks)
	for _, r := range damage {
		if r = r.Intersect(p.Bounds()); r.Empty() {
			continue
		}
		e.blocks.damage(r, now)
		for y := r.Min.Y / blockSide; y*blockSide < r.Max.Y; y++ {
			for x := r.Min.X / blockSide; x*blockSide < r.Max.X; x++ {
				marks[y*e.blocks.columns+x] = 1
			}
		}
	}
	e.blocks.runs(marks, e.size, func(r image.Rectangle) { e.convert.convert(e.planes, p, r) })
}

// sharpen codes a portion of what is at rest at its best, when it is time. A codec
// that cannot code portions gets as many bits as a portion has, and the whole
// picture becomes better from frame to frame.
func (e *Encoder) sharpen(now time.Time) (Frame, error) {
	next := e.next()
	if e.blocks.soft == 0 || now.Before(next) {
		return Frame{Soft: e.blocks.soft, Next: next}, nil
	}
	f := e.engine.features()
	if !f.activeMap {
		if e.tries++; e.tries == maxTries {
			e.blocks.settle()
		}
		return e.code(now, job{rest: true, finest: f.finest, coarsest: worstQuantizer}, len(e.blocks.dirty))
	}
	most := max(minPortion, int(portionTime.Seconds()*float64(e.settings.Bitrate)/e.blockBits))
	active, count := e.blocks.portion(most, now.Sub(e.start)-restAfter)
	if count == 0 { // only a key frame was due, and it has been
		return Frame{Soft: e.blocks.soft, Next: e.next()}, nil
	}
	return e.code(now, job{rest: true, active: active, finest: f.finest, coarsest: f.finest}, count)
}

// next is when there is something to do without damage.
func (e *Encoder) next() time.Time {
	var next time.Time
	if e.blocks.soft > 0 {
		next = e.start.Add(e.blocks.oldest() + restAfter)
		if paced := e.paced(); paced.After(next) {
			next = paced
		}
	}
	if e.keyWanted {
		if due := e.lastKey.Add(KeyInterval); next.IsZero() || due.Before(next) {
			next = due
		}
	}
	return next
}

// paced is when the line is free for what is not urgent.
func (e *Encoder) paced() time.Time {
	earliest := e.last.Add(time.Second / time.Duration(e.settings.FrameRate))
	if e.lineFree.After(earliest) {
		earliest = e.lineFree
	}
	return earliest
}

// code has the engine make a frame and draws the conclusions.
func (e *Encoder) code(now time.Time, j job, count int) (Frame, error) {
	span := int64(clockRate / e.settings.FrameRate)
	gap := min(now.Sub(e.last), gapLimit)
	e.ticks += max(int64(gap.Seconds()*clockRate), 1)
	j.image, j.at, j.span, j.bitrate = e.planes, e.ticks, span, e.settings.Bitrate
	f := e.engine.features()
	if !j.rest {
		j.finest, e.tries = f.finest, 0
	}
	done, err := e.engine.encode(j)
	if err != nil {
		e.drop() // its state is unknown: the next picture begins anew
		return Frame{}, fmt.Errorf("encoding a picture of %v: %w", e.size, err)
	}
	e.last = now
	frame := Frame{Data: done.data, Key: done.key, Rest: j.rest, Quantizer: done.quantizer, Blocks: count}
	if len(done.data) == 0 { // the engine left the frame out: all of it still waits
		frame.Soft, frame.Next = e.blocks.soft, now.Add(time.Second/time.Duration(e.settings.FrameRate))
		return frame, nil
	}
	if done.key || !f.activeMap {
		j.active = nil
	}
	e.blocks.coded(j.active, done.quantizer, f.finest)
	if done.key {
		e.lastKey, e.keyWanted = now, false
	}
	e.account(now, len(done.data)*8, count, j.rest)
	frame.Soft = e.blocks.soft
	frame.Next = e.next()
	return frame, nil
}

// account notes what a frame costs the line.
func (e *Encoder) account(now time.Time, bits, count int, rest bool) {
	if e.lineFree.Before(now) {
		e.lineFree = now
	}
	e.lineFree = e.lineFree.Add(time.Duration(float64(bits) / float64(e.settings.Bitrate) * float64(time.Second)))
	if rest {
		const memory = 0.5
		e.blockBits += memory * (float64(bits)/float64(count) - e.blockBits)
		e.blockBits = max(e.blockBits, 1)
	}
}

// SetBitrate changes the mean, in bits a second, from the next frame on. It is
// held within MinBitrate and MaxBitrate.
func (e *Encoder) SetBitrate(bits int) { e.settings.Bitrate = min(max(bits, MinBitrate), MaxBitrate) }

// SetFrameRate changes how many frames a second may come, from the next one on.
func (e *Encoder) SetFrameRate(fps int) { e.settings.FrameRate = min(max(fps, 1), MaxFrameRate) }

// Settings returns what holds now.
func (e *Encoder) Settings() Settings { return e.settings }

// Converter names what converts pixels, for one line in the log.
func (e *Encoder) Converter() string { return e.convert.name() }

// drop frees the engine.
func (e *Encoder) drop() {
	if e.engine != nil {
		e.engine.close()
		e.engine = nil
	}
	e.planes, e.blocks = nil, nil
}

// Close frees the codec. It may be called twice.
func (e *Encoder) Close() {
	if e.closed {
		return
	}
	e.closed = true
	e.drop()
	e.convert.close()
	trim()
}
