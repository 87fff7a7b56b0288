package wan

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestLinesAreRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Path{
		"25ms,1%":                  {Delay: 25 * time.Millisecond, Loss: 0.01},
		"0ms":                      {},
		"1%, 10Mbit ,5ms , 256KiB": {Delay: 5 * time.Millisecond, Loss: 0.01, BitsPerSecond: 10_000_000, QueueBytes: 256 << 10},
		"far":                      {Delay: 25 * time.Millisecond, Loss: 0.01},
	} {
		got, err := ParsePath(text)
		if err != nil || got != want {
			t.Errorf("%q is %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "fast", "-5ms", "100%", "NaN%", "10mbit,", "1h", "10bit", "3b"} {
		if path, err := ParsePath(text); err == nil || !strings.Contains(err.Error(), "satellite") {
			t.Errorf("%q is %+v, %v; want an error that names what there is", text, path, err)
		}
	}
	for _, name := range ProfileNames() {
		path, err := ParsePath(name)
		if err != nil || path.Delay == 0 || !strings.Contains(path.String(), "each way") {
			t.Errorf("profile %s is %v, %v", name, path, err)
		}
	}
}

func TestDatagramsGoOverTheLineToo(t *testing.T) {
	t.Parallel()
	n := network(t, Path{Delay: 5 * time.Millisecond})
	var far net.PacketConn
	if err := n.Far.Do(func() (err error) {
		far, err = net.ListenPacket("udp", n.Far.Address+":0")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	near, err := n.Near.Dial(ctx, "udp", far.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	begin := time.Now()
	if _, err := near.Write([]byte("datagram")); err != nil {
		t.Fatal(err)
	}
	far.SetDeadline(begin.Add(time.Minute))
	buffer := make([]byte, 64)
	length, from, err := far.ReadFrom(buffer)
	if err != nil || string(buffer[:length]) != "datagram" {
		t.Fatalf("%q came from %v, %v", buffer[:length], from, err)
	}
	if took := time.Since(begin); took < 5*time.Millisecond {
		t.Errorf("over a line of 5 ms it took %v", took)
	}
}

func TestAGateLeadsToServersOfThisMachine(t *testing.T) {
	t.Parallel()
	const delay = 10 * time.Millisecond
	n := network(t, Path{Delay: delay})
	gate := n.NewGate()
	defer gate.Close()
	for _, kind := range []struct{ network, address string }{
		{"tcp", "127.0.0.1:0"}, {"unix", filepath.Join(t.TempDir(), "echo.sock")},
	} {
		server, err := net.Listen(kind.network, kind.address)
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		go func() {
			for {
				conn, err := server.Accept()
				if err != nil {
					return
				}
				io.Copy(conn, conn)
				conn.Close()
			}
		}()
		for range 2 { // the second one finds the gate's listener
			conn, err := gate.Dial(t.Context(), kind.network, server.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			conn.SetDeadline(time.Now().Add(10 * time.Second))
			begin := time.Now()
			if _, err := conn.Write([]byte("hello")); err != nil {
				t.Fatal(err)
			}
			answer := make([]byte, 5)
			if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "hello" {
				t.Fatalf("over %s: %q, %v", kind.network, answer, err)
			}
			if took := time.Since(begin); took < 2*delay {
				t.Errorf("there and back took %v over a line of %v", took, delay)
			}
			conn.Close()
		}
	}
}

func FuzzParsePath(f *testing.F) {
	f.Add("25ms,1%,10mbit,256KiB")
	f.Fuzz(func(t *testing.T, text string) {
		path, err := ParsePath(text)
		if err == nil && (path.Loss < 0 || path.Loss >= 1 || path.Delay < 0 || path.BitsPerSecond < 0 || path.QueueBytes < 0) {
			t.Errorf("%q is %+v", text, path)
		}
	})
}
