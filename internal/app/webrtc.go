package app

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/streamspace/streamspace/gateway"
	"github.com/streamspace/streamspace/gateway/rtc"
	"github.com/streamspace/streamspace/gateway/video"
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
	server, err := rtc.New(options)
	if err != nil {
		return err
	}
	p.stack.Start("webrtc", func(ctx context.Context) error {
		<-ctx.Done() // its viewers are the gateway's, which ends before
		return server.Close()
	})
	if p.webrtc, err = gateway.NewWebRTC(p.gateway, server, p.registry); err != nil {
		return err
	}
	p.log.Info("viewers may come by WebRTC", "udp", listen, "tcp", p.settings.WebRTCTCPListen, "formats", formats)
	return nil
}

// formats lists what can be coded here, best first: AV1 last, since a desktop in
// motion takes too long with it on few cores.
func (p *parts) formats() (formats []rtc.Format) {
	for _, f := range []rtc.Format{
		{Codec: string(video.VP9), FullChroma: true}, {Codec: string(video.VP9)}, {Codec: string(video.VP8)}, {Codec: string(video.AV1)},
	} {
		encoder, err := video.Open(video.Settings{Codec: video.Codec(f.Codec), FullChroma: f.FullChroma, Bitrate: video.MinBitrate, FrameRate: 1})
		if err == nil {
			encoder.Close()
			formats = append(formats, f)
			continue
		}
		if missing := new(video.MissingError); f.Codec != string(video.AV1) || !errors.As(err, &missing) {
			p.log.Warn("a video format is missing for WebRTC", "error", err)
		}
	}
	return formats
}
