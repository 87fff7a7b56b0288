package rfb_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streamspace/streamspace/rfb"
)

// watchFor is how long each encoding of a busy desktop is watched.
const watchFor = 2 * time.Second

// TestLiveDesktop watches a busy Xvnc in every encoding at once, then walks what
// came in pieces of all kinds.
func TestLiveDesktop(t *testing.T) {
	t.Parallel()
	x := startXvnc(t, "-SecurityTypes", "None", "-geometry", "360x240")
	x.busy(t)
	for name, encodings := range map[string][]rfb.Encoding{
		"Raw":        {rfb.EncodingRaw},
		"CopyRect":   {rfb.EncodingCopyRect, rfb.EncodingHextile},
		"RRE":        {rfb.EncodingRRE},
		"Hextile":    {rfb.EncodingHextile},
		"ZRLE":       {rfb.EncodingZRLE, rfb.EncodingCursorWithAlpha},
		"Tight":      {rfb.EncodingTight, rfb.EncodingCursor, rfb.EncodingDesktopName},
		"Tight JPEG": {rfb.EncodingTight, rfb.JPEGQuality(6), rfb.EncodingCopyRect, rfb.EncodingVMwareCursor, rfb.EncodingLastRect},
		"as noVNC": {rfb.EncodingCopyRect, rfb.EncodingH264, rfb.EncodingTight, rfb.EncodingTightPNG, rfb.EncodingZRLE, rfb.EncodingJPEG,
			rfb.EncodingHextile, rfb.EncodingRRE, rfb.EncodingZlib, rfb.EncodingRaw, rfb.JPEGQuality(6), rfb.CompressLevel(2),
			rfb.EncodingDesktopSize, rfb.EncodingLastRect, rfb.EncodingQEMUExtendedKey, rfb.EncodingQEMULEDState,
			rfb.EncodingExtendedDesktopSize, rfb.EncodingXVP, rfb.EncodingFence, rfb.EncodingContinuousUpdates, rfb.EncodingDesktopName,
			rfb.EncodingExtendedClipboard, rfb.EncodingExtendedMouseButtons, rfb.EncodingVMwareCursor, rfb.EncodingCursor},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			watchLive(t, x, encodings)
		})
	}
}

func watchLive(t *testing.T, x *xvnc, encodings []rfb.Encoding) {
	var stream bytes.Buffer
	p := x.connect(t, rfb.ClientConfig{}, &stream)
	p.send(rfb.AppendSetEncodings(nil, encodings...))
	p.request(false)
	if slices.Contains(encodings, rfb.EncodingContinuousUpdates) {
		p.until("continuous updates", func() bool { return p.messages[rfb.ServerEndOfContinuousUpdates] > 0 })
		p.ask = false
		p.send(rfb.AppendEnableContinuousUpdates(nil, rfb.ContinuousUpdates{Enable: true, Width: 360, Height: 240}))
	}
	start := time.Now()
	p.until("updates", func() bool {
		return time.Since(start) > watchFor && p.messages[rfb.ServerFramebufferUpdate] > 10
	})
	init, taken := p.session.Init, stream.Bytes()[:p.reader.Walker().Offset()]
	if text := summarise(t, append(rfb.AppendServerInit(nil, init), taken...)); !strings.Contains(text, "rect "+encodings[0].String()) {
		t.Errorf("saw\n%s", text)
	}
	want, w, err := walk(init, taken, false, whole(taken))
	if err != nil || !w.Between() {
		t.Fatalf("%v, between %v", err, w.Between())
	}
	for _, skip := range []bool{false, true} {
		random := rand.New(rand.NewPCG(5, 6))
		for _, cut := range []func() int{
			func() int { return 1 },
			func() int { return 1 + random.IntN(16) },
			func() int { return 1 + random.IntN(1<<16) },
		} {
			got, _, err := walk(init, taken, skip, cut)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("skip %v: pieces make a difference, %v", skip, err)
			}
		}
	}
}

// TestLiveHandshakes: Xvnc lets us in where it should.
func TestLiveHandshakes(t *testing.T) {
	t.Parallel()
	passwords := filepath.Join(t.TempDir(), "passwords")
	obfuscate := exec.Command(need(t, "tigervncpasswd", "tigervnc-tools"), "-f")
	obfuscate.Stdin = strings.NewReader("sesame\n")
	obfuscated, err := obfuscate.Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(passwords, obfuscated, 0o600); err != nil {
		t.Fatal(err)
	}
	trust, certFile, keyFile := certificate(t)
	x := startXvnc(t, "-SecurityTypes", "VncAuth,X509None,X509Vnc", "-PasswordFile", passwords, "-X509Cert", certFile, "-X509Key", keyFile)
	veNCrypt := []rfb.SecurityType{rfb.SecurityVeNCrypt}
	for name, config := range map[string]rfb.ClientConfig{
		"VncAuth":  {Security: vncAuth, Password: fixedPassword("sesame")},
		"X509None": {Security: veNCrypt, VeNCrypt: []rfb.VeNCryptType{rfb.VeNCryptX509None}, TLS: trust},
		"X509Vnc":  {Security: veNCrypt, TLS: trust, Password: fixedPassword("sesame")},
	} {
		p := x.connect(t, config, nil)
		p.request(false)
		p.until(name, func() bool { return p.messages[rfb.ServerFramebufferUpdate] > 0 })
		if name == "X509Vnc" && p.session.VeNCrypt != rfb.VeNCryptX509Vnc {
			t.Errorf("%v", p.session.VeNCrypt)
		}
	}
	for name, config := range map[string]rfb.ClientConfig{
		"wrong password":        {Security: vncAuth, Password: fixedPassword("barley")},
		"wrong password in TLS": {Security: veNCrypt, VeNCrypt: []rfb.VeNCryptType{rfb.VeNCryptX509Vnc}, TLS: trust, Password: fixedPassword("barley")},
	} {
		_, err := rfb.ClientHandshake(x.dial(t), config)
		var refused *rfb.SecurityError
		if !errors.As(err, &refused) || refused.Status != 1 || refused.Reason == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := rfb.ClientHandshake(x.dial(t), rfb.ClientConfig{}); err == nil {
		t.Error("comes in without a password")
	}
}

// TestLiveResizeAndClipboard plays the scenes that change the desktop.
func TestLiveResizeAndClipboard(t *testing.T) {
	t.Parallel()
	for _, s := range scenes() {
		if s.play == nil {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			x := startXvnc(t, "-SecurityTypes", "None", "-geometry", "360x240", "-desktop", "live")
			p := x.connect(t, rfb.ClientConfig{}, nil)
			if s.format != (rfb.PixelFormat{}) {
				p.reader.Walker().SetPixelFormat(s.format)
				p.send(rfb.AppendSetPixelFormat(nil, s.format))
			}
			p.send(rfb.AppendSetEncodings(nil, s.encodings...))
			p.request(false)
			s.play(x, p)
		})
	}
}

// TestLivePixelFormatInMidstream changes the format while updates flow, the way
// TigerVNC's viewer does: behind a fence with SyncNext.
func TestLivePixelFormatInMidstream(t *testing.T) {
	t.Parallel()
	x := startXvnc(t, "-SecurityTypes", "None", "-geometry", "360x240")
	x.busy(t)
	p := x.connect(t, rfb.ClientConfig{}, nil)
	p.send(rfb.AppendSetEncodings(nil, rfb.EncodingHextile, rfb.EncodingFence, rfb.EncodingContinuousUpdates))
	p.request(false)
	p.until("continuous updates", func() bool { return p.messages[rfb.ServerEndOfContinuousUpdates] > 0 })
	p.ask = false
	p.send(rfb.AppendEnableContinuousUpdates(nil, rfb.ContinuousUpdates{Enable: true, Width: 360, Height: 240}))
	for i := range 20 {
		format := rfb.RGB565()
		if i%2 == 1 {
			format = rfb.RGB888()
		}
		p.reader.Walker().SetPixelFormatAtSync(format)
		b := rfb.AppendClientFence(nil, rfb.Fence{Flags: rfb.FenceRequest | rfb.FenceSyncNext, Payload: []byte{byte(i)}})
		p.send(rfb.AppendSetPixelFormat(b, format))
		p.until("the answer", func() bool {
			fence, ok := p.last.Fence()
			return ok && fence.Flags&rfb.FenceRequest == 0
		})
		updates := p.messages[rfb.ServerFramebufferUpdate]
		p.until("updates in the new format", func() bool { return p.messages[rfb.ServerFramebufferUpdate] >= updates+3 })
		if p.reader.Walker().Format() != format {
			t.Fatalf("format %+v", p.reader.Walker().Format())
		}
	}
}
