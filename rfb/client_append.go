package rfb

import "encoding/binary"

// AppendClientInit writes the first word behind a client's security handshake.
// Shared leaves other viewers connected.
func AppendClientInit(dst []byte, shared bool) []byte { return append(dst, flag(shared)) }

// AppendSetPixelFormat asks for updates in the format.
func AppendSetPixelFormat(dst []byte, format PixelFormat) []byte {
	return appendPixelFormat(append(dst, byte(ClientSetPixelFormat), 0, 0, 0), format)
}

// AppendSetEncodings lists what the client takes, best liked first. At most
// MaxEncodings are written.
func AppendSetEncodings(dst []byte, encodings ...Encoding) []byte {
	encodings = encodings[:min(len(encodings), MaxEncodings)]
	dst = append(dst, byte(ClientSetEncodings), 0)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(encodings)))
	for _, e := range encodings {
		dst = binary.BigEndian.AppendUint32(dst, uint32(e))
	}
	return dst
}

// AppendUpdateRequest writes a FramebufferUpdateRequest.
func AppendUpdateRequest(dst []byte, r UpdateRequest) []byte {
	dst = append(dst, byte(ClientFramebufferUpdateRequest), flag(r.Incremental))
	return appendArea(dst, r.X, r.Y, r.Width, r.Height)
}

// AppendKeyEvent writes a KeyEvent. The key code is not in it.
func AppendKeyEvent(dst []byte, k KeyEvent) []byte {
	dst = append(dst, byte(ClientKeyEvent), flag(k.Down), 0, 0)
	return binary.BigEndian.AppendUint32(dst, k.Keysym)
}

// AppendQEMUKeyEvent writes an extended key event, to a desktop that has sent a
// QEMUExtendedKey rectangle.
func AppendQEMUKeyEvent(dst []byte, k KeyEvent) []byte {
	dst = append(dst, byte(ClientQEMU), QEMUExtendedKey, 0, flag(k.Down))
	dst = binary.BigEndian.AppendUint32(dst, k.Keysym)
	return binary.BigEndian.AppendUint32(dst, k.Keycode)
}

// AppendPointerEvent writes a PointerEvent. Without Extended, buttons above
// ButtonBack are lost.
func AppendPointerEvent(dst []byte, p PointerEvent) []byte {
	buttons := byte(p.Buttons)
	if p.Extended {
		buttons |= extendedButtons
	}
	dst = append(dst, byte(ClientPointerEvent), buttons)
	dst = binary.BigEndian.AppendUint16(dst, p.X)
	dst = binary.BigEndian.AppendUint16(dst, p.Y)
	if p.Extended {
		dst = append(dst, byte(p.Buttons>>7))
	}
	return dst
}

// AppendClientCutText writes the clipboard as Latin-1; characters that are not in
// it become question marks.
func AppendClientCutText(dst []byte, text string) []byte {
	return appendCutText(dst, byte(ClientCutText), text)
}

// AppendClientClipboard writes an extended clipboard message, to a desktop that
// has sent one with ClipboardCaps.
func AppendClientClipboard(dst []byte, c Clipboard) []byte {
	return appendClipboard(dst, byte(ClientCutText), c)
}

// AppendEnableContinuousUpdates is for a desktop that has sent
// EndOfContinuousUpdates.
func AppendEnableContinuousUpdates(dst []byte, c ContinuousUpdates) []byte {
	dst = append(dst, byte(ClientEnableContinuousUpdates), flag(c.Enable))
	return appendArea(dst, c.X, c.Y, c.Width, c.Height)
}

// AppendClientFence is for a desktop that has sent a fence. The payload is cut at
// MaxFencePayload.
func AppendClientFence(dst []byte, f Fence) []byte { return appendFence(dst, byte(ClientFence), f) }

// AppendSetDesktopSize is for a desktop that has sent an ExtendedDesktopSize
// rectangle. At most 255 screens are written.
func AppendSetDesktopSize(dst []byte, d DesktopSize) []byte {
	screens := d.Screens[:min(len(d.Screens), 255)]
	dst = append(dst, byte(ClientSetDesktopSize), 0)
	dst = binary.BigEndian.AppendUint16(dst, d.Width)
	dst = binary.BigEndian.AppendUint16(dst, d.Height)
	dst = append(dst, byte(len(screens)), 0)
	return appendScreens(dst, screens)
}

// AppendClientXVP asks the machine to do what the code says.
func AppendClientXVP(dst []byte, version, code uint8) []byte {
	return append(dst, byte(ClientXVP), 0, version, code)
}

// AppendQEMUAudio enables or disables sound.
func AppendQEMUAudio(dst []byte, operation uint16) []byte {
	dst = append(dst, byte(ClientQEMU), QEMUAudio)
	return binary.BigEndian.AppendUint16(dst, operation)
}

// AppendQEMUAudioFormat says how samples are wanted: format 0 to 5 for U8, S8,
// U16, S16, U32, S32; one or two channels; samples per second.
func AppendQEMUAudioFormat(dst []byte, format, channels uint8, frequency uint32) []byte {
	dst = append(AppendQEMUAudio(dst, QEMUAudioSetFormat), format, channels)
	return binary.BigEndian.AppendUint32(dst, frequency)
}

func appendArea(dst []byte, x, y, width, height uint16) []byte {
	dst = binary.BigEndian.AppendUint16(dst, x)
	dst = binary.BigEndian.AppendUint16(dst, y)
	dst = binary.BigEndian.AppendUint16(dst, width)
	return binary.BigEndian.AppendUint16(dst, height)
}

func appendFence(dst []byte, message byte, f Fence) []byte {
	payload := f.Payload[:min(len(f.Payload), MaxFencePayload)]
	dst = append(dst, message, 0, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, uint32(f.Flags))
	return append(append(dst, byte(len(payload))), payload...)
}

func appendCutText(dst []byte, message byte, text string) []byte {
	dst = append(dst, message, 0, 0, 0, 0, 0, 0, 0)
	start := len(dst)
	for _, r := range text {
		if r > 0xFF {
			r = '?'
		}
		dst = append(dst, byte(r))
	}
	binary.BigEndian.PutUint32(dst[start-4:], uint32(len(dst)-start))
	return dst
}
