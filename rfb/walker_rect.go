package rfb

import "encoding/binary"

// nextRect goes on with the update's next rectangle, or ends the update.
func (w *ServerWalker) nextRect() Event {
	if w.left == 0 {
		return w.end()
	}
	w.left--
	return w.gather(rectHeaderSize, stageRectHeader)
}

// stepRect is step within an update.
func (w *ServerWalker) stepRect() Event {
	switch w.stage {
	case stageRectHeader:
		w.rect = parseRect(w.head[:])
		w.pixel, w.tight = int64(w.format.Bytes()), int64(w.format.TightBytes())
		return EventRect | w.body()
	case stageRectEnd:
		return w.rectEnd()
	case stageRRECount:
		return w.rreBody()
	case stageTile, stageTileHeader, stageTileEnd:
		return w.stepTile()
	case stageCompressedLength:
		return w.passCompressed(int64(binary.BigEndian.Uint32(w.head[:])))
	case stageH264Header: // length, flags
		return w.passCompressed(int64(binary.BigEndian.Uint32(w.head[:])))
	case stageNameLength:
		length := binary.BigEndian.Uint32(w.head[:])
		if length > MaxName {
			return w.fail("desktop name of %d bytes, more than %d", length, MaxName)
		}
		return w.pass(int64(length), stageRectEnd)
	case stageScreenCount:
		return w.pass(screenSize*int64(w.head[0]), stageRectEnd)
	case stageAlphaEncoding:
		return w.alphaCursor(Encoding(binary.BigEndian.Uint32(w.head[:])))
	case stageVMwareCursorType:
		return w.vmwareCursor(w.head[0])
	case stageDisplayMode:
		w.setFormat(parsePixelFormat(w.head[:]))
		return w.rectEnd()
	case stageJPEGStart, stageJPEGMarker, stageJPEGLength, stageJPEGSegmentEnd, stageJPEGScan, stageJPEGScanMarker:
		return w.stepJPEG()
	default:
		return w.stepTight()
	}
}

// body starts the data of the rectangle.
func (w *ServerWalker) body() Event {
	r := w.rect
	if r.Encoding.Pixels() {
		if int(r.X)+int(r.Width) > int(w.width) || int(r.Y)+int(r.Height) > int(w.height) {
			return w.fail("%v rectangle %dx%d+%d+%d outside the framebuffer of %dx%d",
				r.Encoding, r.Width, r.Height, r.X, r.Y, w.width, w.height)
		}
		return w.pixels(r.Encoding)
	}
	switch r.Encoding {
	case EncodingCursor, EncodingXCursor, EncodingCursorWithAlpha, EncodingVMwareCursor:
		if r.Width > MaxCursor || r.Height > MaxCursor {
			return w.fail("cursor of %dx%d, more than %d", r.Width, r.Height, MaxCursor)
		}
	case EncodingDesktopSize, EncodingExtendedDesktopSize, EncodingVMwareDisplayMode:
		if r.Width > MaxDimension || r.Height > MaxDimension {
			return w.fail("framebuffer of %dx%d, more than %d", r.Width, r.Height, MaxDimension)
		}
	}
	return w.pseudo(r)
}

// pixels starts data that is pixels, of the framebuffer or of a cursor with
// alpha.
func (w *ServerWalker) pixels(encoding Encoding) Event {
	switch encoding {
	case EncodingRaw:
		return w.pass(w.rect.Area()*w.pixel, stageRectEnd)
	case EncodingCopyRect:
		return w.pass(4, stageRectEnd) // where from
	case EncodingRRE:
		return w.gather(4, stageRRECount)
	case EncodingHextile:
		w.tileX, w.tileY = 0, 0
		return w.nextTile()
	case EncodingZRLE, EncodingZlib:
		return w.gather(4, stageCompressedLength)
	case EncodingTight, EncodingTightPNG:
		return w.gather(1, stageTightControl)
	case EncodingJPEG:
		w.budget = maxBody(w.rect.Area())
		return w.gather(2, stageJPEGStart)
	case EncodingH264:
		return w.gather(8, stageH264Header)
	default:
		return w.fail("unknown encoding %v", encoding)
	}
}

// pseudo starts data that is not pixels of the framebuffer.
func (w *ServerWalker) pseudo(r Rect) Event {
	switch r.Encoding {
	case EncodingDesktopSize, EncodingLastRect, EncodingVMwareCursorPosition,
		EncodingQEMUPointerMotion, EncodingQEMUExtendedKey, EncodingQEMUAudio, EncodingExtendedMouseButtons:
		return w.rectEnd()
	case EncodingQEMULEDState:
		return w.pass(1, stageRectEnd)
	case EncodingVMwareCursorState, EncodingVMwareMachineState:
		return w.pass(2, stageRectEnd)
	case EncodingVMwareLEDState:
		return w.pass(4, stageRectEnd)
	case EncodingVMwareKeyRepeat: // enabled, period, delay
		return w.pass(10, stageRectEnd)
	case EncodingVMwareDisplayMode:
		return w.gather(pixelFormatSize, stageDisplayMode)
	case EncodingDesktopName:
		return w.gather(4, stageNameLength)
	case EncodingExtendedDesktopSize:
		return w.gather(4, stageScreenCount)
	case EncodingCursor: // pixels, mask
		return w.pass(r.Area()*w.pixel+r.maskBytes(), stageRectEnd)
	case EncodingXCursor: // two colours, bitmap, mask
		if r.Area() == 0 {
			return w.rectEnd()
		}
		return w.pass(6+2*r.maskBytes(), stageRectEnd)
	case EncodingCursorWithAlpha:
		return w.gather(4, stageAlphaEncoding)
	case EncodingVMwareCursor: // type, padding
		return w.gather(2, stageVMwareCursorType)
	default:
		return w.fail("unknown encoding %v", r.Encoding)
	}
}

// rectEnd finishes the rectangle and tells what it changed.
func (w *ServerWalker) rectEnd() Event {
	event := EventRectEnd
	switch w.rect.Encoding {
	case EncodingLastRect:
		w.left = 0
	case EncodingDesktopSize, EncodingVMwareDisplayMode:
		event |= w.resize()
	case EncodingExtendedDesktopSize:
		// When a request was refused, all but the result is undefined.
		if w.rect.X != ResizeByThisClient || w.rect.Y == ResizeOK {
			event |= w.resize()
		}
	}
	return event | w.nextRect()
}

func (w *ServerWalker) resize() Event {
	if w.width == w.rect.Width && w.height == w.rect.Height {
		return 0
	}
	w.width, w.height = w.rect.Width, w.rect.Height
	return EventResize
}

// rreBody has the background pixel and the subrectangles, each a pixel and
// where it goes.
func (w *ServerWalker) rreBody() Event {
	count := int64(binary.BigEndian.Uint32(w.head[:]))
	if count > w.rect.Area() {
		return w.fail("RRE with %d subrectangles for %d pixels", count, w.rect.Area())
	}
	return w.pass(w.pixel+count*(w.pixel+8), stageRectEnd)
}

// passCompressed passes a body that says how long it is.
func (w *ServerWalker) passCompressed(length int64) Event {
	if limit := maxBody(w.rect.Area()); length > limit {
		return w.fail("%v data of %d bytes, more than %d", w.rect.Encoding, length, limit)
	}
	return w.pass(length, stageRectEnd)
}

// alphaCursor has pixels of four bytes, red, green, blue and alpha, in an
// encoding of its own. Some cannot carry alpha.
func (w *ServerWalker) alphaCursor(encoding Encoding) Event {
	w.pixel, w.tight = 4, 4
	switch encoding {
	case EncodingRaw, EncodingRRE, EncodingHextile, EncodingZlib, EncodingTight, EncodingZRLE:
		return w.pixels(encoding)
	}
	return w.fail("cursor with alpha in encoding %v", encoding)
}

// vmwareCursor is either an AND and a XOR mask in pixels, or RGBA.
func (w *ServerWalker) vmwareCursor(kind byte) Event {
	switch kind {
	case 0:
		return w.pass(2*w.rect.Area()*w.pixel, stageRectEnd)
	case 1:
		return w.pass(4*w.rect.Area(), stageRectEnd)
	}
	return w.fail("VMware cursor of unknown type %d", kind)
}

// Hextile: tiles of 16 by 16, left to right, top to bottom, each with a mask
// that says what follows.
const (
	hextileSize = 16

	hextileRaw        = 1
	hextileBackground = 2
	hextileForeground = 4
	hextileSubrects   = 8
	hextileColoured   = 16
)

func (w *ServerWalker) nextTile() Event {
	if w.tileY >= int(w.rect.Height) || w.rect.Width == 0 {
		return w.rectEnd()
	}
	return w.gather(1, stageTile)
}

func (w *ServerWalker) stepTile() Event {
	switch w.stage {
	case stageTile:
		return w.tile(w.head[0])
	case stageTileHeader:
		each := int64(2)
		if w.head[0]&hextileColoured != 0 {
			each += w.pixel
		}
		return w.pass(each*int64(w.head[w.have-1]), stageTileEnd)
	default: // stageTileEnd
		w.tileX += hextileSize
		if w.tileX >= int(w.rect.Width) {
			w.tileX, w.tileY = 0, w.tileY+hextileSize
		}
		return w.nextTile()
	}
}

// tile reads a tile's mask.
func (w *ServerWalker) tile(mask byte) Event {
	if mask&hextileRaw != 0 {
		width := min(hextileSize, int(w.rect.Width)-w.tileX)
		height := min(hextileSize, int(w.rect.Height)-w.tileY)
		return w.pass(int64(width*height)*w.pixel, stageTileEnd)
	}
	if mask >= 2*hextileColoured {
		return w.fail("Hextile mask %#02x", mask)
	}
	var colours int64
	if mask&hextileBackground != 0 {
		colours += w.pixel
	}
	if mask&hextileForeground != 0 {
		colours += w.pixel
	}
	if mask&hextileSubrects != 0 { // the colours, then the number of subrectangles
		return w.gatherMore(int(colours)+1, stageTileHeader)
	}
	return w.pass(colours, stageTileEnd)
}
