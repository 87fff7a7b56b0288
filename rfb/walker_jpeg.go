package rfb

import "bytes"

// JPEG markers (ITU T.81, table B.1), each after a byte of all ones.
const (
	jpegStuffed    = 0x00 // an all-ones byte of the scan itself
	jpegTEM        = 0x01
	jpegRestart    = 0xD0 // to 0xD7, within a scan
	jpegStart      = 0xD8
	jpegEnd        = 0xD9
	jpegScan       = 0xDA
	jpegMarkerByte = 0xFF
)

// stepJPEG walks the segments of an image whose length nobody announced, to its
// end marker.
func (w *ServerWalker) stepJPEG() Event {
	switch w.stage {
	case stageJPEGStart:
		if w.head[0] != jpegMarkerByte || w.head[1] != jpegStart {
			return w.fail("JPEG that begins with %#02x%02x", w.head[0], w.head[1])
		}
		w.spend(2)
		return w.gather(2, stageJPEGMarker)
	case stageJPEGMarker:
		if w.head[0] != jpegMarkerByte {
			return w.fail("byte %#02x where a JPEG marker must be", w.head[0])
		}
		return w.jpegMarker(w.head[1])
	case stageJPEGLength: // includes its own two bytes
		length := int64(w.head[0])<<8 | int64(w.head[1])
		if length < 2 {
			return w.fail("JPEG segment of %d bytes", length)
		}
		if !w.spend(length) {
			return 0
		}
		return w.pass(length-2, stageJPEGSegmentEnd)
	case stageJPEGSegmentEnd:
		if w.control == jpegScan {
			w.stage = stageJPEGScan
			return 0
		}
		return w.gather(2, stageJPEGMarker)
	case stageJPEGScan: // scanJPEG has taken a marker byte
		return w.gather(1, stageJPEGScanMarker)
	default: // stageJPEGScanMarker
		marker := w.head[0]
		switch {
		case marker == jpegMarkerByte: // fill
			return w.gather(1, stageJPEGScanMarker)
		case marker == jpegStuffed, marker >= jpegRestart && marker < jpegStart:
			w.stage = stageJPEGScan
			return 0
		}
		return w.jpegMarker(marker)
	}
}

// jpegMarker goes on behind a marker between segments.
func (w *ServerWalker) jpegMarker(marker byte) Event {
	if !w.spend(2) {
		return 0
	}
	switch {
	case marker == jpegEnd:
		return w.rectEnd()
	case marker == jpegMarkerByte: // fill: the next byte may be the marker
		w.head[0], w.have, w.want, w.stage = jpegMarkerByte, 1, 2, stageJPEGMarker
		return 0
	case marker == jpegStuffed, marker == jpegStart:
		return w.fail("JPEG marker %#02x between segments", marker)
	case marker == jpegTEM, marker >= jpegRestart && marker < jpegStart: // stand alone
		return w.gather(2, stageJPEGMarker)
	}
	w.control = marker
	return w.gather(2, stageJPEGLength)
}

// scanJPEG takes entropy-coded data up to and with the next marker byte, but no
// more than the image may have.
func (w *ServerWalker) scanJPEG(p []byte) (took int, done bool) {
	if w.budget == 0 {
		w.spend(1)
		return 0, false
	}
	p = p[:min(int64(len(p)), w.budget)]
	took = bytes.IndexByte(p, jpegMarkerByte) + 1
	if done = took > 0; !done {
		took = len(p)
	}
	w.spend(int64(took))
	return took, done
}

// spend takes n bytes from what the image may have.
func (w *ServerWalker) spend(n int64) bool {
	w.budget -= n
	if w.budget < 0 {
		w.fail("JPEG of more than %d bytes", maxBody(w.rect.Area()))
		return false
	}
	return true
}
