// Package sound turns what a desktop plays into packets of Opus, once for all who
// listen, and the packets of a viewer's microphone into what the desktop hears. It
// knows neither who listens nor how packets travel.
//
// libopus is opened when it is there, never linked; without it there is no sound.
package sound

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamspace/streamspace"
)

const (
	// frameSamples of each channel are one packet: 20 ms, Opus' usual.
	frameSamples = streamspace.SoundRate / 50
	frameBytes   = frameSamples * streamspace.SoundChannels * 2
	// maxPacket bounds a packet of one frame in bytes (RFC 6716 section 3.2.1, with a
	// frame of two bytes' length); a microphone's may hold several.
	maxPacket = 1500
	// maxDecoded is the most samples of a channel that a packet holds: 120 ms.
	maxDecoded = streamspace.SoundRate / 1000 * 120

	// Bitrate of what is coded, in bits a second: music in stereo that few can tell
	// from the original.
	Bitrate = 96_000
)

// MissingError says that libopus is not there, or not one that is understood.
type MissingError struct{ Err error }

func (e *MissingError) Error() string {
	return fmt.Sprintf("opening libopus.so.0 (Debian's package libopus0): %v", e.Err)
}

func (e *MissingError) Unwrap() error { return e.Err }

// Packet is one packet of Opus, shared by all who listen.
type Packet struct {
	Data []byte
	// At is when its first sample is to be heard, in samples since the station
	// began. What is left out between two packets is silence.
	At uint64
}

// Metrics is what is counted of all stations.
type Metrics struct {
	stations, listeners, microphones   prometheus.Gauge
	packets, bytes, dropped, failed    prometheus.Counter
	heard, refused, conceded, overflow prometheus.Counter
}

// NewMetrics registers them.
func NewMetrics(registerer prometheus.Registerer) (*Metrics, error) {
	const prefix = "streamspace_gateway_sound_"
	var all []prometheus.Collector
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + name, Help: help})
		all = append(all, g)
		return g
	}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + name, Help: help})
		all = append(all, c)
		return c
	}
	m := &Metrics{
		stations:    gauge("desktops", "Desktops whose sound is listened to."),
		listeners:   gauge("listeners", "Viewers that listen to a desktop."),
		microphones: gauge("microphones", "Viewers whose microphone a desktop hears."),
		packets:     counter("coded_packets_total", "Packets of sound that were coded, each for all who listen."),
		bytes:       counter("coded_bytes_total", "Bytes in them."),
		dropped:     counter("dropped_packets_total", "Packets that a viewer did not get because it is slow."),
		failed:      counter("connect_failed_total", "Attempts to reach a desktop's sound that failed."),
		heard:       counter("microphone_packets_total", "Packets of microphones that desktops have heard."),
		refused:     counter("microphone_refused_total", "Packets of microphones that were no sound."),
		conceded:    counter("microphone_lost_total", "Packets of microphones that did not come and were made up."),
		overflow:    counter("microphone_dropped_total", "Packets of microphones that a desktop did not take in time."),
	}
	for _, collector := range all {
		if err := registerer.Register(collector); err != nil {
			return nil, fmt.Errorf("registering sound's metrics: %w", err)
		}
	}
	return m, nil
}
