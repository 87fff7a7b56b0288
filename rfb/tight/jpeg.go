package tight

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"

	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/picture"
)

// compressor makes JPEG images of parts of a picture.
type compressor interface {
	// compress returns an image that is valid until the next call.
	compress(p *picture.Picture, r image.Rectangle, quality int, chroma rfb.Subsampling) ([]byte, error)
	name() string
	close()
}

// newCompressor returns the best one that this machine has.
func newCompressor() compressor {
	if turbo, err := openTurbo(); err == nil {
		return turbo
	}
	return &standard{}
}

// standard is the standard library's. Four pixels always share their
// chrominance.
type standard struct {
	rgba  image.RGBA
	coded bytes.Buffer
}

func (s *standard) compress(p *picture.Picture, r image.Rectangle, quality int, _ rfb.Subsampling) ([]byte, error) {
	s.rgba.Rect, s.rgba.Stride = image.Rect(0, 0, r.Dx(), r.Dy()), 4*r.Dx()
	s.rgba.Pix = s.rgba.Pix[:0]
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for row := p.Row(y, r.Min.X, r.Max.X); len(row) > 0; row = row[picture.BytesPerPixel:] {
			s.rgba.Pix = append(s.rgba.Pix, row[2], row[1], row[0], 0xFF)
		}
	}
	s.coded.Reset()
	if err := jpeg.Encode(&s.coded, &s.rgba, &jpeg.Options{Quality: quality}); err != nil {
		return nil, fmt.Errorf("encoding JPEG: %w", err)
	}
	return s.coded.Bytes(), nil
}

func (s *standard) name() string { return "image/jpeg" }
func (s *standard) close()       {}
