package rtc

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc/v4"
)

// mtu bounds an RTP packet in bytes: with the overheads of SRTP, UDP and IPv6 it
// passes tunnels that leave 1280.
const mtu = 1180

// screen is the peer's video: one track, in a format that was agreed upon.
type screen struct {
	formats []Format // immutable; those that are coded here, best first
	bound   func()   // immutable; told that the format is known
	refresh func()   // immutable; told that the browser needs a key frame
	again   *again   // immutable

	mu      sync.Mutex
	format  Format                  // guarded by mu; valid when writer is set
	writer  webrtc.TrackLocalWriter // guarded by mu; nil before it is bound, and after
	packets rtp.Packetizer          // guarded by mu
	began   time.Time               // guarded by mu; the time of timestamp first
	first   uint32                  // guarded by mu; a random one (RFC 3550 section 5.1)
	delay   uint8                   // guarded by mu; number of the header extension, zero for none
	reading sync.WaitGroup
}

var _ webrtc.TrackLocal = (*screen)(nil)

// The names of the track and its stream in SDP.

func (s *screen) ID() string                { return "desktop" }
func (s *screen) StreamID() string          { return "desktop" }
func (s *screen) RID() string               { return "" }
func (s *screen) Kind() webrtc.RTPCodecType { return webrtc.RTPCodecTypeVideo }

// Bind chooses the best format of those that the browser decodes.
func (s *screen) Bind(c webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	format, codec, ok := choose(s.formats, c.CodecParameters())
	if !ok {
		return webrtc.RTPCodecParameters{}, ErrNoFormat
	}
	s.mu.Lock()
	s.format, s.writer = format, c.WriteStream()
	s.began, s.first = time.Now(), rand.Uint32()
	for _, extension := range c.HeaderExtensions() {
		if extension.URI == playoutDelay {
			s.delay = uint8(extension.ID)
		}
	}
	s.packets = rtp.NewPacketizer(mtu, uint8(codec.PayloadType), uint32(c.SSRC()), format.payloader(), rtp.NewRandomSequencer(), clockRate)
	s.mu.Unlock()
	reader := c.RTCPReader()
	s.reading.Go(func() { s.listen(func(b []byte) (int, error) { n, _, err := reader.Read(b, nil); return n, err }) })
	s.reading.Go(s.again.run)
	s.bound()
	return codec, nil
}

// Unbind ends the track.
func (s *screen) Unbind(webrtc.TrackLocalContext) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writer = nil
	return nil
}

// choose finds the first format that both know.
func choose(formats []Format, offered []webrtc.RTPCodecParameters) (Format, webrtc.RTPCodecParameters, bool) {
	for _, f := range formats {
		for _, codec := range offered {
			if strings.EqualFold(codec.MimeType, f.mime()) && fullChroma(codec.SDPFmtpLine) == f.FullChroma {
				return f, codec, true
			}
		}
	}
	return Format{}, webrtc.RTPCodecParameters{}, false
}

// fullChroma tells whether SDP speaks of profile 1, in VP9's words or AV1's.
func fullChroma(fmtp string) bool {
	for parameter := range strings.SplitSeq(fmtp, ";") {
		switch strings.TrimSpace(parameter) {
		case "profile-id=1", "profile=1":
			return true
		}
	}
	return false
}

// payloader makes packets of the format's frames.
func (f Format) payloader() rtp.Payloader {
	switch f.Codec {
	case "VP8":
		return &codecs.VP8Payloader{EnablePictureID: true}
	case "VP9":
		return &codecs.VP9Payloader{}
	case "H264":
		return &codecs.H264Payloader{}
	default:
		return &codecs.AV1Payloader{}
	}
}

// feedbackSize bounds one packet of RTCP, in bytes: that of the sockets.
const feedbackSize = 1500

// listen hears what the browser says of the video. What is about packets has been
// dealt with on the way here.
func (s *screen) listen(read func([]byte) (int, error)) {
	buffer := make([]byte, feedbackSize)
	for {
		n, err := read(buffer)
		if err != nil {
			return
		}
		packets, err := rtcp.Unmarshal(buffer[:n])
		if err != nil {
			continue
		}
		for _, packet := range packets {
			switch packet.(type) {
			case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
				s.refresh()
			}
		}
	}
}

// show sends a frame. at is when the desktop drew it.
func (s *screen) show(frame []byte, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writer == nil {
		return ErrOver
	}
	stamp := s.first + uint32(at.Sub(s.began).Seconds()*clockRate)
	packets := s.packets.Packetize(frame, 0)
	for _, packet := range packets {
		packet.Timestamp = stamp
		if s.delay != 0 {
			var now [3]byte // from 0 to 0 in steps of 10 ms, 12 bits each
			if err := packet.SetExtension(s.delay, now[:]); err != nil {
				return fmt.Errorf("sending a frame: %w", err)
			}
		}
		if _, err := s.writer.WriteRTP(&packet.Header, packet.Payload); err != nil {
			return fmt.Errorf("sending a frame: %w", err)
		}
	}
	s.again.sent(packets, time.Now())
	return nil
}

// motion is one message of the pointer channel: where the pointer is, without a
// button having changed. It overtakes what is on the ordered channel and is
// overtaken, so it says where it belongs.
type motion struct {
	turn   uint32 // how many pointer messages went before it on the ordered channel
	number uint32 // of the motion, rising
	x, y   uint16
}

// motionSize is that of a motion on the channel, in bytes, big-endian.
const motionSize = 12

// parseMotion reads a message of the pointer channel.
func parseMotion(b []byte) (m motion, ok bool) {
	if len(b) != motionSize {
		return m, false
	}
	return motion{
		turn: binary.BigEndian.Uint32(b), number: binary.BigEndian.Uint32(b[4:]),
		x: binary.BigEndian.Uint16(b[8:]), y: binary.BigEndian.Uint16(b[10:]),
	}, true
}
