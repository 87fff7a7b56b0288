package rtc

import (
	"fmt"

	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/cc"
	"github.com/pion/interceptor/pkg/gcc"
	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"
)

// clockRate of video in RTP, in ticks a second.
const clockRate = 90_000

// playoutDelay is the RTP header extension by which we tell a browser to show
// frames as they come, rather than to keep some back for smoothness.
const playoutDelay = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"

// payloadTypes of our formats, where the offer does not say them: the first of
// each pair is the video, the second its retransmissions.
var payloadTypes = map[Format][2]webrtc.PayloadType{
	{Codec: "VP8"}:                   {96, 97},
	{Codec: "VP9"}:                   {98, 99},
	{Codec: "VP9", FullChroma: true}: {35, 36},
	{Codec: "AV1"}:                   {45, 46},
	{Codec: "AV1", FullChroma: true}: {37, 38},
	{Codec: "H264"}:                  {108, 109},
}

// fmtp is what SDP says of a format.
func (f Format) fmtp() string {
	profile := 0
	if f.FullChroma {
		profile = 1
	}
	switch f.Codec {
	case "VP9":
		return fmt.Sprintf("profile-id=%d", profile)
	case "AV1":
		return fmt.Sprintf("level-idx=5;profile=%d;tier=0", profile)
	case "H264": // constrained baseline, units in several packets; browsers take larger pictures than the level's
		return "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"
	}
	return ""
}

func (f Format) mime() string { return "video/" + f.Codec }

// register makes the formats known to an engine.
func register(m *webrtc.MediaEngine, formats []Format) error {
	feedback := []webrtc.RTCPFeedback{{Type: "ccm", Parameter: "fir"}, {Type: "nack"}, {Type: "nack", Parameter: "pli"}}
	for _, f := range formats {
		types, known := payloadTypes[f]
		if !known {
			return fmt.Errorf("video format %+v has no place in SDP", f)
		}
		video := webrtc.RTPCodecCapability{MimeType: f.mime(), ClockRate: clockRate, SDPFmtpLine: f.fmtp(), RTCPFeedback: feedback}
		again := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeRTX, ClockRate: clockRate, SDPFmtpLine: fmt.Sprintf("apt=%d", types[0])}
		for i, capability := range []webrtc.RTPCodecCapability{video, again} {
			parameters := webrtc.RTPCodecParameters{RTPCodecCapability: capability, PayloadType: types[i]}
			if err := m.RegisterCodec(parameters, webrtc.RTPCodecTypeVideo); err != nil {
				return fmt.Errorf("registering %s: %w", capability.MimeType, err)
			}
		}
	}
	for _, uri := range []string{playoutDelay, sdp.TransportCCURI} {
		if err := m.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: uri}, webrtc.RTPCodecTypeVideo); err != nil {
			return fmt.Errorf("registering %s: %w", uri, err)
		}
	}
	if err := m.RegisterCodec(webrtc.RTPCodecParameters{RTPCodecCapability: opus, PayloadType: soundType}, webrtc.RTPCodecTypeAudio); err != nil {
		return fmt.Errorf("registering Opus: %w", err)
	}
	return nil
}

// minBitrate is what a peer is sent at least, in bits a second: at less a desktop
// cannot be used, and a short disturbance of an idle one must not lead there.
const minBitrate = 300_000

// connect makes the peer's connection, and what estimates the way to it: one of
// each, so that nobody has to find out which belong together. What has to be sent
// again is left to copies.
func (s *Server) connect(copies *again) (*webrtc.PeerConnection, *gcc.SendSideBWE, error) {
	media, chain := new(webrtc.MediaEngine), new(interceptor.Registry)
	if err := register(media, s.options.Formats); err != nil {
		return nil, nil, err
	}
	var estimator *gcc.SendSideBWE
	congestion, err := cc.NewInterceptor(func() (cc.BandwidthEstimator, error) {
		var err error
		estimator, err = gcc.NewSendSideBWE(
			gcc.SendSideBWEInitialBitrate(s.options.Limits.Start), gcc.SendSideBWEMinBitrate(minBitrate),
			gcc.SendSideBWEMaxBitrate(s.options.Limits.Bitrate), gcc.SendSideBWEPacer(newPacer(s.options.Limits.Start)),
			gcc.WithLoggerFactory(logging(s.options.Log)),
		)
		return estimator, err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("setting up congestion control: %w", err)
	}
	chain.Add(videoOnlyFactory{congestion}) // first: what comes after numbers the packets that it paces
	numbers, err := twcc.NewHeaderExtensionInterceptor()
	if err != nil {
		return nil, nil, fmt.Errorf("setting up feedback: %w", err)
	}
	chain.Add(numbers)
	chain.Add(copies)
	if err := webrtc.ConfigureRTCPReports(chain); err != nil {
		return nil, nil, fmt.Errorf("setting up reports: %w", err)
	}
	api := webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(chain), webrtc.WithSettingEngine(s.setting))
	connection, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return nil, nil, fmt.Errorf("making a peer connection: %w", err)
	}
	return connection, estimator, nil
}
