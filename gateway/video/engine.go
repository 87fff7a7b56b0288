package video

import (
	"fmt"
	"image"
)

// clockRate is the clock of engines in ticks a second: that of RTP video.
const clockRate = 90_000

// blockSide is the side of a block in pixels: a macroblock of VP8, and
// the grain of the active maps of VP9 and AV1.
const blockSide = 16

// worstQuantizer is the coarsest of the common scale, 0 to 63.
const worstQuantizer = 63

// engine is one codec of one size. Only the Encoder calls it.
type engine interface {
	// encode codes one frame. The data is the engine's until the next call.
	encode(j job) (coded, error)
	// features tells what the engine can do.
	features() features
	close()
}

// features differ between engines.
type features struct {
	// activeMap: blocks that did not change can be left out of a frame. Without one
	// every frame is of the whole picture, and the codec finds out what did not
	// change.
	activeMap bool
	// finest is the quantizer at which a picture at rest is as good as lossless.
	finest int
}

// job is one frame's work.
type job struct {
	image *planes
	key   bool
	rest  bool // it only sharpens
	// active has a byte for each block, row by row: zero where nothing changed.
	// nil: everything may have changed. An engine without an active map ignores it.
	active []byte
	// finest and coarsest bound the quantizer, on the scale of 0 to 63.
	finest, coarsest int
	// at is the frame's time and span its nominal length, in ticks.
	at, span int64
	bitrate  int // bits a second
}

// coded is one frame's bitstream. No data: the engine left the frame out.
type coded struct {
	data      []byte
	key       bool
	quantizer int
}

// openEngine opens the codec for pictures of a size.
func openEngine(s Settings, size image.Point) (engine, error) {
	switch s.Codec {
	case VP8, VP9:
		return openVPX(s, size)
	case AV1:
		return openAOM(s, size)
	case H264:
		return openH264(s, size)
	}
	return nil, fmt.Errorf("there is no codec %q, only %v", s.Codec, Codecs())
}

// bufferedMillis is the model of the line that engines keep their rate by: how
// much of it, in milliseconds, frames may run ahead. WebRTC's own encoders use
// these too.
const (
	bufferedMillis        = 1000
	bufferedInitialMillis = 500
	bufferedOptimalMillis = 600
	// keyPercent bounds a key frame to so many percent of a mean frame: about 300 ms
	// of the line at 30 frames a second.
	keyPercent = 900
)
