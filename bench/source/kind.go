package source

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"

	"github.com/streamspace/streamspace/bench/stamp"
)

// Kind is the rectangle that a source sends.
type Kind string

const (
	// Raw64K is 128 × 128 pixels of Raw, 64 KiB: long bodies, few messages.
	Raw64K Kind = "raw-64k"
	// Raw16K is 64 × 64 pixels of Raw, 16 KiB: one small visible change.
	Raw16K Kind = "raw-16k"
	// JPEG20K is a Tight rectangle with a real JPEG of 20,000 bytes, about
	// what TigerVNC sends for a busy part of a browser window at quality 8.
	JPEG20K Kind = "jpeg-20k"
)

// Width and Height are the framebuffer's size in pixels.
const (
	Width  = 1280
	Height = 720
)

// jpegBytes is the length of JPEG20K's JPEG data.
const jpegBytes = 20_000

// rectangleHeader is the length of FramebufferUpdate's header for one
// rectangle: type, padding, count, x, y, width, height, encoding
// (RFC 6143 section 7.6.1).
const rectangleHeader = 4 + 12

// frame builds a whole FramebufferUpdate of one rectangle and says at which
// offset its stamp goes.
func (k Kind) frame() (message []byte, stampAt int, err error) {
	switch k {
	case Raw64K:
		return rawFrame(128), rectangleHeader, nil
	case Raw16K:
		return rawFrame(64), rectangleHeader, nil
	case JPEG20K:
		message, stampAt = jpegFrame(128)
		return message, stampAt, nil
	}
	return nil, 0, fmt.Errorf("unknown kind of rectangle %q", string(k))
}

func updateHeader(side int, encoding int32) []byte {
	message := make([]byte, rectangleHeader)
	binary.BigEndian.PutUint16(message[2:], 1)
	binary.BigEndian.PutUint16(message[8:], uint16(side))
	binary.BigEndian.PutUint16(message[10:], uint16(side))
	binary.BigEndian.PutUint32(message[12:], uint32(encoding))
	return message
}

// rawFrame has noise for pixels, so that nothing on the way can compress it.
func rawFrame(side int) []byte {
	message := updateHeader(side, encodingRaw)
	pixels := make([]byte, side*side*4)
	noise := rand.NewChaCha8([32]byte{1})
	noise.Read(pixels) // never fails
	return append(message, pixels...)
}

// jpegFrame is a Tight rectangle whose JPEG has a comment segment in front,
// which holds the stamp and fills the data up to jpegBytes.
func jpegFrame(side int) (message []byte, stampAt int) {
	picture := image.NewRGBA(image.Rect(0, 0, side, side))
	noise := rand.New(rand.NewPCG(1, 2))
	for y := range side {
		for x := range side {
			shade := uint8(x*2+y) ^ uint8(noise.UintN(32))
			picture.Set(x, y, color.RGBA{R: shade, G: uint8(y * 2), B: uint8(x * 2), A: 255})
		}
	}
	var coded bytes.Buffer
	if err := jpeg.Encode(&coded, picture, &jpeg.Options{Quality: 80}); err != nil {
		// Writing to memory cannot fail and the size is valid.
		panic("coding the JPEG rectangle: " + err.Error())
	}
	// SOI, then COM (ITU-T T.81 section B.2.4.5): marker, 16-bit length
	// including itself, bytes.
	filler := jpegBytes - coded.Len() - 4
	if filler < stamp.Size {
		panic(fmt.Sprintf("the JPEG rectangle of %d bytes leaves no room for a stamp", coded.Len()))
	}
	data := make([]byte, 0, jpegBytes)
	data = append(data, coded.Bytes()[:2]...)
	data = append(data, 0xFF, 0xFE)
	data = binary.BigEndian.AppendUint16(data, uint16(filler+2))
	data = append(data, make([]byte, filler)...)
	data = append(data, coded.Bytes()[2:]...)

	message = updateHeader(side, encodingTight)
	message = append(message, tightJPEG)
	// Compact length, 7 + 7 + 8 bits, least significant first
	// (RFC 6143 has no Tight; rfbproto section 7.7.5).
	message = append(message, byte(len(data)&0x7F)|0x80, byte(len(data)>>7&0x7F)|0x80, byte(len(data)>>14))
	stampAt = len(message) + 6
	return append(message, data...), stampAt
}
