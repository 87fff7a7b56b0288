// Package wan emulates a long line in userspace: two network namespaces, a
// TUN device in each, and between them a delay, a bottleneck with its queue,
// and random loss. Everything that speaks IP works over it unchanged. It
// touches no namespace, device or address of the machine itself.
//
// A userspace line is for kernels without netem; it carries some ten thousand
// packets a second and is late by about a tenth of a millisecond.
package wan

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/streamspace/streamspace/bench/stamp"
)

const (
	// nearAddress and farAddress are the line's two ends, in namespaces of
	// their own, so that they collide with nothing.
	nearAddress = "10.213.0.1"
	farAddress  = "10.213.0.2"
	// maxFlying bounds the packets on the way in one direction: 24 MiB, which
	// is 100 ms at 2 Gbit/s, more than the emulator can carry.
	maxFlying = 16 << 10
)

// Config is the line's two directions.
type Config struct {
	ToFar  Path // from Near to Far: what the viewer sends
	ToNear Path // from Far to Near: what the viewer gets
}

// Both returns a line with the same path in both directions and different luck.
func Both(path Path) Config {
	back := path
	back.Seed = path.Seed + 1
	return Config{ToFar: path, ToNear: back}
}

// Network is the line with its two ends.
type Network struct {
	Near, Far *Namespace // immutable

	nearTun, farTun *os.File // immutable
	toFar, toNear   *direction
}

// Counts tells what became of the packets of one direction.
type Counts struct {
	Forwarded, Lost, Overflowed int64
}

// direction moves packets one way.
type direction struct {
	link     *link // owned by read
	from, to *os.File
	flying   chan packet // read to write; bounded by maxFlying
	buffers  sync.Pool   // of *[mtu]byte

	forwarded, lost, overflowed atomic.Int64
}

type packet struct {
	at     time.Duration // when it comes out, on the clock of stamp.Now
	buffer *[mtu]byte
	length int
}

// New makes the namespaces and devices. Nothing passes until Run. Close must
// be called in the end.
func New(config Config) (*Network, error) {
	near, err := newNamespace(nearAddress)
	if err != nil {
		return nil, err
	}
	far, err := newNamespace(farAddress)
	if err != nil {
		near.close()
		return nil, err
	}
	n := &Network{Near: near, Far: far}
	if err := n.openDevices(); err != nil {
		n.Close()
		return nil, err
	}
	n.toFar = newDirection(config.ToFar, n.nearTun, n.farTun)
	n.toNear = newDirection(config.ToNear, n.farTun, n.nearTun)
	return n, nil
}

func (n *Network) openDevices() error {
	if err := n.Near.Do(func() (err error) { n.nearTun, err = openTun("near", nearAddress); return err }); err != nil {
		return err
	}
	return n.Far.Do(func() (err error) { n.farTun, err = openTun("far", farAddress); return err })
}

func newDirection(path Path, from, to *os.File) *direction {
	d := &direction{link: newLink(path), from: from, to: to, flying: make(chan packet, maxFlying)}
	d.buffers.New = func() any { return new([mtu]byte) }
	return d
}

// Run moves packets until ctx ends. It returns when nothing moves any more;
// packets that were on the way are lost. It may run once.
func (n *Network) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		n.nearTun.SetReadDeadline(time.Now())
		n.farTun.SetReadDeadline(time.Now())
	})
	defer stop()
	var moving sync.WaitGroup
	failures := make(chan error, 4)
	for _, d := range []*direction{n.toFar, n.toNear} {
		moving.Go(func() { failures <- d.read(ctx) })
		moving.Go(func() { failures <- d.write() })
	}
	moving.Wait()
	close(failures)
	var all []error
	for err := range failures {
		all = append(all, err)
	}
	return errors.Join(all...)
}

// Close ends the namespaces. Run and the processes started in the namespaces
// must have ended.
func (n *Network) Close() {
	for _, tun := range []*os.File{n.nearTun, n.farTun} {
		if tun != nil {
			tun.Close()
		}
	}
	n.Near.close()
	n.Far.close()
}

// ToFar and ToNear count the packets so far.
func (n *Network) ToFar() Counts  { return n.toFar.counts() }
func (n *Network) ToNear() Counts { return n.toNear.counts() }

func (d *direction) counts() Counts {
	return Counts{Forwarded: d.forwarded.Load(), Lost: d.lost.Load(), Overflowed: d.overflowed.Load()}
}

func (d *direction) read(ctx context.Context) error {
	defer close(d.flying)
	for {
		buffer := d.buffers.Get().(*[mtu]byte)
		length, err := d.from.Read(buffer[:])
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading a packet: %w", err)
		}
		at, fate := d.link.admit(stamp.Now(), length)
		if fate == forwarded {
			select {
			case d.flying <- packet{at: at, buffer: buffer, length: length}:
				d.forwarded.Add(1)
				continue
			default:
				fate = overflowed
			}
		}
		if fate == lost {
			d.lost.Add(1)
		} else {
			d.overflowed.Add(1)
		}
		d.buffers.Put(buffer)
	}
}

func (d *direction) write() error {
	var failed error
	for p := range d.flying {
		if failed == nil {
			sleepUntil(p.at)
			if _, err := d.to.Write(p.buffer[:p.length]); err != nil {
				failed = fmt.Errorf("writing a packet: %w", err)
			}
		}
		d.buffers.Put(p.buffer)
	}
	return failed
}

// sleepUntil blocks its thread: the runtime's own timers are late by up to a
// millisecond, which is much against a delay of 25 ms.
func sleepUntil(at time.Duration) {
	deadline := unix.NsecToTimespec(int64(at))
	for unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &deadline, nil) == unix.EINTR {
	}
}
