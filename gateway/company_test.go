package gateway_test

import (
	"fmt"
	"image"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/gateway"
	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/picture/picturetest"
)

// One at a time has control, by a relay or by a hub, and the others are told.
func TestControlOfOne(t *testing.T) {
	t.Parallel()
	d := newDisplay(t)
	h := newHouse(t, nil)
	session := streamspace.NewSessionID()
	h.publish(session, d.address, 1)
	is := func(x, y int, held uint16) {
		t.Helper()
		var at image.Point
		var down uint16
		eventually(t, fmt.Sprintf("the pointer at %d,%d and %#x held down", x, y, held), func() bool {
			at, down = d.Pointer(t)
			return at == image.Pt(x, y) && down == held
		})
	}
	point := func(m *member, x, y uint16, buttons uint16) {
		m.Send(rfb.AppendPointerEvent(nil, rfb.PointerEvent{X: x, Y: y, Buttons: buttons}))
	}
	key := func(m *member, down bool, keysym uint32) {
		m.Send(rfb.AppendKeyEvent(nil, rfb.KeyEvent{Down: down, Keysym: keysym}))
	}
	const shift, control = 0xffe1, 0xffe3

	owner := h.member(session, true)
	welcome := owner.told("who it is", func(text map[string]any) bool { return text["type"] == "welcome" })
	if welcome["viewer"] != string(owner.id) {
		t.Errorf("welcome %v", welcome)
	}
	point(owner, 100, 100, 0)
	key(owner, true, shift) // is held down while the guest comes
	is(100, 100, picturetest.HeldShift)
	owner.holder(owner.id)

	guest := h.member(session, true, streamspace.PermissionView, streamspace.PermissionControl)
	list := guest.told("who is here", func(text map[string]any) bool { return text["type"] == "viewers" && text["total"] == 2.0 })
	if items := list["items"].([]any); len(items) != 2 || items[1].(map[string]any)["you"] != true {
		t.Errorf("list %v", list)
	}
	owner.mode("hub")
	guest.holder(owner.id)

	// Without control nothing reaches the desktop but where one points, and that as
	// a cursor.
	key(guest, true, control)
	point(guest, 200, 50, 1)
	cursor := owner.told("where the guest points", func(text map[string]any) bool { return text["type"] == "cursor" })
	if cursor["viewer"] != string(guest.id) || cursor["x"] != 200.0 || cursor["y"] != 50.0 {
		t.Errorf("cursor %v", cursor)
	}
	point(owner, 110, 100, 0)
	is(110, 100, picturetest.HeldShift)

	// The guest asks, the owner gives: what the owner holds down is let go of.
	guest.tell("control.take", "")
	refused := guest.told("a refusal", func(text map[string]any) bool { return text["type"] == "refused" })
	if refused["code"] != "forbidden" {
		t.Errorf("refused %v", refused)
	}
	guest.tell("control.request", "")
	owner.told("a request", func(text map[string]any) bool {
		requests, _ := text["requests"].([]any)
		return text["type"] == "control" && len(requests) == 1
	})
	owner.tell("control.give", guest.id)
	guest.holder(guest.id)
	is(110, 100, 0)

	// The guest leaves in the middle of a drag.
	point(guest, 300, 200, 0)
	point(guest, 300, 200, 1)
	key(guest, true, control)
	is(300, 200, picturetest.HeldButton|picturetest.HeldControl)
	guest.conn.Close()
	is(300, 200, 0)
	owner.told("that the cursor is gone", func(text map[string]any) bool { return text["type"] == "cursor" && text["gone"] == true })

	// Alone again: not while something is held down.
	point(owner, 10, 20, 1)
	is(10, 20, picturetest.HeldButton)
	point(owner, 30, 20, 1)
	is(30, 20, picturetest.HeldButton)
	point(owner, 30, 20, 0)
	is(30, 20, 0)
	owner.mode("relay")
	point(owner, 40, 20, 0)
	is(40, 20, 0)
	owner.Shows(d.draw(t))
}

// A text that is no message ends the stream; one that is not known does nothing.
func TestTextsThatAreNone(t *testing.T) {
	t.Parallel()
	d := newDisplay(t)
	h := newHouse(t, nil)
	session := streamspace.NewSessionID()
	h.publish(session, d.address, 1)
	m := h.member(session, true)
	m.Shows(d.draw(t))
	m.tell("control.levitate", "")
	m.Shows(d.draw(t))
	m.viewer.writing.Lock()
	err := m.conn.WriteMessage(websocket.TextMessage, []byte(`{"type":`))
	m.viewer.writing.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	m.ended(gateway.StatusProtocol)

	plain := h.member(session, false)
	plain.Shows(d.draw(t))
	plain.tell("control.request", "") // a viewer of RFB alone has no texts
	plain.ended(gateway.StatusProtocol)
}
