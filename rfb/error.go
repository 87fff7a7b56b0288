package rfb

import (
	"errors"
	"fmt"
)

// ProtocolError says that a peer sent what the protocol does not allow, or
// more than our limits. The stream cannot be followed any further.
type ProtocolError struct {
	Offset  int64  // how many bytes of the stream were taken before the error was seen
	Message string // what was being read, e.g. "FramebufferUpdate"
	Reason  string // what was wrong with it
}

func (e *ProtocolError) Error() string {
	return fmt.Sprintf("rfb %s at byte %d: %s", e.Message, e.Offset, e.Reason)
}

// ErrAuthentication says that the peer's answer to the challenge was wrong.
var ErrAuthentication = errors.New("wrong password")

// SecurityError is the other end's refusal during the handshake.
type SecurityError struct {
	Status uint32 // of SecurityResult: 1 failed, 2 too many attempts; 0 when refused before
	Reason string // as the peer gave it, may be empty; not to be trusted
}

func (e *SecurityError) Error() string {
	if e.Reason == "" {
		return "rfb handshake refused without a reason"
	}
	return fmt.Sprintf("rfb handshake refused: %q", e.Reason)
}
