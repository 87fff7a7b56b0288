package tight

import (
	"fmt"

	"github.com/streamspace/streamspace/rfb"
)

// Quality is what may be lost. Encoders given the same picture, region and
// Quality make the same bytes, so it can key a cache.
type Quality uint16 // JPEG quality 1 to 100, or 0 for none; above it the rfb.Subsampling, and gradient

// The qualities that people choose between. Sharp edges stay as they are in all
// of them, so what is lost is lost in photos, and High loses no colour there.
const (
	Lossless Quality = 0
	High             = 92 | Quality(rfb.Subsampling1X)<<8 // what TigerVNC calls level 8
	Medium           = 78 | Quality(rfb.Subsampling4X)<<8
	Low              = 45 | Quality(rfb.Subsampling4X)<<8
)

// JPEG returns the quality that encodes photos at 1 to 100, with so many pixels
// sharing their chrominance: Subsampling1X, 2X, 4X or Gray.
func JPEG(quality int, chroma rfb.Subsampling) Quality {
	return Quality(min(max(quality, 1), 100)) | Quality(min(chroma, rfb.SubsamplingGray))<<8
}

// gradient allows the filter of that name.
const gradient Quality = 1 << 15

// WithGradient is the same quality for viewers that know Tight's gradient filter:
// what is sent of photos without loss is 40 % less. All viewers that do Tight
// know it, except noVNC before 1.5, which ends the connection; unlike that, those
// that are alive list QEMULEDState.
func (q Quality) WithGradient() Quality { return q | gradient }

// WithoutGradient is the quality for all others.
func (q Quality) WithoutGradient() Quality { return q &^ gradient }

func (q Quality) jpeg() int               { return int(q & 0xFF) }
func (q Quality) chroma() rfb.Subsampling { return rfb.Subsampling(q &^ gradient >> 8) }
func (q Quality) lossless() bool          { return q.jpeg() == 0 }

// String is a label for people and metrics.
func (q Quality) String() string {
	switch q &^ gradient {
	case Lossless:
		return "lossless"
	case High:
		return "high"
	case Medium:
		return "medium"
	case Low:
		return "low"
	}
	return fmt.Sprintf("jpeg-%d-%v", q.jpeg(), q.chroma().Encoding())
}
