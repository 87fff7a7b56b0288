package agent

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jfreymuth/pulse/proto"

	"github.com/streamspace/streamspace"
)

const (
	soundChannels      = streamspace.SoundChannels
	microphoneChannels = 1
	sampleSize         = 2                                         // bytes
	millisecond        = streamspace.SoundRate / 1000 * sampleSize // of one channel, in bytes

	// fragment is how much sound comes at once: half a packet of Opus.
	fragment = 10 * millisecond * soundChannels
	// backlog is what the sound server keeps of either direction for a peer that
	// does not keep up; older sound is worth nothing.
	backlog = 200 * millisecond

	// maxListeners bounds connections to each socket: each gateway of a fleet with
	// viewers of the desktop has one.
	maxListeners = 16
	// soundStart bounds the wait for a sound server that has just been started, and
	// soundLook is between two looks.
	soundStart = 15 * time.Second
	soundLook  = 50 * time.Millisecond
	// soundReply bounds the wait for an answer of the sound server's.
	soundReply = 10 * time.Second
	// soundStall ends a peer that takes no sound for as long.
	soundStall = 10 * time.Second
)

// soundScript is what PulseAudio sets up. @ is its socket's path.
//
//go:embed sound.pa
var soundScript string

// sound is the desktop's sound server, PulseAudio, and the way of gateways to it.
type sound struct {
	agent     *Agent
	server    string // path of its socket
	listeners [2]net.Listener
	speaking  chan struct{} // holds one while somebody has the microphone
}

// openSound prepares the sound server and tells programs where it is, and listens
// for gateways. Without PulseAudio it returns nil: the desktop goes without sound.
func (a *Agent) openSound() (*sound, error) {
	if _, err := exec.LookPath("pulseaudio"); err != nil {
		a.control.tell(func(s *Status) { s.Sound = "no sound: PulseAudio is not installed (Debian's package pulseaudio)" })
		fmt.Fprintln(a.journal.write, "no sound: PulseAudio is not installed (Debian's package pulseaudio)")
		return nil, nil
	}
	dir := filepath.Join(a.private, "pulse")
	if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
		return nil, fmt.Errorf("making the sound server's folder: %w", err)
	}
	s := &sound{agent: a, server: filepath.Join(dir, "native"), speaking: make(chan struct{}, 1)}
	script := strings.ReplaceAll(soundScript, "@", s.server)
	if err := os.WriteFile(filepath.Join(dir, "desktop.pa"), []byte(script), 0o600); err != nil {
		return nil, fmt.Errorf("writing the sound server's script: %w", err)
	}
	a.env = append(a.env, "PULSE_SERVER=unix:"+s.server, "PULSE_RUNTIME_PATH="+dir, "PULSE_STATE_PATH="+dir)
	for i, name := range []string{streamspace.SoundSocket, streamspace.MicrophoneSocket} {
		path := filepath.Join(filepath.Dir(a.spec.RFBSocket), name)
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			return nil, fmt.Errorf("removing an old socket: %w", err)
		}
		var err error
		if s.listeners[i], err = net.Listen("unix", path); err == nil {
			err = os.Chmod(path, 0o600)
		}
		if err != nil {
			return nil, fmt.Errorf("listening for who wants sound: %w", err)
		}
	}
	return s, nil
}

// run keeps the sound server alive and serves until ctx ends. A server that does
// not stay alive is told, and ends nothing else.
func (s *sound) run(ctx context.Context) error {
	a := s.agent
	var serving sync.WaitGroup
	defer serving.Wait()
	serving.Go(func() { s.accept(ctx, s.listeners[0], s.record) })
	serving.Go(func() { s.accept(ctx, s.listeners[1], s.play) })
	err := a.keep(ctx, "sound server", []string{
		"pulseaudio", "-n", "--file=" + filepath.Join(filepath.Dir(s.server), "desktop.pa"), "--daemonize=no", "--exit-idle-time=-1",
		"--disallow-exit", "--disallow-module-loading", "--use-pid-file=no",
		// What a pod or sandbox does not give, it does not ask for.
		"--system=no", "--realtime=no", "--high-priority=no", "--disable-shm=yes", "--log-target=stderr", "--log-level=error",
	})
	if err != nil {
		for _, listener := range s.listeners {
			listener.Close() // who comes now hears that there is no sound
		}
		a.control.tell(func(now *Status) { now.Sound = "no sound: " + err.Error() })
	}
	return nil
}

// accept serves who connects until ctx ends or the listener is closed.
func (s *sound) accept(ctx context.Context, listener net.Listener, serve func(context.Context, net.Conn) error) {
	var serving sync.WaitGroup
	defer serving.Wait()
	defer listener.Close()
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	places := make(chan struct{}, maxListeners)
	for {
		conn, err := listener.Accept()
		switch {
		case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			if err == nil {
				conn.Close()
			}
			return
		case err != nil: // no descriptors, or the peer has gone: of that one alone
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
			continue
		}
		select {
		case places <- struct{}{}:
			serving.Go(func() {
				defer func() { <-places }()
				defer conn.Close()
				defer context.AfterFunc(ctx, func() { conn.Close() })()
				if err := serve(ctx, conn); err != nil && ctx.Err() == nil {
					s.agent.control.tell(func(now *Status) { now.Sound = err.Error() })
				}
			})
		default:
			conn.Close()
		}
	}
}

// record gives the peer what the desktop plays until it leaves.
func (s *sound) record(ctx context.Context, peer net.Conn) error {
	// The null sink's monitor sleeps with its sink, which our listening does not
	// keep awake.
	stream := &proto.CreateRecordStream{
		SampleSpec:  proto.SampleSpec{Format: proto.FormatInt16LE, Channels: soundChannels, Rate: streamspace.SoundRate},
		ChannelMap:  proto.ChannelMap{proto.ChannelLeft, proto.ChannelRight},
		SourceIndex: proto.Undefined, SourceName: "desktop.monitor", BufferMaxLength: backlog * soundChannels, BufferFragSize: fragment,
		AdjustLatency: true, DirectOnInputIndex: proto.Undefined, NoMove: true, DontInhibitAutoSuspend: true,
		Properties: proto.PropList{"media.name": proto.PropListString("Viewers")}, ChannelVolumes: loudness(soundChannels),
	}
	server, err := s.connect(ctx, func(samples []byte) {
		peer.SetWriteDeadline(time.Now().Add(soundStall))
		if _, err := peer.Write(samples); err != nil {
			peer.Close() // which ends the waiting below
		}
	})
	if err != nil {
		return err
	}
	defer server.close()
	defer context.AfterFunc(server.over, func() { peer.Close() })()
	if err := server.client.Request(stream, &proto.CreateRecordStreamReply{}); err != nil {
		return fmt.Errorf("listening to the sound server: %w", err)
	}
	io.Copy(io.Discard, peer) // it says nothing, but leaves
	return nil
}

// play lets the desktop hear what the peer sends until it leaves.
func (s *sound) play(ctx context.Context, peer net.Conn) error {
	select {
	case s.speaking <- struct{}{}:
		defer func() { <-s.speaking }()
	default:
		return nil // somebody else speaks
	}
	server, err := s.connect(ctx, func([]byte) {})
	if err != nil {
		return err
	}
	defer server.close()
	defer context.AfterFunc(server.over, func() { peer.Close() })()
	// Playing begins with two packets, and five are kept where they come unevenly.
	const begin, most = 40 * millisecond * microphoneChannels, 100 * millisecond * microphoneChannels
	var stream proto.CreatePlaybackStreamReply
	err = server.client.Request(&proto.CreatePlaybackStream{
		SampleSpec: proto.SampleSpec{Format: proto.FormatInt16LE, Channels: microphoneChannels, Rate: streamspace.SoundRate},
		ChannelMap: proto.ChannelMap{proto.ChannelMono},
		SinkIndex:  proto.Undefined, SinkName: "microphone_feed", BufferMaxLength: backlog * microphoneChannels, BufferTargetLength: most,
		BufferPrebufferLength: begin, BufferMinimumRequest: begin / 4, AdjustLatency: true, NoMove: true,
		Properties: proto.PropList{"media.name": proto.PropListString("A viewer's microphone")}, ChannelVolumes: loudness(microphoneChannels),
	}, &stream)
	if err != nil {
		return fmt.Errorf("speaking to the sound server: %w", err)
	}
	server.wants.Add(int64(stream.Missing))
	samples := make([]byte, backlog*microphoneChannels)
	held := 0 // of half a sample that has come
	for {
		n, err := peer.Read(samples[held:])
		if err != nil {
			return nil
		}
		n += held
		whole := n - n%(sampleSize*microphoneChannels)
		// More than it wants would stay ahead of what is played for ever, and all that
		// comes after it unheard.
		take := min(whole, int(server.wants.Load()))
		take -= take % (sampleSize * microphoneChannels)
		server.wants.Add(-int64(take))
		if take > 0 {
			if err := server.client.Send(stream.StreamIndex, samples[:take]); err != nil {
				return nil // the server has ended, and is started again
			}
		}
		held = copy(samples, samples[whole:n])
	}
}

// loudness leaves every channel as it is.
func loudness(channels int) proto.ChannelVolumes {
	const full = 0x10000
	volumes := make(proto.ChannelVolumes, channels)
	for i := range volumes {
		volumes[i] = full
	}
	return volumes
}

// soundServer is a connection to the sound server.
type soundServer struct {
	client *proto.Client
	conn   net.Conn
	over   context.Context // ends when the connection has
	wants  atomic.Int64    // bytes that it has room for, of a stream to it
	ended  context.CancelFunc
}

// Read is the client's, which reads until the connection ends and tells nobody.
func (s *soundServer) Read(b []byte) (int, error) {
	n, err := s.conn.Read(b)
	if err != nil {
		s.ended()
	}
	return n, err
}

func (s *soundServer) Write(b []byte) (int, error) { return s.conn.Write(b) }

// close ends the connection and waits until nothing is heard of it.
func (s *soundServer) close() {
	s.conn.Close()
	<-s.over.Done()
}

// connect greets the sound server, which may have just been started. heard is told
// of samples.
func (s *sound) connect(ctx context.Context, heard func(samples []byte)) (*soundServer, error) {
	deadline, cancel := context.WithTimeout(ctx, soundStart)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(deadline, "unix", s.server)
	for err != nil {
		select {
		case <-deadline.Done():
			return nil, fmt.Errorf("connecting to the sound server: %w", err)
		case <-time.After(soundLook):
		}
		conn, err = dialer.DialContext(deadline, "unix", s.server)
	}
	server := &soundServer{client: &proto.Client{}, conn: conn}
	server.over, server.ended = context.WithCancel(context.Background())
	server.client.SetTimeout(soundReply)
	server.client.Callback = func(message any) {
		switch message := message.(type) {
		case *proto.DataPacket:
			heard(message.Data)
		case *proto.Request:
			server.wants.Add(int64(message.Length))
		}
	}
	server.client.Open(server)
	cookie := make([]byte, 256) // any will do: who reaches the socket may
	var auth proto.AuthReply
	if err = server.client.Request(&proto.Auth{Version: server.client.Version(), Cookie: cookie}, &auth); err == nil {
		server.client.SetVersion(auth.Version)
		name := proto.PropList{"application.name": proto.PropListString("StreamSpace")}
		err = server.client.Request(&proto.SetClientName{Props: name}, &proto.SetClientNameReply{})
	}
	if err != nil {
		server.close()
		return nil, fmt.Errorf("greeting the sound server: %w", err)
	}
	return server, nil
}
