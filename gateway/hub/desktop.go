package hub

import (
	"fmt"
	"image"
	"slices"

	"github.com/streamspace/streamspace/gateway/relay"
	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/tight"
)

// desktopState is what the desktop has said besides pixels: viewers that come
// later are told too.
type desktopState struct {
	continuous bool // it sends updates without being asked
	resizable  bool // it has sent its screens
	screens    []rfb.Screen
	cursor     cursor
	position   rfb.Rect // where it last moved the pointer to
	leds       uint8
	hasLEDs    bool
	keycodes   bool // it takes QEMU's key events
	buttons    bool // it takes more than eight
	clipboard  clipboard

	asker *viewer // whose wish for another size awaits its answer
}

// told handles a rectangle that has no pixels.
func (h *Hub) told(r rfb.ServerRect) error {
	d := &h.desktop
	switch r.Encoding {
	case rfb.EncodingDesktopSize, rfb.EncodingExtendedDesktopSize:
		return h.sized(r)
	case rfb.EncodingDesktopName:
		init := h.Init()
		init.Name, _ = r.DesktopName()
		h.init.Store(&init)
		h.owe(oweName)
	case rfb.EncodingCursor, rfb.EncodingVMwareCursor:
		d.cursor = cursor{rect: r.Rect, data: slices.Clone(r.Data), known: true}
		h.owe(oweCursor)
	case rfb.EncodingVMwareCursorPosition:
		d.position = r.Rect
		h.owe(owePosition)
	case rfb.EncodingQEMULEDState, rfb.EncodingVMwareLEDState:
		d.leds, d.hasLEDs = r.LEDState()
		h.owe(oweLEDs)
	case rfb.EncodingQEMUExtendedKey:
		d.keycodes = true
		h.owe(oweKeycodes)
	case rfb.EncodingExtendedMouseButtons:
		d.buttons = true
		h.owe(oweButtons)
	}
	return nil
}

// sized handles the desktop's size, or its answer to the wish for another one.
func (h *Hub) sized(r rfb.ServerRect) error {
	size, _ := r.DesktopSize()
	d := &h.desktop
	if r.Encoding == rfb.EncodingExtendedDesktopSize {
		asker := d.asker
		if r.X == rfb.ResizeByThisClient {
			d.asker = nil
			if asker != nil {
				asker.answer, asker.answered = r.Y, true
				asker.owed |= oweSize
			}
		}
		if r.X == rfb.ResizeByThisClient && r.Y != rfb.ResizeOK {
			return nil // nothing has changed
		}
		if !d.resizable || !slices.Equal(d.screens, size.Screens) {
			d.resizable, d.screens = true, slices.Clone(size.Screens)
			h.owe(oweScreens)
		}
	}
	init := h.Init()
	if init.Width == size.Width && init.Height == size.Height {
		return nil
	}
	init.Width, init.Height = size.Width, size.Height
	h.init.Store(&init)
	h.picture.Resize(int(size.Width), int(size.Height))
	h.changed.resize(h.bounds())
	h.motion.resize(h.bounds())
	h.dropReels()
	h.frame.begin(h.frame.at)
	h.parcels = nil
	h.missing = clip(h.missing, h.bounds())
	for _, c := range h.cameras {
		c.pending = region{h.bounds()} // what is not drawn yet is what was there, or black
	}
	for _, c := range h.classes {
		c.lossy = nil
	}
	for _, v := range h.viewers {
		v.dirty, v.soft = nil, nil
		v.softenAll()
		if v.seat.Screen == nil {
			v.dirty = region{h.bounds()}
		}
		v.owed |= oweSize
		if err := v.canBeSized(size.Width, size.Height); err != nil {
			v.socket.Interrupt(err)
		}
	}
	return h.request(false)
}

func clip(g region, bounds image.Rectangle) (clipped region) {
	for _, r := range g {
		clipped.add(r.Intersect(bounds))
	}
	return clipped
}

// canBeSized tells whether the viewer can be told that the desktop has this size.
func (v *viewer) canBeSized(width, height uint16) error {
	same := v.width == width && v.height == height
	if same || v.encodings == nil || v.has(rfb.EncodingExtendedDesktopSize) || v.has(rfb.EncodingDesktopSize) {
		return nil
	}
	return fmt.Errorf("%w: the desktop has %dx%d pixels now, which the viewer cannot be told", relay.ErrViewerProtocol, width, height)
}

// cursor is the pointer's shape, as the desktop sent it.
type cursor struct {
	rect  rfb.Rect // its hotspot and size
	data  []byte
	known bool
}

// alphaCursor is the first byte of a VMware cursor's data that is red, green,
// blue and alpha; another kind is combined with what is under it.
const alphaCursor = 1

// appendTo appends the cursor for a viewer, if it knows one that we can make.
func (c *cursor) appendTo(b []byte, v *viewer) (out []byte, count int) {
	rgba := c.rect.Encoding == rfb.EncodingVMwareCursor && c.data[0] == alphaCursor
	switch {
	case !c.known:
	case c.rect.Encoding == rfb.EncodingVMwareCursor && v.has(rfb.EncodingVMwareCursor):
		return append(rfb.AppendRect(b, c.rect), c.data...), 1
	case !v.has(rfb.EncodingCursor):
	case rgba:
		pixels, mask := opaque(c.data[2:], int(c.rect.Width), int(c.rect.Height), tight.NewConversion(v.format))
		return rfb.AppendCursor(b, c.rect, pixels, mask), 1
	case c.rect.Encoding == rfb.EncodingCursor:
		size := int(c.rect.Area()) * 4
		pixels := tight.NewConversion(v.format).Append(nil, c.data[:size])
		return rfb.AppendCursor(b, c.rect, pixels, c.data[size:]), 1
	}
	return b, 0
}

// opaque turns pixels of red, green, blue and alpha into those of a cursor that
// has a mask: what is more than half there is there.
func opaque(rgba []byte, width, height int, conversion *tight.Conversion) (pixels, mask []byte) {
	stride := (width + 7) / 8
	mask = make([]byte, stride*height)
	ours := make([]byte, 0, len(rgba))
	for i := 0; i+4 <= len(rgba); i += 4 {
		x, y := i/4%width, i/4/width
		if rgba[i+3] >= 128 {
			mask[y*stride+x/8] |= 0x80 >> (x % 8)
		}
		ours = append(ours, rgba[i+2], rgba[i+1], rgba[i], 0)
	}
	return conversion.Append(nil, ours), mask
}
