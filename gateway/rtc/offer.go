package rtc

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"
)

const (
	// MaxOffer bounds an offer in bytes: Chromium's with video and channels has
	// 6 KiB, with all codecs and addresses of a large machine 20.
	MaxOffer = 64 << 10
	// MaxFragment bounds what trickles in at once, in bytes.
	MaxFragment = 16 << 10
	// maxMedia bounds the sections of an offer: video, sound both ways, channels.
	maxMedia = 6
	// maxCandidates bounds the addresses of one browser. Each is asked for several
	// times whether it answers: no more of that goes to strangers.
	maxCandidates = 48
)

// checked is what is known of an offer before there is a connection.
type checked struct {
	candidates int
	sound      bool // it asks for sound
}

// checkOffer tells whether it is worth a connection.
func checkOffer(offer []byte, formats []Format) (c checked, err error) {
	if len(offer) > MaxOffer {
		return c, fmt.Errorf("%w: it has more than %d bytes", ErrOffer, MaxOffer)
	}
	var d sdp.SessionDescription
	if err := d.Unmarshal(offer); err != nil {
		return c, fmt.Errorf("%w: its SDP cannot be read: %w", ErrOffer, err)
	}
	if len(d.MediaDescriptions) > maxMedia {
		return c, fmt.Errorf("%w: it has more than %d media sections", ErrOffer, maxMedia)
	}
	c.sound = wantsSound(&d)
	var video, channels bool
	var decoded []webrtc.RTPCodecParameters
	for _, media := range d.MediaDescriptions {
		switch media.MediaName.Media {
		case "video":
			if _, sends := media.Attribute("sendonly"); !sends {
				video = true
				decoded = append(decoded, decodes(media)...)
			}
		case "application":
			channels = true
		}
		for _, attribute := range media.Attributes {
			if attribute.Key == "candidate" {
				c.candidates++
			}
		}
	}
	switch {
	case !video:
		return c, fmt.Errorf("%w: it does not ask for video", ErrOffer)
	case !channels:
		return c, fmt.Errorf("%w: it has no data channels", ErrOffer)
	case c.candidates > maxCandidates:
		return c, fmt.Errorf("%w: it has more than %d addresses", ErrOffer, maxCandidates)
	}
	if _, _, ok := choose(formats, decoded); !ok {
		return c, ErrNoFormat
	}
	return c, nil
}

// decodes lists what a section says that the browser decodes.
func decodes(media *sdp.MediaDescription) (codecs []webrtc.RTPCodecParameters) {
	fmtp := make(map[string]string)
	for _, attribute := range media.Attributes {
		if number, parameters, ok := strings.Cut(attribute.Value, " "); ok && attribute.Key == "fmtp" {
			fmtp[number] = parameters
		}
	}
	for _, attribute := range media.Attributes {
		number, name, ok := strings.Cut(attribute.Value, " ")
		if !ok || attribute.Key != "rtpmap" {
			continue
		}
		name, _, _ = strings.Cut(name, "/")
		capability := webrtc.RTPCodecCapability{MimeType: "video/" + name, SDPFmtpLine: fmtp[number]}
		codecs = append(codecs, webrtc.RTPCodecParameters{RTPCodecCapability: capability})
	}
	return codecs
}

// Handlers are told what a peer's browser wants. They must not block, and may be
// called before Offer returns.
type Handlers struct {
	Refresh func() // a key frame
	Moved   func() // its pointer is elsewhere: Motion says where
	// Said is given the packets of its microphone, Opus with the numbers of RTP: in
	// order or not, or twice. They are its own during the call. Nil: nobody listens.
	Said func(number uint16, packet []byte)
}

// Offer makes a peer of a browser's offer. The peer has to be closed, or it ends
// by itself, when no connection comes about or when it breaks.
func (s *Server) Offer(ctx context.Context, offer []byte, handlers Handlers) (*Peer, error) {
	known, err := checkOffer(offer, s.options.Formats)
	if err != nil {
		return nil, err
	}
	if err := s.reserve(); err != nil {
		return nil, err
	}
	p, err := newPeer(s, handlers)
	if err != nil {
		s.release("")
		return nil, err
	}
	p.candidates = known.candidates
	if known.sound {
		p.voice, err = newVoice()
	}
	if err == nil {
		err = p.accept(ctx, string(offer))
	}
	if err != nil {
		p.end(err)
		p.dispose()
		return nil, err
	}
	s.mu.Lock()
	over := s.over
	s.peers[p.id] = p
	s.mu.Unlock()
	if over { // Close did not see it
		p.Close()
	}
	go p.run()
	return p, nil
}

// accept takes the offer and makes the answer.
func (p *Peer) accept(ctx context.Context, offer string) error {
	if _, err := p.connection.AddTrack(p.screen); err != nil {
		return fmt.Errorf("adding the video: %w", err)
	}
	if p.voice != nil {
		if _, err := p.connection.AddTrack(p.voice.track); err != nil {
			return fmt.Errorf("adding the sound: %w", err)
		}
	}
	if err := p.connection.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return fmt.Errorf("%w: %w", ErrOffer, err)
	}
	answer, err := p.connection.CreateAnswer(nil)
	if err != nil {
		return fmt.Errorf("%w: answering it: %w", ErrOffer, err)
	}
	gathered := webrtc.GatheringCompletePromise(p.connection)
	if err := p.connection.SetLocalDescription(answer); err != nil {
		return fmt.Errorf("%w: answering it: %w", ErrOffer, err)
	}
	ctx, cancel := context.WithTimeout(ctx, p.server.options.Timing.Gather)
	defer cancel()
	select {
	case <-gathered:
	case <-ctx.Done():
		return fmt.Errorf("listing the machine's addresses: %w", context.Cause(ctx))
	}
	p.answer = p.connection.LocalDescription().SDP
	return nil
}

// fragment is what trickles in after an offer (RFC 8840 section 9).
type fragment struct {
	ufrag      string
	candidates []webrtc.ICECandidateInit
}

// parseFragment reads the lines that it knows and passes over others.
func parseFragment(b []byte) (f fragment, err error) {
	if len(b) > MaxFragment {
		return f, fmt.Errorf("%w: more than %d bytes of addresses", ErrOffer, MaxFragment)
	}
	var mid string
	for line := range bytes.Lines(b) {
		text := strings.TrimRight(string(line), "\r\n")
		key, value, _ := strings.Cut(strings.TrimPrefix(text, "a="), ":")
		switch {
		case !strings.HasPrefix(text, "a="):
		case key == "ice-ufrag":
			f.ufrag = value
		case key == "mid":
			mid = value
		case key == "candidate":
			if len(f.candidates) == maxCandidates {
				return f, fmt.Errorf("%w: more than %d addresses", ErrOffer, maxCandidates)
			}
			f.candidates = append(f.candidates, webrtc.ICECandidateInit{Candidate: "candidate:" + value, SDPMid: &mid})
		}
	}
	return f, nil
}

// trickle gives the connection further addresses of the browser's.
func (p *Peer) trickle(b []byte) error {
	f, err := parseFragment(b)
	if err != nil {
		return err
	}
	p.trickling.Lock()
	defer p.trickling.Unlock()
	if f.ufrag != "" && !strings.Contains(p.connection.RemoteDescription().SDP, "a=ice-ufrag:"+f.ufrag) {
		return fmt.Errorf("%w: its addresses are of another offer", ErrOffer)
	}
	if p.candidates += len(f.candidates); p.candidates > maxCandidates {
		return fmt.Errorf("%w: more than %d addresses", ErrOffer, maxCandidates)
	}
	for _, candidate := range f.candidates {
		if err := p.connection.AddICECandidate(candidate); err != nil {
			return fmt.Errorf("%w: its address %q: %w", ErrOffer, candidate.Candidate, err)
		}
	}
	return nil
}
