package relay

import (
	"slices"

	"github.com/streamspace/streamspace/rfb"
)

// Policy is what a viewer may do besides watching.
type Policy struct {
	Control      bool // keys, pointer, resize, power
	ClipboardIn  bool // the viewer's clipboard to the desktop
	ClipboardOut bool // the desktop's clipboard to the viewer
	Audio        bool // QEMU's sound messages
}

// The extended clipboard is a conversation in which either end announces what
// it has (notify), asks (request, peek) and hands over (provide). What
// carries one end's clipboard, or tells that there is one, needs that
// direction's permission; asking for it does too. Caps carry neither.

const (
	clipboardTells = rfb.ClipboardNotify | rfb.ClipboardProvide
	clipboardAsks  = rfb.ClipboardRequest | rfb.ClipboardPeek
)

// AllowsToViewer decides on a desktop's clipboard message.
func (p Policy) AllowsToViewer(cut rfb.CutText) bool {
	return p.allowsCut(cut, p.ClipboardOut, p.ClipboardIn)
}

// Allows is the policy on messages of the viewer. What asks for pixels and paces
// them is for all.
func (p Policy) Allows(m rfb.ClientMessage) bool {
	switch m.Type {
	case rfb.ClientSetPixelFormat, rfb.ClientSetEncodings, rfb.ClientFramebufferUpdateRequest,
		rfb.ClientEnableContinuousUpdates, rfb.ClientFence:
		return true
	case rfb.ClientCutText:
		cut, _, _ := m.CutText()
		return p.allowsToDesktop(cut)
	case rfb.ClientQEMU:
		if submessage, _ := m.QEMU(); submessage == rfb.QEMUAudio {
			return p.Audio
		}
		return p.Control
	default: // keys, pointer, size, power, and whatever else acts on a desktop
		return p.Control
	}
}

// Acts tells whether a message does something to the desktop that only one
// viewer at a time may do. What asks for pixels, for sound or for the
// desktop's clipboard is for all.
func Acts(m rfb.ClientMessage) bool {
	switch m.Type {
	case rfb.ClientSetPixelFormat, rfb.ClientSetEncodings, rfb.ClientFramebufferUpdateRequest,
		rfb.ClientEnableContinuousUpdates, rfb.ClientFence:
		return false
	case rfb.ClientCutText:
		cut, _, _ := m.CutText()
		return !cut.Extended || cut.Flags&rfb.ClipboardCaps == 0 && cut.Flags&clipboardTells != 0
	case rfb.ClientQEMU:
		submessage, _ := m.QEMU()
		return submessage != rfb.QEMUAudio
	default:
		return true
	}
}

// allowsToDesktop decides on a viewer's clipboard message.
func (p Policy) allowsToDesktop(cut rfb.CutText) bool {
	return p.allowsCut(cut, p.ClipboardIn, p.ClipboardOut)
}

// allowsCut decides on a clipboard message in a direction that may carry
// content if along, and where content may come back if against.
func (p Policy) allowsCut(cut rfb.CutText, along, against bool) bool {
	switch {
	case !cut.Extended:
		return along
	case cut.Flags&rfb.ClipboardCaps != 0: // whose other flags are a list
		return along || against
	case cut.Flags&clipboardTells != 0:
		return along
	case cut.Flags&clipboardAsks != 0:
		return against
	default: // an action that nobody has defined
		return false
	}
}

// AllowsEncoding decides whether the desktop may be told that the viewer
// understands e. The list is closed: of a rectangle in an encoding that is not
// known here nobody could say where it ends.
func (p Policy) AllowsEncoding(e rfb.Encoding) bool {
	switch e {
	case rfb.EncodingExtendedClipboard:
		return p.ClipboardIn || p.ClipboardOut
	case rfb.EncodingQEMUAudio:
		return p.Audio
	case rfb.EncodingQEMUExtendedKey, rfb.EncodingExtendedMouseButtons, rfb.EncodingXVP:
		return p.Control
	}
	return e.Pixels() || slices.Contains(extensions, e) || tunes(e)
}

// extensions are the pseudo-encodings that ask for messages and rectangles
// which rfb's walker knows.
var extensions = []rfb.Encoding{
	rfb.EncodingDesktopSize, rfb.EncodingLastRect, rfb.EncodingCursor, rfb.EncodingXCursor, rfb.EncodingCursorWithAlpha,
	rfb.EncodingQEMUPointerMotion, rfb.EncodingQEMULEDState, rfb.EncodingDesktopName, rfb.EncodingExtendedDesktopSize,
	rfb.EncodingVMwareCursor, rfb.EncodingVMwareCursorState, rfb.EncodingVMwareCursorPosition, rfb.EncodingVMwareKeyRepeat,
	rfb.EncodingVMwareLEDState, rfb.EncodingVMwareDisplayMode, rfb.EncodingVMwareMachineState,
	rfb.EncodingFence, rfb.EncodingContinuousUpdates, rfb.EncodingTightWithoutZlib,
}

// tunes tells whether e only says how to compress.
func tunes(e rfb.Encoding) bool {
	within := func(low, high rfb.Encoding) bool { return e >= low && e <= high }
	return within(rfb.JPEGQuality(0), rfb.JPEGQuality(9)) || within(rfb.CompressLevel(0), rfb.CompressLevel(9)) ||
		within(rfb.FineQuality(0), rfb.FineQuality(100)) || within(rfb.Subsampling1X.Encoding(), rfb.Subsampling16X.Encoding())
}
