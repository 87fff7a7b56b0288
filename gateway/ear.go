package gateway

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/gateway/relay"
	"github.com/streamspace/streamspace/gateway/sound"
)

// Sound beside a stream, in texts of the room's protocol:
//
//	{"type":"sound","on":true}                        from the viewer: it would like to hear
//	{"type":"sound.state","state":"off"}              to it: off at first; waiting, playing or missing
//	{"type":"sound.packet","at":960,"data":"…"}       to it, of a WebSocket: Opus in base64, and
//	                                                  when it is to be heard, in samples at 48 kHz
//	{"type":"microphone","on":true}                   from the viewer: it would like to speak
//	{"type":"microphone.packet","number":1,"data":"…"} from it, by WebSocket: Opus in base64
//	{"type":"microphone.state","state":"off"}         to it: off at first; on, or refused
//
// By WebRTC packets go as RTP, both ways.

// maxSoundText is the longest text about sound, in bytes: a packet in base64.
const maxSoundText = 2200

// ear is a viewer's part in the desktop's sound: what it hears and what it says.
type ear struct {
	stream *stream // immutable

	mu         sync.Mutex
	over       bool               // guarded by mu
	stop       context.CancelFunc // guarded by mu; ends the listening; nil while there is none
	microphone *sound.Microphone  // guarded by mu; nil while it is off
	group      sync.WaitGroup     // grows under mu while over is false
}

// newEar returns nil for a viewer without sound: there is none here, it may hear
// and say nothing, or it cannot be told.
func newEar(s *stream) *ear {
	hears, says := s.claims.Allows(streamspace.PermissionAudio), s.claims.Allows(streamspace.PermissionMicrophone)
	if s.gateway.sound == nil || s.branch || !s.speaks || !hears && !says {
		return nil
	}
	return &ear{stream: s}
}

// greet tells a viewer what it may turn on.
func (e *ear) greet() (texts [][]byte) {
	if e == nil {
		return nil
	}
	if e.stream.claims.Allows(streamspace.PermissionAudio) {
		texts = append(texts, soundState("sound.state", "off"))
	}
	if e.stream.claims.Allows(streamspace.PermissionMicrophone) {
		texts = append(texts, soundState("microphone.state", "off"))
	}
	return texts
}

func soundState(kind, state string) []byte {
	return fmt.Appendf(nil, `{"type":%q,"state":%q}`, kind, state)
}

// hear takes a text about sound; ok is false for others.
func (e *ear) hear(text []byte) (ok bool, err error) {
	if e == nil || !strings.HasPrefix(string(text[:min(len(text), 32)]), `{"type":"sound`) && !strings.HasPrefix(string(text[:min(len(text), 32)]), `{"type":"microphone`) {
		return false, nil
	}
	var asked struct {
		Type   string `json:"type"`
		On     bool   `json:"on"`
		Number uint16 `json:"number"`
		Data   []byte `json:"data"`
	}
	if len(text) > maxSoundText || json.Unmarshal(text, &asked) != nil {
		return true, fmt.Errorf("%w: a text about sound that cannot be read", relay.ErrViewerProtocol)
	}
	switch asked.Type {
	case "sound":
		e.listen(asked.On)
	case "microphone":
		e.speak(asked.On)
	case "microphone.packet":
		e.said(asked.Number, asked.Data)
	}
	return true, nil
}

// listen begins or ends that the viewer hears the desktop.
func (e *ear) listen(on bool) {
	if !e.stream.claims.Allows(streamspace.PermissionAudio) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.over || on == (e.stop != nil):
	case on:
		ctx, cancel := context.WithCancel(context.Background())
		e.stop = cancel
		listener := e.stream.desktop.station().Listen()
		e.group.Go(func() {
			defer listener.Close()
			e.pass(ctx, listener)
		})
	default:
		e.stop()
		e.stop = nil
	}
}

// pass gives the viewer what the desktop plays.
func (e *ear) pass(ctx context.Context, listener *sound.Listener) {
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-listener.Changed:
			err = e.tell(soundState("sound.state", string(listener.State())))
		case packet := <-listener.Packets:
			err = e.play(packet)
		}
		if err != nil {
			return // the stream ends
		}
	}
}

func (e *ear) play(packet sound.Packet) error {
	if on, ok := e.stream.screen.(*screen); ok {
		return on.Play(packet.Data, packet.At)
	}
	text := fmt.Appendf(make([]byte, 0, 64+base64.StdEncoding.EncodedLen(len(packet.Data))), `{"type":"sound.packet","at":%d,"data":"`, packet.At)
	text = base64.StdEncoding.AppendEncode(text, packet.Data)
	return e.tell(append(text, `"}`...))
}

func (e *ear) tell(text []byte) error { return e.stream.socket.WriteText(text) }

// speak begins or ends that the desktop hears the viewer.
func (e *ear) speak(on bool) {
	if !e.stream.claims.Allows(streamspace.PermissionMicrophone) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	was := e.microphone
	switch {
	case e.over || on == (was != nil):
	case on:
		d, g := e.stream.desktop, e.stream.gateway
		microphone := sound.NewMicrophone(g.sound, g.metrics.sound, g.log, func(ctx context.Context) (net.Conn, error) {
			return d.dialSound(ctx, streamspace.MicrophoneSocket, streamspace.MicrophoneProtocol)
		})
		e.microphone = microphone
		e.group.Go(func() {
			e.tell(soundState("microphone.state", "on"))
			<-microphone.Done()
			e.mu.Lock()
			mine := e.microphone == microphone
			if mine {
				e.microphone = nil
			}
			e.mu.Unlock()
			if mine { // somebody else speaks, or the desktop has no sound
				e.tell(soundState("microphone.state", "refused"))
			}
		})
	default:
		e.microphone = nil
		e.group.Go(was.Close)
	}
}

// said takes a packet of the viewer's microphone.
func (e *ear) said(number uint16, packet []byte) {
	if e == nil {
		return
	}
	e.mu.Lock()
	microphone := e.microphone
	e.mu.Unlock()
	if microphone != nil {
		microphone.Hear(number, packet)
	}
}

// close ends both. wait waits until nothing is left, for which a viewer that does
// not read needs its socket closed.
func (e *ear) close() {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.over = true
	if e.stop != nil {
		e.stop()
	}
	if microphone := e.microphone; microphone != nil {
		e.group.Go(microphone.Close)
	}
}

func (e *ear) wait() {
	if e != nil {
		e.group.Wait()
	}
}

// soundDial bounds the connecting with a desktop's sound.
const soundDial = 5 * time.Second

// station is what the desktop plays, for all who listen here.
func (d *desktop) station() *sound.Station {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sound == nil {
		g := d.gateway
		d.sound = sound.NewStation(g.sound, g.metrics.sound, g.log.With("session_id", d.session), func(ctx context.Context) (net.Conn, error) {
			return d.dialSound(ctx, streamspace.SoundSocket, streamspace.SoundProtocol)
		})
	}
	return d.sound
}

// dialSound connects with one of the desktop's sockets beside RFB's. Every gateway
// does it by itself: it is not the desktop's owner who passes sound on.
func (d *desktop) dialSound(ctx context.Context, socket, protocol string) (net.Conn, error) {
	route, up := d.current()
	if !up {
		return nil, errors.New("the desktop is not there")
	}
	ctx, cancel := context.WithTimeout(ctx, soundDial)
	defer cancel()
	return dialBeside(ctx, route, socket, protocol)
}
