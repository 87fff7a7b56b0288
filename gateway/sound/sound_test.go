package sound

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"math"
	"net"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/streamspace/streamspace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

// bed is libopus and a desktop whose sound is the test.
type bed struct {
	t       *testing.T
	library *Library
	metrics *Metrics
	desktop chan net.Conn // its ends of the connections to it
}

func newBed(t *testing.T) *bed {
	t.Helper()
	library, err := Open()
	if missing := new(MissingError); errors.As(err, &missing) {
		t.Skip(err)
	}
	metrics, err := NewMetrics(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	return &bed{t, library, metrics, make(chan net.Conn, 10)}
}

func (b *bed) dial(context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	b.desktop <- theirs
	return ours, nil
}

func (b *bed) station() *Station {
	s := NewStation(b.library, b.metrics, slog.New(slog.DiscardHandler), b.dial)
	b.t.Cleanup(s.Close)
	return s
}

func await[T any](t *testing.T, c <-chan T, what string) (value T) {
	t.Helper()
	select {
	case value = <-c:
	case <-time.After(patience):
		t.Fatalf("%s did not come", what)
	}
	return value
}

// tone is so many frames of a sine, in stereo or mono.
func tone(hertz float64, channels, frames int) []byte {
	var b []byte
	for i := range frames * frameSamples {
		sample := int16(12000 * math.Sin(2*math.Pi*hertz*float64(i)/streamspace.SoundRate))
		for range channels {
			b = binary.LittleEndian.AppendUint16(b, uint16(sample))
		}
	}
	return b
}

// strength is how much of the samples' energy is at a frequency, from 0 to 1
// (Goertzel's algorithm).
func strength(samples []int16, hertz float64) float64 {
	c := 2 * math.Cos(2*math.Pi*hertz/streamspace.SoundRate)
	var p, q, energy float64
	for _, sample := range samples {
		x := float64(sample)
		p, q = x+c*p-q, p
		energy += x * x
	}
	if energy == 0 {
		return 0
	}
	return (p*p + q*q - c*p*q) / (energy * float64(len(samples)) / 2)
}

// What a desktop plays is coded once, and each who listens has all of it.
func TestStation(t *testing.T) {
	b := newBed(t)
	s := b.station()
	first, second := s.Listen(), s.Listen()
	desktop := await(t, b.desktop, "the connection")
	const frames = 12
	go desktop.Write(tone(440, streamspace.SoundChannels, frames))
	for _, l := range []*Listener{first, second} {
		decoder, err := b.library.newDecoder()
		if err != nil {
			t.Fatal(err)
		}
		var heard []int16
		var next uint64
		for i := range frames {
			p := await(t, l.Packets, "a packet")
			if i > 0 && p.At != next {
				t.Errorf("packet %d is for %d, not for %d", i, p.At, next)
			}
			next = p.At + frameSamples
			samples, err := decoder.decode(p.Data)
			if err != nil {
				t.Fatal(err)
			}
			heard = append(heard, samples...)
		}
		decoder.close()
		heard = heard[4*frameSamples:] // the beginning swings in
		if s := strength(heard, 440); s < 0.9 {
			t.Errorf("of 440 Hz is heard %.2f", s)
		}
		if s := strength(heard, 880); s > 0.1 {
			t.Errorf("of 880 Hz is heard %.2f", s)
		}
	}
	if got := testutil.ToFloat64(b.metrics.packets); got != frames {
		t.Errorf("%v packets were coded for two, not %d", got, frames)
	}
	for first.State() != Playing {
		await(t, first.Changed, "the state")
	}
	first.Close()
	second.Close()
	if _, err := desktop.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("nobody listens, and the connection goes on: %v", err)
	}
	third := s.Listen()
	defer third.Close()
	await(t, b.desktop, "the connection for who comes later").Close()
	await(t, b.desktop, "the connection after one that broke").Close()
}

// Silence costs nothing after a moment, and what comes then has its time.
func TestSilence(t *testing.T) {
	b := newBed(t)
	l := b.station().Listen()
	defer l.Close()
	desktop := await(t, b.desktop, "the connection")
	go func() {
		desktop.Write(tone(440, streamspace.SoundChannels, 1))
		desktop.Write(make([]byte, 50*frameBytes))
		desktop.Write(tone(440, streamspace.SoundChannels, 1))
	}()
	at := await(t, l.Packets, "a packet").At
	for range quietFrames {
		await(t, l.Packets, "the fading out")
	}
	if p := await(t, l.Packets, "the next sound"); p.At != at+51*frameSamples {
		t.Errorf("after 50 frames of silence it is for %d", (p.At-at)/frameSamples)
	}
}

// Who does not take packets loses the oldest, and holds up nobody.
func TestSlowListener(t *testing.T) {
	b := newBed(t)
	s := b.station()
	slow, good := s.Listen(), s.Listen()
	defer slow.Close()
	defer good.Close()
	desktop := await(t, b.desktop, "the connection")
	const frames = 3 * queueLength
	go desktop.Write(tone(440, streamspace.SoundChannels, frames))
	var last uint64
	for range frames {
		last = await(t, good.Packets, "a packet").At
	}
	for i := range queueLength {
		if p := await(t, slow.Packets, "a packet"); p.At != last-uint64((queueLength-1-i)*frameSamples) {
			t.Errorf("packet %d is for %d, the last for %d", i, p.At, last)
		}
	}
	if dropped := testutil.ToFloat64(b.metrics.dropped); dropped < frames-queueLength {
		t.Errorf("%v were dropped", dropped)
	}
}

// A desktop without sound is said to have none.
func TestMissing(t *testing.T) {
	b := newBed(t)
	s := NewStation(b.library, b.metrics, slog.New(slog.DiscardHandler), func(context.Context) (net.Conn, error) { return nil, errors.New("no") })
	defer s.Close()
	l := s.Listen()
	defer l.Close()
	for l.State() != Missing {
		await(t, l.Changed, "the state")
	}
}

// What a viewer says arrives; what is lost is made up, what is no sound is not
// heard, and the desktop can refuse.
func TestMicrophone(t *testing.T) {
	b := newBed(t)
	encoder, err := b.library.newEncoder()
	if err != nil {
		t.Fatal(err)
	}
	defer encoder.close()
	const frames = 20
	played := tone(660, streamspace.SoundChannels, frames)
	var packets [][]byte
	for i := range frames {
		for j := range encoder.samples {
			encoder.samples[j] = int16(binary.LittleEndian.Uint16(played[i*frameBytes+2*j:]))
		}
		packet, err := encoder.encode()
		if err != nil {
			t.Fatal(err)
		}
		packets = append(packets, bytes.Clone(packet))
	}
	m := NewMicrophone(b.library, b.metrics, slog.New(slog.DiscardHandler), b.dial)
	desktop := await(t, b.desktop, "the connection")
	desktop.SetReadDeadline(time.Now().Add(patience))
	heard := make([]int16, 0, frames*frameSamples)
	frame := make([]byte, 2*frameSamples)
	hear := func() {
		t.Helper()
		if _, err := io.ReadFull(desktop, frame); err != nil {
			t.Fatal(err)
		}
		for i := range frameSamples {
			heard = append(heard, int16(binary.LittleEndian.Uint16(frame[2*i:])))
		}
	}
	for i, packet := range packets {
		number := uint16(65530 + i) // over the end of the numbers
		if i == 10 {
			continue // lost
		}
		m.Hear(number, packet)
		m.Hear(number, packet) // twice
		if i == 11 {
			hear() // what was made up
		}
		hear()
	}
	if s := strength(heard[4*frameSamples:10*frameSamples], 660); s < 0.9 {
		t.Errorf("of 660 Hz is heard %.2f", s)
	}
	if got := testutil.ToFloat64(b.metrics.conceded); got != 1 {
		t.Errorf("%v packets were made up", got)
	}
	m.Hear(100, make([]byte, maxPacket+1))
	m.Hear(101, nil)
	desktop.Close()
	await(t, m.Done(), "the end")
	if m.Err() == nil {
		t.Error("a desktop that closes is no reason")
	}
	m.Close()
}

func FuzzDecode(f *testing.F) {
	library, err := Open()
	if err != nil {
		f.Skip(err)
	}
	f.Add([]byte{0xf8, 0xff, 0xfe})
	f.Add([]byte{0xfc})
	f.Add(bytes.Repeat([]byte{0xff}, 300))
	f.Fuzz(func(t *testing.T, b []byte) {
		decoder, err := library.newDecoder()
		if err != nil {
			t.Fatal(err)
		}
		defer decoder.close()
		for range 2 {
			if samples, err := decoder.decode(b); err == nil && len(samples) > maxDecoded {
				t.Errorf("%d samples", len(samples))
			}
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	library, err := Open()
	if err != nil {
		b.Skip(err)
	}
	encoder, err := library.newEncoder()
	if err != nil {
		b.Fatal(err)
	}
	defer encoder.close()
	samples := tone(440, streamspace.SoundChannels, 1)
	for i := range encoder.samples {
		encoder.samples[i] = int16(binary.LittleEndian.Uint16(samples[2*i:]))
	}
	for b.Loop() {
		if _, err := encoder.encode(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/0.02*100, "%core")
}
