package gateway_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/gateway"
	"github.com/streamspace/streamspace/gateway/sound"
)

// besides are the sockets beside a display's: what a desktop with sound has.
func besides(t *testing.T, d *display) (speakers, microphone net.Listener) {
	t.Helper()
	dir := filepath.Dir(strings.TrimPrefix(d.address, "unix:"))
	listen := func(name string) net.Listener {
		listener, err := net.Listen("unix", filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { listener.Close() })
		return listener
	}
	return listen(streamspace.SoundSocket), listen(streamspace.MicrophoneSocket)
}

func accept(t *testing.T, listener net.Listener) net.Conn {
	t.Helper()
	listener.(*net.UnixListener).SetDeadline(time.Now().Add(patience))
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return conn
}

func (m *member) say(text string) {
	m.viewer.t.Helper()
	m.viewer.writing.Lock()
	defer m.viewer.writing.Unlock()
	if err := m.conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		m.viewer.t.Fatal(err)
	}
}

func (m *member) state(kind, state string) {
	m.viewer.t.Helper()
	m.told(kind+" "+state, func(text map[string]any) bool { return text["type"] == kind && text["state"] == state })
}

// A viewer hears the desktop when it asks to and may, and the desktop hears it.
func TestSound(t *testing.T) {
	t.Parallel()
	library, err := sound.Open()
	if err != nil {
		t.Skip(err)
	}
	d := newDisplay(t)
	speakers, microphone := besides(t, d)
	h := newHouse(t, func(options *gateway.Options) { options.Sound = library })
	session := streamspace.NewSessionID()
	h.publish(session, d.address, 1)

	deaf := h.member(session, true, streamspace.PermissionView, streamspace.PermissionControl)
	deaf.say(`{"type":"sound","on":true}`)
	deaf.say(`{"type":"microphone","on":true}`)
	m := h.member(session, true)
	m.state("sound.state", "off")
	m.state("microphone.state", "off")
	for range 2 { // twice is once
		m.say(`{"type":"sound","on":true}`)
	}
	desktop := accept(t, speakers)
	noise := make([]byte, 10*3840) // ten packets of 20 ms
	for i := range noise {
		noise[i] = byte(i * i)
	}
	if _, err := desktop.Write(noise); err != nil {
		t.Fatal(err)
	}
	m.state("sound.state", "playing")
	packet := m.told("a packet", func(text map[string]any) bool { return text["type"] == "sound.packet" })
	data, err := base64.StdEncoding.DecodeString(fmt.Sprint(packet["data"]))
	if at, ok := packet["at"].(float64); err != nil || len(data) < 20 || !ok || at < 0 {
		t.Errorf("a packet %v of %d bytes, %v", packet["at"], len(data), err)
	}
	eventually(t, "all of it to be coded", func() bool { return h.metric("sound_coded_packets_total") == 10 })
	m.say(`{"type":"sound","on":false}`)
	if _, err := desktop.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("nobody listens, and the desktop sees %v", err)
	}
	if got := h.metric("sound_coded_packets_total"); got != 10 {
		t.Errorf("%v packets were coded", got)
	}

	m.say(`{"type":"microphone","on":true}`)
	hears := accept(t, microphone)
	m.state("microphone.state", "on")
	silence := base64.StdEncoding.EncodeToString([]byte{0xf8, 0xff, 0xfe}) // 20 ms (RFC 6716 section 3.1)
	m.say(`{"type":"microphone.packet","number":7,"data":"` + silence + `"}`)
	heard := make([]byte, 1920)
	if _, err := io.ReadFull(hears, heard); err != nil || !bytes.Equal(heard, make([]byte, 1920)) {
		t.Errorf("the desktop hears something else: %v", err)
	}
	hears.Close() // as when somebody else speaks
	m.state("microphone.state", "refused")

	m.say(`{"type":"microphone","on":true}`)
	hears = accept(t, microphone)
	m.say(`{"type":"microphone","on":false}`)
	if _, err := hears.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the microphone is off, and the desktop sees %v", err)
	}
	select {
	case text := <-deaf.texts:
		for ; text != nil; text = next(deaf.texts) {
			if kind := fmt.Sprint(text["type"]); strings.HasPrefix(kind, "sound") || strings.HasPrefix(kind, "microphone") {
				t.Errorf("who may not is told %v", text)
			}
		}
	default:
	}
	m.say(`{"type":"sound","on":"maybe"}`)
	m.ended(gateway.StatusProtocol)
}

// next is one that has come, or nil.
func next(texts <-chan map[string]any) map[string]any {
	select {
	case text := <-texts:
		return text
	default:
		return nil
	}
}
