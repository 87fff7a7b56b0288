package video

import (
	"image"
	"math"
	"time"
)

// blocks is what is known of each block of the picture: whether it has changed
// since it was coded, when, and how coarsely it was coded.
type blocks struct {
	columns, rows int
	dirty         []byte  // 1: changed since it was coded. What engines take as an active map
	changed       []int64 // when, in nanoseconds after the encoder's first frame
	coarse        []byte  // the quantizer it was coded with where that is too coarse to stay, 0: as good as it gets
	chosen        []byte  // scratch: a portion to be sharpened
	waiting       int     // how many are dirty
	soft          int     // how many are coarse
	next          int     // where the next portion begins
}

func newBlocks(size image.Point) *blocks {
	b := &blocks{columns: roundUp(size.X, blockSide) / blockSide, rows: roundUp(size.Y, blockSide) / blockSide}
	n := b.columns * b.rows
	b.dirty, b.changed, b.coarse, b.chosen = make([]byte, n), make([]int64, n), make([]byte, n), make([]byte, n)
	return b
}

// damage marks the blocks that a rectangle within the picture touches.
func (b *blocks) damage(r image.Rectangle, now time.Duration) {
	for y := r.Min.Y / blockSide; y*blockSide < r.Max.Y; y++ {
		for x := r.Min.X / blockSide; x*blockSide < r.Max.X; x++ {
			i := y*b.columns + x
			b.waiting += 1 - int(b.dirty[i])
			b.dirty[i], b.changed[i] = 1, int64(now)
		}
	}
}

// coded notes that the blocks of a map, nil for all, went out with a quantizer.
func (b *blocks) coded(active []byte, quantizer, finest int) {
	mark := byte(quantizer)
	if quantizer <= finest {
		mark = 0
	}
	b.soft = 0
	for i := range b.dirty {
		if active == nil || active[i] != 0 {
			b.coarse[i] = mark
			b.waiting -= int(b.dirty[i])
			b.dirty[i] = 0
		}
		if b.coarse[i] != 0 {
			b.soft++
		}
	}
}

// settle takes every block for as good as it gets.
func (b *blocks) settle() {
	clear(b.coarse)
	b.soft = 0
}

// portion chooses at most so many soft blocks that have not changed since a time,
// going round the picture, and returns their map and number.
func (b *blocks) portion(most int, since time.Duration) (active []byte, count int) {
	clear(b.chosen)
	start := b.next
	for n := range b.coarse {
		i := (start + n) % len(b.coarse)
		if b.coarse[i] == 0 || b.changed[i] > int64(since) {
			continue
		}
		b.chosen[i] = 1
		b.next = (i + 1) % len(b.coarse)
		if count++; count == most {
			break
		}
	}
	return b.chosen, count
}

// oldest is when that soft block changed which has been at rest the longest.
func (b *blocks) oldest() time.Duration {
	oldest := int64(math.MaxInt64)
	for i, quantizer := range b.coarse {
		if quantizer != 0 {
			oldest = min(oldest, b.changed[i])
		}
	}
	return time.Duration(oldest)
}

// runs calls yield with each row's runs of marked blocks, as rectangles of pixels
// clipped to the picture.
func (b *blocks) runs(marks []byte, size image.Point, yield func(image.Rectangle)) {
	for y := range b.rows {
		row := marks[y*b.columns:][:b.columns]
		for x := 0; x < len(row); x++ {
			if row[x] == 0 {
				continue
			}
			from := x
			for x < len(row) && row[x] != 0 {
				x++
			}
			yield(image.Rect(from*blockSide, y*blockSide, min(x*blockSide, size.X), min((y+1)*blockSide, size.Y)))
		}
	}
}
