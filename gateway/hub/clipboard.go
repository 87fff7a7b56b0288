package hub

import (
	"errors"
	"fmt"

	"github.com/streamspace/streamspace/gateway/relay"
	"github.com/streamspace/streamspace/rfb"
)

// maxClipboard bounds the text that passes between a desktop and its viewers, in
// bytes. TigerVNC's own bound is a quarter of it.
const maxClipboard = 1 << 20

// clipboard is text on its way, in both directions. The hub speaks the extended
// messages with each end by itself: ends that do not know them get Latin-1.
type clipboard struct {
	extended bool   // the desktop has told its capabilities
	text     string // of the desktop; viewers may have it
	has      bool   // text is there
	offered  string // of a viewer; the desktop may ask for it
}

// hubCaps is what the hub's clipboard can do: text, of which nothing is sent
// without a request.
var hubCaps = rfb.Clipboard{
	Flags: rfb.ClipboardText | rfb.ClipboardCaps | rfb.ClipboardRequest | rfb.ClipboardPeek | rfb.ClipboardNotify | rfb.ClipboardProvide,
	Sizes: []uint32{0},
}

// desktopCut handles a clipboard message of the desktop.
func (h *Hub) desktopCut(m rfb.ServerMessage) error {
	cut, body, _ := m.CutText()
	c := &h.desktop.clipboard
	if !cut.Extended {
		if len(body) <= maxClipboard {
			h.desktopText(rfb.Latin1(body))
		}
		return nil
	}
	message, err := rfb.ParseClipboard(body)
	if err != nil {
		return fmt.Errorf("%w: %w", relay.ErrDesktopProtocol, err)
	}
	answer := rfb.Clipboard{Flags: rfb.ClipboardText}
	switch message.Flags.Action() {
	case rfb.ClipboardCaps:
		c.extended = true
		answer = hubCaps
	case rfb.ClipboardNotify:
		if message.Flags&rfb.ClipboardText == 0 {
			return nil
		}
		answer.Flags |= rfb.ClipboardRequest
	case rfb.ClipboardPeek:
		answer.Flags = rfb.ClipboardNotify
		if c.offered != "" {
			answer.Flags |= rfb.ClipboardText
		}
	case rfb.ClipboardRequest:
		answer = rfb.ProvideClipboardText(c.offered)
	case rfb.ClipboardProvide:
		text, err := message.Text(maxClipboard)
		if errors.Is(err, rfb.ErrClipboardTooLarge) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", relay.ErrDesktopProtocol, err)
		}
		h.desktopText(text)
		return nil
	}
	return h.up.write(rfb.AppendClientClipboard(nil, answer))
}

// desktopText tells the viewers that the desktop's clipboard has text.
func (h *Hub) desktopText(text string) {
	h.desktop.clipboard.text, h.desktop.clipboard.has = text, true
	h.owe(oweNotify)
}

// payClipboard appends what the viewer's clipboard is to hear.
func (v *viewer) payClipboard(b []byte, owed debt) []byte {
	c := &v.hub.desktop.clipboard
	extended := v.has(rfb.EncodingExtendedClipboard)
	if owed&oweCaps != 0 && extended {
		b = rfb.AppendServerClipboard(b, hubCaps)
	}
	if !v.seat.Policy.ClipboardOut || !c.has {
		return b
	}
	switch {
	case owed&oweText != 0:
		b = rfb.AppendServerClipboard(b, rfb.ProvideClipboardText(c.text))
	case owed&oweNotify != 0 && extended:
		b = rfb.AppendServerClipboard(b, rfb.Clipboard{Flags: rfb.ClipboardText | rfb.ClipboardNotify})
	case owed&oweNotify != 0:
		b = rfb.AppendServerCutText(b, c.text)
	}
	return b
}

// cut handles a clipboard message of the viewer, which its policy allows.
func (v *viewer) cut(extended bool, body []byte) error {
	if !extended {
		return v.offer(rfb.Latin1(body))
	}
	message, err := rfb.ParseClipboard(body)
	if err != nil {
		return fmt.Errorf("%w: %w", relay.ErrViewerProtocol, err)
	}
	switch message.Flags.Action() {
	case rfb.ClipboardNotify: // it has something: the desktop is to have it too
		if message.Flags&rfb.ClipboardText != 0 {
			v.say(rfb.AppendServerClipboard(nil, rfb.Clipboard{Flags: rfb.ClipboardText | rfb.ClipboardRequest}))
		}
	case rfb.ClipboardPeek:
		v.owed |= oweNotify
		v.flush()
	case rfb.ClipboardRequest:
		v.owed |= oweText
		v.flush()
	case rfb.ClipboardProvide:
		text, err := message.Text(maxClipboard)
		if errors.Is(err, rfb.ErrClipboardTooLarge) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", relay.ErrViewerProtocol, err)
		}
		return v.offer(text)
	}
	return nil
}

// offer gives a viewer's text to the desktop.
func (v *viewer) offer(text string) error {
	if len(text) > maxClipboard {
		return nil
	}
	c := &v.hub.desktop.clipboard
	c.offered = text
	if !c.extended {
		return v.hub.up.write(rfb.AppendClientCutText(nil, text))
	}
	return v.hub.up.write(rfb.AppendClientClipboard(nil, rfb.Clipboard{Flags: rfb.ClipboardText | rfb.ClipboardNotify}))
}
