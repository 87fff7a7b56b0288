package rfb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// ServerConfig is what a server offers in its handshake.
type ServerConfig struct {
	// Security lists what is offered, best liked first: SecurityNone, SecurityVncAuth
	// or both. Empty means None. A viewer of version 3.3 gets the first.
	Security []SecurityType
	// Password is what VncAuth checks; its first eight bytes count.
	Password string
	// Refuse, when not empty, is told to the viewer as the reason why it may not
	// come in. The handshake then returns a *SecurityError.
	Refuse string
}

// ServerSession is what came out of a server's handshake.
type ServerSession struct {
	Version  Version
	Security SecurityType
	Shared   bool // the viewer lets others stay
}

// ServerHandshake welcomes a viewer, up to and with its ClientInit. What is left
// is to send [AppendServerInit]. It reads not one byte beyond. It may block as
// long as rw does: set a deadline there.
func ServerHandshake(rw io.ReadWriter, config ServerConfig) (*ServerSession, error) {
	h := serverHandshake{wire: wire{rw: rw, name: "server handshake"}, config: config}
	if len(h.config.Security) == 0 {
		h.config.Security = []SecurityType{SecurityNone}
	}
	for _, s := range h.config.Security {
		if s != SecurityNone && s != SecurityVncAuth {
			return nil, fmt.Errorf("rfb server cannot offer security type %v", s)
		}
		if s == SecurityVncAuth && h.config.Password == "" {
			return nil, errors.New("rfb server cannot offer VncAuth without a password")
		}
	}
	if err := h.run(); err != nil {
		return nil, err
	}
	return &h.session, nil
}

type serverHandshake struct {
	wire
	config  ServerConfig
	session ServerSession
}

func (h *serverHandshake) run() error {
	if err := h.write([]byte(Version38.line())); err != nil {
		return err
	}
	line, err := h.read(len(Version38.line()))
	if err != nil {
		return err
	}
	if h.session.Version, err = h.chosenVersion(string(line)); err != nil {
		return err
	}
	if h.config.Refuse != "" {
		return h.refuse()
	}
	if err := h.chooseSecurity(); err != nil {
		return err
	}
	if err := h.authenticate(); err != nil {
		return err
	}
	shared, err := h.read(1)
	if err != nil {
		return err
	}
	h.session.Shared = shared[0] != 0
	return nil
}

// chosenVersion reads the viewer's answer to 3.8. Versions that were never
// published mean the next lower one: 3.5, which some clients said for 3.3, and
// Apple's 3.889.
func (h *serverHandshake) chosenVersion(line string) (Version, error) {
	major, minor, err := parseVersion(line)
	switch {
	case err != nil:
		return 0, h.failf("%v", err)
	case major != 3 || minor < 3:
		return 0, h.failf("version %d.%d in answer to 3.8", major, minor)
	case minor < 7:
		return Version33, nil
	case minor == 7:
		return Version37, nil
	}
	return Version38, nil
}

// parseVersion reads "RFB xxx.yyy\n".
func parseVersion(line string) (major, minor int, err error) {
	digits := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return '0'
		}
		return r
	}, line)
	if digits != "RFB 000.000\n" {
		return 0, 0, fmt.Errorf("%q is not a protocol version", line)
	}
	number := func(s string) int { return int(s[0]-'0')*100 + int(s[1]-'0')*10 + int(s[2]-'0') }
	return number(line[4:7]), number(line[8:11]), nil
}

// refuse tells the viewer why, where the version has a place for it.
func (h *serverHandshake) refuse() error {
	reason := h.config.Refuse[:min(len(h.config.Refuse), MaxReason)]
	answer := []byte{0} // no security types
	if h.session.Version == Version33 {
		answer = []byte{0, 0, 0, 0} // security type invalid
	}
	if err := h.write(appendString(answer, reason)); err != nil {
		return err
	}
	return &SecurityError{Reason: reason}
}

func (h *serverHandshake) chooseSecurity() error {
	if h.session.Version == Version33 {
		h.session.Security = h.config.Security[0]
		return h.write(binary.BigEndian.AppendUint32(nil, uint32(h.session.Security)))
	}
	offer := []byte{byte(len(h.config.Security))}
	for _, s := range h.config.Security {
		offer = append(offer, byte(s))
	}
	if err := h.write(offer); err != nil {
		return err
	}
	choice, err := h.read(1)
	if err != nil {
		return err
	}
	h.session.Security = SecurityType(choice[0])
	if !slices.Contains(h.config.Security, h.session.Security) {
		if err := h.result("security type not offered"); err != nil {
			return err
		}
		return h.failf("security type %v was not offered", h.session.Security)
	}
	return nil
}

func (h *serverHandshake) authenticate() error {
	if h.session.Security == SecurityNone {
		if h.session.Version < Version38 {
			return nil // these have no result for None
		}
		return h.result("")
	}
	challenge := newChallenge()
	if err := h.write(challenge); err != nil {
		return err
	}
	response, err := h.read(challengeSize)
	if err != nil {
		return err
	}
	if !vncMatches(challenge, response, h.config.Password) {
		if err := h.result("wrong password"); err != nil {
			return err
		}
		return ErrAuthentication
	}
	return h.result("")
}

// result writes SecurityResult: success when there is no reason against it.
func (h *serverHandshake) result(reason string) error {
	if reason == "" {
		return h.write([]byte{0, 0, 0, 0})
	}
	answer := []byte{0, 0, 0, 1}
	if h.session.Version >= Version38 {
		answer = appendString(answer, reason)
	}
	return h.write(answer)
}

// wire reads and writes the words of a handshake.
type wire struct {
	rw   io.ReadWriter
	name string // for errors
	took int64  // bytes read
}

// read returns exactly n bytes. n is always a constant, an announced length
// that was checked against a limit, or a sum of such.
func (w *wire) read(n int) ([]byte, error) {
	b := make([]byte, n)
	got, err := io.ReadFull(w.rw, b)
	w.took += int64(got)
	if err != nil {
		return nil, fmt.Errorf("rfb %s: read %d bytes: %w", w.name, n, err)
	}
	return b, nil
}

func (w *wire) readByte() (byte, error) {
	b, err := w.read(1)
	if err != nil {
		return 0, err
	}
	return b[0], nil
}

func (w *wire) readUint32() (uint32, error) {
	b, err := w.read(4)
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint32(b), nil
}

func (w *wire) write(b []byte) error {
	if _, err := w.rw.Write(b); err != nil {
		return fmt.Errorf("rfb %s: write: %w", w.name, err)
	}
	return nil
}

func (w *wire) failf(format string, args ...any) error {
	return &ProtocolError{Offset: w.took, Message: w.name, Reason: fmt.Sprintf(format, args...)}
}
