package trial

import (
	"context"
	"errors"
	"image"
	"time"

	"github.com/streamspace/streamspace/bench/likeness"
	"github.com/streamspace/streamspace/bench/scene"
	"github.com/streamspace/streamspace/bench/screen"
	"github.com/streamspace/streamspace/bench/target"
	"github.com/streamspace/streamspace/rfb/picture"
)

// Quality is how true the pictures of the mixed scene were.
type Quality struct {
	Moving   Likenesses // while the scene moved
	Rested   Likenesses // at the end of each rest
	Lossless []float64  // milliseconds from the last motion to exact pixels, of the periods that reached them
	Rests    int        // periods of rest that were watched to their end
	Wire     float64    // megabytes a second over all
	Frames   float64    // of the scene, shown a second while it moved
	SSIM     Series     // of the text, over time
}

// Likenesses are values of several pictures.
type Likenesses struct{ TextSSIM, Legibility, PhotoSSIM []float64 }

// sampleEvery is how often a picture is compared while the scene moves: it
// takes some ten milliseconds of CPU.
const sampleEvery = 120 * time.Millisecond

// QualityOptions of a trial.
type QualityOptions struct {
	Screen     screen.Options
	Duration   time.Duration
	Companions int // further viewers that watch meanwhile
}

// MeasureQuality compares what a viewer shows with the true picture, which it
// draws itself, while the mixed scene plays.
func MeasureQuality(ctx context.Context, t *target.Target, o QualityOptions, progress Progress) (Quality, error) {
	s, err := t.Connect(ctx, o.Screen)
	if err != nil {
		return Quality{}, err
	}
	defer s.Close()
	leave, err := company(ctx, t, o.Companions, o.Screen)
	if err != nil {
		return Quality{}, err
	}
	defer leave()
	duration := o.Duration
	q := &qualityTrial{screen: s, begin: time.Now()}
	end := q.begin.Add(warmUp + duration)
	limited, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	var wire int64
	err = s.Run(limited, func(u screen.Update) bool {
		if time.Since(q.begin) < warmUp {
			wire = s.Wire()
		}
		q.see(u)
		progress.tell(min(1, float64(u.At.Sub(q.begin))/float64(warmUp+duration)), "comparing")
		return q.err == nil
	})
	if ctx.Err() != nil {
		return Quality{}, ctx.Err()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	if err = errors.Join(err, q.err); err != nil {
		return Quality{}, err
	}
	if q.player == nil {
		return Quality{}, target.ErrNoScene
	}
	q.result.Wire = float64(s.Wire()-wire) / megabyte / duration.Seconds()
	if q.moved > 0 {
		q.result.Frames = float64(q.frames) / q.moved.Seconds()
	}
	return q.result, nil
}

type qualityTrial struct {
	screen *screen.Screen
	begin  time.Time

	player  *scene.Player
	truth   scene.Memory
	regions scene.Regions
	offset  image.Point // of the scene in the picture
	view    *picture.Picture
	number  int // of the frame that truth shows

	sampled time.Time
	resting bool
	exact   bool       // this rest's pixels were exact
	latest  Likenesses // of this rest, one value each
	frames  int        // shown while the scene moved
	moved   time.Duration
	last    time.Time
	result  Quality
	err     error
}

// see compares one update with the truth.
func (q *qualityTrial) see(u screen.Update) {
	if !u.Marked || q.err != nil {
		return
	}
	if mixed, _ := scene.Mixed.Number(); u.Mark.Scene != mixed {
		q.err = errors.New("the stage plays another scene")
		return
	}
	if q.player == nil {
		q.open()
		if q.err != nil {
			return
		}
	}
	changed := q.follow(u.Mark.Frame)
	q.align()
	switch {
	case u.Mark.Rest:
		if !q.resting {
			q.resting, q.exact = true, false
		}
		q.rest(u)
	case q.resting:
		q.finishRest()
		q.resting = false
		q.last = time.Time{}
	default:
		if changed {
			q.frames++
			if !q.last.IsZero() {
				q.moved += u.At.Sub(q.last)
			}
			q.last = u.At
		}
		if time.Since(q.sampled) >= sampleEvery && time.Since(q.begin) > warmUp {
			q.sampled = u.At
			now := q.compare(&q.result.Moving)
			q.result.SSIM.add(u.At.Sub(q.begin).Seconds(), now)
		}
	}
}

func (q *qualityTrial) open() {
	size := scene.SizeOn(q.screen.Width, q.screen.Height)
	if q.player, q.err = scene.New(scene.Mixed, size); q.err != nil {
		return
	}
	q.truth, q.regions = scene.NewMemory(size), scene.MixedRegions(size)
	q.offset = q.screen.MarkerAt().Sub(scene.MarkerAt())
	q.number = -1
}

// follow draws the truth up to the frame whose number ends as given, and says
// whether it is another one than before.
func (q *qualityTrial) follow(frame uint16) bool {
	if q.number >= 0 && frame == uint16(q.number) {
		return false
	}
	// A number behind the present one: the scene was started again.
	if q.number >= 0 && int16(frame-uint16(q.number)) < 0 {
		q.open()
	}
	for q.number < 0 || uint16(q.number) != frame {
		q.number = q.player.Step(q.truth)
	}
	return true
}

// align makes a picture of what is shown where the scene is.
func (q *qualityTrial) align() {
	if q.offset == (image.Point{}) {
		q.view = q.screen.Picture()
		return
	}
	shown := q.screen.Picture()
	q.view = picture.New(q.truth.Picture.Width, q.truth.Picture.Height)
	for y := range min(q.view.Height, shown.Height-q.offset.Y) {
		width := min(q.view.Width, shown.Width-q.offset.X)
		copy(q.view.Row(y, 0, width), shown.Row(y+q.offset.Y, q.offset.X, q.offset.X+width))
	}
}

func (q *qualityTrial) rest(u screen.Update) {
	if q.exact {
		return
	}
	if q.truth.Picture.Equal(q.view, q.regions.Text) && q.truth.Picture.Equal(q.view, q.regions.Photo) {
		q.exact = true
		q.latest = Likenesses{TextSSIM: []float64{1}, Legibility: []float64{1}, PhotoSSIM: []float64{1}}
		q.result.SSIM.add(u.At.Sub(q.begin).Seconds(), 1)
		if time.Since(q.begin) > warmUp {
			q.result.Lossless = append(q.result.Lossless, milliseconds(u.Mark.Age(u.At)))
		}
		return
	}
	q.latest = Likenesses{}
	q.result.SSIM.add(u.At.Sub(q.begin).Seconds(), q.compare(&q.latest))
}

func (q *qualityTrial) finishRest() {
	if len(q.latest.TextSSIM) == 0 || time.Since(q.begin) <= warmUp {
		return
	}
	q.result.Rests++
	q.result.Rested.TextSSIM = append(q.result.Rested.TextSSIM, q.latest.TextSSIM...)
	q.result.Rested.Legibility = append(q.result.Rested.Legibility, q.latest.Legibility...)
	q.result.Rested.PhotoSSIM = append(q.result.Rested.PhotoSSIM, q.latest.PhotoSSIM...)
}

// compare adds the likeness of what is shown now and returns the text's.
func (q *qualityTrial) compare(to *Likenesses) float64 {
	text := likeness.SSIM(q.truth.Picture, q.view, q.regions.Text)
	to.TextSSIM = append(to.TextSSIM, text)
	to.Legibility = append(to.Legibility, likeness.Legibility(q.truth.Picture, q.view, q.regions.Text))
	to.PhotoSSIM = append(to.PhotoSSIM, likeness.SSIM(q.truth.Picture, q.view, q.regions.Photo))
	return text
}
