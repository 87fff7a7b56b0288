package rfb

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
)

// veNCrypt turns the connection into TLS and authenticates inside (section
// "VeNCrypt").
func (h *clientHandshake) veNCrypt() error {
	if err := h.veNCryptVersion(); err != nil {
		return err
	}
	if err := h.chooseVeNCrypt(); err != nil {
		return err
	}
	conn, ok := h.rw.(net.Conn)
	if !ok {
		return errors.New("rfb VeNCrypt needs a net.Conn")
	}
	secure := tls.Client(conn, h.config.TLS)
	if err := secure.Handshake(); err != nil {
		return fmt.Errorf("rfb VeNCrypt %v: %w", h.session.VeNCrypt, err)
	}
	h.rw = secure
	switch h.session.VeNCrypt {
	case VeNCryptX509Vnc:
		return h.vncAuth()
	case VeNCryptX509Plain:
		return h.plain()
	}
	return nil
}

// veNCryptVersion agrees on 0.2, the only version of which there is a
// description.
func (h *clientHandshake) veNCryptVersion() error {
	version, err := h.read(2)
	if err != nil {
		return err
	}
	if bytes.Compare(version, []byte{0, 2}) < 0 {
		return h.failf("server has VeNCrypt version %d.%d", version[0], version[1])
	}
	if err := h.write([]byte{0, 2}); err != nil {
		return err
	}
	refused, err := h.readByte()
	if err != nil {
		return err
	}
	if refused != 0 {
		return h.failf("server refuses VeNCrypt version 0.2")
	}
	return nil
}

func (h *clientHandshake) chooseVeNCrypt() error {
	count, err := h.readByte()
	if err != nil {
		return err
	}
	list, err := h.read(4 * int(count))
	if err != nil {
		return err
	}
	var offer []VeNCryptType
	for ; len(list) > 0; list = list[4:] {
		offer = append(offer, VeNCryptType(binary.BigEndian.Uint32(list)))
	}
	i := slices.IndexFunc(h.config.VeNCrypt, func(v VeNCryptType) bool { return slices.Contains(offer, v) })
	if i < 0 {
		return h.failf("server offers VeNCrypt types %v, accepted are %v", offer, h.config.VeNCrypt)
	}
	h.session.VeNCrypt = h.config.VeNCrypt[i]
	if err := h.write(binary.BigEndian.AppendUint32(nil, uint32(h.session.VeNCrypt))); err != nil {
		return err
	}
	accepted, err := h.readByte()
	if err != nil {
		return err
	}
	if accepted != 1 {
		return h.failf("server refuses VeNCrypt type %v", h.session.VeNCrypt)
	}
	return nil
}

// plain sends user name and password as they are, inside TLS.
func (h *clientHandshake) plain() error {
	user, password, err := h.password()
	if err != nil {
		return err
	}
	b := binary.BigEndian.AppendUint32(nil, uint32(len(user)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(password)))
	return h.write(append(append(b, user...), password...))
}
