package relay

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// wire is one socket, read without holding a buffer while there is nothing to
// read, and written with a bound on how long no byte may move.
//
// TCP and Unix sockets are used by their descriptor. Anything else (TLS) goes
// through the ordinary net.Conn methods and keeps a small buffer while it waits.
type wire struct {
	conn net.Conn        // immutable
	raw  syscall.RawConn // immutable; nil on the ordinary path

	read  readCall  // owned by the reader
	write writeCall // owned by whoever holds the right to write
	held  *buffer   // owned by the reader; the ordinary path's waiting buffer

	mu           sync.Mutex
	readDeadline time.Time // guarded by mu
	woken        bool      // guarded by mu; reading is over
	writeBy      time.Time // guarded by mu; when set, no write may last longer
}

// readCall is one wait for bytes. The function given to RawConn is made once:
// a closure for each read would be garbage for each read.
type readCall struct {
	fn   func(fd uintptr) bool
	pool *bufferPool
	buf  *buffer
	n    int
	err  error
}

// writeCall is one write of all of rest.
type writeCall struct {
	fn       func(fd uintptr) bool
	rest     []byte
	stall    time.Duration
	stalled  bool      // a deadline is set
	since    time.Time // when the socket became full
	waited   time.Duration
	progress bool
	err      error
}

// errStalled says that a peer did not take a byte for the stall limit.
var errStalled = errors.New("peer stopped reading")

func newWire(conn net.Conn) *wire {
	w := &wire{conn: conn}
	switch c := conn.(type) {
	case *net.TCPConn:
		w.raw, _ = c.SyscallConn() // fails only on a nil conn
	case *net.UnixConn:
		w.raw, _ = c.SyscallConn()
	}
	w.read.fn = w.tryRead
	w.write.fn = w.tryWrite
	return w
}

// receive waits for bytes and returns them in a buffer of pool, which the
// caller releases. It returns os.ErrDeadlineExceeded at the read deadline and
// io.EOF at the end.
func (w *wire) receive(pool *bufferPool) (*buffer, int, error) {
	if w.raw == nil {
		return w.receiveOrdinary(pool)
	}
	w.read.pool, w.read.buf, w.read.n, w.read.err = pool, nil, 0, nil
	if err := w.raw.Read(w.read.fn); err != nil {
		return nil, 0, err
	}
	buf := w.read.buf
	w.read.buf = nil
	if w.read.err != nil || w.read.n == 0 {
		buf.release()
		if w.read.err == nil {
			w.read.err = io.EOF
		}
		return nil, 0, w.read.err
	}
	return buf, w.read.n, nil
}

// tryRead reads what is there, and says whether the wait is over.
func (w *wire) tryRead(fd uintptr) bool {
	c := &w.read
	buf := c.pool.take()
	for {
		n, err := unix.Read(int(fd), buf.data())
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			buf.release()
			return false
		case err != nil:
			c.err = os.NewSyscallError("read", err)
			n = 0
		}
		c.buf, c.n = buf, n
		return true
	}
}

func (w *wire) receiveOrdinary(pool *bufferPool) (*buffer, int, error) {
	if w.held == nil {
		w.held = pool.take()
	}
	n, err := w.conn.Read(w.held.data())
	if n == 0 {
		if err == nil {
			err = io.ErrNoProgress
		}
		return nil, 0, err
	}
	buf := w.held
	w.held = nil
	return buf, n, nil
}

// send writes all of b. It fails with errStalled when no byte could be written
// for stall. waited is how long the socket was full.
func (w *wire) send(b []byte, stall time.Duration) (waited time.Duration, err error) {
	if w.raw == nil {
		return w.sendOrdinary(b, stall)
	}
	c := &w.write
	c.rest, c.stall, c.waited, c.err, c.progress = b, stall, 0, nil, false
	err = w.raw.Write(c.fn)
	c.rest = nil
	if c.stalled {
		c.waited += time.Since(c.since)
		c.stalled = false
		w.armWrite(0)
	}
	switch {
	case err == nil:
		return c.waited, c.err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return c.waited, errStalled
	default:
		return c.waited, err
	}
}

// full notes that the socket takes no more, and starts the stall limit anew if
// bytes have moved since.
func (c *writeCall) full(w *wire) {
	if !c.stalled {
		c.stalled, c.since = true, time.Now()
		w.armWrite(c.stall)
	} else if c.progress {
		w.armWrite(c.stall)
	}
	c.progress = false
}

func (w *wire) tryWrite(fd uintptr) bool {
	c := &w.write
	for len(c.rest) > 0 {
		n, err := unix.Write(int(fd), c.rest)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			c.full(w)
			return false
		case err != nil:
			c.err = os.NewSyscallError("write", err)
			return true
		}
		c.rest = c.rest[n:]
		c.progress = true
	}
	return true
}

// ordinaryChunk is what a TLS connection gets at once: one record, so that the
// stall limit counts from the last record that moved.
const ordinaryChunk = 16 << 10

func (w *wire) sendOrdinary(b []byte, stall time.Duration) (waited time.Duration, err error) {
	for len(b) > 0 {
		n := min(len(b), ordinaryChunk)
		start := time.Now()
		w.armWrite(stall)
		_, err := w.conn.Write(b[:n])
		waited += time.Since(start)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return waited, errStalled
		}
		if err != nil {
			return waited, err
		}
		b = b[n:]
	}
	w.armWrite(0)
	return waited, nil
}

// armWrite sets the write deadline to stall from now, or to none; writeBy, when
// set, is earlier than both.
func (w *wire) armWrite(stall time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var deadline time.Time
	if stall > 0 {
		deadline = time.Now().Add(stall)
	}
	if !w.writeBy.IsZero() && (deadline.IsZero() || w.writeBy.Before(deadline)) {
		deadline = w.writeBy
	}
	w.conn.SetWriteDeadline(deadline)
}

// finishBy lets writes go on no longer than d from now.
func (w *wire) finishBy(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writeBy = time.Now().Add(d)
	w.conn.SetWriteDeadline(w.writeBy)
}

// wakeAt sets the read deadline, unless the wire was woken. Setting the same
// again costs nothing.
func (w *wire) wakeAt(t time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.woken || t.Equal(w.readDeadline) {
		return
	}
	w.readDeadline = t
	w.conn.SetReadDeadline(t)
}

// wake ends a receive that waits, and every later one, until slept.
func (w *wire) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.woken = true
	w.conn.SetReadDeadline(time.Unix(1, 0))
}

// rearm takes a wake back. The caller looks for why it was woken after, not
// before, so that no wake is lost.
func (w *wire) rearm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.woken {
		w.woken = false
		w.conn.SetReadDeadline(w.readDeadline)
	}
}
