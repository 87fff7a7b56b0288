package rfb

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// ClientConfig is what a client accepts in its handshake.
type ClientConfig struct {
	// Security lists what is accepted, best liked first: SecurityNone,
	// SecurityVncAuth, SecurityVeNCrypt. Empty means None.
	Security []SecurityType
	// VeNCrypt lists what is accepted inside VeNCrypt, best liked first. Empty
	// means X509Plain, X509Vnc, X509None.
	VeNCrypt []VeNCryptType
	// Password is asked for a password when the server wants one, with VncAuth or
	// inside VeNCrypt; only VeNCrypt's Plain needs a user name.
	Password func() (user, password string, err error)
	// TLS checks the server's certificate in VeNCrypt, which is not accepted
	// without it. ServerName must be set, or whatever else says what to check.
	TLS *tls.Config
	// Exclusive asks the server to disconnect all other viewers.
	Exclusive bool
}

// ClientSession is what came out of a client's handshake.
type ClientSession struct {
	// Conn carries the messages from here on: what the handshake was given, or,
	// with VeNCrypt, TLS over it (then a *tls.Conn).
	Conn     io.ReadWriter
	Version  Version
	Security SecurityType
	VeNCrypt VeNCryptType // 0 unless Security is VeNCrypt
	Init     ServerInit
}

// ClientHandshake introduces itself to a server, up to and with its ServerInit. It
// reads not one byte beyond. It may block as long as rw does: set a deadline
// there. VeNCrypt needs rw to be a net.Conn.
//
// A refusal is a *SecurityError.
func ClientHandshake(rw io.ReadWriter, config ClientConfig) (*ClientSession, error) {
	h := clientHandshake{wire: wire{rw: rw, name: "client handshake"}, config: config}
	if len(h.config.Security) == 0 {
		h.config.Security = []SecurityType{SecurityNone}
	}
	if len(h.config.VeNCrypt) == 0 {
		h.config.VeNCrypt = []VeNCryptType{VeNCryptX509Plain, VeNCryptX509Vnc, VeNCryptX509None}
	}
	for _, s := range h.config.Security {
		switch {
		case s != SecurityNone && s != SecurityVncAuth && s != SecurityVeNCrypt:
			return nil, fmt.Errorf("rfb client does not speak security type %v", s)
		case s == SecurityVeNCrypt && h.config.TLS == nil:
			return nil, errors.New("rfb client cannot accept VeNCrypt without a TLS configuration")
		}
	}
	for _, v := range h.config.VeNCrypt {
		if v != VeNCryptX509None && v != VeNCryptX509Vnc && v != VeNCryptX509Plain {
			return nil, fmt.Errorf("rfb client does not speak VeNCrypt type %v", v)
		}
	}
	if err := h.run(); err != nil {
		return nil, err
	}
	h.session.Conn = h.rw
	return &h.session, nil
}

type clientHandshake struct {
	wire
	config  ClientConfig
	session ClientSession
}

func (h *clientHandshake) run() error {
	if err := h.version(); err != nil {
		return err
	}
	if err := h.chooseSecurity(); err != nil {
		return err
	}
	if err := h.authenticate(); err != nil {
		return err
	}
	if err := h.write(AppendClientInit(nil, !h.config.Exclusive)); err != nil {
		return err
	}
	return h.serverInit()
}

// version answers with the highest published version that the server knows.
// RealVNC's servers say 4 and 5, Apple's say 3.889, and take 3.8.
func (h *clientHandshake) version() error {
	line, err := h.read(len(Version38.line()))
	if err != nil {
		return err
	}
	major, minor, err := parseVersion(string(line))
	switch {
	case err != nil:
		return h.failf("%v", err)
	case major < 3 || major == 3 && minor < 3:
		return h.failf("server has version %d.%d", major, minor)
	case major == 3 && minor < 7:
		h.session.Version = Version33
	case major == 3 && minor == 7:
		h.session.Version = Version37
	default:
		h.session.Version = Version38
	}
	return h.write([]byte(h.session.Version.line()))
}

func (h *clientHandshake) chooseSecurity() error {
	if h.session.Version == Version33 {
		chosen, err := h.readUint32()
		if err != nil {
			return err
		}
		if chosen == uint32(SecurityInvalid) {
			return h.refused(0)
		}
		h.session.Security = SecurityType(chosen)
		if chosen > 0xFF || !slices.Contains(h.config.Security, h.session.Security) {
			return h.failf("server wants security type %d, accepted are %v", chosen, h.config.Security)
		}
		return nil
	}
	count, err := h.readByte()
	if err != nil {
		return err
	}
	if count == 0 {
		return h.refused(0)
	}
	offer, err := h.read(int(count))
	if err != nil {
		return err
	}
	for _, s := range h.config.Security {
		if slices.Contains(offer, byte(s)) {
			h.session.Security = s
			return h.write([]byte{byte(s)})
		}
	}
	return h.failf("server offers security types %v, accepted are %v", offer, h.config.Security)
}

func (h *clientHandshake) authenticate() error {
	switch h.session.Security {
	case SecurityVncAuth:
		if err := h.vncAuth(); err != nil {
			return err
		}
	case SecurityVeNCrypt:
		if err := h.veNCrypt(); err != nil {
			return err
		}
	default: // None
		if h.session.Version < Version38 {
			return nil // these have no result for None
		}
	}
	return h.securityResult()
}

func (h *clientHandshake) vncAuth() error {
	challenge, err := h.read(challengeSize)
	if err != nil {
		return err
	}
	_, password, err := h.password()
	if err != nil {
		return err
	}
	return h.write(vncResponse(challenge, password))
}

func (h *clientHandshake) password() (user, password string, err error) {
	if h.config.Password == nil {
		return "", "", errors.New("rfb server wants a password and there is none")
	}
	user, password, err = h.config.Password()
	if err != nil {
		return "", "", fmt.Errorf("password for rfb server: %w", err)
	}
	return user, password, nil
}

func (h *clientHandshake) securityResult() error {
	status, err := h.readUint32()
	if err != nil {
		return err
	}
	switch {
	case status == 0:
		return nil
	case h.session.Version < Version38:
		return &SecurityError{Status: status}
	}
	return h.refused(status)
}

// refused reads why, and returns it as the error.
func (h *clientHandshake) refused(status uint32) error {
	length, err := h.readUint32()
	if err != nil {
		return err
	}
	reason, err := h.read(int(min(length, MaxReason)))
	if err != nil {
		return err
	}
	return &SecurityError{Status: status, Reason: string(reason)}
}

func (h *clientHandshake) serverInit() error {
	b, err := h.read(8 + pixelFormatSize)
	if err != nil {
		return err
	}
	init := ServerInit{
		Width:  binary.BigEndian.Uint16(b),
		Height: binary.BigEndian.Uint16(b[2:]),
		Format: parsePixelFormat(b[4:]),
	}
	if err := checkInit(init); err != nil {
		return h.failf("%v", err)
	}
	length := binary.BigEndian.Uint32(b[4+pixelFormatSize:])
	if length > MaxName {
		return h.failf("desktop name of %d bytes, more than %d", length, MaxName)
	}
	name, err := h.read(int(length))
	if err != nil {
		return err
	}
	init.Name = string(name)
	h.session.Init = init
	return nil
}
