package rfb

import "encoding/binary"

const (
	rectHeaderSize = 12 // bytes on the wire
	screenSize     = 16 // bytes on the wire
)

// Rect is the header of one rectangle of a framebuffer update. In rectangles of
// pseudo-encodings the numbers mean what the encoding says: the hotspot and
// size of a cursor, the reason and result of a resize.
type Rect struct {
	X, Y, Width, Height uint16
	Encoding            Encoding
}

// Area is the number of pixels.
func (r Rect) Area() int64 { return int64(r.Width) * int64(r.Height) }

// maskBytes is the size of a bit mask of the rectangle: rows are padded to
// whole bytes.
func (r Rect) maskBytes() int64 { return (int64(r.Width) + 7) / 8 * int64(r.Height) }

// parseRect needs rectHeaderSize bytes.
func parseRect(b []byte) Rect {
	return Rect{
		X:        binary.BigEndian.Uint16(b),
		Y:        binary.BigEndian.Uint16(b[2:]),
		Width:    binary.BigEndian.Uint16(b[4:]),
		Height:   binary.BigEndian.Uint16(b[6:]),
		Encoding: Encoding(binary.BigEndian.Uint32(b[8:])),
	}
}

// Screen is one monitor inside the framebuffer (section "ExtendedDesktopSize").
type Screen struct {
	ID                  uint32 // kept by both sides as long as the screen lives
	X, Y, Width, Height uint16
	Flags               uint32 // unused; must be preserved
}

func appendScreens(dst []byte, screens []Screen) []byte {
	for _, s := range screens {
		dst = binary.BigEndian.AppendUint32(dst, s.ID)
		dst = binary.BigEndian.AppendUint16(dst, s.X)
		dst = binary.BigEndian.AppendUint16(dst, s.Y)
		dst = binary.BigEndian.AppendUint16(dst, s.Width)
		dst = binary.BigEndian.AppendUint16(dst, s.Height)
		dst = binary.BigEndian.AppendUint32(dst, s.Flags)
	}
	return dst
}

func parseScreens(b []byte) []Screen {
	screens := make([]Screen, 0, len(b)/screenSize)
	for ; len(b) >= screenSize; b = b[screenSize:] {
		screens = append(screens, Screen{
			ID:     binary.BigEndian.Uint32(b),
			X:      binary.BigEndian.Uint16(b[4:]),
			Y:      binary.BigEndian.Uint16(b[6:]),
			Width:  binary.BigEndian.Uint16(b[8:]),
			Height: binary.BigEndian.Uint16(b[10:]),
			Flags:  binary.BigEndian.Uint32(b[12:]),
		})
	}
	return screens
}

// ServerInit is what a desktop says of itself at the end of the handshake.
type ServerInit struct {
	Width, Height uint16
	Format        PixelFormat
	Name          string
}

// AppendServerInit writes the last word of a server's handshake. The name is cut
// at MaxName bytes.
func AppendServerInit(dst []byte, init ServerInit) []byte {
	dst = binary.BigEndian.AppendUint16(dst, init.Width)
	dst = binary.BigEndian.AppendUint16(dst, init.Height)
	dst = appendPixelFormat(dst, init.Format)
	return appendString(dst, init.Name[:min(len(init.Name), MaxName)])
}

// appendString writes a length of 32 bits and the bytes.
func appendString(dst []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(s))), s...)
}
