package relay

import (
	"sync"
	"sync/atomic"
)

const (
	// smallBuffer takes what a viewer sends, and what is sent to a slow one.
	smallBuffer = 16 << 10
	// largeBuffer takes what a desktop sends: with 32 KiB a read costs 0.77 ms
	// of CPU per MB, with 256 KiB 0.53 (measured 2026-11-22).
	largeBuffer = 256 << 10
	// hugeBuffer is for streams at full speed whose viewers keep up. What costs
	// there is waking the peers, not copying: 0.57 ms per MB with 1 MiB where
	// 256 KiB took 0.7, and splice(2) with headers read from a teed pipe took 0.6
	// (2026-11-23, on a busy machine; nginx stream beside it 0.52).
	hugeBuffer = 1 << 20
	// mostHuge bounds the huge ones of a process; who gets none takes a large one.
	mostHuge = 32
)

// Buffers is the memory that streams share: a stream takes a buffer only while
// bytes flow through it, so that a thousand idle viewers hold none.
type Buffers struct {
	small, large, huge bufferPool
}

// NewBuffers returns empty pools. One set serves a whole process.
func NewBuffers() *Buffers {
	b := new(Buffers)
	b.small.size = smallBuffer
	b.large.size = largeBuffer
	b.huge.size, b.huge.most, b.huge.instead = hugeBuffer, mostHuge, &b.large
	return b
}

type bufferPool struct {
	size    int         // immutable
	most    int32       // immutable; how many may be lent out, 0 for any number
	instead *bufferPool // immutable; where to take one when most are
	lent    atomic.Int32
	pool    sync.Pool
}

// buffer is room for bytes on their way. In front of the data is space for the
// header of the frame that will carry it.
type buffer struct {
	room []byte // maxHeader bytes, then the data
	home *bufferPool
}

func (p *bufferPool) take() *buffer {
	if p.most > 0 && p.lent.Add(1) > p.most {
		p.lent.Add(-1)
		return p.instead.take()
	}
	if b, ok := p.pool.Get().(*buffer); ok {
		return b
	}
	return &buffer{room: make([]byte, maxHeader+p.size), home: p}
}

// release gives the buffer back.
func (b *buffer) release() {
	if b.home.most > 0 {
		b.home.lent.Add(-1)
	}
	b.home.pool.Put(b)
}

// data is the room behind the header's.
func (b *buffer) data() []byte { return b.room[maxHeader:] }
