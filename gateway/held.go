package gateway

import (
	"slices"

	"github.com/streamspace/streamspace/rfb"
)

// maxHeld bounds the keys of which it is noted that they are down: people have
// ten fingers.
const maxHeld = 32

// held is what a viewer holds down on the desktop.
type held struct {
	keys    []rfb.KeyEvent
	pointer rfb.PointerEvent
}

// note follows a message that passed.
func (h *held) note(m rfb.ClientMessage) {
	if p, ok := m.Pointer(); ok {
		h.pointer = p
		return
	}
	key, ok := m.Key()
	if !ok {
		return
	}
	h.keys = slices.DeleteFunc(h.keys, func(k rfb.KeyEvent) bool { return k.Keysym == key.Keysym && k.Keycode == key.Keycode })
	if key.Down && len(h.keys) < maxHeld {
		h.keys = append(h.keys, key)
	}
}

// any tells whether something is down.
func (h *held) any() bool { return len(h.keys) > 0 || h.pointer.Buttons != 0 }

// release returns messages that let go of everything.
func (h *held) release() []byte {
	b := appendKeys(nil, h.keys, false)
	if h.pointer.Buttons != 0 {
		h.pointer.Buttons = 0
		b = rfb.AppendPointerEvent(b, h.pointer)
	}
	h.keys = nil
	return b
}

// move returns what lets go of the modifiers on the connection that the viewer
// leaves, and what holds them and the buttons down again on its next one.
//
// Other keys are not pressed again, which would type them twice: the desktop
// lets go of them when the old connection ends, and a key that repeats is
// pressed again by the viewer. The buttons stay down: X has them once for all
// connections, and what is being dragged would be dropped.
func (h *held) move() (leave, arrive []byte) {
	h.keys = slices.DeleteFunc(h.keys, func(k rfb.KeyEvent) bool { return !modifier(k.Keysym) })
	leave, arrive = appendKeys(nil, h.keys, false), appendKeys(nil, h.keys, true)
	if h.pointer.Buttons != 0 {
		arrive = rfb.AppendPointerEvent(arrive, h.pointer)
	}
	return leave, arrive
}

func appendKeys(b []byte, keys []rfb.KeyEvent, down bool) []byte {
	for _, key := range keys {
		key.Down = down
		if key.Keycode != 0 {
			b = rfb.AppendQEMUKeyEvent(b, key)
		} else {
			b = rfb.AppendKeyEvent(b, key)
		}
	}
	return b
}

// modifier tells whether a keysym is of a key that changes what others do
// (X11's keysymdef.h): Shift_L to Hyper_R without the two locks, which are
// pressed and not held, and the level shifts.
func modifier(keysym uint32) bool {
	const shiftL, hyperR, capsLock, shiftLock = 0xffe1, 0xffee, 0xffe5, 0xffe6
	const modeSwitch, level3, level5 = 0xff7e, 0xfe03, 0xfe11
	switch keysym {
	case capsLock, shiftLock:
		return false
	case modeSwitch, level3, level5:
		return true
	}
	return keysym >= shiftL && keysym <= hyperR
}
