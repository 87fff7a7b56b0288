package baseline

import (
	"errors"
	"fmt"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// SocketOptions of the viewer's TCP connection; zero values leave the
// system's.
type SocketOptions struct {
	Congestion string // TCP_CONGESTION: bbr, cubic, reno
	// Unsent is TCP_NOTSENT_LOWAT in bytes: the socket takes no more data
	// while so much waits unsent.
	Unsent int
}

func (o SocketOptions) apply(conn net.Conn) error {
	raw, ok := conn.(syscall.Conn)
	if !ok || o == (SocketOptions{}) {
		return nil
	}
	control, err := raw.SyscallConn()
	if err != nil {
		return fmt.Errorf("reaching the socket: %w", err)
	}
	var failed error
	err = control.Control(func(fd uintptr) {
		if o.Congestion != "" {
			if err := unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, o.Congestion); err != nil {
				failed = fmt.Errorf("setting congestion control %s: %w", o.Congestion, err)
			}
		}
		if o.Unsent > 0 {
			if err := unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, o.Unsent); err != nil {
				failed = errors.Join(failed, fmt.Errorf("setting the unsent-data mark to %d: %w", o.Unsent, err))
			}
		}
	})
	return errors.Join(failed, err)
}
