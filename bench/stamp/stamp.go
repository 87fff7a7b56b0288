// Package stamp is the mark that a synthetic source leaves in a rectangle's
// body and a load client reads back: a sequence number and the time at which
// the picture changed. It knows nothing of RFB.
package stamp

import (
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"
)

// Size is the length of an encoded stamp in bytes.
const Size = 24

// magic begins every stamp, so that a body without one is told apart.
const magic uint64 = 0x7373_6265_6e63_6831 // "ssbench1"

// Stamp says which change of the picture a rectangle carries and when the
// picture changed.
type Stamp struct {
	Seq uint64
	At  time.Duration // on the clock of Now
}

// Now reads CLOCK_MONOTONIC. All processes and network namespaces of one
// machine share it, so a stamp written in one process can be compared with
// the clock of another; stamps of two machines cannot.
func Now() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		// CLOCK_MONOTONIC cannot be missing on Linux: clock_gettime(2).
		panic("reading CLOCK_MONOTONIC: " + err.Error())
	}
	return time.Duration(now.Nano())
}

// Put writes the stamp into the first Size bytes of body.
func (s Stamp) Put(body []byte) {
	binary.BigEndian.PutUint64(body, magic)
	binary.BigEndian.PutUint64(body[8:], s.Seq)
	binary.BigEndian.PutUint64(body[16:], uint64(s.At))
}

// Read returns the stamp at the start of body, and whether there is one.
func Read(body []byte) (Stamp, bool) {
	if len(body) < Size || binary.BigEndian.Uint64(body) != magic {
		return Stamp{}, false
	}
	return Stamp{
		Seq: binary.BigEndian.Uint64(body[8:]),
		At:  time.Duration(binary.BigEndian.Uint64(body[16:])),
	}, true
}
