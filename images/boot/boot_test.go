// Package boot starts built images as a cluster would, and looks at their
// picture. images/smoke.sh calls it; there is nothing in it besides the test.
package boot

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mitchellh/go-vnc"
	"sigs.k8s.io/yaml"

	"github.com/streamspace/streamspace/images/agent"
)

// What smoke.sh hands over. Without it there is nothing to boot.
const (
	envRoot     = "STREAMSPACE_BOOT_ROOT"     // the image's root folder, mounted
	envConfig   = "STREAMSPACE_BOOT_CONFIG"   // a file with what buildah inspect says of it
	envTemplate = "STREAMSPACE_BOOT_TEMPLATE" // the file of its Template
	envPicture  = "STREAMSPACE_BOOT_PICTURE"  // where to write what was seen, as PNG
)

const (
	bootLimit = 3 * time.Minute // an office program on a busy machine takes half of one
	idleTime  = 10 * time.Second
	restLimit = 3 * time.Second // a picture that stays this long has settled

	// A desktop is more than its backdrop with a pointer: what the application has
	// drawn is at least this share of the screen, in at least this many colours. The
	// least of all is i3 with a bar and its first question.
	minDrawn   = 0.05
	minColours = 4
)

var backdrop = color.RGBA{0x16, 0x1b, 0x26, 0xff}

func TestBoot(t *testing.T) {
	root := os.Getenv(envRoot)
	if root == "" {
		t.Skip("no image was handed over: run images/smoke.sh")
	}
	var inspected struct {
		OCIv1 struct {
			Config struct {
				User            string
				Env             []string
				Entrypoint, Cmd []string
			} `json:"config"`
		}
	}
	text, err := os.ReadFile(os.Getenv(envConfig))
	if err == nil {
		err = json.Unmarshal(text, &inspected)
	}
	if err != nil {
		t.Fatal(err)
	}
	config := inspected.OCIv1.Config
	if config.User != "1000:1000" {
		t.Errorf("the image's user is %q", config.User)
	}
	var template struct {
		Spec struct {
			WritablePaths []string `json:"writablePaths"`
		} `json:"spec"`
	}
	if text, err = os.ReadFile(os.Getenv(envTemplate)); err == nil {
		err = yaml.Unmarshal(text, &template)
	}
	if err != nil {
		t.Fatal(err)
	}
	spec, err := agent.ReadSpec(filepath.Join(root, config.Cmd[1]))
	if err != nil {
		t.Fatal(err)
	}
	shared, err := os.MkdirTemp("", "boot") // t.TempDir's names are too long for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(shared)
	top := run(t, root, shared, template.Spec.WritablePaths, config.Env, append(config.Entrypoint, config.Cmd...))

	rfb := filepath.Join(shared, filepath.Base(spec.RFBSocket))
	control := filepath.Join(shared, filepath.Base(spec.ControlSocket))
	began := time.Now()
	picture := look(t, rfb, began.Add(bootLimit))
	t.Logf("first picture of %s settled after %s", spec.Name, time.Since(began).Round(100*time.Millisecond))
	before := costOf(top)
	time.Sleep(idleTime) // what is measured is what it costs to do nothing
	after := costOf(top)
	t.Logf("came up for %v; then %.1f %% of a processor", before, 100*(after.cpu-before.cpu).Seconds()/idleTime.Seconds())
	if file := os.Getenv(envPicture); file != "" {
		save(t, file, picture)
	}
	if drawn, colours := drawnOf(picture); drawn < minDrawn || colours < minColours {
		t.Errorf("only %.0f %% of the screen are drawn, in %d colours", 100*drawn, colours)
	}
	status := statusOf(t, control)
	if status.Phase != agent.PhaseReady || status.Restarts > 0 || status.LastError != "" {
		log, _ := os.ReadFile(filepath.Join(shared, filepath.Base(spec.LogFile)))
		t.Errorf("the agent tells %+v; the log:\n%s", status, log)
	}
}

// run starts the image as a pod of the operator is: a root that nobody can write
// to, no capability, no network, an ordinary user, the agent as PID 1.
func run(t *testing.T, root, shared string, writable, env, argv []string) (top int) {
	t.Helper()
	args := []string{
		"--ro-bind", root, "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/home/streamspace",
		"--bind", shared, "/run/streamspace",
		"--unshare-all", "--uid", "1000", "--gid", "1000", "--cap-drop", "ALL", "--new-session", "--die-with-parent", "--as-pid-1", "--clearenv",
	}
	for _, path := range writable {
		args = append(args, "--tmpfs", path)
	}
	for _, variable := range env {
		name, value, _ := strings.Cut(variable, "=")
		args = append(args, "--setenv", name, value)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "bwrap", append(append(args, "--chdir", "/home/streamspace", "--"), argv...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		cmd.Wait() // killed
		if t.Failed() {
			t.Logf("the desktop said:\n%s", out.String())
		}
	})
	return cmd.Process.Pid
}

// look waits until the display shows more than its backdrop and has come to
// rest, or the deadline, and returns the last picture.
func look(t *testing.T, socket string, deadline time.Time) *image.RGBA {
	t.Helper()
	var last *image.RGBA
	var since time.Time // last has not changed since
	for time.Now().Before(deadline) {
		picture, err := grab(socket)
		if err != nil {
			time.Sleep(200 * time.Millisecond) // between two looks; the display is not there yet
			continue
		}
		if last == nil || !bytes.Equal(picture.Pix, last.Pix) {
			last, since = picture, time.Now()
		}
		if drawn, colours := drawnOf(last); drawn >= minDrawn && colours >= minColours && time.Since(since) >= restLimit {
			return last
		}
		time.Sleep(500 * time.Millisecond) // between two looks
	}
	if last == nil {
		t.Fatalf("there was no picture within %s", bootLimit)
	}
	return last // one that never rests (a blinking cursor) is judged as it is
}

// grab takes one whole picture, by a client that shares no code with ours.
func grab(socket string) (*image.RGBA, error) {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	messages := make(chan vnc.ServerMessage, 10)
	client, err := vnc.Client(conn, &vnc.ClientConfig{ServerMessageCh: messages})
	if err != nil {
		return nil, err
	}
	defer client.Close()
	format := vnc.PixelFormat{BPP: 32, Depth: 24, TrueColor: true, RedMax: 255, GreenMax: 255, BlueMax: 255, RedShift: 16, GreenShift: 8}
	if err := client.SetPixelFormat(&format); err != nil {
		return nil, err
	}
	if err := client.SetEncodings([]vnc.Encoding{new(vnc.RawEncoding)}); err != nil {
		return nil, err
	}
	if err := client.FramebufferUpdateRequest(false, 0, 0, client.FrameBufferWidth, client.FrameBufferHeight); err != nil {
		return nil, err
	}
	picture := image.NewRGBA(image.Rect(0, 0, int(client.FrameBufferWidth), int(client.FrameBufferHeight)))
	for {
		select {
		case message := <-messages:
			update, ok := message.(*vnc.FramebufferUpdateMessage)
			if !ok {
				continue
			}
			for _, r := range update.Rectangles {
				for i, c := range r.Enc.(*vnc.RawEncoding).Colors {
					x, y := int(r.X)+i%int(r.Width), int(r.Y)+i/int(r.Width)
					picture.SetRGBA(x, y, color.RGBA{uint8(c.R), uint8(c.G), uint8(c.B), 0xff})
				}
			}
			return picture, nil
		case <-time.After(30 * time.Second):
			return nil, os.ErrDeadlineExceeded
		}
	}
}

// drawnOf is the share of the screen that is not backdrop, and how many colours
// there are.
func drawnOf(picture *image.RGBA) (share float64, colours int) {
	seen := make(map[color.RGBA]bool)
	drawn := 0
	for y := range picture.Rect.Dy() {
		for x := range picture.Rect.Dx() {
			c := picture.RGBAAt(x, y)
			seen[c] = true
			if c != backdrop {
				drawn++
			}
		}
	}
	return float64(drawn) / float64(picture.Rect.Dx()*picture.Rect.Dy()), len(seen)
}

func statusOf(t *testing.T, socket string) agent.Status {
	t.Helper()
	conn, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	line, err := bufio.NewReader(conn).ReadBytes('\n')
	var status agent.Status
	if err == nil {
		err = json.Unmarshal(line, &status)
	}
	if err != nil {
		t.Fatal(err)
	}
	return status
}

func save(t *testing.T, file string, picture image.Image) {
	t.Helper()
	var out bytes.Buffer
	if err := png.Encode(&out, picture); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
