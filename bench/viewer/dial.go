package viewer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// closeTimeout bounds the writing of a close frame to a peer that does not
// read.
const closeTimeout = time.Second

// RefusedError is an HTTP answer in place of a WebSocket.
type RefusedError struct {
	Status int
	Body   string // first bytes of the answer
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("server answered HTTP %d: %s", e.Status, e.Body)
}

// Dial opens a stream of RFB to the target, as Connect does, before any
// handshake. Of the options only those of the connection count. A stream has
// one reader and one writer at a time.
func Dial(ctx context.Context, target string, options Options) (io.ReadWriteCloser, error) {
	if options.Dial == nil {
		options.Dial = new(net.Dialer).DialContext
	}
	if options.ReadBuffer == 0 {
		options.ReadBuffer = DefaultReadBuffer
	}
	network, address, _ := strings.Cut(target, ":")
	switch network {
	case "tcp", "unix":
		conn, err := options.Dial(ctx, network, address)
		if err != nil {
			return nil, fmt.Errorf("dialling %s: %w", target, err)
		}
		return conn, nil
	case "ws", "wss":
		return dialWebSocket(ctx, target, options)
	}
	return nil, fmt.Errorf("target begins with %q, want tcp, unix, ws or wss", network)
}

func dialWebSocket(ctx context.Context, target string, options Options) (io.ReadWriteCloser, error) {
	dialer := websocket.Dialer{
		NetDialContext:   options.Dial,
		TLSClientConfig:  options.TLS,
		HandshakeTimeout: handshakeTimeout,
		Subprotocols:     []string{"binary"},
		// The viewer's own buffer reads; gorilla's only needs to hold
		// headers, and reads beyond it go straight to the caller.
		ReadBufferSize:  min(options.ReadBuffer, DefaultReadBuffer),
		WriteBufferSize: 1 << 10, // client messages are small
	}
	header := map[string][]string{}
	if options.Origin != "" {
		header["Origin"] = []string{options.Origin}
	}
	conn, response, err := dialer.DialContext(ctx, target, header)
	if errors.Is(err, websocket.ErrBadHandshake) && response != nil {
		// gorilla keeps the first KiB of the body.
		body, _ := io.ReadAll(response.Body)
		return nil, &RefusedError{Status: response.StatusCode, Body: strings.TrimSpace(string(body))}
	}
	if err != nil {
		// The target's query holds a ticket: name the host only.
		return nil, fmt.Errorf("opening a WebSocket: %w", withoutQuery(err))
	}
	return &messageStream{conn: conn}, nil
}

// withoutQuery drops the URL that net/url puts into its errors.
func withoutQuery(err error) error {
	var network *net.OpError
	if errors.As(err, &network) {
		return network
	}
	return err
}

// messageStream reads the payloads of binary messages as one stream of bytes
// and writes each Write as one message.
type messageStream struct {
	conn    *websocket.Conn
	message io.Reader // owned by the reader: rest of the present message
}

func (s *messageStream) Read(into []byte) (int, error) {
	for {
		if s.message == nil {
			kind, message, err := s.conn.NextReader()
			if err != nil {
				return 0, err
			}
			if kind != websocket.BinaryMessage {
				return 0, fmt.Errorf("WebSocket message of type %d, want binary", kind)
			}
			s.message = message
		}
		n, err := s.message.Read(into)
		if errors.Is(err, io.EOF) {
			s.message, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

func (s *messageStream) Write(bytes []byte) (int, error) {
	if err := s.conn.WriteMessage(websocket.BinaryMessage, bytes); err != nil {
		return 0, err
	}
	return len(bytes), nil
}

func (s *messageStream) Close() error {
	goodbye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	// A peer that is gone already cannot be told: only the closing counts.
	_ = s.conn.WriteControl(websocket.CloseMessage, goodbye, time.Now().Add(closeTimeout))
	return s.conn.Close()
}
