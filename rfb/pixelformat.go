package rfb

import (
	"encoding/binary"
	"fmt"
)

const pixelFormatSize = 16 // bytes on the wire, three of them padding

// PixelFormat is how one pixel is written (section "ServerInit").
type PixelFormat struct {
	BitsPerPixel uint8 // 8, 16 or 32
	Depth        uint8 // useful bits of them
	BigEndian    bool
	TrueColour   bool // otherwise pixels are indexes of a colour map

	RedMax, GreenMax, BlueMax       uint16 // largest intensity of each
	RedShift, GreenShift, BlueShift uint8
}

// RGB888 returns the format that Xvnc calls native: 32 bits, little-endian,
// blue in the first byte.
func RGB888() PixelFormat {
	return PixelFormat{
		BitsPerPixel: 32, Depth: 24, TrueColour: true,
		RedMax: 255, GreenMax: 255, BlueMax: 255,
		RedShift: 16, GreenShift: 8, BlueShift: 0,
	}
}

// RGB565 returns the usual 16-bit format.
func RGB565() PixelFormat {
	return PixelFormat{
		BitsPerPixel: 16, Depth: 16, TrueColour: true,
		RedMax: 31, GreenMax: 63, BlueMax: 31,
		RedShift: 11, GreenShift: 5, BlueShift: 0,
	}
}

// Bytes is the size of one PIXEL.
func (f PixelFormat) Bytes() int { return int(f.BitsPerPixel) / 8 }

// TightBytes is the size of one TPIXEL, Tight's pixel: three bytes instead of
// four when nothing but 8-bit colours is in it.
func (f PixelFormat) TightBytes() int {
	if f.TrueColour && f.BitsPerPixel == 32 && f.Depth == 24 && f.RedMax == 255 && f.GreenMax == 255 && f.BlueMax == 255 {
		return 3
	}
	return f.Bytes()
}

// Check says what a peer could not work with.
func (f PixelFormat) Check() error {
	switch f.BitsPerPixel {
	case 8, 16, 32:
	default:
		return fmt.Errorf("pixel format with %d bits per pixel", f.BitsPerPixel)
	}
	if f.Depth == 0 || f.Depth > 32 || f.Depth > f.BitsPerPixel {
		return fmt.Errorf("pixel format with depth %d of %d bits per pixel", f.Depth, f.BitsPerPixel)
	}
	if f.TrueColour && (f.RedShift >= 32 || f.GreenShift >= 32 || f.BlueShift >= 32) {
		return fmt.Errorf("pixel format with a shift beyond 31")
	}
	return nil
}

func appendPixelFormat(dst []byte, f PixelFormat) []byte {
	dst = append(dst, f.BitsPerPixel, f.Depth, flag(f.BigEndian), flag(f.TrueColour))
	dst = binary.BigEndian.AppendUint16(dst, f.RedMax)
	dst = binary.BigEndian.AppendUint16(dst, f.GreenMax)
	dst = binary.BigEndian.AppendUint16(dst, f.BlueMax)
	return append(dst, f.RedShift, f.GreenShift, f.BlueShift, 0, 0, 0)
}

// parsePixelFormat needs pixelFormatSize bytes.
func parsePixelFormat(b []byte) PixelFormat {
	return PixelFormat{
		BitsPerPixel: b[0],
		Depth:        b[1],
		BigEndian:    b[2] != 0,
		TrueColour:   b[3] != 0,
		RedMax:       binary.BigEndian.Uint16(b[4:]),
		GreenMax:     binary.BigEndian.Uint16(b[6:]),
		BlueMax:      binary.BigEndian.Uint16(b[8:]),
		RedShift:     b[10],
		GreenShift:   b[11],
		BlueShift:    b[12],
	}
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}
