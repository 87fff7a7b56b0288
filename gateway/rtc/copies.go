package rtc

import (
	"encoding/binary"
	"errors"
)

// A browser sends what a person does twice: on the control channel, and as copies
// that may be lost and overtake. What the line lost of the one the other brings,
// long before SCTP sends it again.
//
// A message of the copies channel is one or more of these, big-endian:
//
//	number u32   of the message among all of the control channel, from 0
//	length u16   of it, in bytes
//	bytes  [length]u8
type inputCopy struct {
	number uint32
	bytes  []byte
}

// copyHead is the length of a copy without its bytes.
const copyHead = 6

var errCopies = errors.New("copies that cannot be read")

// parseCopies reads a message of the copies channel. The bytes are b's.
func parseCopies(b []byte) (copies []inputCopy, err error) {
	for len(b) > 0 {
		if len(b) < copyHead {
			return nil, errCopies
		}
		number, length := binary.BigEndian.Uint32(b), int(binary.BigEndian.Uint16(b[4:]))
		b = b[copyHead:]
		if length == 0 || length > len(b) {
			return nil, errCopies
		}
		copies = append(copies, inputCopy{number, b[:length]})
		b = b[length:]
	}
	return copies, nil
}

// deliver passes on a message of the control channel, unless a copy of it has been.
func (c *control) deliver(op byte, payload []byte) error {
	c.ordering.Lock()
	defer c.ordering.Unlock()
	c.arrived++
	if int32(c.arrived-c.passed) <= 0 {
		return nil
	}
	c.passed = c.arrived
	if len(payload) == 0 && op == opBinary {
		return nil
	}
	return c.frame(op, payload)
}

// deliverCopy passes on a message of bytes that is the next.
func (c *control) deliverCopy(copied inputCopy) error {
	c.ordering.Lock()
	defer c.ordering.Unlock()
	if copied.number != c.passed {
		return nil // it has come, or what goes before has not
	}
	c.passed++
	return c.frame(opBinary, copied.bytes)
}
