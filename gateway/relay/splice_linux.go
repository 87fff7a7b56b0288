package relay

import (
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Full-speed streams go from socket to socket through a pipe, splice(2): the
// kernel hands pages on and copies nothing. A second pipe gets the same pages,
// tee(2), and is where headers are read and bodies thrown away.

const (
	// pipeSize is asked for each pipe. What costs at full speed is waking the
	// peers, not the bytes: with 1 MiB at once 0.45 ms of CPU per MB, with 256 KiB
	// 0.6 (2026-11-23). 1 MiB is what Linux grants without privilege.
	pipeSize = 1 << 20
	// maxDucts bounds the pairs of pipes of a process, four descriptors each.
	// More streams than that at full speed are limited by the cores, and copy.
	maxDucts = 32
)

// duct is a pair of pipes for bytes on their way.
type duct struct {
	data [2]int // read end, write end
	look [2]int // the same bytes, to be looked at
	null int
}

// ductPool keeps the ducts. A stream holds one only while there are bytes in it.
type ductPool struct {
	mu   sync.Mutex
	idle []*duct // guarded by mu
	made int     // guarded by mu; idle and lent out
}

// take returns an empty duct, or nil if there are too many or none can be made.
func (p *ductPool) take() *duct {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.idle); n > 0 {
		d := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return d
	}
	if p.made == maxDucts {
		return nil
	}
	d := &duct{data: [2]int{-1, -1}, look: [2]int{-1, -1}, null: -1}
	if err := d.open(); err != nil {
		d.close()
		return nil
	}
	p.made++
	return d
}

func (d *duct) open() (err error) {
	if err = unix.Pipe2(d.data[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return err
	}
	if err = unix.Pipe2(d.look[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return err
	}
	for _, fd := range []int{d.data[0], d.look[0]} {
		// Without the right to a larger one the default size, 64 KiB, must do.
		unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, pipeSize)
	}
	d.null, err = unix.Open(os.DevNull, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	return err
}

func (d *duct) close() {
	for _, fd := range []int{d.data[0], d.data[1], d.look[0], d.look[1], d.null} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// give takes an empty duct back.
func (p *ductPool) give(d *duct) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, d)
}

// discard closes a duct that still has bytes in it.
func (p *ductPool) discard(d *duct) {
	d.close()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.made--
}

// close closes the idle ducts.
func (p *ductPool) close() {
	p.mu.Lock()
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, d := range idle {
		p.discard(d)
	}
}

// duplicate puts the n bytes of data into look too, and tells whether all of
// them fit.
func (d *duct) duplicate(n int) bool {
	for {
		copied, err := unix.Tee(d.data[0], d.look[1], n, unix.SPLICE_F_NONBLOCK)
		if err == unix.EINTR {
			continue
		}
		return err == nil && int(copied) == n
	}
}

// peek reads bytes from look.
func (d *duct) peek(b []byte) (int, error) { return pipeRead(d.look[0], b) }

// skip throws n bytes of look away.
func (d *duct) skip(n int) error {
	for n > 0 {
		gone, err := unix.Splice(d.look[0], nil, d.null, nil, n, unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return os.NewSyscallError("splice", err)
		case gone == 0:
			return io.ErrUnexpectedEOF
		}
		n -= int(max(gone, 0))
	}
	return nil
}

// readData reads bytes from data: those that do not go on as they are.
func (d *duct) readData(b []byte) (int, error) { return pipeRead(d.data[0], b) }

func pipeRead(fd int, b []byte) (int, error) {
	for {
		n, err := unix.Read(fd, b)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return 0, os.NewSyscallError("read", err)
		case n == 0:
			return 0, io.ErrUnexpectedEOF
		}
		return n, nil
	}
}

// fillCall is one wait for bytes that go into a duct.
type fillCall struct {
	fn   func(fd uintptr) bool
	pool *ductPool
	duct *duct
	n    int
	err  error
}

// fill waits for bytes and moves what is there into a duct, which the caller
// gives back or discards. A nil duct without an error says that there is none
// to be had.
func (w *wire) fill(pool *ductPool) (*duct, int, error) {
	if w.filling == nil {
		w.filling = &fillCall{fn: w.tryFill}
	}
	c := w.filling
	c.pool, c.duct, c.n, c.err = pool, nil, 0, nil
	if err := w.raw.Read(c.fn); err != nil {
		return nil, 0, err
	}
	return c.duct, c.n, c.err
}

func (w *wire) tryFill(fd uintptr) bool {
	c := w.filling
	d := c.pool.take()
	if d == nil {
		return true
	}
	for {
		n, err := unix.Splice(int(fd), nil, d.data[1], nil, pipeSize, unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			c.pool.give(d)
			return false
		case err != nil:
			c.err = os.NewSyscallError("splice", err)
		case n == 0:
			c.err = io.EOF
		}
		if c.err != nil {
			c.pool.give(d)
			return true
		}
		c.duct, c.n = d, int(n)
		return true
	}
}

// drainCall is one move of a duct's bytes to a socket.
type drainCall struct {
	fn   func(fd uintptr) bool
	duct *duct
	left int
}

// drain writes the next n bytes of the duct's data to the socket, like send.
func (w *wire) drain(d *duct, n int, stall time.Duration) (waited time.Duration, err error) {
	if w.draining == nil {
		w.draining = &drainCall{fn: w.tryDrain}
	}
	w.draining.duct, w.draining.left = d, n
	c := &w.write
	c.stall, c.waited, c.err, c.progress = stall, 0, nil, false
	err = w.writing(w.draining.fn)
	return c.waited, err
}

func (w *wire) tryDrain(fd uintptr) bool {
	c, d := &w.write, w.draining
	for d.left > 0 {
		n, err := unix.Splice(d.duct.data[0], nil, int(fd), nil, d.left, unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			c.full(w)
			return false
		case err != nil:
			c.err = os.NewSyscallError("splice", err)
			return true
		}
		d.left -= int(n)
		c.progress = true
	}
	return true
}
