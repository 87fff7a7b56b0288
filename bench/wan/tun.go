package wan

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// mtu is Ethernet's, the size of almost every packet that matters here.
const mtu = 1500

// openTun makes a TUN device in the calling thread's namespace, gives it the
// address with a /30 around it and sets it up. The file is a TUN file: one
// packet a read and a write.
func openTun(name, address string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.ENOENT) {
			err = fmt.Errorf("%w: %w", ErrRights, err)
		}
		return nil, fmt.Errorf("opening /dev/net/tun: %w", err)
	}
	if err := configureTun(fd, name, address); err != nil {
		unix.Close(fd)
		return nil, err
	}
	// Only now may the runtime's poller see it: before TUNSETIFF the
	// descriptor is in an error state.
	return os.NewFile(uintptr(fd), "/dev/net/tun"), nil
}

func configureTun(fd int, name, address string) error {
	request, err := unix.NewIfreq(name)
	if err != nil {
		return fmt.Errorf("naming the device %s: %w", name, err)
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		if errors.Is(err, unix.EPERM) {
			err = ErrRights
		}
		return fmt.Errorf("making the device %s: %w", name, err)
	}
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return fmt.Errorf("reading the device's address: %w", err)
	}
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening a control socket: %w", err)
	}
	defer unix.Close(socket)
	four := ip.As4()
	for _, step := range []struct {
		what  string
		ioctl uint
		set   func(*unix.Ifreq) error
	}{
		{"address", unix.SIOCSIFADDR, func(r *unix.Ifreq) error { return r.SetInet4Addr(four[:]) }},
		{"netmask", unix.SIOCSIFNETMASK, func(r *unix.Ifreq) error { return r.SetInet4Addr([]byte{255, 255, 255, 252}) }},
		{"mtu", unix.SIOCSIFMTU, func(r *unix.Ifreq) error { r.SetUint32(mtu); return nil }},
	} {
		request, err := unix.NewIfreq(name)
		if err != nil {
			return fmt.Errorf("naming the device %s: %w", name, err)
		}
		if err := step.set(request); err != nil {
			return fmt.Errorf("setting the %s of %s: %w", step.what, name, err)
		}
		if err := unix.IoctlIfreq(socket, step.ioctl, request); err != nil {
			return fmt.Errorf("setting the %s of %s: %w", step.what, name, err)
		}
	}
	return setUp(name)
}

// setUp brings the device up in the calling thread's namespace.
func setUp(name string) error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening a control socket: %w", err)
	}
	defer unix.Close(socket)
	request, err := unix.NewIfreq(name)
	if err != nil {
		return fmt.Errorf("naming the device %s: %w", name, err)
	}
	if err := unix.IoctlIfreq(socket, unix.SIOCGIFFLAGS, request); err != nil {
		return fmt.Errorf("reading the flags of %s: %w", name, err)
	}
	request.SetUint16(request.Uint16() | unix.IFF_UP)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request); err != nil {
		return fmt.Errorf("bringing %s up: %w", name, err)
	}
	return nil
}
