package rtc_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"go.uber.org/goleak"

	"github.com/streamspace/streamspace/gateway/rtc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what a busy machine may take.
const patience = time.Minute

var vp8 = rtc.Format{Codec: "VP8"}

// newServer is one on the loopback.
func newServer(t *testing.T, change func(*rtc.Options)) *rtc.Server {
	t.Helper()
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	options := rtc.Options{Log: slog.New(slog.DiscardHandler), UDP: udp, Loopback: true, Formats: []rtc.Format{{Codec: "VP9", FullChroma: true}, {Codec: "VP9"}, vp8}}
	if change != nil {
		change(&options)
	}
	s, err := rtc.New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// visitor is a browser's part.
type visitor struct {
	t          *testing.T
	connection *webrtc.PeerConnection
	control    *webrtc.DataChannel
	pointer    *webrtc.DataChannel
	opened     chan struct{}
	messages   chan webrtc.DataChannelMessage
	tracks     chan *webrtc.TrackRemote
}

func newVisitor(t *testing.T, codecs ...webrtc.RTPCodecParameters) *visitor {
	t.Helper()
	media := new(webrtc.MediaEngine)
	if len(codecs) == 0 {
		if err := media.RegisterDefaultCodecs(); err != nil {
			t.Fatal(err)
		}
	}
	for _, codec := range codecs {
		if err := media.RegisterCodec(codec, webrtc.RTPCodecTypeVideo); err != nil {
			t.Fatal(err)
		}
	}
	var setting webrtc.SettingEngine
	setting.SetIncludeLoopbackCandidate(true)
	setting.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	setting.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeTCP4})
	connection, err := webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithSettingEngine(setting)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.GracefulClose() })
	v := &visitor{
		t: t, connection: connection, opened: make(chan struct{}),
		messages: make(chan webrtc.DataChannelMessage, 1000), tracks: make(chan *webrtc.TrackRemote, 1),
	}
	v.control, err = connection.CreateDataChannel(rtc.ControlLabel, nil)
	if err != nil {
		t.Fatal(err)
	}
	v.control.OnOpen(func() { close(v.opened) })
	v.control.OnMessage(func(m webrtc.DataChannelMessage) { v.messages <- m })
	ordered, none := false, uint16(0)
	v.pointer, err = connection.CreateDataChannel(rtc.PointerLabel, &webrtc.DataChannelInit{Ordered: &ordered, MaxRetransmits: &none})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := connection.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}); err != nil {
		t.Fatal(err)
	}
	connection.OnTrack(func(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) { v.tracks <- track })
	return v
}

// offer is the visitor's, with all its addresses or none.
func (v *visitor) offer(addresses bool) string {
	v.t.Helper()
	gathered := webrtc.GatheringCompletePromise(v.connection)
	offer, err := v.connection.CreateOffer(nil)
	if err != nil {
		v.t.Fatal(err)
	}
	if err := v.connection.SetLocalDescription(offer); err != nil {
		v.t.Fatal(err)
	}
	await(v.t, gathered, "the visitor's addresses")
	if !addresses {
		return offer.SDP
	}
	return v.connection.LocalDescription().SDP
}

// enter has the server take the visitor.
func (v *visitor) enter(s *rtc.Server, handlers rtc.Handlers, addresses bool) *rtc.Peer {
	v.t.Helper()
	if handlers.Refresh == nil {
		handlers.Refresh = func() {}
	}
	if handlers.Moved == nil {
		handlers.Moved = func() {}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	peer, err := s.Offer(ctx, []byte(v.offer(addresses)), handlers)
	if err != nil {
		v.t.Fatal(err)
	}
	if err := v.connection.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: peer.Answer()}); err != nil {
		v.t.Fatal(err)
	}
	return peer
}

func await[T any](t *testing.T, c <-chan T, what string) (value T) {
	t.Helper()
	select {
	case value = <-c:
		return value
	case <-time.After(patience):
		t.Fatalf("%s did not come", what)
		return value
	}
}

func (v *visitor) up(p *rtc.Peer) {
	v.t.Helper()
	await(v.t, v.opened, "the control channel")
	await(v.t, p.Up(), "the peer")
}

func TestVideoAndStream(t *testing.T) {
	s := newServer(t, nil)
	v := newVisitor(t)
	refreshed := make(chan struct{}, 100)
	p := v.enter(s, rtc.Handlers{Refresh: func() { refreshed <- struct{}{} }}, true)
	v.up(p)
	if p.Format() != (rtc.Format{Codec: "VP9"}) { // pion offers no profile 1
		t.Errorf("the format is %+v", p.Format())
	}

	frame := bytes.Repeat([]byte{0x82, 0x49, 0x83, 0x42}, 5000) // as a key frame of VP9 begins
	began := time.Now()
	if err := p.Show(frame, began); err != nil {
		t.Fatal(err)
	}
	track := await(t, v.tracks, "the video")
	size, packets := 0, 0
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			t.Fatal(err)
		}
		size, packets = size+len(packet.Payload), packets+1
		if packet.Marker {
			break
		}
	}
	if size < len(frame) || packets < len(frame)/1200 {
		t.Errorf("a frame of %d bytes came as %d bytes in %d packets", len(frame), size, packets)
	}

	if err := v.connection.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: uint32(track.SSRC())}}); err != nil {
		t.Fatal(err)
	}
	await(t, refreshed, "the wish for a key frame")
	if p.Bitrate() < 1_000_000 {
		t.Errorf("of an unknown line it is believed that it carries %d bits/s", p.Bitrate())
	}
}

func TestStreamBothWays(t *testing.T) {
	s := newServer(t, nil)
	v := newVisitor(t)
	p := v.enter(s, rtc.Handlers{}, true)
	v.up(p)
	conn := p.Conn()

	if err := v.control.Send([]byte("RFB 003.008\n")); err != nil {
		t.Fatal(err)
	}
	if err := v.control.SendText(`{"type":"request"}`); err != nil {
		t.Fatal(err)
	}
	wants := func(want []byte) {
		t.Helper()
		got := make([]byte, len(want))
		conn.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("the stream has %q (%v), not %q", got, err, want)
		}
	}
	wants(append([]byte{0x82, 0x80 | 12, 0, 0, 0, 0}, "RFB 003.008\n"...))
	wants(append([]byte{0x81, 0x80 | 18, 0, 0, 0, 0}, `{"type":"request"}`...))

	long := bytes.Repeat([]byte("x"), 70_000)
	frame := append(binary.BigEndian.AppendUint64([]byte{0x82, 127}, uint64(len(long))), long...)
	frame = append(frame, 0x81, 2, '{', '}')         // a text
	frame = append(frame, 0x89, 4, 1, 2, 0xab, 0xcd) // a ping
	conn.SetWriteDeadline(time.Now().Add(patience))
	if _, err := conn.Write(frame); err != nil {
		t.Fatal(err)
	}
	var got []byte
	for len(got) < len(long) {
		m := await(t, v.messages, "the stream")
		if m.IsString {
			t.Fatalf("a text %q came before the bytes that went before it", m.Data)
		}
		got = append(got, m.Data...)
	}
	if !bytes.Equal(got, long) {
		t.Error("the stream came as something else")
	}
	if m := await(t, v.messages, "the text"); !m.IsString || string(m.Data) != "{}" {
		t.Errorf("the text came as %q", m.Data)
	}
	if m := await(t, v.messages, "the ping"); string(m.Data) != `{"type":"ping","stamp":"0102abcd"}` {
		t.Errorf("the ping came as %q", m.Data)
	}
	if err := v.control.SendText(`{"type":"pong","stamp":"0102abcd"}`); err != nil {
		t.Fatal(err)
	}
	wants([]byte{0x8A, 0x80 | 4, 0, 0, 0, 0, 1, 2, 0xab, 0xcd})

	if _, err := conn.Write(append([]byte{0x88, 14, 0x0F, 0xA0}, "desktop_gone"...)); err != nil {
		t.Fatal(err)
	}
	if m := await(t, v.messages, "the farewell"); string(m.Data) != `{"type":"close","status":4000,"reason":"desktop_gone"}` {
		t.Errorf("the farewell came as %q", m.Data)
	}
	await(t, p.Done(), "the peer's end")
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("reading from a peer that has ended: %v", err)
	}
}

// What a person does arrives once, whichever way is first, and in order.
func TestCopies(t *testing.T) {
	s := newServer(t, nil)
	v := newVisitor(t)
	ordered, none := false, uint16(0)
	copies, err := v.connection.CreateDataChannel(rtc.CopiesLabel, &webrtc.DataChannelInit{Ordered: &ordered, MaxRetransmits: &none})
	if err != nil {
		t.Fatal(err)
	}
	opened := make(chan struct{})
	copies.OnOpen(func() { close(opened) })
	p := v.enter(s, rtc.Handlers{}, true)
	v.up(p)
	await(t, opened, "the channel of copies")
	send := func(number uint32, texts ...string) {
		var b []byte
		for i, text := range texts {
			b = binary.BigEndian.AppendUint32(b, number+uint32(i))
			b = append(binary.BigEndian.AppendUint16(b, uint16(len(text))), text...)
		}
		if err := copies.Send(b); err != nil {
			t.Fatal(err)
		}
	}
	wants := func(text string) {
		t.Helper()
		want := append([]byte{0x82, 0x80 | byte(len(text)), 0, 0, 0, 0}, text...)
		got := make([]byte, len(want))
		p.Conn().SetReadDeadline(time.Now().Add(patience))
		if _, err := io.ReadFull(p.Conn(), got); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("the stream has %q (%v), not %q", got, err, want)
		}
	}
	say := func(text string) {
		if err := v.control.Send([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	say("zero")
	wants("zero")
	send(0, "zero", "one", "two") // the first has come
	wants("one")
	wants("two")
	say("one")
	say("two")
	send(4, "four") // what goes before has not come
	say("three")
	wants("three")
	say("four")
	wants("four")
	send(5, "five")
	wants("five")
	say("five")
	say("six")
	wants("six")
	if err := copies.Send([]byte{0, 0, 0, 7, 0, 9, 1}); err != nil {
		t.Fatal(err)
	}
	await(t, p.Done(), "the peer's end")
	if !errors.Is(p.Err(), rtc.ErrOffer) {
		t.Errorf("a broken copy ends the peer with %v", p.Err())
	}
}

// A small frame comes twice: the second time nobody had to ask for it. A large
// one comes once.
func TestSmallFramesComeTwice(t *testing.T) {
	s := newServer(t, nil)
	v := newVisitor(t)
	p := v.enter(s, rtc.Handlers{}, true)
	v.up(p)
	head := []byte{0x82, 0x49, 0x83, 0x42}
	show := func(size int) {
		if err := p.Show(bytes.Repeat(head, size/len(head)), time.Now()); err != nil {
			t.Error(err)
		}
	}
	show(20_000)
	track := await(t, v.tracks, "the video")
	over, showing := make(chan struct{}), make(chan struct{})
	defer func() { close(over); <-showing }()
	go func() { // pion gives out what was sent again when something new comes
		defer close(showing)
		for tick := time.NewTicker(20 * time.Millisecond); ; <-tick.C {
			select {
			case <-over:
				return
			default:
				show(2_000)
			}
		}
	}()
	times, ends := make(map[uint16]int), make(map[uint16]bool) // by number
	var first uint16
	for {
		track.SetReadDeadline(time.Now().Add(patience))
		packet, _, err := track.ReadRTP()
		if err != nil {
			t.Fatal(err)
		}
		number := packet.SequenceNumber
		if len(times) == 0 {
			first = number
		}
		times[number]++
		ends[number] = packet.Marker
		if times[number] == 2 && ends[number] {
			if times[number-1] != 2 {
				t.Errorf("a frame of two packets: the last came twice, the first %d times", times[number-1])
			}
			break
		}
	}
	if times[first] != 1 {
		t.Errorf("a packet of a large frame came %d times", times[first])
	}
}

// Sound goes both ways on one section of the offer, the microphone once it is on.
func TestSound(t *testing.T) {
	s := newServer(t, nil)
	v := newVisitor(t)
	microphone, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus}, "microphone", "microphone")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.connection.AddTransceiverFromTrack(microphone); err != nil {
		t.Fatal(err)
	}
	said := make(chan []byte, 1000)
	p := v.enter(s, rtc.Handlers{Said: func(_ uint16, packet []byte) { said <- bytes.Clone(packet) }}, true)
	v.up(p)
	for i, at := range []uint64{960, 1920, 48_000} {
		if err := p.Play([]byte{0xf8, byte(i)}, at); err != nil {
			t.Fatal(err)
		}
	}
	track := await(t, v.tracks, "the sound")
	if track.Kind() != webrtc.RTPCodecTypeAudio || track.StreamID() == "desktop" {
		t.Errorf("a track of %s in the stream %s", track.Kind(), track.StreamID())
	}
	var first *rtp.Packet
	for i, after := range []uint32{0, 960, 47_040} {
		packet, _, err := track.ReadRTP()
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = packet
		}
		if !bytes.Equal(packet.Payload, []byte{0xf8, byte(i)}) || packet.Timestamp-first.Timestamp != after || packet.Marker != (i != 1) {
			t.Errorf("packet %d is %v at %d, marked %v", i, packet.Payload, packet.Timestamp-first.Timestamp, packet.Marker)
		}
	}
	over, speaking := make(chan struct{}), make(chan struct{})
	defer func() { close(over); <-speaking }()
	go func() {
		defer close(speaking)
		packet := rtp.Packet{Header: rtp.Header{Version: 2}, Payload: []byte{0xf8, 0xff, 0xfe}}
		for tick := time.NewTicker(20 * time.Millisecond); ; <-tick.C {
			select {
			case <-over:
				return
			default:
				microphone.WriteRTP(&packet)
				packet.SequenceNumber++
				packet.Timestamp += 960
			}
		}
	}()
	if packet := await(t, said, "what is said"); !bytes.Equal(packet, []byte{0xf8, 0xff, 0xfe}) {
		t.Errorf("what is said comes as %v", packet)
	}
}

func TestPointer(t *testing.T) {
	s := newServer(t, nil)
	v := newVisitor(t)
	moved := make(chan struct{}, 1000)
	p := v.enter(s, rtc.Handlers{Moved: func() { moved <- struct{}{} }}, true)
	v.up(p)
	send := func(turn, number uint32, x, y uint16) {
		b := binary.BigEndian.AppendUint32(nil, turn)
		b = binary.BigEndian.AppendUint32(b, number)
		b = binary.BigEndian.AppendUint16(b, x)
		if err := v.pointer.Send(binary.BigEndian.AppendUint16(b, y)); err != nil {
			t.Fatal(err)
		}
	}
	opened := make(chan struct{})
	v.pointer.OnOpen(func() { close(opened) })
	await(t, opened, "the pointer channel")
	send(7, 2, 640, 480)
	await(t, moved, "a motion")
	if turn, x, y, ok := p.Motion(); !ok || turn != 7 || x != 640 || y != 480 {
		t.Errorf("the motion is %d %d %d %v", turn, x, y, ok)
	}
	if _, _, _, ok := p.Motion(); ok {
		t.Error("it is told twice")
	}
	send(7, 1, 1, 1) // late
	send(7, 3, 3, 3)
	await(t, moved, "the next motion")
	if _, x, _, _ := p.Motion(); x != 3 {
		t.Errorf("a motion that was overtaken counts: %d", x)
	}
	if err := v.pointer.Send([]byte("nonsense")); err != nil {
		t.Fatal(err)
	}
	await(t, p.Done(), "the peer's end")
	if !errors.Is(p.Err(), rtc.ErrOffer) {
		t.Errorf("nonsense ends the peer with %v", p.Err())
	}
}

func TestTrickle(t *testing.T) {
	// A server that asks for nothing has to be told of the visitor's addresses, or is
	// asked by the visitor: both end in a connection.
	s := newServer(t, nil)
	v := newVisitor(t)
	p := v.enter(s, rtc.Handlers{}, false)
	var fragment strings.Builder
	for line := range strings.Lines(v.connection.LocalDescription().SDP) {
		for _, kept := range []string{"a=ice-ufrag", "a=ice-pwd", "a=mid", "a=candidate", "m="} {
			if strings.HasPrefix(line, kept) {
				fragment.WriteString(line)
			}
		}
	}
	if err := s.Trickle(t.Context(), p.ID(), []byte(fragment.String())); err != nil {
		t.Fatal(err)
	}
	v.up(p)
	if err := s.Trickle(t.Context(), p.ID(), []byte("a=ice-ufrag:other\r\n")); !errors.Is(err, rtc.ErrOffer) {
		t.Errorf("addresses of another offer: %v", err)
	}
	many := strings.Repeat("a=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n", 100)
	if err := s.Trickle(t.Context(), p.ID(), []byte(many)); !errors.Is(err, rtc.ErrOffer) {
		t.Errorf("a hundred addresses: %v", err)
	}
	if err := s.Trickle(t.Context(), "nobody", nil); !errors.Is(err, rtc.ErrUnknown) {
		t.Errorf("addresses of nobody: %v", err)
	}
	if err := s.Leave(p.ID()); err != nil {
		t.Fatal(err)
	}
	await(t, p.Done(), "the peer's end")
	if s.Peers() != 0 {
		t.Errorf("%d peers are left", s.Peers())
	}
}

func TestTCPAlone(t *testing.T) {
	for _, lite := range []bool{false, true} {
		listener, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := newServer(t, func(o *rtc.Options) { o.UDP.Close(); o.UDP, o.TCP, o.Lite = nil, listener, lite })
		v := newVisitor(t)
		p := v.enter(s, rtc.Handlers{}, true)
		v.up(p)
		if !strings.Contains(p.Answer(), "tcptype passive") || strings.Contains(p.Answer(), " udp ") {
			t.Errorf("the answer offers other than TCP:\n%s", p.Answer())
		}
		if strings.Contains(p.Answer(), "a=ice-lite") != lite {
			t.Errorf("lite is %v, and the answer says\n%s", lite, p.Answer())
		}
	}
}

func TestPublicAddress(t *testing.T) {
	s := newServer(t, func(o *rtc.Options) { o.Public = []netip.Addr{netip.MustParseAddr("203.0.113.7")} })
	p := newVisitor(t).enter(s, rtc.Handlers{}, true)
	if !strings.Contains(p.Answer(), " 203.0.113.7 ") || strings.Contains(p.Answer(), " 127.0.0.1 ") || strings.Contains(p.Answer(), ".local ") {
		t.Errorf("the answer is\n%s", p.Answer())
	}
}

func TestRefusals(t *testing.T) {
	s := newServer(t, func(o *rtc.Options) { o.Limits.Peers = 1 })
	offer := newVisitor(t).offer(true)
	handlers := rtc.Handlers{Refresh: func() {}, Moved: func() {}}
	for name, test := range map[string]struct {
		offer string
		want  error
	}{
		"nothing":      {"", rtc.ErrOffer},
		"not SDP":      {"hello", rtc.ErrOffer},
		"too long":     {offer + strings.Repeat("a=x\r\n", rtc.MaxOffer), rtc.ErrOffer},
		"no video":     {strings.Replace(offer, "m=video", "m=audio", 1), rtc.ErrOffer},
		"no channels":  {strings.Split(offer, "m=application")[0], rtc.ErrOffer},
		"no key":       {strings.ReplaceAll(offer, "a=fingerprint", "a=finger"), rtc.ErrOffer},
		"no ICE":       {strings.ReplaceAll(offer, "a=ice-", "a=ace-"), rtc.ErrOffer},
		"many":         {offer + strings.Repeat("a=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n", 100), rtc.ErrOffer},
		"many media":   {offer + strings.Repeat("m=video 9 UDP/TLS/RTP/SAVPF 96\r\n", 100), rtc.ErrOffer},
		"half of it":   {offer[:len(offer)/2], rtc.ErrOffer},
		"wrong codecs": {newVisitor(t, webrtc.RTPCodecParameters{RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeH264, ClockRate: 90000}, PayloadType: 102}).offer(true), rtc.ErrNoFormat},
	} {
		peer, err := s.Offer(t.Context(), []byte(test.offer), handlers)
		if !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
			if peer != nil {
				peer.Close()
			}
		}
	}
	p, err := s.Offer(t.Context(), []byte(offer), handlers)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Offer(t.Context(), []byte(offer), handlers); !errors.Is(err, rtc.ErrFull) {
		t.Errorf("one too many: %v", err)
	}
	p.Close()
	await(t, p.Done(), "the peer's end")
	if _, err := s.Offer(t.Context(), []byte(offer), handlers); err != nil {
		t.Errorf("after the other has left: %v", err)
	}
}

func TestNoConnection(t *testing.T) {
	s := newServer(t, func(o *rtc.Options) { o.Timing.Connect = 100 * time.Millisecond })
	p, err := s.Offer(t.Context(), []byte(newVisitor(t).offer(false)), rtc.Handlers{Refresh: func() {}, Moved: func() {}})
	if err != nil {
		t.Fatal(err)
	}
	await(t, p.Done(), "the peer's end")
	if p.Err() == nil || !strings.Contains(p.Err().Error(), "no connection") {
		t.Errorf("it ended with %v", p.Err())
	}
	if err := p.Show([]byte{1}, time.Now()); !errors.Is(err, rtc.ErrOver) {
		t.Errorf("a frame for a peer that has ended: %v", err)
	}
}

func TestVanished(t *testing.T) {
	s := newServer(t, func(o *rtc.Options) { o.Timing.Silent, o.Timing.Dead = time.Second, 2*time.Second })
	v := newVisitor(t)
	p := v.enter(s, rtc.Handlers{}, true)
	v.up(p)
	v.connection.SCTP().Transport().ICETransport().Stop() // no word to the other end
	await(t, p.Done(), "the peer's end")
}

func FuzzTrickle(f *testing.F) {
	f.Add([]byte("a=ice-ufrag:x\r\na=ice-pwd:y\r\nm=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\na=end-of-candidates\r\n"))
	f.Add([]byte("a=candidate\na=\n\n="))
	f.Fuzz(func(t *testing.T, b []byte) { rtc.CheckFragment(b) })
}

func FuzzOffer(f *testing.F) {
	f.Add([]byte("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=recvonly\r\na=candidate:1\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) { rtc.CheckOffer(b) })
}

func FuzzMotion(f *testing.F) {
	f.Add([]byte("123456789012"))
	f.Fuzz(func(t *testing.T, b []byte) { rtc.CheckMotion(b) })
}

func FuzzCopies(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x07\x00\x02ab\x00\x00\x00\x08\x00\x01c"))
	f.Add([]byte("\x00\x00\x00\x07\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if total := rtc.CheckCopies(b); total > len(b) {
			t.Errorf("%d bytes are read of %d", total, len(b))
		}
	})
}
