package rfb

import "encoding/binary"

// extendedButtons marks a pointer event that is one byte longer.
const extendedButtons = 0x80

// ClientMessage is one whole message of a viewer. Its methods read the fields of
// the message that they are named for; their last result is false when it is
// another one.
type ClientMessage struct {
	Type   ClientMessageType
	Synced bool   // the message follows a fence request with SyncNext
	Raw    []byte // the message as it came, type byte included

}

// UpdateRequest asks for the pixels of a rectangle: all of them, or those that
// have changed.
type UpdateRequest struct {
	Incremental         bool
	X, Y, Width, Height uint16
}

// KeyEvent is a key that went down or up.
type KeyEvent struct {
	Down   bool
	Keysym uint32 // of X11; 0 when unknown, in an extended event only
	// Keycode is the XT scan code of QEMU's extended event, 0 in an ordinary
	// one.
	Keycode uint32
}

// PointerEvent is where the pointer is and which buttons are down.
type PointerEvent struct {
	Buttons uint16
	X, Y    uint16
	// Extended: the event has the second byte of buttons, which the desktop
	// must have agreed to with an ExtendedMouseButtons rectangle.
	Extended bool
}

// ContinuousUpdates tells the desktop to send updates of a rectangle without
// being asked, or to stop.
type ContinuousUpdates struct {
	Enable              bool
	X, Y, Width, Height uint16
}

// DesktopSize asks for another size of the framebuffer and of the screens in it.
type DesktopSize struct {
	Width, Height uint16
	Screens       []Screen
}

// PixelFormat reads SetPixelFormat.
func (m ClientMessage) PixelFormat() (PixelFormat, bool) {
	if m.Type != ClientSetPixelFormat {
		return PixelFormat{}, false
	}
	return parsePixelFormat(m.Raw[4:]), true
}

// Encodings reads SetEncodings, best liked first.
func (m ClientMessage) Encodings() ([]Encoding, bool) {
	if m.Type != ClientSetEncodings {
		return nil, false
	}
	encodings := make([]Encoding, 0, (len(m.Raw)-4)/4)
	for b := m.Raw[4:]; len(b) >= 4; b = b[4:] {
		encodings = append(encodings, Encoding(binary.BigEndian.Uint32(b)))
	}
	return encodings, true
}

// HasEncoding says whether the message is a SetEncodings that lists the
// encoding.
func (m ClientMessage) HasEncoding(encoding Encoding) bool {
	if m.Type != ClientSetEncodings {
		return false
	}
	for b := m.Raw[4:]; len(b) >= 4; b = b[4:] {
		if Encoding(binary.BigEndian.Uint32(b)) == encoding {
			return true
		}
	}
	return false
}

// UpdateRequest reads FramebufferUpdateRequest.
func (m ClientMessage) UpdateRequest() (UpdateRequest, bool) {
	if m.Type != ClientFramebufferUpdateRequest {
		return UpdateRequest{}, false
	}
	r := UpdateRequest{Incremental: m.Raw[1] != 0}
	r.X, r.Y, r.Width, r.Height = parseArea(m.Raw[2:])
	return r, true
}

// Key reads KeyEvent and QEMU's extended key event.
func (m ClientMessage) Key() (KeyEvent, bool) {
	switch {
	case m.Type == ClientKeyEvent:
		return KeyEvent{Down: m.Raw[1] != 0, Keysym: binary.BigEndian.Uint32(m.Raw[4:])}, true
	case m.Type == ClientQEMU && m.Raw[1] == QEMUExtendedKey:
		return KeyEvent{
			Down:    binary.BigEndian.Uint16(m.Raw[2:]) != 0,
			Keysym:  binary.BigEndian.Uint32(m.Raw[4:]),
			Keycode: binary.BigEndian.Uint32(m.Raw[8:]),
		}, true
	}
	return KeyEvent{}, false
}

// QEMU reads the submessage of a QEMU message: QEMUExtendedKey or QEMUAudio.
func (m ClientMessage) QEMU() (submessage uint8, ok bool) {
	if m.Type != ClientQEMU {
		return 0, false
	}
	return m.Raw[1], true
}

// Pointer reads PointerEvent.
func (m ClientMessage) Pointer() (PointerEvent, bool) {
	if m.Type != ClientPointerEvent {
		return PointerEvent{}, false
	}
	p := PointerEvent{
		Buttons: uint16(m.Raw[1]),
		X:       binary.BigEndian.Uint16(m.Raw[2:]),
		Y:       binary.BigEndian.Uint16(m.Raw[4:]),
	}
	if len(m.Raw) == 7 {
		p.Extended = true
		p.Buttons = p.Buttons&^extendedButtons | uint16(m.Raw[6])<<7
	}
	return p, true
}

// CutText reads the header of ClientCutText and returns what follows its
// length: Latin-1 text, or what ParseClipboard reads when it is extended.
func (m ClientMessage) CutText() (CutText, []byte, bool) {
	if m.Type != ClientCutText {
		return CutText{}, nil, false
	}
	cut, body := parseCutText(m.Raw)
	return cut, body, true
}

// parseCutText needs a whole clipboard message of either direction.
func parseCutText(raw []byte) (CutText, []byte) {
	body := raw[8:]
	cut := CutText{Length: len(body), Extended: raw[4]&0x80 != 0}
	if cut.Extended {
		cut.Flags = ClipboardFlags(binary.BigEndian.Uint32(body))
	}
	return cut, body
}

// ContinuousUpdates reads EnableContinuousUpdates.
func (m ClientMessage) ContinuousUpdates() (ContinuousUpdates, bool) {
	if m.Type != ClientEnableContinuousUpdates {
		return ContinuousUpdates{}, false
	}
	c := ContinuousUpdates{Enable: m.Raw[1] != 0}
	c.X, c.Y, c.Width, c.Height = parseArea(m.Raw[2:])
	return c, true
}

// Fence reads ClientFence. The payload is a part of Raw.
func (m ClientMessage) Fence() (Fence, bool) {
	if m.Type != ClientFence {
		return Fence{}, false
	}
	return Fence{Flags: FenceFlags(binary.BigEndian.Uint32(m.Raw[4:])), Payload: m.Raw[9:]}, true
}

// DesktopSize reads SetDesktopSize.
func (m ClientMessage) DesktopSize() (DesktopSize, bool) {
	if m.Type != ClientSetDesktopSize {
		return DesktopSize{}, false
	}
	return DesktopSize{
		Width:   binary.BigEndian.Uint16(m.Raw[2:]),
		Height:  binary.BigEndian.Uint16(m.Raw[4:]),
		Screens: parseScreens(m.Raw[8:]),
	}, true
}

// parseArea needs 8 bytes.
func parseArea(b []byte) (x, y, width, height uint16) {
	return binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]),
		binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:])
}
