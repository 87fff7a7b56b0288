package rtc_test

import (
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/logging"
	"github.com/pion/turn/v5"

	"github.com/streamspace/streamspace/gateway/rtc"
)

// echo is a server that sends back what it gets.
func echo(t *testing.T) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { conn.Close(); <-done })
	go func() {
		defer close(done)
		b := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			conn.WriteTo(b[:n], from)
		}
	}()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func relay(t *testing.T, target netip.AddrPort, public ...netip.Addr) (*rtc.Relay, *rtc.Access, string) {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	access := &rtc.Access{Secret: "secret"}
	r, err := rtc.NewRelay(rtc.RelayOptions{Log: slog.New(slog.DiscardHandler), UDP: conn, Target: target, Public: public, Access: access})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r, access, conn.LocalAddr().String()
}

// browser opens a way through the relay.
func browser(t *testing.T, at, username, password string) (net.PacketConn, error) {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	client, err := turn.NewClient(&turn.ClientConfig{
		STUNServerAddr: at, TURNServerAddr: at, Conn: conn, Username: username, Password: password, Realm: "streamspace",
		LoggerFactory: logging.NewDefaultLoggerFactory(), RTO: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); conn.Close() })
	if err := client.Listen(); err != nil {
		t.Fatal(err)
	}
	return client.Allocate()
}

func TestRelayLeadsToItsServerAlone(t *testing.T) {
	t.Parallel()
	target, other := echo(t), echo(t)
	public := netip.MustParseAddr("203.0.113.7") // where nobody is
	r, access, at := relay(t, target, public)
	servers, err := access.Mint("vwr_1")
	if err != nil {
		t.Fatal(err)
	}
	way, err := browser(t, at, servers[0].Username, servers[0].Credential)
	if err != nil {
		t.Fatal(err)
	}
	if told := way.LocalAddr().(*net.UDPAddr); !told.IP.Equal(public.AsSlice()) {
		t.Errorf("the way's address is told as %v", told)
	}
	if got := r.Ways(); got != 1 {
		t.Errorf("%d ways are open", got)
	}
	for _, to := range []netip.AddrPort{target, netip.AddrPortFrom(public, target.Port())} {
		if _, err := way.WriteTo([]byte("there and back"), net.UDPAddrFromAddrPort(to)); err != nil {
			t.Fatalf("to %v: %v", to, err)
		}
		way.SetReadDeadline(time.Now().Add(30 * time.Second))
		b := make([]byte, 100)
		n, from, err := way.ReadFrom(b)
		if err != nil || string(b[:n]) != "there and back" || from.String() != to.String() {
			t.Errorf("from %v: %q, %v", from, b[:n], err)
		}
	}
	// Another port of this machine gets nothing, and another machine not even that.
	if _, err := way.WriteTo([]byte("stray"), net.UDPAddrFromAddrPort(other)); err != nil {
		t.Errorf("to another port: %v", err)
	}
	if _, err := way.WriteTo([]byte("stray"), &net.UDPAddr{IP: net.IPv4(10, 9, 8, 7), Port: int(target.Port())}); err == nil {
		t.Error("another machine is reached")
	}
	way.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	if n, from, err := way.ReadFrom(make([]byte, 100)); err == nil {
		t.Errorf("%d bytes from %v", n, from)
	}
	way.Close()
	for limit := time.Now().Add(30 * time.Second); r.Ways() != 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("%d ways are left", r.Ways())
		}
	}
}

func TestRelayRefuses(t *testing.T) {
	t.Parallel()
	_, access, at := relay(t, echo(t))
	servers, err := access.Mint("vwr_1")
	if err != nil {
		t.Fatal(err)
	}
	stale, _, err := turn.GenerateLongTermTURNRESTCredentials(access.Secret, "vwr_1", -time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	_, password, _ := turn.GenerateLongTermTURNRESTCredentials(access.Secret, "vwr_1", -time.Minute)
	for name, words := range map[string][2]string{
		"another's password":      {servers[0].Username, "guessed"},
		"a name without time":     {"vwr_1", servers[0].Credential},
		"a password of yesterday": {stale, password},
	} {
		if way, err := browser(t, at, words[0], words[1]); err == nil {
			way.Close()
			t.Errorf("%s opens a way", name)
		}
	}
}
