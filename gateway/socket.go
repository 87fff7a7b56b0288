package gateway

import (
	"crypto/tls"
	"log/slog"
	"net"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

const (
	// unsentMark bounds what the kernel holds of a viewer's pixels that it has
	// not sent yet (TCP_NOTSENT_LOWAT). Without it a slow link fills up to
	// 4 MiB of send buffer (tcp_wmem), which is seconds of stale frames; back-pressure
	// must reach the desktop while the frames are young. 128 KiB is two
	// large rectangles: at 60 frames/s a fast link never runs dry.
	unsentMark = 128 << 10
	// slowUnsentMark is the mark for a viewer that does not keep up: what its
	// kernel holds is stale when it arrives, and nobody profits from it.
	slowUnsentMark = 16 << 10
	// userTimeout ends a connection whose peer acknowledges nothing for this
	// many milliseconds (TCP_USER_TIMEOUT, RFC 5482): longer than the write stall
	// limit, so that the gateway's own reason comes first.
	userTimeout = 60_000
	// congestion keeps frames flowing on lossy links: with 25 ms each way and
	// 1 % loss cubic falls behind 0.6 MB/s and bbr does not (measured 2026-11-22).
	congestion = "bbr"
)

// SocketOptions tune a viewer's TCP connection. The zero value is our choice.
type SocketOptions struct {
	Congestion string // algorithm; "" means bbr where the kernel has it, "default" leaves the kernel's
	UnsentMark int    // bytes; 0 means 128 KiB, and 16 KiB while the viewer is slow; negative leaves the kernel's
}

// socketTuner applies SocketOptions.
type socketTuner struct {
	congestion string       // immutable; empty leaves the kernel's
	unsentMark int          // immutable; negative leaves the kernel's
	log        *slog.Logger // immutable
	without    atomic.Bool  // the kernel does not have the congestion control
}

func newSocketTuner(options SocketOptions, log *slog.Logger) *socketTuner {
	t := &socketTuner{congestion: options.Congestion, unsentMark: options.UnsentMark, log: log}
	switch t.congestion {
	case "":
		t.congestion = congestion
	case "default":
		t.congestion = ""
	}
	if t.unsentMark == 0 {
		t.unsentMark = unsentMark
	}
	return t
}

// tune sets the options on conn where it is TCP, alone or under TLS. Go has
// set TCP_NODELAY already. An option that the kernel refuses is no reason to
// refuse a viewer.
func (t *socketTuner) tune(conn net.Conn) {
	control(conn, func(fd uintptr) {
		unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, userTimeout)
		if t.unsentMark > 0 {
			unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, t.unsentMark)
		}
		if t.congestion == "" || t.without.Load() {
			return
		}
		if err := unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, t.congestion); err != nil && !t.without.Swap(true) {
			t.log.Warn("congestion control is missing in this kernel", "congestion", t.congestion, "error", err)
		}
	})
}

// pace sets the mark for a viewer that became slow, or prompt again.
func (t *socketTuner) pace(conn net.Conn, slow bool) {
	mark := t.unsentMark
	if mark <= 0 {
		return
	}
	if slow {
		mark = min(mark, slowUnsentMark)
	}
	control(conn, func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, mark) })
}

// control calls set with the descriptor of a TCP connection, alone or under
// TLS, and does nothing with any other.
func control(conn net.Conn, set func(fd uintptr)) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	if raw, err := tcp.SyscallConn(); err == nil {
		raw.Control(set)
	}
}
