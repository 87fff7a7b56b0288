package bench

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/streamspace/streamspace/bench/browser"
	"github.com/streamspace/streamspace/bench/peer"
	"github.com/streamspace/streamspace/bench/product"
	"github.com/streamspace/streamspace/bench/report"
	"github.com/streamspace/streamspace/bench/scene"
	"github.com/streamspace/streamspace/bench/target"
	"github.com/streamspace/streamspace/bench/wan"
)

// Names of ways from a page to its desktop.
const (
	wayBBR    = "WebSocket, BBR"
	wayCubic  = "WebSocket, cubic"
	wayWebRTC = "WebRTC"
)

// Limits of the product: WebRTC against WebSocket, as ratios.
const (
	maxCleanRatio = 1.2    // p50 on a clean line
	maxBBRRatio   = 1. / 2 // p99 with 1 % loss
	maxCubicRatio = 1. / 5 // the same
)

// sceneTime is what a scene has to begin, video to find its bit rate, and a film to be
// found.
const sceneTime = 10 * time.Second

// pageTimeout bounds the way of a page to its picture, by a line with loss.
const pageTimeout = 60 * time.Second

// peersScript keeps a page's connections, for their counters, and counts what its
// WebSockets bring.
const peersScript = `{
	window.rtcBytes = 0;
	const Socket = window.WebSocket;
	window.WebSocket = class extends Socket {
		constructor(...all) {
			super(...all);
			this.addEventListener("message", ({ data }) => { window.rtcBytes += data.byteLength || data.length; });
		}
	};
	const Plain = window.RTCPeerConnection;
	window.rtcPeers = [];
	window.RTCPeerConnection = class extends Plain {
		constructor(...all) { super(...all); window.rtcPeers.push(this); }
	};
}`

//go:embed rtc.js
var rtcScript string

// rtcLine is a line to measure on.
type rtcLine struct {
	title string
	path  *wan.Path
	lossy bool // the limits of 1 % loss hold
}

func rtcLines() []rtcLine {
	const away = 25 * time.Millisecond
	return []rtcLine{
		{"loopback", nil, false},
		{"25 ms each way", &wan.Path{Delay: away, Seed: 1}, false},
		{"25 ms each way, 1 % loss", &wan.Path{Delay: away, Loss: 0.01, Seed: 1}, true},
		{"25 ms each way, 3 % loss", &wan.Path{Delay: away, Loss: 0.03, Seed: 1}, false},
		{"10 Mbit/s with a queue of 1 MiB, 25 ms each way", &wan.Path{Delay: away, BitsPerSecond: 10_000_000, QueueBytes: 1 << 20, Seed: 1}, false},
	}
}

// RTC measures from a key press to its pixels in the product's own page in
// Chromium: by WebRTC and by WebSocket, to the same session.
func RTC(ctx context.Context, s Settings, server string, inputs int) error {
	r := s.begin(ctx, "rtc", "From a key press to its pixels in Chromium: WebRTC and WebSocket",
		report.Fact{Name: "inputs a round", Value: fmt.Sprint(inputs)})
	r.Versions = append(r.Versions, target.XvncVersion(ctx),
		report.Fact{Name: "Chromium", Value: report.ProgramVersion(ctx, "dpkg-query", "-W", "-f=${Version}", "chromium")},
		report.Fact{Name: "libvpx", Value: report.ProgramVersion(ctx, "dpkg-query", "-W", "-f=${Version}", "libvpx7")})
	r.Notes = append(r.Notes,
		"`streamspace up` and its own web page; the clock runs from the page's keydown until what has the marker that names that key press goes to the browser's compositor: the animation frame in which the canvas has it, or the video's frame.",
		"Still: a page of text at rest. In motion: 640 × 360 of film at 30 frames a second beside it.",
		"The gateway asks for BBR; cubic is the same by a plain TCP splice in front of it, without an unsent-data mark.",
		"Chromium, desktop, encoder and emulated line share the machine's cores.")
	for _, line := range rtcLines() {
		if !s.wanted(line.title) {
			continue
		}
		tables := map[scene.Name]*report.Table{}
		for name, what := range map[scene.Name]string{scene.Idle: "still", scene.Video: "in motion"} {
			tables[name] = &report.Table{Title: line.title + ", " + what, Columns: []report.Column{
				{Key: "p50", Title: "p50 ms", Digits: 1}, {Key: "p90", Title: "p90 ms", Digits: 1}, {Key: "p99", Title: "p99 ms", Digits: 1},
				{Key: "lost", Title: "unanswered", Digits: 0}, {Key: "there", Title: "page to picture ms", Digits: 0},
				{Key: "fps", Title: "video frames/s", Digits: 1}, {Key: "mbit", Title: "Mbit/s", Digits: 2}, {Key: "buffer", Title: "jitter buffer ms", Digits: 1}, {Key: "decode", Title: "decode ms", Digits: 1},
			}}
		}
		err := onRTCLine(ctx, s, line, server, func(p *rtcPage) error { return p.measure(ctx, s, tables, inputs) })
		if errors.Is(err, wan.ErrRights) {
			r.Notes = append(r.Notes, line.title+": not measured: "+err.Error())
			continue
		}
		if err != nil {
			return err
		}
		for _, name := range []scene.Name{scene.Idle, scene.Video} {
			table := tables[name]
			clean, bbr, cubic := report.Target(maxCleanRatio), (*float64)(nil), (*float64)(nil)
			if line.path != nil && line.path.Loss > 0 {
				clean = nil
			}
			if line.lossy {
				bbr, cubic = report.Target(maxBBRRatio), report.Target(maxCubicRatio)
			}
			table.Compare("p50", wayWebRTC, wayBBR, report.Ratio, clean)
			table.Compare("p99", wayWebRTC, wayBBR, report.Ratio, bbr)
			table.Compare("p99", wayWebRTC, wayCubic, report.Ratio, cubic)
			r.Tables = append(r.Tables, table)
		}
	}
	return s.finish(r)
}

// rtcPage is a signed-in Chromium, and a session of an installation.
type rtcPage struct {
	page    *browser.Browser
	session string
	bases   map[string]string // by way: the installation's URL
}

// onRTCLine has everything started on the line, and ended.
func onRTCLine(ctx context.Context, s Settings, line rtcLine, program string, measure func(*rtcPage) error) error {
	if line.path == nil {
		return withRTCPage(ctx, s, peer.Here(), peer.Here(), program, measure)
	}
	return onNetwork(ctx, wan.Both(*line.path), func(network *wan.Network) error {
		near := peer.Place{Address: network.Near.Address, Start: network.Near.Start, Dial: network.Near.Dial}
		far := peer.Place{Address: network.Far.Address, Start: network.Far.Start, Dial: network.Far.Dial}
		return withRTCPage(ctx, s, near, far, program, measure)
	})
}

func withRTCPage(ctx context.Context, s Settings, near, far peer.Place, program string, measure func(*rtcPage) error) error {
	packets, err := peer.FreePort(far)
	if err != nil {
		return err
	}
	server, err := product.ServeAt(ctx, far, program, map[string]string{target.TemplateName + ".yaml": target.Template}, "--webrtc-listen", packets)
	if err != nil {
		return err
	}
	defer server.Stop()
	client, err := product.NewBy(server.Base, product.Way{Dial: far.Dial})
	if err != nil {
		return err
	}
	defer client.Close()
	if err := client.SignIn(ctx, server.Username, server.Password); err != nil {
		return err
	}
	session, err := client.Start(ctx, target.TemplateName)
	if err != nil {
		return err
	}
	if err := client.Running(ctx, session.ID); err != nil {
		return err
	}
	splice, err := peer.Splice(s.Self, peer.Tuning{Congestion: "cubic"}).Start(ctx, far, "tcp:"+strings.TrimPrefix(server.Base, "http://"))
	if err != nil {
		return err
	}
	defer splice.Stop()
	addresses, err := splice.Targets(1)
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(strings.TrimPrefix(addresses[0], "tcp:"))
	if err != nil {
		return fmt.Errorf("reading the splice's address %q: %w", addresses[0], err)
	}
	page, err := browser.OpenAt(ctx, near)
	if err != nil {
		return err
	}
	defer page.Close()
	p := &rtcPage{page: page, session: session.ID, bases: map[string]string{
		wayBBR: server.Base, wayWebRTC: server.Base, wayCubic: "http://" + net.JoinHostPort(far.Address, port),
	}}
	if err := page.Command(ctx, "Page.addScriptToEvaluateOnNewDocument", map[string]any{"source": peersScript}); err != nil {
		return err
	}
	if err := signIn(ctx, page, server.Base, server.Username, server.Password); err != nil {
		return err
	}
	return measure(p)
}

// measure fills the tables of a line: still and in motion, each way in turn.
func (p *rtcPage) measure(ctx context.Context, s Settings, tables map[scene.Name]*report.Table, inputs int) error {
	for round := range s.Rounds {
		for _, name := range []scene.Name{scene.Idle, scene.Video} {
			for _, way := range []string{wayBBR, wayCubic, wayWebRTC} {
				table := tables[name]
				values, err := p.round(ctx, name, way, inputs)
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if err != nil {
					s.Log.Warn("a round failed", "table", table.Title, "way", way, "round", round+1, "error", err)
					values = nothing(table)
				} else {
					s.Log.Info("round", "table", table.Title, "way", way, "round", round+1, "values", values)
				}
				table.Row(way).Add(values)
			}
		}
	}
	return nil
}

func (p *rtcPage) round(ctx context.Context, name scene.Name, way string, inputs int) (map[string]float64, error) {
	there, err := p.open(ctx, way)
	if err != nil {
		return nil, err
	}
	if err := p.play(ctx, name, way); err != nil {
		return nil, err
	}
	random := rand.New(rand.NewPCG(3, uint64(inputs)))
	var all []float64
	lost := 0
	if err := p.page.Run(ctx, "window.rtcBench.begin()", nil); err != nil {
		return nil, err
	}
	for i := range inputs {
		pause := 50 + random.Int64N(100)
		took, err := p.key(ctx, i, pause, way == wayWebRTC)
		if err != nil {
			return nil, err
		}
		if took == nil {
			lost++
		} else {
			all = append(all, *took)
		}
	}
	values := map[string]float64{
		"p50": report.Median(all), "p90": report.Quantile(all, 0.9), "p99": report.Quantile(all, 0.99), "lost": float64(lost), "there": there,
		"fps": math.NaN(), "mbit": math.NaN(), "buffer": math.NaN(), "decode": math.NaN(),
	}
	return values, p.page.Run(ctx, "window.rtcBench.figures()", &values)
}

// open opens the session's page, and tells how long it took until the desktop came
// by the way.
func (p *rtcPage) open(ctx context.Context, way string) (milliseconds float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*pageTimeout)
	defer cancel()
	transport := "websocket"
	if way == wayWebRTC {
		transport = "webrtc"
	}
	base := p.bases[way]
	if err := p.page.Navigate(ctx, base+"/favicon.svg"); err != nil { // of the page's origin, and nothing else
		return 0, err
	}
	settings := fmt.Sprintf(`localStorage.setItem("streamspace.viewer", JSON.stringify({scale: "fit", transport: %q}))`, transport)
	if err := p.page.Run(ctx, settings, nil); err != nil {
		return 0, err
	}
	if err := p.page.Navigate(ctx, base+"/sessions/"+p.session); err != nil {
		return 0, err
	}
	if err := p.page.Run(ctx, rtcScript, nil); err != nil {
		return 0, err
	}
	err = p.ready(ctx, way, &milliseconds)
	return milliseconds, err
}

// play has the session's stage play a scene.
func (p *rtcPage) play(ctx context.Context, name scene.Name, way string) error {
	number, err := name.Number()
	if err != nil {
		return err
	}
	const firstKey = 112 // F1, as Windows numbers keys
	key := fmt.Sprintf("F%d", number+1)
	for _, kind := range []string{"rawKeyDown", "keyUp"} {
		event := map[string]any{"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": firstKey + int(number)}
		if err := p.page.Command(ctx, "Input.dispatchKeyEvent", event); err != nil {
			return err
		}
	}
	if err := rest(ctx, sceneTime); err != nil {
		return err
	}
	return p.ready(ctx, way, new(float64))
}

// ready waits for the marker by the way, and notes how many keys it has heard.
func (p *rtcPage) ready(ctx context.Context, way string, milliseconds *float64) error {
	call := fmt.Sprintf("window.rtcBench.ready(%t, %d)", way == wayWebRTC, pageTimeout.Milliseconds())
	return p.page.Run(ctx, call, milliseconds)
}

// key presses a key; nil is one that nothing answered.
func (p *rtcPage) key(ctx context.Context, i int, pause int64, webrtc bool) (*float64, error) {
	if err := p.page.Run(ctx, fmt.Sprintf("window.rtcBench.expectKey(%d, %d)", 'a'+i%26, pause), nil); err != nil {
		return nil, err
	}
	letter, code := string(rune('a'+i%26)), "Key"+string(rune('A'+i%26))
	event := map[string]any{"type": "keyDown", "key": letter, "code": code, "text": letter, "windowsVirtualKeyCode": 'A' + i%26}
	if err := p.page.Command(ctx, "Input.dispatchKeyEvent", event); err != nil {
		return nil, err
	}
	event["type"] = "keyUp"
	delete(event, "text")
	if err := p.page.Command(ctx, "Input.dispatchKeyEvent", event); err != nil {
		return nil, err
	}
	var answer struct {
		Took   *float64 `json:"took"`
		WebRTC bool     `json:"webrtc"`
	}
	if err := p.page.Run(ctx, "window.rtcBench.answer()", &answer); err != nil {
		return nil, err
	}
	if answer.WebRTC != webrtc {
		return nil, errors.New("the stream went over to another transport")
	}
	return answer.Took, nil
}

func rtcCommand(s *Settings) *cobra.Command {
	var inputs int
	var server string
	command := &cobra.Command{
		Use: "rtc", Short: "From a key press to its pixels in Chromium, by WebRTC and WebSocket; bad lines need root", Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return RTC(command.Context(), *s, server, inputs) },
	}
	command.Flags().IntVar(&inputs, "inputs", 200, "key presses a round")
	command.Flags().StringVar(&server, "server", "bin/streamspace", "program to start with `up` in a temporary folder")
	return command
}
