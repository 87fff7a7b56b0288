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
	"github.com/streamspace/streamspace/rfb"
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

// frame builds a whole FramebufferUpdate of one rectangle and says at which
// offset its stamp goes.
func (k Kind) frame() (message []byte, stampAt int, err error) {
	switch k {
	case Raw64K:
		message, stampAt = rawFrame(128)
		return message, stampAt, nil
	case Raw16K:
		message, stampAt = rawFrame(64)
		return message, stampAt, nil
	case JPEG20K:
		message, stampAt = jpegFrame(128)
		return message, stampAt, nil
	}
	return nil, 0, fmt.Errorf("unknown kind of rectangle %q", string(k))
}

// rawFrame has noise for pixels, so that nothing on the way can compress it.
func rawFrame(side uint16) (message []byte, stampAt int) {
	message = rfb.AppendRect(rfb.AppendFramebufferUpdate(nil, 1), rfb.Rect{Width: side, Height: side, Encoding: rfb.EncodingRaw})
	pixels := make([]byte, int(side)*int(side)*rfb.RGB888().Bytes())
	noise := rand.NewChaCha8([32]byte{1})
	noise.Read(pixels) // never fails
	return append(message, pixels...), len(message)
}

// jpegFrame is a Tight rectangle whose JPEG has a comment segment in front,
// which holds the stamp and fills the data up to jpegBytes.
func jpegFrame(side uint16) (message []byte, stampAt int) {
	picture := image.NewRGBA(image.Rect(0, 0, int(side), int(side)))
	noise := rand.New(rand.NewPCG(1, 2))
	for y := range int(side) {
		for x := range int(side) {
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

	message = rfb.AppendTightJPEG(rfb.AppendFramebufferUpdate(nil, 1), rfb.Rect{Width: side, Height: side}, 0, data)
	return message, len(message) - len(data) + stampInJPEG
}

// stampInJPEG is where the stamp begins in the JPEG's data: behind SOI and the
// head of the comment segment.
const stampInJPEG = 6
