package rfb_test

import (
	"bytes"
	"crypto/des"
	"errors"
	"io"
	"math/bits"
	"net"
	"strings"
	"testing"
	"time"

	vnc "github.com/mitchellh/go-vnc"

	"github.com/streamspace/streamspace/rfb"
)

// script is the other end of a handshake, which says what it will say at once.
type script struct {
	io.Reader
	bytes.Buffer // what it is told
}

func (s *script) Read(b []byte) (int, error)  { return s.Reader.Read(b) }
func (s *script) Write(b []byte) (int, error) { return s.Buffer.Write(b) }

var (
	initBytes = string(rfb.AppendServerInit(nil, desktop))
	vncAuth   = []rfb.SecurityType{rfb.SecurityVncAuth}
)

func fixedPassword(password string) func() (string, string, error) {
	return func() (string, string, error) { return "user", password, nil }
}

// TestServerHandshake goes through what viewers say, byte for byte.
func TestServerHandshake(t *testing.T) {
	t.Parallel()
	const hello = "RFB 003.008\n"
	both := []rfb.SecurityType{rfb.SecurityNone, rfb.SecurityVncAuth}
	tests := []struct {
		name   string
		config rfb.ServerConfig
		viewer string
		server string // behind hello
		want   rfb.ServerSession
		err    string
	}{
		{"3.8", rfb.ServerConfig{}, "RFB 003.008\n\x01\x01", "\x01\x01\x00\x00\x00\x00", rfb.ServerSession{Version: rfb.Version38, Security: 1, Shared: true}, ""},
		{"3.7", rfb.ServerConfig{}, "RFB 003.007\n\x01\x00", "\x01\x01", rfb.ServerSession{Version: rfb.Version37, Security: 1}, ""},
		{"3.3", rfb.ServerConfig{}, "RFB 003.003\n\x01", "\x00\x00\x00\x01", rfb.ServerSession{Version: rfb.Version33, Security: 1, Shared: true}, ""},
		{"3.5 is 3.3", rfb.ServerConfig{}, "RFB 003.005\n\x01", "\x00\x00\x00\x01", rfb.ServerSession{Version: rfb.Version33, Security: 1, Shared: true}, ""},
		{"Apple's 3.889 is 3.8", rfb.ServerConfig{}, "RFB 003.889\n\x01\x01", "\x01\x01\x00\x00\x00\x00", rfb.ServerSession{Version: rfb.Version38, Security: 1, Shared: true}, ""},
		{"chooses from two", rfb.ServerConfig{Security: both, Password: "x"}, "RFB 003.008\n\x01\x01", "\x02\x01\x02\x00\x00\x00\x00", rfb.ServerSession{Version: rfb.Version38, Security: 1, Shared: true}, ""},
		{"chooses what is not there", rfb.ServerConfig{}, "RFB 003.008\n\x02", "\x01\x01\x00\x00\x00\x01\x00\x00\x00\x19security type not offered", rfb.ServerSession{}, "VncAuth was not offered"},
		{"refused in 3.8", rfb.ServerConfig{Refuse: "no"}, "RFB 003.008\n", "\x00\x00\x00\x00\x02no", rfb.ServerSession{}, `refused: "no"`},
		{"refused in 3.3", rfb.ServerConfig{Refuse: "no"}, "RFB 003.003\n", "\x00\x00\x00\x00\x00\x00\x00\x02no", rfb.ServerSession{}, `refused: "no"`},
		{"newer than offered", rfb.ServerConfig{}, "RFB 004.001\n", "", rfb.ServerSession{}, "version 4.1"},
		{"older than all", rfb.ServerConfig{}, "RFB 003.002\n", "", rfb.ServerSession{}, "version 3.2"},
		{"HTTP", rfb.ServerConfig{}, "GET / HTTP/1.1\r\n", "", rfb.ServerSession{}, "not a protocol version"},
		{"gone in the middle", rfb.ServerConfig{}, "RFB 003.008\n\x01", "\x01\x01\x00\x00\x00\x00", rfb.ServerSession{}, "unexpected EOF"},
		{"cannot offer Tight", rfb.ServerConfig{Security: []rfb.SecurityType{rfb.SecurityTight}}, "", "-", rfb.ServerSession{}, "cannot offer security type Tight"},
		{"cannot check nothing", rfb.ServerConfig{Security: vncAuth}, "", "-", rfb.ServerSession{}, "without a password"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			viewer := &script{Reader: strings.NewReader(test.viewer + "X")} // the X is not the handshake's
			if test.err == "unexpected EOF" {
				viewer.Reader = io.MultiReader(strings.NewReader(test.viewer), failing{})
			}
			got, err := rfb.ServerHandshake(viewer, test.config)
			if test.err == "" && (err != nil || *got != test.want) || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Errorf("%+v, %v, want %+v, %q", got, err, test.want, test.err)
			}
			if said := viewer.Buffer.String(); test.server == "-" && said != "" || test.server != "-" && said != hello+test.server {
				t.Errorf("says %q, want %q", said, hello+test.server)
			}
			if rest, _ := io.ReadAll(viewer.Reader); err == nil && string(rest) != "X" {
				t.Errorf("leaves %q", rest)
			}
		})
	}
}

// failing is a connection that breaks.
type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestClientHandshake goes through what servers say, byte for byte.
func TestClientHandshake(t *testing.T) {
	t.Parallel()
	ask := rfb.ClientConfig{Security: []rfb.SecurityType{rfb.SecurityNone, rfb.SecurityVncAuth}, Password: fixedPassword("x")}
	long := strings.Repeat("z", 3000)
	tests := []struct {
		name   string
		config rfb.ClientConfig
		server string
		client string
		want   rfb.Version // 0: an error
		err    string
	}{
		{"3.8", rfb.ClientConfig{}, "RFB 003.008\n\x02\x10\x01\x00\x00\x00\x00" + initBytes, "RFB 003.008\n\x01\x01", rfb.Version38, ""},
		{"3.7, exclusive", rfb.ClientConfig{Exclusive: true}, "RFB 003.007\n\x01\x01" + initBytes, "RFB 003.007\n\x01\x00", rfb.Version37, ""},
		{"3.3", rfb.ClientConfig{}, "RFB 003.003\n\x00\x00\x00\x01" + initBytes, "RFB 003.003\n\x01", rfb.Version33, ""},
		{"3.6 is 3.3", rfb.ClientConfig{}, "RFB 003.006\n\x00\x00\x00\x01" + initBytes, "RFB 003.003\n\x01", rfb.Version33, ""},
		{"RealVNC's 5.0 is 3.8", rfb.ClientConfig{}, "RFB 005.000\n\x01\x01\x00\x00\x00\x00" + initBytes, "RFB 003.008\n\x01\x01", rfb.Version38, ""},
		{"likes None better", ask, "RFB 003.008\n\x02\x02\x01\x00\x00\x00\x00" + initBytes, "RFB 003.008\n\x01\x01", rfb.Version38, ""},
		{"refused at once", rfb.ClientConfig{}, "RFB 003.008\n\x00\x00\x00\x00\x03bad", "RFB 003.008\n", 0, `refused: "bad"`},
		{"refused at once in 3.3", rfb.ClientConfig{}, "RFB 003.003\n\x00\x00\x00\x00\x00\x00\x00\x03bad", "RFB 003.003\n", 0, `refused: "bad"`},
		{"refused after all", rfb.ClientConfig{}, "RFB 003.008\n\x01\x01\x00\x00\x00\x02\x00\x00\x00\x03bad", "RFB 003.008\n\x01", 0, `refused: "bad"`},
		{"refused at length", rfb.ClientConfig{}, "RFB 003.008\n\x00\xFF\xFF\xFF\xFF" + long, "RFB 003.008\n", 0, strings.Repeat("z", 1024) + `"`},
		{"nothing in common", rfb.ClientConfig{}, "RFB 003.008\n\x02\x02\x13", "RFB 003.008\n", 0, "offers security types [2 19]"},
		{"nothing in common in 3.3", rfb.ClientConfig{}, "RFB 003.003\n\x00\x00\x00\x02", "RFB 003.003\n", 0, "wants security type 2"},
		{"type that looks like None", rfb.ClientConfig{}, "RFB 003.003\n\x00\x00\x01\x01", "RFB 003.003\n", 0, "wants security type 257"},
		{"no password", rfb.ClientConfig{Security: vncAuth}, "RFB 003.008\n\x01\x02" + string(zeros(16)), "RFB 003.008\n\x02", 0, "there is none"},
		{"too old", rfb.ClientConfig{}, "RFB 002.008\n", "", 0, "version 2.8"},
		{"SSH", rfb.ClientConfig{}, "SSH-2.0-OpenSSH\n", "", 0, "not a protocol version"},
		{"huge desktop", rfb.ClientConfig{}, "RFB 003.003\n\x00\x00\x00\x01\xFF\xFF" + initBytes[2:], "RFB 003.003\n\x01", 0, "65535x480"},
		{"huge name", rfb.ClientConfig{}, "RFB 003.003\n\x00\x00\x00\x01" + initBytes[:20] + "\x00\x01\x00\x00", "RFB 003.003\n\x01", 0, "name of 65536"},
		{"broken off", rfb.ClientConfig{}, "RFB 003.008\n\x01", "RFB 003.008\n", 0, "EOF"},
		{"does not speak Tight", rfb.ClientConfig{Security: []rfb.SecurityType{rfb.SecurityTight}}, "", "", 0, "does not speak"},
		{"does not speak TLSNone", rfb.ClientConfig{VeNCrypt: []rfb.VeNCryptType{rfb.VeNCryptTLSNone}}, "", "", 0, "does not speak VeNCrypt type TLSNone"},
		{"needs to know certificates", rfb.ClientConfig{Security: []rfb.SecurityType{rfb.SecurityVeNCrypt}}, "", "", 0, "without a TLS configuration"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := &script{Reader: strings.NewReader(test.server)}
			got, err := rfb.ClientHandshake(server, test.config)
			if test.want != 0 && (err != nil || got.Version != test.want || got.Init != desktop || got.Conn == nil) ||
				test.want == 0 && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Errorf("%+v, %v, want %v, %q", got, err, test.want, test.err)
			}
			if said := server.Buffer.String(); said != test.client {
				t.Errorf("says %q, want %q", said, test.client)
			}
		})
	}
}

// meet lets the two handshakes talk to one another.
func meet(t *testing.T, client rfb.ClientConfig, server rfb.ServerConfig) (clientErr, serverErr error) {
	t.Helper()
	a, b := net.Pipe()
	deadline := time.Now().Add(patience)
	a.SetDeadline(deadline)
	b.SetDeadline(deadline)
	done := make(chan error, 1)
	go func() {
		_, err := rfb.ServerHandshake(b, server)
		if err == nil {
			_, err = b.Write(rfb.AppendServerInit(nil, desktop))
		}
		b.Close()
		done <- err
	}()
	_, clientErr = rfb.ClientHandshake(a, client)
	a.Close()
	return clientErr, <-done
}

func TestBothHandshakes(t *testing.T) {
	t.Parallel()
	for _, password := range []string{"", "short", "eightchr", "much longer than eight"} {
		server := rfb.ServerConfig{}
		client := rfb.ClientConfig{}
		if password != "" {
			server = rfb.ServerConfig{Security: vncAuth, Password: password}
			client = rfb.ClientConfig{Security: vncAuth, Password: fixedPassword(password)}
		}
		if a, b := meet(t, client, server); a != nil || b != nil {
			t.Errorf("password %q: %v, %v", password, a, b)
		}
	}
	a, b := meet(t, rfb.ClientConfig{Security: vncAuth, Password: fixedPassword("wrong")}, rfb.ServerConfig{Security: vncAuth, Password: "right"})
	var refused *rfb.SecurityError
	if !errors.As(a, &refused) || refused.Status != 1 || refused.Reason != "wrong password" || !errors.Is(b, rfb.ErrAuthentication) {
		t.Errorf("wrong password: %v, %v", a, b)
	}
	a, b = meet(t, rfb.ClientConfig{}, rfb.ServerConfig{Refuse: "the house is full"})
	if !errors.As(a, &refused) || refused.Reason != "the house is full" || !errors.As(b, &refused) {
		t.Errorf("refused: %v, %v", a, b)
	}
	lost := errors.New("the safe is locked")
	a, _ = meet(t, rfb.ClientConfig{Security: vncAuth, Password: func() (string, string, error) { return "", "", lost }},
		rfb.ServerConfig{Security: vncAuth, Password: "right"})
	if !errors.Is(a, lost) {
		t.Errorf("no password to be had: %v", a)
	}
}

// TestOldVersionsWithPassword: 3.3 and 3.7 get a result without a reason.
func TestOldVersionsWithPassword(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"RFB 003.003\n", "RFB 003.007\n"} {
		for _, password := range []string{"right", "wrong"} {
			viewer, server := net.Pipe()
			viewer.SetDeadline(time.Now().Add(patience))
			server.SetDeadline(time.Now().Add(patience))
			done := make(chan error, 1)
			go func() {
				_, err := rfb.ServerHandshake(server, rfb.ServerConfig{Security: vncAuth, Password: "right"})
				server.Close()
				done <- err
			}()
			read := func(n int) []byte {
				b := make([]byte, n)
				if _, err := io.ReadFull(viewer, b); err != nil {
					t.Fatal(err)
				}
				return b
			}
			read(12)
			io.WriteString(viewer, version)
			if version == "RFB 003.003\n" {
				if got := read(4); !bytes.Equal(got, []byte{0, 0, 0, 2}) {
					t.Fatalf("security %v", got)
				}
			} else {
				if got := read(2); !bytes.Equal(got, []byte{1, 2}) {
					t.Fatalf("security %v", got)
				}
				viewer.Write([]byte{2})
			}
			viewer.Write(desResponse(t, read(16), password))
			result := read(4)[3]
			if password == "wrong" {
				if rest, _ := io.ReadAll(viewer); result != 1 || len(rest) != 0 {
					t.Errorf("result %d, then %q", result, rest)
				}
				if err := <-done; !errors.Is(err, rfb.ErrAuthentication) {
					t.Error(err)
				}
				continue
			}
			viewer.Write([]byte{1})
			if err := <-done; result != 0 || err != nil {
				t.Errorf("result %d, %v", result, err)
			}
		}
	}
}

// desResponse answers a challenge by the letter of the specification: each bit of
// the password's bytes in reverse order, zeros behind.
func desResponse(t *testing.T, challenge []byte, password string) []byte {
	t.Helper()
	key := make([]byte, 8)
	for i := range min(8, len(password)) {
		key[i] = bits.Reverse8(password[i])
	}
	cipher, err := des.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	response := make([]byte, 16)
	cipher.Encrypt(response, challenge)
	cipher.Encrypt(response[8:], challenge[8:])
	return response
}

// TestIndependentClient: somebody else's client comes in and understands us.
func TestIndependentClient(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		auth   vnc.ClientAuth
		config rfb.ServerConfig
		ok     bool
	}{
		{"None", new(vnc.ClientAuthNone), rfb.ServerConfig{}, true},
		{"password", &vnc.PasswordAuth{Password: "sesame"}, rfb.ServerConfig{Security: vncAuth, Password: "sesame"}, true},
		{"wrong password", &vnc.PasswordAuth{Password: "barley"}, rfb.ServerConfig{Security: vncAuth, Password: "sesame"}, false},
		{"refused", new(vnc.ClientAuthNone), rfb.ServerConfig{Refuse: "closed"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a, b := net.Pipe()
			deadline := time.Now().Add(patience)
			a.SetDeadline(deadline)
			b.SetDeadline(deadline)
			done := make(chan error, 1)
			go func() {
				defer b.Close()
				_, err := rfb.ServerHandshake(b, test.config)
				if err == nil {
					answer := rfb.AppendServerInit(nil, desktop)
					answer = rfb.AppendColourMap(answer, 5, [][3]uint16{{1, 2, 3}})
					answer = append(answer, rect(2, 1, rfb.EncodingRaw, 1, 2, 3, 0, 4, 5, 6, 0)...)
					_, err = b.Write(rfb.AppendBell(answer))
				}
				done <- err
			}()
			messages := make(chan vnc.ServerMessage)
			client, err := vnc.Client(a, &vnc.ClientConfig{Auth: []vnc.ClientAuth{test.auth}, ServerMessageCh: messages})
			if !test.ok {
				a.Close()
				if serverErr := <-done; err == nil || serverErr == nil {
					t.Errorf("comes in: %v, %v", err, serverErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			if client.DesktopName != desktop.Name || client.FrameBufferWidth != desktop.Width || client.PixelFormat.BPP != 32 {
				t.Errorf("%+v", client)
			}
			// It reads a clipboard's padding wrong, so there is none here.
			if colours, ok := next(t, messages).(*vnc.SetColorMapEntriesMessage); !ok || colours.FirstColor != 5 || colours.Colors[0].B != 3 {
				t.Errorf("%+v", colours)
			}
			if update, ok := next(t, messages).(*vnc.FramebufferUpdateMessage); !ok || len(update.Rectangles) != 1 || update.Rectangles[0].Y != 16 {
				t.Errorf("%+v", update)
			}
			if _, ok := next(t, messages).(*vnc.BellMessage); !ok {
				t.Error("no bell")
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

func next(t *testing.T, messages <-chan vnc.ServerMessage) vnc.ServerMessage {
	t.Helper()
	select {
	case m := <-messages:
		return m
	case <-time.After(patience):
		t.Fatal("no message comes")
		return nil
	}
}
