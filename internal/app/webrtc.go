package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/streamspace/streamspace/gateway"
	"github.com/streamspace/streamspace/gateway/rtc"
	"github.com/streamspace/streamspace/gateway/video"
	"github.com/streamspace/streamspace/internal/config"
)

// startWebRTC lets viewers in by WebRTC, if the settings want it and there is a
// library that codes video: without one a viewer has WebSocket, as ever.
func (p *parts) startWebRTC() error {
	listen := p.settings.WebRTC()
	if listen == "" && p.settings.WebRTCTCPListen == "" {
		return nil
	}
	formats := p.formats()
	if len(formats) == 0 {
		return nil
	}
	options := rtc.Options{Log: p.log, Public: p.settings.WebRTCPublic, Lite: p.settings.WebRTCLite, Formats: formats}
	if listen != "" {
		address, err := net.ResolveUDPAddr("udp", listen)
		if err != nil {
			return fmt.Errorf("webrtc-listen %s: %w", listen, err)
		}
		options.Loopback = address.IP.IsLoopback()
		if options.UDP, err = net.ListenUDP("udp", address); err != nil {
			return fmt.Errorf("listening for WebRTC on UDP %s; choose another with --webrtc-listen, or off: %w", listen, err)
		}
	}
	if tcp := p.settings.WebRTCTCPListen; tcp != "" {
		var err error
		if options.TCP, err = net.Listen("tcp", tcp); err != nil {
			return fmt.Errorf("listening for WebRTC on TCP %s; choose another with --webrtc-tcp-listen: %w", tcp, err)
		}
	}
	access, relay, err := p.relays(listen)
	if err != nil {
		return err
	}
	server, err := rtc.New(options)
	if err != nil {
		return err
	}
	p.stack.Start("webrtc", func(ctx context.Context) error {
		<-ctx.Done() // its viewers are the gateway's, which ends before
		err := server.Close()
		if relay != nil {
			err = errors.Join(err, relay.Close())
		}
		return err
	})
	if p.webrtc, err = gateway.NewWebRTC(p.gateway, server, access, p.registry); err != nil {
		return err
	}
	p.log.Info("viewers may come by WebRTC", "udp", listen, "tcp", p.settings.WebRTCTCPListen, "formats", formats)
	return nil
}

// relays is how viewers get through TURN servers, and our own one, as the settings
// want.
func (p *parts) relays(packets string) (*rtc.Access, *rtc.Relay, error) {
	s := p.settings
	if s.TURNListen != "" && len(s.TURNServers) > 0 {
		return nil, nil, errors.New("webrtc-turn-listen and webrtc-turn-servers: one of them, since each has a secret of its own")
	}
	switch {
	case len(s.TURNServers) > 0:
		secret, err := os.ReadFile(s.TURNSecretFile)
		if err != nil {
			return nil, nil, fmt.Errorf("webrtc-turn-servers need webrtc-turn-secret-file: %w", err)
		}
		return &rtc.Access{URLs: s.TURNServers, Secret: strings.TrimSpace(string(secret))}, nil, nil
	case s.TURNListen == "":
		return nil, nil, nil
	case packets == "":
		return nil, nil, errors.New("webrtc-turn-listen leads to webrtc-listen, which is off")
	}
	access, relay, err := p.ownRelay(packets)
	if err != nil {
		return nil, nil, fmt.Errorf("webrtc-turn-listen %s: %w", s.TURNListen, err)
	}
	return access, relay, nil
}

// ownRelay starts a TURN server with a secret of this process.
func (p *parts) ownRelay(packets string) (*rtc.Access, *rtc.Relay, error) {
	s := p.settings
	target, err := net.ResolveUDPAddr("udp", packets)
	if err != nil {
		return nil, nil, err
	}
	host, port, err := net.SplitHostPort(s.TURNListen)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case len(s.WebRTCPublic) > 0:
		host = s.WebRTCPublic[0].String()
	case host == "" || net.ParseIP(host).IsUnspecified():
		host = "{host}"
	}
	at := "turn:" + net.JoinHostPort(host, port)
	if host == "{host}" {
		at = "turn:{host}:" + port
	}
	options := rtc.RelayOptions{Log: p.log, Target: target.AddrPort(), Public: s.WebRTCPublic,
		Access: &rtc.Access{Secret: rand.Text(), URLs: []string{at + "?transport=udp", at + "?transport=tcp"}}}
	if options.UDP, err = net.ListenPacket("udp", s.TURNListen); err != nil {
		return nil, nil, err
	}
	if options.TCP, err = net.Listen("tcp", s.TURNListen); err != nil {
		options.UDP.Close()
		return nil, nil, err
	}
	relay, err := rtc.NewRelay(options)
	return options.Access, relay, err
}

// optional are the codecs whose libraries a server does without.
var optional = []string{string(video.AV1), string(video.H264)}

// formats lists what can be coded here of what the settings want, best first.
func (p *parts) formats() (formats []rtc.Format) {
	for _, name := range p.settings.WebRTCFormats {
		codec, full := strings.CutSuffix(name, config.FullChroma)
		f := rtc.Format{Codec: strings.ToUpper(codec), FullChroma: full}
		encoder, err := video.Open(video.Settings{Codec: video.Codec(f.Codec), FullChroma: f.FullChroma, Bitrate: video.MinBitrate, FrameRate: 1})
		if err == nil {
			encoder.Close()
			formats = append(formats, f)
			continue
		}
		if missing := new(video.MissingError); !slices.Contains(optional, f.Codec) || !errors.As(err, &missing) {
			p.log.Warn("a video format is missing for WebRTC", "error", err)
		}
	}
	return formats
}
