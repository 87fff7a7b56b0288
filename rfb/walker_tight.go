package rfb

// Tight: a control byte whose low half resets zlib streams and whose high half
// says what follows (section "Tight Encoding").
const (
	tightFill            = 0x8
	tightJPEG            = 0x9
	tightPNG             = 0xA // in TightPNG only; otherwise basic without zlib
	tightNoZlib          = 0xA
	tightNoZlibAndFilter = 0xE
	tightBasicLimit      = 0x8 // below: basic, the low two bits number the stream
	tightFilterFollows   = 0x4

	tightFilterCopy     = 0
	tightFilterPalette  = 1
	tightFilterGradient = 2

	// tightMinCompressed is the shortest data that is compressed.
	tightMinCompressed = 12
)

func (w *ServerWalker) stepTight() Event {
	switch w.stage {
	case stageTightControl:
		return w.tightControl(w.head[0] >> 4)
	case stageTightFilter:
		return w.tightFilter(w.head[0])
	case stageTightPaletteSize:
		return w.pass((int64(w.head[0])+1)*w.tight, stageTightPaletteEnd)
	case stageTightPaletteEnd:
		if w.head[0] <= 1 { // one less than the number of colours
			return w.tightData(w.rect.maskBytes())
		}
		return w.tightData(w.rect.Area())
	default: // stageTightLength
		if w.head[w.have-1]&0x80 != 0 && w.have < 3 {
			return w.gatherMore(1, stageTightLength)
		}
		return w.pass(tightLength(w.head[:w.have]), stageRectEnd)
	}
}

func (w *ServerWalker) tightControl(control byte) Event {
	w.control = control
	png := w.rect.Encoding == EncodingTightPNG
	switch {
	case control == tightFill:
		return w.pass(w.tight, stageRectEnd)
	case control == tightJPEG:
		if w.pixel == 1 {
			return w.fail("Tight JPEG with 8 bits per pixel")
		}
		return w.gather(1, stageTightLength)
	case png && control == tightPNG:
		return w.gather(1, stageTightLength)
	case png:
		return w.fail("TightPNG control %#x", control)
	case control == tightNoZlib:
		return w.tightFilter(tightFilterCopy)
	case control == tightNoZlibAndFilter:
		return w.gather(1, stageTightFilter)
	case control >= tightBasicLimit:
		return w.fail("Tight control %#x", control)
	case control&tightFilterFollows != 0:
		return w.gather(1, stageTightFilter)
	default:
		return w.tightFilter(tightFilterCopy)
	}
}

func (w *ServerWalker) tightFilter(filter byte) Event {
	switch filter {
	case tightFilterCopy:
		return w.tightData(w.rect.Area() * w.tight)
	case tightFilterPalette:
		return w.gather(1, stageTightPaletteSize)
	case tightFilterGradient:
		if w.pixel == 1 {
			return w.fail("Tight gradient with 8 bits per pixel")
		}
		return w.tightData(w.rect.Area() * w.tight)
	default:
		return w.fail("Tight filter %d", filter)
	}
}

// tightData has so many bytes before compression.
func (w *ServerWalker) tightData(size int64) Event {
	if size < tightMinCompressed || w.control >= tightBasicLimit {
		return w.pass(size, stageRectEnd)
	}
	return w.gather(1, stageTightLength)
}

// tightLength reads a compact length of one to three bytes: seven, seven and
// eight bits, the lowest first.
func tightLength(b []byte) int64 {
	length := int64(b[0] & 0x7F)
	if len(b) > 1 {
		length |= int64(b[1]&0x7F) << 7
	}
	if len(b) > 2 {
		length |= int64(b[2]) << 14
	}
	return length
}
