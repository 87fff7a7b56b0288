// Package video turns a desktop's picture and what changed in it into coded
// video: VP9, VP8, AV1 or H.264, by the libraries that the machine has, which are
// opened when they are needed and never linked. It packs nothing into RTP and
// knows nothing of who watches.
//
// What changed drives the work: only changed blocks are converted and coded, a
// picture at rest is brought to its best in small portions, and then nothing is
// coded at all.
package video

import (
	"errors"
	"fmt"
	"time"
)

// Codec is a way of coding video, by the name that SDP has for it.
type Codec string

// The codecs, best for desktops first.
const (
	AV1 Codec = "AV1"
	VP9 Codec = "VP9"
	VP8 Codec = "VP8"
	// H264 is what phones decode in a circuit. Its pictures have even sides: the last
	// row or column of others has a black neighbour.
	H264 Codec = "H264"
)

// Codecs returns every codec, in no order of merit.
func Codecs() []Codec { return []Codec{VP8, VP9, AV1, H264} }

// The bounds of what an Encoder takes.
const (
	// MaxSide is the longest side in pixels: what every browser's decoder still
	// takes.
	MaxSide = 8192
	// MaxPixels bounds the memory of one encoder: 8K UHD, about 300 MB in VP9.
	MaxPixels = 7680 * 4320

	MinBitrate   = 50_000
	MaxBitrate   = 200_000_000
	MaxFrameRate = 120
	// MaxThreads: more make no desktop's frame faster.
	MaxThreads = 8

	// KeyInterval is the least time between two key frames that were asked for. A
	// key frame is a hundred times as large as a typed letter, and every viewer of
	// the encoder gets it.
	KeyInterval = time.Second
)

// Settings is what an Encoder is opened with.
type Settings struct {
	Codec Codec
	// FullChroma keeps the colour of every pixel (4:4:4; profile 1 of VP9 and
	// AV1): coloured text stays sharp. VP8 cannot.
	FullChroma bool
	// Bitrate is the mean that frames are made to fit, in bits a second.
	Bitrate int
	// FrameRate is the most frames a second that the caller will ask for.
	FrameRate int
	// Threads is how many cores one frame may use, 0 means 1. More make a frame
	// faster and the whole dearer.
	Threads int
}

// check returns the settings with defaults filled in.
func (s Settings) check() (Settings, error) {
	if s.Threads == 0 {
		s.Threads = 1
	}
	var wrong []error
	bound := func(name string, value, low, high int) {
		if value < low || value > high {
			wrong = append(wrong, fmt.Errorf("%s is %d, not within %d and %d", name, value, low, high))
		}
	}
	bound("bitrate", s.Bitrate, MinBitrate, MaxBitrate)
	bound("frame rate", s.FrameRate, 1, MaxFrameRate)
	bound("threads", s.Threads, 1, MaxThreads)
	if s.FullChroma && s.Codec != VP9 && s.Codec != AV1 {
		wrong = append(wrong, fmt.Errorf("%s has no full chroma that browsers decode", s.Codec))
	}
	return s, errors.Join(wrong...)
}

// FrameOptions goes with one picture.
type FrameOptions struct {
	// Now is the caller's clock. It must not go back.
	Now time.Time
	// Key asks for a key frame: somebody joins, or a loss cannot be mended. It
	// comes at once, or when KeyInterval has gone by since the last one; a request
	// is remembered until then.
	Key bool
	// Whole codes every block again, damaged or not.
	Whole bool
}

// Frame is what came of one picture.
type Frame struct {
	// Data is one frame of the codec's bitstream (a temporal unit with
	// AV1), valid until the next call. It is empty when there was nothing
	// to code: nothing is to be sent then.
	Data []byte
	Key  bool
	// Rest says that the frame only makes sharper what has not changed.
	Rest bool
	// Quantizer is how coarse it was, 0 to 63 whatever the codec.
	Quantizer int
	// Blocks is how many blocks of 16x16 were looked at, and Soft how many of the
	// picture are still coarser than they will be.
	Blocks, Soft int
	// Next is when Encode is to be called again even if nothing has changed: to
	// sharpen, or for a key frame that had to wait. Zero: not before the next
	// damage.
	Next time.Time
}

// ErrClosed is the answer of a closed Encoder.
var ErrClosed = errors.New("the encoder is closed")

// MissingError says which library is not on this machine, and what to install.
type MissingError struct {
	Codec   Codec
	Files   []string // the names under which it was looked for
	Package string   // of Debian
	Err     error    // the last one tried
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("%s needs %s, which is not installed (Debian: apt-get install %s): %v", e.Codec, e.Files[0], e.Package, e.Err)
}

func (e *MissingError) Unwrap() error { return e.Err }

// UnknownLibraryError says that a library is there, but in a version whose
// interface this package does not know. It is not called: its structures may be
// laid out in another way.
type UnknownLibraryError struct {
	Codec   Codec
	File    string
	Version string
	Reason  string
}

func (e *UnknownLibraryError) Error() string {
	return fmt.Sprintf("%s: %s is version %s, which is not known here: %s", e.Codec, e.File, e.Version, e.Reason)
}
