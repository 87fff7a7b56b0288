package rtc

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"

	"github.com/pion/interceptor"
	"github.com/pion/rtp"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"
)

// soundType is Opus' payload type, where the offer does not say it.
const soundType = 111

// opus is the one format of sound (RFC 7587): always at 48 kHz, which is the clock
// of its timestamps, and with two channels in SDP.
var opus = webrtc.RTPCodecCapability{
	MimeType: webrtc.MimeTypeOpus, ClockRate: 48_000, Channels: 2,
	// A browser sends a microphone in mono, with enough of the packet before in each
	// for one that is lost.
	SDPFmtpLine: "minptime=10;useinbandfec=1;stereo=1",
}

// voice is the peer's sound: one track, from the first packet.
type voice struct {
	track *webrtc.TrackLocalStaticRTP // immutable

	mu     sync.Mutex
	number uint16 // guarded by mu; of the next packet
	first  uint32 // immutable; the timestamp of sample 0
	next   uint64 // guarded by mu; the sample after the latest packet
}

// newVoice has a stream of its own: browsers would hold back the video for sound
// of the same one.
func newVoice() (*voice, error) {
	track, err := webrtc.NewTrackLocalStaticRTP(opus, "sound", "sound")
	if err != nil {
		return nil, fmt.Errorf("making the track of sound: %w", err)
	}
	return &voice{track: track, number: uint16(rand.Uint32()), first: rand.Uint32()}, nil
}

// samplesPacked is how long a packet of ours lasts, for telling a pause from none.
const samplesPacked = 960

// play sends a packet. at is in samples, and rises.
func (v *voice) play(packet []byte, at uint64) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	header := rtp.Header{Version: 2, Marker: at != v.next, SequenceNumber: v.number, Timestamp: v.first + uint32(at)} // RFC 3551 section 4.1
	v.number++
	v.next = at + samplesPacked
	if err := v.track.WriteRTP(&rtp.Packet{Header: header, Payload: packet}); err != nil {
		return fmt.Errorf("sending sound: %w", err)
	}
	return nil
}

// wantsSound tells whether an offer has a section for it.
func wantsSound(d *sdp.SessionDescription) bool {
	for _, media := range d.MediaDescriptions {
		if media.MediaName.Media == "audio" && media.MediaName.Port.Value != 0 {
			return true
		}
	}
	return false
}

// Play lets the browser hear a packet of Opus, of 20 ms. at is when, in samples at
// 48 kHz; it rises. To a browser that asked for no sound nothing is sent.
func (p *Peer) Play(packet []byte, at uint64) error {
	if p.voice == nil {
		return nil
	}
	return p.voice.play(packet, at)
}

// said reads a track of the browser's: its microphone, once it is turned on.
func (p *Peer) said(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
	if track.Kind() != webrtc.RTPCodecTypeAudio || p.handlers.Said == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over || p.spoken {
		return
	}
	p.spoken = true
	p.serving.Go(func() {
		for {
			packet, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			if len(packet.Payload) > 0 {
				p.handlers.Said(packet.SequenceNumber, packet.Payload)
			}
		}
	})
}

// videoOnly keeps an interceptor from sound: congestion control paces and measures
// by video, and a packet of sound waits for nothing.
type videoOnly struct{ interceptor.Interceptor }

func (v videoOnly) BindLocalStream(info *interceptor.StreamInfo, writer interceptor.RTPWriter) interceptor.RTPWriter {
	if strings.HasPrefix(strings.ToLower(info.MimeType), "audio/") {
		return writer
	}
	return v.Interceptor.BindLocalStream(info, writer)
}

// videoOnlyFactory makes them.
type videoOnlyFactory struct{ interceptor.Factory }

func (f videoOnlyFactory) NewInterceptor(id string) (interceptor.Interceptor, error) {
	made, err := f.Factory.NewInterceptor(id)
	return videoOnly{made}, err
}
