package agent

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/streamspace/streamspace"
)

// tone is a second of a sine, 16 bits little-endian, in as many channels.
func tone(hertz float64, channels int) []byte {
	var b []byte
	for i := range streamspace.SoundRate {
		sample := int16(12000 * math.Sin(2*math.Pi*hertz*float64(i)/streamspace.SoundRate))
		for range channels {
			b = binary.LittleEndian.AppendUint16(b, uint16(sample))
		}
	}
	return b
}

// strength is how much of the samples' energy is at a frequency, from 0 to 1
// (Goertzel's algorithm); of silence 0.
func strength(samples []byte, channels int, hertz float64) float64 {
	n := len(samples) / 2 / channels
	c := 2 * math.Cos(2*math.Pi*hertz/streamspace.SoundRate)
	var a, b, energy float64
	for i := range n {
		x := float64(int16(binary.LittleEndian.Uint16(samples[i*2*channels:])))
		a, b = x+c*a-b, a
		energy += x * x
	}
	if energy == 0 {
		return 0
	}
	return (a*a + b*b - c*a*b) / (energy * float64(n) / 2)
}

// inSandbox runs a whole desktop with the application in the folders that a pod
// gives it, and returns its folder and how a gateway reaches it.
func inSandbox(t *testing.T, application string, env map[string]string, hidden ...string) (dir, address string, gateway *tls.Config) {
	t.Helper()
	for _, program := range []string{"bwrap", "Xvnc", "openbox", "pulseaudio", "pacat"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	dir, err := os.MkdirTemp("", "desktop") // t.TempDir's names are too long for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	program := filepath.Join(dir, "agent")
	if out, err := exec.Command("go", "build", "-o", program, "github.com/streamspace/streamspace/cmd/streamspace-agent").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ours := newAuthority(t)
	settings := ours.files("one.desktop")
	settings.Listen = free.Addr().String()
	free.Close()
	text, err := json.Marshal(Spec{
		Session: "one", Name: "The desktop", Command: []string{"sh", "-c", application}, Env: env, Width: 640, Height: 480,
		RFBSocket: dir + "/rfb.sock", ControlSocket: dir + "/control.sock", LogFile: dir + "/log", TLS: &settings,
	})
	if err != nil {
		t.Fatal(err)
	}
	spec := filepath.Join(dir, "desktop.json")
	if err := os.WriteFile(spec, text, 0o600); err != nil {
		t.Fatal(err)
	}
	files := filepath.Dir(settings.Cert) // in /tmp, which the desktop has of its own
	arguments := []string{"--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--bind", dir, dir, "--ro-bind", files, files}
	for _, file := range hidden {
		arguments = append(arguments, "--ro-bind", "/dev/null", file)
	}
	arguments = append(arguments, "--setenv", "HOME", dir, "--setenv", "XDG_RUNTIME_DIR", dir, "--unshare-pid", "--unshare-ipc", "--as-pid-1", "--die-with-parent",
		"--", program, "--spec", spec)
	desktop := exec.Command("bwrap", arguments...)
	var said bytes.Buffer
	desktop.Stderr = &said
	if err := desktop.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		desktop.Process.Kill()
		desktop.Wait()
		if t.Failed() {
			log, _ := os.ReadFile(dir + "/log")
			t.Logf("it said:\n%s\nits log:\n%s", said.Bytes(), log)
		}
	})
	return dir, settings.Listen, &tls.Config{
		MinVersion: tls.VersionTLS13, ServerName: "one.desktop", RootCAs: ours.pool(),
		Certificates: []tls.Certificate{ours.pair("one.desktop", 2)},
	}
}

// retry calls try until it succeeds, for a minute and a half.
func retry(t *testing.T, what string, try func() error) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(90 * time.Second); ; <-tick.C {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// What a program plays comes out of the socket and, for gateways far away, of the
// door; while nothing plays, nothing comes. What is said into the microphone is
// what a program records, and one at a time has it.
func TestSound(t *testing.T) {
	t.Parallel()
	const played, spoken = 440, 1000
	// The application waits for files that tell it what to do.
	dir, address, gateway := inSandbox(t, `parecord --raw --format=s16le --rate=48000 --channels=1 --latency-msec=20 >"$HOME/heard" &
		while :; do if [ -e "$HOME/play" ]; then pacat --raw --format=s16le --rate=48000 --channels=2 "$HOME/tone"; else sleep .05; fi; done`, nil)
	if err := os.WriteFile(dir+"/tone", tone(played, 2), 0o644); err != nil {
		t.Fatal(err)
	}
	var near net.Conn
	retry(t, "no socket", func() (err error) {
		near, err = net.Dial("unix", dir+"/"+streamspace.SoundSocket)
		return err
	})
	defer near.Close()
	ears := gateway.Clone()
	ears.NextProtos = []string{streamspace.SoundProtocol}
	var far *tls.Conn
	retry(t, "no door", func() (err error) {
		far, err = tls.Dial("tcp", address, ears)
		return err
	})
	defer far.Close()
	if got := far.ConnectionState().NegotiatedProtocol; got != streamspace.SoundProtocol {
		t.Fatalf("the door speaks %q", got)
	}

	// A moment of nothing, in which the sink may be falling asleep, is no matter; sound is.
	if err := os.WriteFile(dir+"/play", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, conn := range map[string]net.Conn{"socket": near, "door": far} {
		conn.SetDeadline(time.Now().Add(90 * time.Second))
		samples := make([]byte, streamspace.SoundRate/5*4) // 0.2 s
		retry(t, name+" has no tone", func() error {
			if _, err := io.ReadFull(conn, samples); err != nil {
				t.Fatal(err)
			}
			if s := strength(samples, 2, played); s < .9 {
				return errors.New("it is too weak")
			}
			return nil
		})
	}
	if err := os.Remove(dir + "/play"); err != nil {
		t.Fatal(err)
	}
	// Once the sink sleeps a read waits.
	sample := make([]byte, 1<<16)
	retry(t, "silence is sent for ever", func() error {
		near.SetReadDeadline(time.Now().Add(time.Second))
		n, err := near.Read(sample)
		if err == nil {
			return fmt.Errorf("%d bytes came", n)
		}
		return nil
	})

	mouth := gateway.Clone()
	mouth.NextProtos = []string{streamspace.MicrophoneProtocol}
	speak, err := tls.Dial("tcp", address, mouth)
	if err != nil {
		t.Fatal(err)
	}
	defer speak.Close()
	if _, err := speak.Write(tone(2*spoken, 1)); err != nil { // what a line has held back comes at once
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	spoke := make(chan struct{})
	go func() { // 20 ms at a time, as a gateway does
		defer close(spoke)
		samples, tick := tone(spoken, 1), time.NewTicker(20*time.Millisecond)
		defer tick.Stop()
		for at := 0; ctx.Err() == nil; at = (at + 1920) % len(samples) {
			if _, err := speak.Write(samples[at : at+1920]); err != nil {
				return
			}
			<-tick.C
		}
	}()
	retry(t, "the microphone is not heard", func() error {
		heard, err := os.ReadFile(dir + "/heard")
		if err != nil {
			return err
		}
		if last := heard[max(0, len(heard)/2*2-19200):]; strength(last, 1, spoken) < .8 {
			return errors.New("it is too weak")
		}
		return nil
	})
	second, err := net.Dial("unix", dir+"/"+streamspace.MicrophoneSocket)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	second.SetReadDeadline(time.Now().Add(60 * time.Second))
	if _, err := second.Read(sample); err != io.EOF {
		t.Errorf("a second microphone has %v", err)
	}
	cancel()
	<-spoke
}

// Without PulseAudio, or with one that does not run, there is a desktop all the same, and it says what is missing.
func TestDesktopWithoutSound(t *testing.T) {
	t.Parallel()
	path, err := exec.LookPath("pulseaudio")
	if err != nil {
		t.Skip("pulseaudio is not installed")
	}
	dir, _, _ := inSandbox(t, "sleep 1000", nil, path) // hidden by a file that cannot be run
	var status Status
	retry(t, "it is not said", func() error {
		conn, err := net.Dial("unix", dir+"/control.sock")
		if err != nil {
			return err
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(30 * time.Second))
		if err := json.NewDecoder(conn).Decode(&status); err != nil {
			return err
		}
		if status.Phase != PhaseReady || !strings.Contains(status.Sound, "pulseaudio") {
			return fmt.Errorf("it says %+v", status)
		}
		return nil
	})
	if _, err := net.Dial("unix", dir+"/"+streamspace.SoundSocket); err == nil {
		t.Error("there is a socket without sound")
	}
}
