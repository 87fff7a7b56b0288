package hub

import (
	"encoding/binary"

	"github.com/streamspace/streamspace/rfb"
)

// debt is what a viewer has to be told besides pixels. What changes again before
// the viewer takes it is told once, as it is then: so nothing piles up.
type debt uint16

const (
	oweSize    debt = 1 << iota // before any more pixels
	oweScreens                  // of the same size
	oweName
	oweCursor
	owePosition
	oweLEDs
	oweKeycodes
	oweButtons
	oweBell
	oweContinuous // that the hub knows continuous updates
	oweFence      // that the hub knows fences
	oweCaps       // what the hub's clipboard can do
	oweNotify     // that the desktop's clipboard has text
	oweText       // that text

	// oweRects are told as rectangles of an update, which some viewers ask for.
	oweRects = oweSize | oweScreens | oweName | oweCursor | owePosition | oweLEDs | oweKeycodes | oweButtons
	// oweAll is what a viewer that has told its encodings is told first.
	oweAll = oweRects &^ owePosition
)

// owe makes all viewers owed something.
func (h *Hub) owe(d debt) {
	for _, v := range h.viewers {
		v.owed |= d
		if d&oweRects == 0 { // rectangles wait for the end of their update
			v.flush()
		}
	}
}

// pay appends what the viewer is owed and may be told now.
func (v *viewer) pay(b []byte) []byte {
	owed := v.owed
	if !v.asked() {
		owed &^= oweRects
	}
	v.owed &^= owed
	if v.encodings == nil {
		return b // has not said what it knows; what it is owed then comes with that
	}
	b = v.payMessages(b, owed)
	if owed&oweRects == 0 {
		return b
	}
	start := len(b)
	b, count := v.payRects(rfb.AppendFramebufferUpdate(b, 0), owed)
	if count == 0 {
		return b[:start]
	}
	binary.BigEndian.PutUint16(b[start+2:], uint16(count))
	v.requested = false
	return b
}

func (v *viewer) payMessages(b []byte, owed debt) []byte {
	if owed&oweBell != 0 {
		b = rfb.AppendBell(b)
	}
	if owed&oweContinuous != 0 && v.has(rfb.EncodingContinuousUpdates) {
		b = rfb.AppendEndOfContinuousUpdates(b)
	}
	if owed&oweFence != 0 && v.has(rfb.EncodingFence) {
		b = v.announceFence(b)
	}
	if owed&(oweCaps|oweNotify|oweText) != 0 {
		b = v.payClipboard(b, owed)
	}
	return b
}

func (v *viewer) payRects(b []byte, owed debt) (out []byte, count int) {
	d, init := &v.hub.desktop, v.hub.Init()
	if owed&(oweSize|oweScreens) != 0 {
		b, count = v.paySize(b, owed, init)
	}
	add := func(due debt, e rfb.Encoding, known bool, append func() []byte) {
		if owed&due != 0 && known && v.has(e) {
			b, count = append(), count+1
		}
	}
	add(oweName, rfb.EncodingDesktopName, true, func() []byte { return rfb.AppendDesktopName(b, init.Name) })
	add(oweKeycodes, rfb.EncodingQEMUExtendedKey, d.keycodes, func() []byte { return rfb.AppendSupport(b, rfb.EncodingQEMUExtendedKey) })
	add(oweButtons, rfb.EncodingExtendedMouseButtons, d.buttons, func() []byte { return rfb.AppendSupport(b, rfb.EncodingExtendedMouseButtons) })
	add(owePosition, rfb.EncodingVMwareCursorPosition, true, func() []byte { return rfb.AppendCursorPosition(b, d.position.X, d.position.Y) })
	if v.has(rfb.EncodingQEMULEDState) {
		add(oweLEDs, rfb.EncodingQEMULEDState, d.hasLEDs, func() []byte { return rfb.AppendLEDState(b, d.leds) })
	} else {
		add(oweLEDs, rfb.EncodingVMwareLEDState, d.hasLEDs, func() []byte { return rfb.AppendVMwareLEDState(b, d.leds) })
	}
	if owed&oweCursor != 0 {
		var n int
		b, n = d.cursor.appendTo(b, v)
		count += n
	}
	return b, count
}

// paySize tells the size, and its screens to those who know them.
func (v *viewer) paySize(b []byte, owed debt, init rfb.ServerInit) (out []byte, count int) {
	d := &v.hub.desktop
	reason, result := rfb.ResizeByServer, rfb.ResizeOK
	switch {
	case v.answered:
		reason, result = rfb.ResizeByThisClient, v.answer
	case owed&oweSize != 0 && v.encodings != nil && v.width != 0 && (v.width != init.Width || v.height != init.Height):
		reason = rfb.ResizeByOtherClient
	}
	changed := v.width != init.Width || v.height != init.Height
	v.answered = false
	v.width, v.height = init.Width, init.Height
	switch {
	case v.has(rfb.EncodingExtendedDesktopSize) && d.resizable:
		size := rfb.DesktopSize{Width: init.Width, Height: init.Height, Screens: d.screens}
		return rfb.AppendExtendedDesktopSize(b, reason, result, size), 1
	case changed && v.has(rfb.EncodingExtendedDesktopSize):
		size := rfb.DesktopSize{Width: init.Width, Height: init.Height, Screens: []rfb.Screen{{Width: init.Width, Height: init.Height}}}
		return rfb.AppendExtendedDesktopSize(b, reason, result, size), 1
	case changed && v.has(rfb.EncodingDesktopSize):
		return rfb.AppendDesktopSize(b, init.Width, init.Height), 1
	}
	return b, 0
}
