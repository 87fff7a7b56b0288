package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/flate"
)

const (
	// zlibWindow is how far back a compressed block may point.
	zlibWindow = 32 << 10
	// flushMark ends what was written before a sync flush: an empty stored block.
	flushMark = "\x00\x00\xff\xff"
)

var errEnded = errors.New("zlib stream goes on behind its end")

// stream is a zlib stream that comes in parts, each ended by a sync flush, so
// that parts begin at whole bytes and the past is all that one must remember
// between them.
//
// Stored blocks are copied here: a desktop nearby sends nothing else. From the
// first other block on, the rest of a part goes to the library's inflater, which
// is told the past.
type stream struct {
	begun   bool   // the header was read
	ended   bool   // by a final block
	past    []byte // at least the last zlibWindow bytes that came out, if there were so many
	out     []byte // scratch of inflate
	input   bytes.Reader
	inflate io.Reader // *flate.decompressor, made when first needed
}

// reset begins a new stream.
func (s *stream) reset() { s.begun, s.ended, s.past = false, false, s.past[:0] }

// exactly unpacks a part that must hold so many bytes. The result is valid until
// the next call, and may be a piece of data.
func (s *stream) exactly(data []byte, size int) ([]byte, error) {
	out, err := s.part(data, size)
	if err != nil {
		return nil, err
	}
	if len(out) != size {
		return nil, fmt.Errorf("zlib data of %d bytes, not %d", len(out), size)
	}
	return out, nil
}

// part unpacks a part of at most limit bytes.
func (s *stream) part(data []byte, limit int) ([]byte, error) {
	data, err := s.header(data)
	if err != nil {
		return nil, err
	}
	whole := []byte(nil) // of a part that is one stored block, not copied
	s.out = s.out[:0]
	for len(data) > 0 && !s.ended {
		final, stored := data[0]&1 != 0, data[0]&6 == 0
		if !stored {
			return s.packed(append(s.out, whole...), data, limit)
		}
		if len(data) < 5 {
			return nil, io.ErrUnexpectedEOF
		}
		length := int(binary.LittleEndian.Uint16(data[1:]))
		if length^0xFFFF != int(binary.LittleEndian.Uint16(data[3:])) {
			return nil, errors.New("stored block's length is damaged")
		}
		if data = data[5:]; len(data) < length {
			return nil, io.ErrUnexpectedEOF
		}
		block := data[:length]
		data, s.ended = data[length:], final
		switch {
		case length > limit-len(s.out)-len(whole):
			return nil, fmt.Errorf("zlib data of more than %d bytes", limit)
		case length == 0:
		case len(whole) == 0 && len(s.out) == 0:
			whole = block
		default:
			s.out = append(append(s.out, whole...), block...)
			whole = nil
		}
	}
	if whole == nil {
		whole = s.out
	}
	s.remember(whole)
	if s.ended && len(data) > 4 { // a checksum may follow
		return nil, errEnded
	}
	return whole, nil
}

// header takes the two bytes before the first block.
func (s *stream) header(data []byte) ([]byte, error) {
	if s.ended && len(data) > 0 {
		return nil, errEnded
	}
	if s.begun {
		return data, nil
	}
	const deflate, dictionary = 8, 0x20
	if len(data) < 2 || data[0]&0xF != deflate || data[1]&dictionary != 0 || binary.BigEndian.Uint16(data)%31 != 0 {
		return nil, errors.New("not the beginning of a zlib stream")
	}
	s.begun = true
	return data[2:], nil
}

// packed unpacks the rest of a part from a block on that is not stored. out,
// which is of s.out, has what came before.
func (s *stream) packed(out, data []byte, limit int) ([]byte, error) {
	s.remember(out)
	s.input.Reset(data)
	past := s.past[max(0, len(s.past)-zlibWindow):]
	if s.inflate == nil {
		s.inflate = flate.NewReaderDict(&s.input, past)
	} else if err := s.inflate.(flate.Resetter).Reset(&s.input, past); err != nil {
		return nil, fmt.Errorf("inflating: %w", err)
	}
	before := len(out)
	for {
		if len(out) == cap(out) {
			// One more than the limit, so that there is room to see a longer part.
			grown := make([]byte, len(out), min(limit+1, 2*cap(out)+4<<10))
			copy(grown, out)
			out = grown
		}
		n, err := s.inflate.Read(out[len(out):min(cap(out), limit+1)])
		out = out[:len(out)+n]
		s.out = out
		if len(out) > limit {
			return nil, fmt.Errorf("zlib data of more than %d bytes", limit)
		}
		if err == nil {
			continue
		}
		return out, s.endOfPart(out[before:], data, err)
	}
}

// endOfPart looks at why the inflater ended: a flushed stream has no more input
// between two blocks, which it cannot tell from damage.
func (s *stream) endOfPart(out, data []byte, err error) error {
	switch {
	case err == io.EOF:
		s.ended = true
		if s.input.Len() > 4 { // a checksum may follow
			return errEnded
		}
	case !errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("inflating: %w", err)
	case s.input.Len() > 0 || !bytes.HasSuffix(data, []byte(flushMark)):
		return errors.New("zlib data does not end with a flush")
	}
	s.remember(out)
	return nil
}

// remember keeps what later blocks may point at.
func (s *stream) remember(out []byte) {
	if len(out) >= zlibWindow {
		s.past = append(s.past[:0], out[len(out)-zlibWindow:]...)
		return
	}
	if len(s.past)+len(out) > 2*zlibWindow {
		kept := copy(s.past, s.past[len(s.past)-zlibWindow:])
		s.past = s.past[:kept]
	}
	s.past = append(s.past, out...)
}
