// Package scene is the workloads that a desktop is measured with: typing,
// scrolling text, a dragged window, full-motion video, an idle page, and one
// of text and photograph that moves and rests. Every frame is a pure function
// of the scene, its size and the frame's number, so that whoever measures can
// draw the true picture himself. It draws through a Canvas and knows neither X
// nor RFB.
package scene

import (
	"fmt"
	"image"
	"time"

	"github.com/streamspace/streamspace/bench/marker"
	"github.com/streamspace/streamspace/rfb/picture"
)

// Canvas is what a scene is drawn on, as an application draws on a window.
type Canvas interface {
	// Put shows the block, whose Pix is not kept, with its corner at a point.
	Put(at image.Point, block *picture.Picture)
	// Move copies what is at from, and as large as r, to r. They may overlap.
	Move(r image.Rectangle, from image.Point)
}

// Name is a scene.
type Name string

// The workloads.
const (
	Idle   Name = "idle"   // a page at rest, with a caret that blinks
	Typing Name = "typing" // twelve characters a second
	Scroll Name = "scroll" // thirty lines a second go up a screen of text
	Drag   Name = "drag"   // a window follows the pointer, sixty times a second
	Video  Name = "video"  // 640 × 360 of film, thirty frames a second
	Mixed  Name = "mixed"  // text and photograph move for two seconds and rest for two
)

// Names returns every scene in the order of their numbers.
func Names() []Name { return []Name{Idle, Typing, Scroll, Drag, Video, Mixed} }

// Number is what a marker calls the scene.
func (n Name) Number() (uint8, error) {
	for i, name := range Names() {
		if name == n {
			return uint8(i), nil
		}
	}
	return 0, fmt.Errorf("there is no scene %q, only %v", n, Names())
}

// Largest is the size in pixels of a scene on a screen that has room for it.
const (
	MaxWidth  = 1280
	MaxHeight = 720
	// MinWidth and MinHeight leave room for a marker and something beside it.
	MinWidth  = 2 * marker.Width
	MinHeight = 2 * marker.Height
)

// SizeOn is the size of scenes on a screen.
func SizeOn(width, height int) image.Point {
	return image.Pt(min(width, MaxWidth), min(height, MaxHeight))
}

// MarkerAt is where the marker stands in a scene: all scenes leave its place
// free.
func MarkerAt() image.Point { return image.Point{} }

// header is the bar at the top that the marker stands in.
const header = marker.Height

// rest is how long the mixed scene stands still.
const rest = 2 * time.Second

// Player draws one scene frame by frame.
type Player struct {
	name  Name
	size  image.Point
	next  int // number of the next frame
	actor actor
}

// actor is one scene's own part.
type actor interface {
	// open draws frame 0.
	open(c Canvas)
	// step draws frame n from frame n-1.
	step(c Canvas, n int)
	// fps is the scene's own pace.
	fps() int
}

// New returns a player that has drawn nothing.
func New(name Name, size image.Point) (*Player, error) {
	if _, err := name.Number(); err != nil {
		return nil, err
	}
	if size.X < MinWidth || size.Y < MinHeight {
		return nil, fmt.Errorf("a scene needs %d × %d pixels, not %d × %d", MinWidth, MinHeight, size.X, size.Y)
	}
	stage := image.Rect(0, header, size.X, size.Y)
	p := &Player{name: name, size: size}
	switch name {
	case Idle:
		p.actor = newIdle(stage)
	case Typing:
		p.actor = newTyping(stage)
	case Scroll:
		p.actor = newScroll(stage)
	case Drag:
		p.actor = newDrag(stage)
	case Video:
		p.actor = newVideo(stage)
	case Mixed:
		p.actor = newMixed(stage)
	}
	return p, nil
}

// Step draws the next frame and returns its number. Frame 0 covers the whole
// scene.
func (p *Player) Step(c Canvas) int {
	n := p.next
	p.next++
	if n == 0 {
		bar := picture.New(p.size.X, header)
		bar.Fill(bar.Bounds(), barColour)
		c.Put(image.Point{}, bar)
		p.actor.open(c)
	} else {
		p.actor.step(c, n)
	}
	return n
}

// Resting says whether the frame that was drawn last is followed by a pause.
func (p *Player) Resting() bool {
	return p.name == Mixed && p.next > 1 && (p.next-1)%mixedFrames == 0
}

// Pause is the time between the frame that was drawn last and the next one.
func (p *Player) Pause() time.Duration {
	if p.Resting() {
		return rest
	}
	return time.Second / time.Duration(p.actor.fps())
}

// Regions are the parts of a mixed scene in which pictures are compared.
type Regions struct{ Text, Photo image.Rectangle }

// MixedRegions are those of a scene of that size.
func MixedRegions(size image.Point) Regions {
	return newMixed(image.Rect(0, header, size.X, size.Y)).regions()
}

// Memory is a Canvas in memory: the true picture.
type Memory struct{ Picture *picture.Picture }

// NewMemory returns a black canvas.
func NewMemory(size image.Point) Memory { return Memory{picture.New(size.X, size.Y)} }

// Put implements Canvas.
func (m Memory) Put(at image.Point, block *picture.Picture) {
	target := block.Bounds().Add(at).Intersect(m.Picture.Bounds())
	for y := target.Min.Y; y < target.Max.Y; y++ {
		copy(m.Picture.Row(y, target.Min.X, target.Max.X), block.Row(y-at.Y, target.Min.X-at.X, target.Max.X-at.X))
	}
}

// Move implements Canvas.
func (m Memory) Move(r image.Rectangle, from image.Point) { m.Picture.Move(r, from) }
