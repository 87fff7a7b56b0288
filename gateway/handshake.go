package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/gateway/relay"
	"github.com/streamspace/streamspace/rfb"
)

// greet does the viewer's part of the RFB handshake up to ClientInit. It comes
// before the desktop is looked for: a client that does not speak RFB wakes
// nobody's desktop.
func (s *stream) greet() error {
	s.socket.ReadBy(time.Now().Add(s.gateway.timing.Handshake))
	// Whether the viewer wants to be alone is not asked: viewers share a desktop.
	_, err := rfb.ServerHandshake(s.socket, rfb.ServerConfig{})
	if err == nil {
		return nil
	}
	if errors.Is(err, relay.ErrTimeout) {
		return fmt.Errorf("viewer's handshake: %w", closing{streamspace.CodeViewerIdle})
	}
	if _, known := knownEnd(err); known || errors.Is(err, relay.ErrViewerGone) {
		return err
	}
	return fmt.Errorf("%w: %w", relay.ErrViewerProtocol, err)
}

// connect dials the route's address and does the gateway's part of the
// desktop's handshake.
func (g *Gateway) connect(ctx context.Context, route broker.Route) (conn net.Conn, init rfb.ServerInit, err error) {
	dialing, cancel := context.WithTimeout(ctx, g.timing.Dial)
	defer cancel()
	dialed, err := dial(dialing, route)
	if err != nil {
		return nil, init, err
	}
	return g.greet(ctx, dialed, clientConfig(route))
}

// greet does the gateway's part of a desktop's handshake, and closes the
// connection if it fails.
func (g *Gateway) greet(ctx context.Context, dialed net.Conn, config rfb.ClientConfig) (conn net.Conn, init rfb.ServerInit, err error) {
	defer func() {
		if err != nil {
			dialed.Close()
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, g.timing.Handshake)
	defer cancel()
	past := time.Unix(1, 0)
	stop := context.AfterFunc(ctx, func() { dialed.SetDeadline(past) })
	session, err := rfb.ClientHandshake(dialed, config)
	if !stop() {
		return nil, init, fmt.Errorf("desktop's handshake: %w", context.Cause(ctx))
	}
	if err != nil {
		var wrong *rfb.ProtocolError
		if errors.As(err, &wrong) {
			return nil, init, fmt.Errorf("%w: %w", relay.ErrDesktopProtocol, err)
		}
		return nil, init, fmt.Errorf("desktop's handshake: %w", err)
	}
	conn, ok := session.Conn.(net.Conn)
	if !ok {
		return nil, init, fmt.Errorf("desktop's handshake returned a %T", session.Conn)
	}
	dialed.SetDeadline(time.Time{})
	return conn, session.Init, nil
}
