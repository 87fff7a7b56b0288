package rfb

import "encoding/binary"

// AppendFramebufferUpdate begins an update of so many rectangles, which the
// caller appends. MaxRects of them is ended early by AppendLastRect, for a client
// that knows LastRect.
func AppendFramebufferUpdate(dst []byte, rects uint16) []byte {
	return binary.BigEndian.AppendUint16(append(dst, byte(ServerFramebufferUpdate), 0), rects)
}

// AppendColourMap sets entries of the colour map from first on, each a red,
// green and blue intensity. At most 65535 entries are written.
func AppendColourMap(dst []byte, first uint16, colours [][3]uint16) []byte {
	colours = colours[:min(len(colours), 0xFFFF)]
	dst = append(dst, byte(ServerSetColourMapEntries), 0)
	dst = binary.BigEndian.AppendUint16(dst, first)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(colours)))
	for _, c := range colours {
		for _, intensity := range c {
			dst = binary.BigEndian.AppendUint16(dst, intensity)
		}
	}
	return dst
}

// AppendBell rings.
func AppendBell(dst []byte) []byte { return append(dst, byte(ServerBell)) }

// AppendServerCutText writes the clipboard as Latin-1; characters that are not
// in it become question marks.
func AppendServerCutText(dst []byte, text string) []byte {
	return appendCutText(dst, byte(ServerCutText), text)
}

// AppendServerClipboard writes an extended clipboard message, for a client that
// knows ExtendedClipboard. The first one must be ClipboardCaps.
func AppendServerClipboard(dst []byte, c Clipboard) []byte {
	return appendClipboard(dst, byte(ServerCutText), c)
}

// AppendEndOfContinuousUpdates says that updates come on request again. Sent
// once, at the first SetEncodings with ContinuousUpdates, it says that they are
// understood.
func AppendEndOfContinuousUpdates(dst []byte) []byte {
	return append(dst, byte(ServerEndOfContinuousUpdates))
}

// AppendServerFence is for a client that knows Fence. The payload is cut at
// MaxFencePayload.
func AppendServerFence(dst []byte, f Fence) []byte { return appendFence(dst, byte(ServerFence), f) }

// AppendServerXVP announces the extension (XVPInit) or says that an operation was
// not possible (XVPFail).
func AppendServerXVP(dst []byte, version, code uint8) []byte {
	return append(dst, byte(ServerXVP), 0, version, code)
}

// AppendServerAudio begins or ends a stream of sound.
func AppendServerAudio(dst []byte, operation uint16) []byte {
	return binary.BigEndian.AppendUint16(append(dst, byte(ServerQEMU), QEMUAudio), operation)
}

// AppendServerAudioData writes samples.
func AppendServerAudioData(dst, samples []byte) []byte {
	dst = AppendServerAudio(dst, QEMUAudioData)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(samples)))
	return append(dst, samples...)
}

// AppendRect writes a rectangle's header. What follows it is up to the encoding;
// the functions below write what stands for itself.
func AppendRect(dst []byte, r Rect) []byte {
	dst = appendArea(dst, r.X, r.Y, r.Width, r.Height)
	return binary.BigEndian.AppendUint32(dst, uint32(r.Encoding))
}

// AppendCopyRect says that the rectangle's pixels are those at x, y.
func AppendCopyRect(dst []byte, r Rect, x, y uint16) []byte {
	r.Encoding = EncodingCopyRect
	dst = binary.BigEndian.AppendUint16(AppendRect(dst, r), x)
	return binary.BigEndian.AppendUint16(dst, y)
}

// AppendLastRect ends an update of MaxRects rectangles.
func AppendLastRect(dst []byte) []byte { return AppendRect(dst, Rect{Encoding: EncodingLastRect}) }

// AppendDesktopSize says that the framebuffer has another size.
func AppendDesktopSize(dst []byte, width, height uint16) []byte {
	return AppendRect(dst, Rect{Width: width, Height: height, Encoding: EncodingDesktopSize})
}

// AppendExtendedDesktopSize says the same, with the screens, and why: reason and
// result are constants that begin with Resize. At most 255 screens are written.
func AppendExtendedDesktopSize(dst []byte, reason, result uint16, d DesktopSize) []byte {
	screens := d.Screens[:min(len(d.Screens), 255)]
	dst = AppendRect(dst, Rect{X: reason, Y: result, Width: d.Width, Height: d.Height, Encoding: EncodingExtendedDesktopSize})
	return appendScreens(append(dst, byte(len(screens)), 0, 0, 0), screens)
}

// AppendDesktopName says that the desktop has another name, in UTF-8. It is cut
// at MaxName bytes.
func AppendDesktopName(dst []byte, name string) []byte {
	dst = AppendRect(dst, Rect{Encoding: EncodingDesktopName})
	return appendString(dst, name[:min(len(name), MaxName)])
}

// AppendSupport answers a client's pseudo-encoding with an empty rectangle: the
// server knows the extension too. For QEMUExtendedKey, QEMUAudio and
// ExtendedMouseButtons.
func AppendSupport(dst []byte, encoding Encoding) []byte {
	return AppendRect(dst, Rect{Encoding: encoding})
}

// AppendLEDState tells which lock keys are on, for a client that knows
// QEMULEDState.
func AppendLEDState(dst []byte, leds uint8) []byte {
	return append(AppendRect(dst, Rect{Encoding: EncodingQEMULEDState}), leds)
}

// AppendVMwareLEDState tells the same to a client that knows VMwareLEDState.
func AppendVMwareLEDState(dst []byte, leds uint8) []byte {
	return append(AppendRect(dst, Rect{Encoding: EncodingVMwareLEDState}), 0, 0, 0, leds)
}

// AppendCursorPosition says that the desktop itself has moved the pointer, to a
// client that knows VMwareCursorPosition.
func AppendCursorPosition(dst []byte, x, y uint16) []byte {
	return AppendRect(dst, Rect{X: x, Y: y, Encoding: EncodingVMwareCursorPosition})
}

// AppendCursor gives the cursor another shape. X and Y of the rectangle are the
// hotspot; pixels are in the client's format, and the mask has a bit for each,
// rows padded to whole bytes.
func AppendCursor(dst []byte, r Rect, pixels, mask []byte) []byte {
	r.Encoding = EncodingCursor
	return append(append(AppendRect(dst, r), pixels...), mask...)
}

// AppendXCursor gives the cursor a shape of two colours, each red, green and
// blue: bits of the bitmap choose primary, bits of the mask are visible.
func AppendXCursor(dst []byte, r Rect, primary, secondary [3]byte, bitmap, mask []byte) []byte {
	r.Encoding = EncodingXCursor
	dst = AppendRect(dst, r)
	if r.Area() == 0 {
		return dst
	}
	dst = append(append(dst, primary[:]...), secondary[:]...)
	return append(append(dst, bitmap...), mask...)
}

// AppendCursorWithAlpha gives the cursor a shape of red, green, blue and alpha
// bytes, alpha multiplied in.
func AppendCursorWithAlpha(dst []byte, r Rect, rgba []byte) []byte {
	r.Encoding = EncodingCursorWithAlpha
	dst = binary.BigEndian.AppendUint32(AppendRect(dst, r), uint32(EncodingRaw))
	return append(dst, rgba...)
}

// AppendVMwareCursor gives the cursor a shape of red, green, blue and alpha
// bytes. noVNC knows this one of the cursors with alpha.
func AppendVMwareCursor(dst []byte, r Rect, rgba []byte) []byte {
	r.Encoding = EncodingVMwareCursor
	return append(append(AppendRect(dst, r), 1, 0), rgba...)
}

// AppendTightFill fills the rectangle with one pixel, in TPIXEL format. Bits 0
// to 3 of reset reset the client's zlib streams.
func AppendTightFill(dst []byte, r Rect, reset uint8, pixel []byte) []byte {
	r.Encoding = EncodingTight
	return append(append(AppendRect(dst, r), tightFill<<4|reset&0xF), pixel...)
}

// AppendTightJPEG fills the rectangle with a JFIF image, which must be at most
// MaxTightData bytes long.
func AppendTightJPEG(dst []byte, r Rect, reset uint8, jpeg []byte) []byte {
	r.Encoding = EncodingTight
	dst = append(AppendRect(dst, r), tightJPEG<<4|reset&0xF)
	return append(AppendTightLength(dst, len(jpeg)), jpeg...)
}

// AppendTightLength writes a length of at most MaxTightData as Tight does, in one
// to three bytes.
func AppendTightLength(dst []byte, length int) []byte {
	switch {
	case length < 1<<7:
		return append(dst, byte(length))
	case length < 1<<14:
		return append(dst, byte(length)|0x80, byte(length>>7))
	default:
		return append(dst, byte(length)|0x80, byte(length>>7)|0x80, byte(length>>14))
	}
}

// AppendH264 writes an H.264 rectangle: whole Annex B frames, or none when only
// the flags matter.
func AppendH264(dst []byte, r Rect, flags uint32, frames []byte) []byte {
	r.Encoding = EncodingH264
	dst = binary.BigEndian.AppendUint32(AppendRect(dst, r), uint32(len(frames)))
	return append(binary.BigEndian.AppendUint32(dst, flags), frames...)
}

// Flags of an H.264 rectangle.
const (
	H264ResetContext     uint32 = 1 << 0 // of this rectangle's coordinates
	H264ResetAllContexts uint32 = 1 << 1
)
