package picture_test

import (
	"encoding/binary"
	"testing"

	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/picture"
	"github.com/streamspace/streamspace/rfb/picture/picturetest"
)

// fuzzed are the encodings that a byte chooses.
var fuzzed = []rfb.Encoding{
	rfb.EncodingRaw, rfb.EncodingCopyRect, rfb.EncodingRRE, rfb.EncodingHextile, rfb.EncodingZlib, rfb.EncodingTight,
	rfb.EncodingZRLE, rfb.EncodingJPEG, rfb.EncodingTightPNG,
}

// maxSeed keeps seeds to what the fuzzer can change to any effect.
const maxSeed = 4 << 10

// FuzzDecode draws rectangles of hostile data one after the other, as long as
// there are any: each is a byte that chooses the encoding, place and size, and
// the length of its data.
func FuzzDecode(f *testing.F) {
	const width, height, head = 360, 240, 7
	for _, recording := range picturetest.Recordings(f, testdata) {
		var seed []byte
		recording.Replay(f, func(_ *picture.Picture, rects []rfb.ServerRect) {
			for _, r := range rects {
				for i, encoding := range fuzzed {
					if encoding == r.Encoding && len(r.Data) < maxSeed && len(seed) < maxSeed {
						seed = append(seed, byte(i), byte(r.X/2), byte(r.Y/2), byte(r.Width/2), byte(r.Height/2))
						seed = binary.BigEndian.AppendUint16(seed, uint16(len(r.Data)))
						seed = append(seed, r.Data...)
					}
				}
			}
		})
		f.Add(seed)
	}
	f.Add(append([]byte{7, 0, 0, 4, 4, 2, 0}, jpegOf(f, 8, 8)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, d := picture.New(width, height), picture.NewDecoder()
		for len(data) >= head {
			length := min(int(binary.BigEndian.Uint16(data[5:])), len(data)-head)
			r := rfb.ServerRect{Data: data[head : head+length]}
			r.Encoding = fuzzed[int(data[0])%len(fuzzed)]
			r.X, r.Y, r.Width, r.Height = 2*uint16(data[1]), 2*uint16(data[2]), 2*uint16(data[3]), 2*uint16(data[4])
			if err := d.Decode(p, r); err != nil && err.Error() == "" {
				t.Error("an error without words")
			}
			data = data[head+length:]
		}
		if len(p.Pix) != width*height*picture.BytesPerPixel {
			t.Errorf("%d bytes of pixels", len(p.Pix))
		}
	})
}
