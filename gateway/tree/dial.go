package tree

import (
	"bufio"
	"context"
	"crypto"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/gorilla/websocket"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/gateway/ticket"
)

var (
	// ErrDead says that nobody is at the gateway's address: its process has ended.
	ErrDead = errors.New("gateway is gone")
	// ErrElsewhere says that the gateway does not serve the session.
	ErrElsewhere = errors.New("gateway does not serve the session")
)

const (
	// dialTimeout bounds the TCP and TLS handshakes: gateways are near each other.
	dialTimeout = 2 * time.Second
	// maxText bounds one text: a list of a thousand viewers has some 200 KB.
	maxText = 4 << 20
	// bufferSize, in bytes, is read at once: an update of a moving desktop.
	bufferSize = 64 << 10
)

// Peer is another gateway.
type Peer struct {
	Gateway streamspace.GatewayID
	Address string // host:port
	Key     ticket.PublicKey
}

// Conn is the upstream of a session at another gateway: RFB as a net.Conn, and
// texts beside it. Reads must not stop, or texts are not heard.
type Conn struct {
	net.Conn // the TLS connection; Read and Write are Conn's own
	socket   *websocket.Conn
	hear     func(text []byte) error // immutable
	rest     io.Reader               // owned by the reader; what is left of a message

	writing sync.Mutex // the right to write a message
}

// Dial opens the session's stream at peer. hear is called by Read, for each text.
func Dial(ctx context.Context, own tls.Certificate, peer Peer, session streamspace.SessionID, hear func(text []byte) error) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	dialer := websocket.Dialer{NetDialTLSContext: connector(own, peer), ReadBufferSize: bufferSize, WriteBufferSize: 4 << 10}
	socket, response, err := dialer.DialContext(ctx, "wss://"+peer.Address+Prefix+string(session), nil)
	switch {
	case err == nil:
		return &Conn{Conn: socket.NetConn(), socket: socket, hear: hear}, nil
	case response != nil && response.StatusCode == http.StatusConflict:
		return nil, fmt.Errorf("asking gateway %s for %s: %w", peer.Gateway, session, ErrElsewhere)
	case response != nil:
		return nil, fmt.Errorf("asking gateway %s for %s: it answers %s", peer.Gateway, session, response.Status)
	}
	return nil, fmt.Errorf("dialing gateway %s at %s: %w", peer.Gateway, peer.Address, err)
}

// connector makes the TLS connection to peer and to nobody else.
func connector(own tls.Certificate, peer Peer) func(ctx context.Context, network, address string) (net.Conn, error) {
	is := func(key crypto.PublicKey) bool { return peer.Key.Is(key) }
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		dialer := tls.Dialer{Config: config(own, is)}
		conn, err := dialer.DialContext(ctx, network, address)
		// Refused: no process listens there. Another key: the one that listened does
		// not any more, and another has its place.
		if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, ErrUnknown) {
			return nil, fmt.Errorf("%w: %w", ErrDead, err)
		}
		return conn, err
	}
}

// Read reads RFB.
func (c *Conn) Read(p []byte) (int, error) {
	for {
		if c.rest == nil {
			kind, message, err := c.socket.NextReader()
			if err != nil {
				return 0, err
			}
			if kind == websocket.BinaryMessage {
				c.rest = message
				continue
			}
			text, err := io.ReadAll(io.LimitReader(message, maxText+1))
			if err == nil && len(text) > maxText {
				err = fmt.Errorf("a text of more than %d bytes", maxText)
			}
			if err == nil {
				err = c.hear(text)
			}
			if err != nil {
				return 0, err
			}
			continue
		}
		n, err := c.rest.Read(p)
		if err == io.EOF {
			c.rest, err = nil, nil
			if n == 0 {
				continue
			}
		}
		return n, err
	}
}

// Write writes RFB, whole messages at a time.
func (c *Conn) Write(p []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.socket.WriteMessage(websocket.BinaryMessage, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// WriteText writes a text and then, if there is any, RFB that belongs to it.
func (c *Conn) WriteText(text, raw []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	err := c.socket.WriteMessage(websocket.TextMessage, text)
	if err == nil && len(raw) > 0 {
		err = c.socket.WriteMessage(websocket.BinaryMessage, raw)
	}
	return err
}

// SetDeadline, SetReadDeadline and SetWriteDeadline bound reads and writes; what
// exceeds one ends the connection.

func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

func (c *Conn) SetReadDeadline(t time.Time) error { return c.socket.SetReadDeadline(t) }

func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	return c.socket.SetWriteDeadline(t)
}

// Watch returns when the gateway does not live any more, or cannot be reached, with
// ErrDead if nobody is at its address, and with ctx's error. leaving is called when
// the gateway begins to drain.
func Watch(ctx context.Context, own tls.Certificate, peer Peer, leaving func()) error {
	response, err := get(ctx, own, peer, WatchPath, dialTimeout)
	if err != nil {
		return fmt.Errorf("watching gateway %s: %w", peer.Gateway, err)
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(io.LimitReader(response.Body, maxText)) // they end with its process
	for lines.Scan() {
		if lines.Text()+"\n" == Leaving {
			leaving()
		}
	}
	err = lines.Err()
	return fmt.Errorf("watching gateway %s: it ended: %w", peer.Gateway, err)
}

// get asks peer and nobody else. The head of the answer must come within wait, if
// that is not zero.
func get(ctx context.Context, own tls.Certificate, peer Peer, path string, wait time.Duration) (*http.Response, error) {
	client := http.Client{Transport: &http.Transport{DialTLSContext: connector(own, peer), DisableKeepAlives: true, ResponseHeaderTimeout: wait}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+peer.Address+path, nil)
	if err != nil {
		return nil, err
	}
	return client.Do(request)
}

// View is how a gateway sees the fleet.
type View struct {
	Gateway streamspace.GatewayID `json:"gateway"`
	Broker  bool                  `json:"broker"` // it reaches the broker
}

// Ask asks a gateway how it sees the fleet, for as long as ctx has time.
func Ask(ctx context.Context, own tls.Certificate, peer Peer) (View, error) {
	response, err := get(ctx, own, peer, AlivePath, 0)
	if err != nil {
		return View{}, fmt.Errorf("asking gateway %s: %w", peer.Gateway, err)
	}
	defer response.Body.Close()
	var view View
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<10)).Decode(&view); err != nil {
		return View{}, fmt.Errorf("asking gateway %s: its answer: %w", peer.Gateway, err)
	}
	return view, nil
}
