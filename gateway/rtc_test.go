package gateway_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"image"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/gateway"
	"github.com/streamspace/streamspace/gateway/rtc"
	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/picture/picturetest"
)

// webrtcHouse is a house with WebRTC on the loopback.
func webrtcHouse(t *testing.T) (*house, string) {
	t.Helper()
	h := newHouse(t, nil)
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	server, err := rtc.New(rtc.Options{Log: slog.New(slog.DiscardHandler), UDP: udp, Loopback: true, Formats: []rtc.Format{{Codec: "VP8"}}})
	if err != nil {
		t.Fatal(err)
	}
	handler, err := gateway.NewWebRTC(h.gateway, server, &rtc.Access{URLs: []string{"turn:{host}:3478"}, Secret: "x"}, h.registry)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(gateway.PrefixWebRTC, handler)
	front := httptest.NewServer(mux)
	t.Cleanup(func() {
		front.Close()
		h.stop()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		front.Client().CloseIdleConnections()
	})
	return h, front.URL
}

// ask sends a request and returns the status, the Location and the body.
func ask(t *testing.T, method, address, kind, body string) (int, string, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header.Get("Location"), string(answer)
}

// distant is a viewer by WebRTC.
type distant struct {
	*picturetest.Mirror
	t          *testing.T
	connection *webrtc.PeerConnection
	control    *webrtc.DataChannel
	pointer    *webrtc.DataChannel
	opened     chan struct{}
	pointing   chan struct{}
	bytes      *io.PipeReader
	texts      chan map[string]any
	frames     atomic.Int32 // of video
	keys       atomic.Int32 // of them key frames
	ssrc       atomic.Uint32
	location   string
}

func newDistant(t *testing.T) *distant {
	t.Helper()
	media := new(webrtc.MediaEngine)
	if err := media.RegisterDefaultCodecs(); err != nil {
		t.Fatal(err)
	}
	var setting webrtc.SettingEngine
	setting.SetIncludeLoopbackCandidate(true)
	setting.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	connection, err := webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithSettingEngine(setting)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	d := &distant{t: t, connection: connection, opened: make(chan struct{}), pointing: make(chan struct{}), texts: make(chan map[string]any, 10_000)}
	bytes, put := io.Pipe()
	d.bytes = bytes
	t.Cleanup(func() { bytes.Close(); connection.GracefulClose() })
	if d.control, err = connection.CreateDataChannel(rtc.ControlLabel, nil); err != nil {
		t.Fatal(err)
	}
	d.control.OnOpen(func() { close(d.opened) })
	d.control.OnClose(func() { put.Close() })
	d.control.OnMessage(func(m webrtc.DataChannelMessage) {
		if !m.IsString {
			put.Write(m.Data)
			return
		}
		var text map[string]any
		if err := json.Unmarshal(m.Data, &text); err != nil {
			t.Error(err)
		}
		if text["type"] == "ping" {
			d.control.SendText(strings.Replace(string(m.Data), "ping", "pong", 1))
		}
		d.texts <- text
	})
	ordered, none := false, uint16(0)
	if d.pointer, err = connection.CreateDataChannel(rtc.PointerLabel, &webrtc.DataChannelInit{Ordered: &ordered, MaxRetransmits: &none}); err != nil {
		t.Fatal(err)
	}
	d.pointer.OnOpen(func() { close(d.pointing) })
	if _, err := connection.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
		t.Fatal(err)
	}
	connection.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { d.watch(track) })
	return d
}

// watch counts frames of VP8 (RFC 7741): a packet that begins one has the S bit, and
// then the frame's first byte after the descriptor.
func (d *distant) watch(track *webrtc.TrackRemote) {
	d.ssrc.Store(uint32(track.SSRC()))
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		if packet.Marker {
			d.frames.Add(1)
		}
		const descriptor = 4 // with a picture's number of 15 bits
		if p := packet.Payload; len(p) > descriptor && p[0]&0x10 != 0 && p[descriptor]&1 == 0 {
			d.keys.Add(1)
		}
	}
}

func (d *distant) offer() string {
	d.t.Helper()
	gathered := webrtc.GatheringCompletePromise(d.connection)
	offer, err := d.connection.CreateOffer(nil)
	if err != nil {
		d.t.Fatal(err)
	}
	if err := d.connection.SetLocalDescription(offer); err != nil {
		d.t.Fatal(err)
	}
	<-gathered
	return d.connection.LocalDescription().SDP
}

// enter opens the stream up to ServerInit.
func (d *distant) enter(front string, session streamspace.SessionID, query string) {
	d.t.Helper()
	status, location, answer := ask(d.t, http.MethodPost, front+"/rtc/v1/"+string(session)+"?"+query, "application/sdp", d.offer())
	if status != http.StatusCreated {
		d.t.Fatalf("status %d: %s", status, answer)
	}
	d.location = front + location
	if err := d.connection.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		d.t.Fatal(err)
	}
	for _, c := range []chan struct{}{d.opened, d.pointing} {
		select {
		case <-c:
		case <-time.After(patience):
			d.t.Fatal("no connection")
		}
	}
	hands, err := rfb.ClientHandshake(d, rfb.ClientConfig{})
	if err != nil {
		d.t.Fatal(err)
	}
	d.Mirror = picturetest.Reflect(d.t, d, hands.Init, append(lossless, rfb.EncodingCursor)...)
}

func (d *distant) Read(p []byte) (int, error)  { return d.bytes.Read(p) }
func (d *distant) Write(p []byte) (int, error) { return len(p), d.control.Send(p) }
func (d *distant) Close() error                { return d.connection.Close() }

func (d *distant) told(kind string) map[string]any {
	d.t.Helper()
	late := time.After(patience)
	for {
		select {
		case text := <-d.texts:
			if text["type"] == kind {
				return text
			}
		case <-late:
			d.t.Fatalf("was not told: %s", kind)
		}
	}
}

// move sends a motion on the pointer channel.
func (d *distant) move(turn, number uint32, x, y uint16) {
	d.t.Helper()
	b := binary.BigEndian.AppendUint32(nil, turn)
	b = binary.BigEndian.AppendUint32(b, number)
	b = binary.BigEndian.AppendUint16(b, x)
	if err := d.pointer.Send(binary.BigEndian.AppendUint16(b, y)); err != nil {
		d.t.Fatal(err)
	}
}

func at(t *testing.T, d *display, want image.Point, held bool) {
	t.Helper()
	eventually(t, "the pointer to be there", func() bool {
		got, down := d.Pointer(t)
		return got == want && down != 0 == held
	})
}

func owners(pass string) string { return "ticket=" + url.QueryEscape(pass) }

func TestWebRTCViewer(t *testing.T) {
	t.Parallel()
	display := newDisplay(t)
	h, front := webrtcHouse(t)
	session := streamspace.NewSessionID()
	h.publish(session, display.address, 1)
	pass, claims := h.mint(session)
	d := newDistant(t)
	d.enter(front, session, owners(pass))
	if welcome := d.told("welcome"); welcome["viewer"] != string(claims.Viewer) {
		t.Errorf("welcomed as %v", welcome)
	}
	eventually(t, "a key frame", func() bool { return d.keys.Load() > 0 })

	// Beside a viewer by WebSocket: both see what there is, and share control.
	other := h.member(session, true)
	before := d.frames.Load()
	other.Shows(display.draw(t))
	eventually(t, "a frame", func() bool { return d.frames.Load() > before })
	d.told("viewers")

	d.Send(rfb.AppendPointerEvent(nil, rfb.PointerEvent{X: 100, Y: 100, Buttons: 1}))
	at(t, display, image.Pt(100, 100), true)
	d.move(1, 1, 120, 130) // with the button that is down
	at(t, display, image.Pt(120, 130), true)
	d.move(7, 2, 5, 5) // of a turn that has not come
	d.Send(rfb.AppendPointerEvent(nil, rfb.PointerEvent{X: 140, Y: 140}))
	at(t, display, image.Pt(140, 140), false)
	d.move(1, 3, 9, 9) // of one that is over
	d.move(2, 4, 150, 150)
	at(t, display, image.Pt(150, 150), false)
	other.holder(claims.Viewer)

	// A lost picture is mended, at most once a second.
	keys := d.keys.Load()
	if err := d.connection.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: d.ssrc.Load()}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a key frame for who asks", func() bool { return d.keys.Load() > keys })

	if status, _, _ := ask(t, http.MethodPatch, d.location, "application/trickle-ice-sdpfrag", "a=end-of-candidates\r\n"); status != http.StatusNoContent {
		t.Errorf("further addresses: status %d", status)
	}
	if status, _, answer := ask(t, http.MethodPost, front+"/rtc/v1/"+string(session)+"?"+owners(pass), "application/sdp", newDistant(t).offer()); status != http.StatusUnauthorized {
		t.Errorf("the ticket again: %d %s", status, answer)
	}
	if got := h.metric("webrtc_connected_total", "vp8"); got != 1 {
		t.Errorf("%v connections are counted", got)
	}
	if status, _, _ := ask(t, http.MethodDelete, d.location, "", ""); status != http.StatusNoContent {
		t.Errorf("leaving: status %d", status)
	}
	eventually(t, "the viewer to be gone", func() bool { return h.metric("viewers") == 1 && h.metric("webrtc_peers") == 0 })
	if status, _, _ := ask(t, http.MethodDelete, d.location, "", ""); status != http.StatusNotFound {
		t.Errorf("leaving twice: status %d", status)
	}
}

// A viewer by WebSocket goes on by WebRTC, and back, with its place and control.
func TestMovingBetweenTransports(t *testing.T) {
	t.Parallel()
	display := newDisplay(t)
	h, front := webrtcHouse(t)
	session := streamspace.NewSessionID()
	h.publish(session, display.address, 1)
	first := h.member(session, true)
	first.Shows(display.draw(t))
	offered := first.told("that there is WebRTC", func(text map[string]any) bool { return text["type"] == "webrtc" })
	relays, _ := offered["iceServers"].([]any)
	if len(relays) != 1 || !strings.HasSuffix(relays[0].(map[string]any)["username"].(string), ":"+string(first.id)) {
		t.Errorf("relays: %v", offered["iceServers"])
	}
	back := func(text map[string]any) bool { return text["type"] == "resume" }
	first.told("how to come back", back)
	first.tell("control.take", "")
	how := first.told("how to come back with control", back)
	first.holder(first.id)

	d := newDistant(t)
	d.enter(front, session, "resume="+url.QueryEscape(how["token"].(string)))
	if welcome := d.told("welcome"); welcome["viewer"] != string(first.id) {
		t.Errorf("welcomed as %v", welcome)
	}
	first.ended(gateway.StatusIdle)
	eventually(t, "a key frame", func() bool { return d.keys.Load() > 0 })
	for control := d.told("control"); control["holder"] != string(first.id); control = d.told("control") {
	}
	watching, err := h.broker.Viewers(t.Context(), session)
	if err != nil || len(watching) != 1 {
		t.Errorf("%d watch: %v", len(watching), err)
	}
}

// A try by WebRTC that comes to nothing uses up how to come back: the viewer, which
// is still there by WebSocket, is told anew.
func TestWebRTCInVain(t *testing.T) {
	t.Parallel()
	display := newDisplay(t)
	h, front := webrtcHouse(t)
	session := streamspace.NewSessionID()
	h.publish(session, display.address, 1)
	viewer := h.member(session, true)
	back := func(text map[string]any) bool { return text["type"] == "resume" }
	how := viewer.told("how to come back", back)
	address := front + "/rtc/v1/" + string(session) + "?resume="
	if status, _, answer := ask(t, http.MethodPost, address+url.QueryEscape(how["token"].(string)), "application/sdp", "v=0\r\ngarbage"); status != http.StatusBadRequest {
		t.Fatalf("garbage: %d %s", status, answer)
	}
	how = viewer.told("how to come back, again", back)

	// An offer that is answered, by somebody who then leaves.
	status, location, answer := ask(t, http.MethodPost, address+url.QueryEscape(how["token"].(string)), "application/sdp", newDistant(t).offer())
	if status != http.StatusCreated {
		t.Fatalf("status %d: %s", status, answer)
	}
	ask(t, http.MethodDelete, front+location, "", "")
	viewer.told("how to come back, after that", back)
	viewer.Shows(display.draw(t))
}

func TestWebRTCPermissions(t *testing.T) {
	t.Parallel()
	display := newDisplay(t)
	h, front := webrtcHouse(t)
	session := streamspace.NewSessionID()
	h.publish(session, display.address, 1)
	owner := h.member(session, false)
	owner.Send(rfb.AppendPointerEvent(nil, rfb.PointerEvent{X: 10, Y: 10}))
	at(t, display, image.Pt(10, 10), false)
	pass, _ := h.mint(session, streamspace.PermissionView)
	d := newDistant(t)
	d.enter(front, session, owners(pass))
	d.Send(rfb.AppendPointerEvent(nil, rfb.PointerEvent{X: 200, Y: 200, Buttons: 1}))
	eventually(t, "it to be withheld", func() bool { return h.metric("filtered_total", "PointerEvent", "in") == 1 })
	d.move(1, 1, 210, 210)
	eventually(t, "motion to be withheld", func() bool { return h.metric("filtered_total", "PointerEvent", "in") == 2 })
	at(t, display, image.Pt(10, 10), false)

	// The gateway goes: the viewer is told why.
	owner.conn.Close()
	eventually(t, "the other to be gone", func() bool { return h.metric("viewers") == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := h.gateway.Drain(ctx); err != nil {
		t.Fatal(err)
	}
	if farewell := d.told("close"); farewell["reason"] != "gateway_draining" || farewell["status"] != float64(gateway.StatusRestart) {
		t.Errorf("the farewell is %v", farewell)
	}
}

func TestWebRTCRefusals(t *testing.T) {
	t.Parallel()
	h, front := webrtcHouse(t)
	session := streamspace.NewSessionID()
	address := front + "/rtc/v1/" + string(session)
	fresh := func() string { pass, _ := h.mint(session); return address + "?" + owners(pass) }
	for name, test := range map[string]struct {
		method, address, kind, body string
		status                      int
		code                        streamspace.Code
	}{
		"no ticket":     {http.MethodPost, address, "application/sdp", "v=0", http.StatusUnauthorized, streamspace.CodeTicketInvalid},
		"no session":    {http.MethodPost, front + "/rtc/v1/x", "application/sdp", "v=0", http.StatusNotFound, streamspace.CodeNotFound},
		"garbage":       {http.MethodPost, fresh(), "application/sdp", "v=0\r\ngarbage", http.StatusBadRequest, streamspace.CodeInvalid},
		"another type":  {http.MethodPost, fresh(), "text/plain", "v=0", http.StatusUnsupportedMediaType, streamspace.CodeInvalid},
		"too long":      {http.MethodPost, fresh(), "application/sdp", strings.Repeat("a", rtc.MaxOffer+1), http.StatusRequestEntityTooLarge, streamspace.CodeInvalid},
		"another verb":  {http.MethodPut, fresh(), "application/sdp", "", http.StatusMethodNotAllowed, streamspace.CodeInvalid},
		"nobody's peer": {http.MethodPatch, address + "/nobody", "application/trickle-ice-sdpfrag", "", http.StatusNotFound, streamspace.CodeNotFound},
	} {
		status, _, answer := ask(t, test.method, test.address, test.kind, test.body)
		var problem struct{ Code streamspace.Code }
		json.Unmarshal([]byte(answer), &problem)
		if status != test.status || problem.Code != test.code {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
	if status, _, _ := ask(t, http.MethodOptions, address, "", ""); status != http.StatusNoContent {
		t.Errorf("a browser's question is answered with %d", status)
	}
	if got := h.metric("viewers"); got != 0 {
		t.Errorf("%v viewers are counted", got)
	}
}
