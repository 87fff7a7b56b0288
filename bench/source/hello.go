package source

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Numbers of the protocol that a source speaks (RFC 6143 section 7 and the
// community's rfbproto).
const (
	encodingRaw   int32 = 0
	encodingTight int32 = 7

	tightJPEG byte = 0x90 // compression control: JPEG, no stream reset

	clientSetPixelFormat    = 0
	clientSetEncodings      = 2
	clientUpdateRequest     = 3
	clientKey               = 4
	clientPointer           = 5
	clientCutText           = 6
	clientContinuousUpdates = 150
	clientFence             = 248
)

// maxClientText bounds what a viewer may send as clipboard text; the bench's
// own viewers send none.
const maxClientText = 1 << 20

const versionLine = "RFB 003.008\n"

// greet is the server's half of the handshake, protocol 3.8 and security
// None (RFC 6143 sections 7.1 to 7.3).
func greet(conn io.ReadWriter) error {
	if _, err := io.WriteString(conn, versionLine); err != nil {
		return err
	}
	var version [len(versionLine)]byte
	if _, err := io.ReadFull(conn, version[:]); err != nil {
		return err
	}
	if string(version[:]) != versionLine {
		return fmt.Errorf("viewer speaks %q, want %q", version[:], versionLine)
	}
	if _, err := conn.Write([]byte{1, 1}); err != nil { // one security type: None
		return err
	}
	var choice [1]byte
	if _, err := io.ReadFull(conn, choice[:]); err != nil {
		return err
	}
	if choice[0] != 1 {
		return fmt.Errorf("viewer chose security type %d, want 1", choice[0])
	}
	if _, err := conn.Write([]byte{0, 0, 0, 0}); err != nil { // SecurityResult OK
		return err
	}
	var shared [1]byte // ClientInit
	if _, err := io.ReadFull(conn, shared[:]); err != nil {
		return err
	}
	_, err := conn.Write(serverInit("streamspace bench"))
	return err
}

func serverInit(name string) []byte {
	message := binary.BigEndian.AppendUint16(nil, Width)
	message = binary.BigEndian.AppendUint16(message, Height)
	message = append(message,
		32, 24, 0, 1, // bits per pixel, depth, little endian, true colour
		0, 255, 0, 255, 0, 255, // maxima
		16, 8, 0, // shifts
		0, 0, 0)
	message = binary.BigEndian.AppendUint32(message, uint32(len(name)))
	return append(message, name...)
}

// readClientMessage skips one message and returns its type.
func readClientMessage(in io.Reader, scratch []byte) (byte, error) {
	if _, err := io.ReadFull(in, scratch[:1]); err != nil {
		return 0, err
	}
	kind := scratch[0]
	var rest int64
	switch kind {
	case clientSetPixelFormat:
		rest = 19
	case clientSetEncodings:
		if _, err := io.ReadFull(in, scratch[:3]); err != nil {
			return 0, err
		}
		rest = 4 * int64(binary.BigEndian.Uint16(scratch[1:]))
	case clientUpdateRequest, clientContinuousUpdates:
		rest = 9
	case clientKey:
		rest = 7
	case clientPointer:
		rest = 5
	case clientCutText:
		if _, err := io.ReadFull(in, scratch[:7]); err != nil {
			return 0, err
		}
		// A negative length announces the extended clipboard.
		length := int64(int32(binary.BigEndian.Uint32(scratch[3:])))
		rest = max(length, -length)
		if rest > maxClientText {
			return 0, fmt.Errorf("clipboard text of %d bytes, at most %d are taken", rest, maxClientText)
		}
	case clientFence:
		if _, err := io.ReadFull(in, scratch[:8]); err != nil {
			return 0, err
		}
		rest = int64(scratch[7])
	default:
		return 0, fmt.Errorf("unknown client message %d", kind)
	}
	if _, err := io.CopyN(io.Discard, in, rest); err != nil {
		return 0, errors.Join(fmt.Errorf("reading client message %d", kind), err)
	}
	return kind, nil
}
