package viewer

import (
	"encoding/binary"
	"fmt"

	"github.com/streamspace/streamspace/bench/stamp"
	"github.com/streamspace/streamspace/rfb"
)

// Rectangle is one rectangle of an update, wholly read.
type Rectangle struct {
	X, Y, Width, Height int
	Encoding            rfb.Encoding
	Stamp               stamp.Stamp
	Stamped             bool   // the body carried a stamp
	Pixels              []byte // Raw only and only from NextPixels; valid until the next call
	Last                bool   // the update ends with this rectangle
}

// Next reads up to the end of the next rectangle, past messages of other
// kinds, and skips the pixels.
func (v *Viewer) Next() (Rectangle, error) { return v.next(nil) }

// NextPixels is Next with the pixels of a Raw rectangle kept in buffer, which
// grows when needed.
func (v *Viewer) NextPixels(buffer *[]byte) (Rectangle, error) { return v.next(buffer) }

func (v *Viewer) next(keep *[]byte) (Rectangle, error) {
	for {
		if v.remaining == 0 && !v.endless {
			if err := v.nextUpdate(); err != nil {
				return Rectangle{}, err
			}
			continue
		}
		rectangle, err := v.rectangle(keep)
		if err != nil {
			return Rectangle{}, err
		}
		if rectangle.Encoding == rfb.EncodingLastRect {
			v.remaining, v.endless = 0, false
			rectangle.Last = true
			return rectangle, nil
		}
		if !v.endless {
			v.remaining--
			rectangle.Last = v.remaining == 0
		}
		return rectangle, nil
	}
}

// nextUpdate reads messages until a FramebufferUpdate has begun.
func (v *Viewer) nextUpdate() error {
	for {
		if err := v.read(v.scratch[:1]); err != nil {
			return err
		}
		switch kind := rfb.ServerMessageType(v.scratch[0]); kind {
		case rfb.ServerFramebufferUpdate:
			if err := v.read(v.scratch[:3]); err != nil {
				return err
			}
			v.remaining = int(binary.BigEndian.Uint16(v.scratch[1:]))
			// 0xFFFF rectangles: as many as come before a LastRect.
			v.endless = v.remaining == 0xFFFF
			if v.endless {
				v.remaining = 0
			}
			if v.remaining > 0 || v.endless {
				return nil
			}
		case rfb.ServerSetColourMapEntries:
			if err := v.read(v.scratch[:5]); err != nil {
				return err
			}
			if err := v.skip(6 * int(binary.BigEndian.Uint16(v.scratch[3:]))); err != nil {
				return err
			}
		case rfb.ServerBell, rfb.ServerEndOfContinuousUpdates:
		case rfb.ServerCutText:
			if err := v.read(v.scratch[:7]); err != nil {
				return err
			}
			length := int32(binary.BigEndian.Uint32(v.scratch[3:]))
			if err := v.skip(int(max(length, -length))); err != nil {
				return err
			}
		default:
			return fmt.Errorf("server message of unknown type %d", kind)
		}
	}
}

func (v *Viewer) rectangle(keep *[]byte) (Rectangle, error) {
	if err := v.read(v.scratch[:12]); err != nil {
		return Rectangle{}, err
	}
	r := Rectangle{
		X:        int(binary.BigEndian.Uint16(v.scratch[0:])),
		Y:        int(binary.BigEndian.Uint16(v.scratch[2:])),
		Width:    int(binary.BigEndian.Uint16(v.scratch[4:])),
		Height:   int(binary.BigEndian.Uint16(v.scratch[6:])),
		Encoding: rfb.Encoding(binary.BigEndian.Uint32(v.scratch[8:])),
	}
	switch r.Encoding {
	case rfb.EncodingRaw:
		return r, v.rawBody(&r, keep)
	case rfb.EncodingTight:
		return r, v.tightBody(&r)
	case rfb.EncodingCursor:
		// Pixels and a mask of one bit each, rows filled up to bytes.
		return r, v.skip(r.Width*r.Height*bytesPerPixel + (r.Width+7)/8*r.Height)
	case rfb.EncodingDesktopSize, rfb.EncodingLastRect:
		return r, nil
	}
	return r, fmt.Errorf("rectangle of encoding %d was not offered", r.Encoding)
}

func (v *Viewer) rawBody(r *Rectangle, keep *[]byte) error {
	length := r.Width * r.Height * bytesPerPixel
	if keep != nil {
		if cap(*keep) < length {
			*keep = make([]byte, length)
		}
		*keep = (*keep)[:length]
		r.Pixels = *keep
		return v.read(r.Pixels)
	}
	return v.body(r, length, 0)
}

// tightBody takes JPEG and fill rectangles: what a source sends.
func (v *Viewer) tightBody(r *Rectangle) error {
	if err := v.read(v.scratch[:1]); err != nil {
		return err
	}
	switch control := v.scratch[0] >> 4; control {
	case 8: // fill: one TPIXEL of 3 bytes
		return v.skip(3)
	case 9: // JPEG
		length, err := v.compactLength()
		if err != nil {
			return err
		}
		// SOI and the head of the comment segment come before the stamp.
		return v.body(r, length, 6)
	default:
		return fmt.Errorf("tight rectangle with compression control %d, only fill and JPEG are read", control)
	}
}

// compactLength is 7 + 7 + 8 bits, least significant first.
func (v *Viewer) compactLength() (int, error) {
	length := 0
	for i, shift := range []int{0, 7, 14} {
		if err := v.read(v.scratch[:1]); err != nil {
			return 0, err
		}
		b := int(v.scratch[0])
		if i == 2 {
			return length | b<<shift, nil
		}
		length |= (b & 0x7F) << shift
		if b&0x80 == 0 {
			break
		}
	}
	return length, nil
}

// body reads length bytes, looking for a stamp at offset at.
func (v *Viewer) body(r *Rectangle, length, at int) error {
	head := min(length, at+stamp.Size)
	if err := v.read(v.scratch[:head]); err != nil {
		return err
	}
	if head > at {
		r.Stamp, r.Stamped = stamp.Read(v.scratch[at:head])
	}
	return v.skip(length - head)
}
