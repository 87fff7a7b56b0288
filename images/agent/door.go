package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/streamspace/streamspace"
)

const (
	// maxVisitors bounds connections: a gateway has one, and a second while it
	// goes over from one viewer to several; others look at a picture. Sound and
	// microphone are one each.
	maxVisitors = 32
	// doorLimit is how long a peer may take to show its certificate, and then
	// waits for a display that is not up yet.
	doorLimit = 10 * time.Second
	// copySize is what is carried at once, each way of each connection.
	copySize = 64 << 10
)

// door lets gateways in: it serves the display's socket over mutual TLS 1.3. A
// gateway's certificate must be of the same authority and for the same name as
// the desktop's own, so that what opens one session opens no other. Which of the
// desktop's sockets it means, it says by ALPN: none is RFB.
type door struct {
	listener net.Listener
	config   *tls.Config
	socket   string
	up       <-chan struct{} // closed when the display answers
}

// openDoor listens before the display is up, so that nobody is turned away who
// comes a moment too early.
func (a *Agent) openDoor(up <-chan struct{}) (*door, error) {
	config, err := a.spec.TLS.config()
	if err != nil {
		return nil, fmt.Errorf("reading the desktop's certificate: %w", err)
	}
	listener, err := net.Listen("tcp", a.spec.TLS.Listen)
	if err != nil {
		return nil, fmt.Errorf("listening for gateways: %w", err)
	}
	return &door{listener: listener, config: config, socket: a.spec.RFBSocket, up: up}, nil
}

func (t TLS) config() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(t.CA)
	if err != nil {
		return nil, err
	}
	authority := x509.NewCertPool()
	if !authority.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s has no certificate", t.CA)
	}
	if len(pair.Leaf.DNSNames) != 1 {
		return nil, fmt.Errorf("%s is for %d names, not for one", t.Cert, len(pair.Leaf.DNSNames))
	}
	name := pair.Leaf.DNSNames[0]
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: authority,
		NextProtos:             []string{streamspace.SoundProtocol, streamspace.MicrophoneProtocol},
		SessionTicketsDisabled: true, // a connection lasts; and each shows its certificate
		VerifyConnection: func(state tls.ConnectionState) error {
			return state.PeerCertificates[0].VerifyHostname(name)
		},
	}, nil
}

// run serves until ctx ends.
func (d *door) run(ctx context.Context) error {
	var serving sync.WaitGroup
	defer serving.Wait()
	defer d.listener.Close()
	defer context.AfterFunc(ctx, func() { d.listener.Close() })()
	places := make(chan struct{}, maxVisitors)
	for {
		conn, err := d.listener.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				conn.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("the listener for gateways was closed: %w", err)
		case err != nil: // no descriptors, or the peer has gone: of that one alone
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
			continue
		}
		select {
		case places <- struct{}{}:
			serving.Go(func() {
				d.serve(ctx, conn)
				<-places
			})
		default:
			conn.Close()
		}
	}
}

// socketOf is the socket that a peer means.
func (d *door) socketOf(protocol string) string {
	switch protocol {
	case streamspace.SoundProtocol:
		return filepath.Join(filepath.Dir(d.socket), streamspace.SoundSocket)
	case streamspace.MicrophoneProtocol:
		return filepath.Join(filepath.Dir(d.socket), streamspace.MicrophoneSocket)
	}
	return d.socket
}

// serve joins one peer with the display, or with its sound.
func (d *door) serve(ctx context.Context, raw net.Conn) {
	conn := tls.Server(raw, d.config)
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { raw.Close() })()
	waiting, cancel := context.WithTimeout(ctx, doorLimit)
	defer cancel()
	if err := conn.HandshakeContext(waiting); err != nil {
		return // a stranger: Xvnc, which would count it as a failed sign-in, never hears of it
	}
	select {
	case <-d.up:
	case <-waiting.Done():
		return
	}
	display, err := net.Dial("unix", d.socketOf(conn.ConnectionState().NegotiatedProtocol))
	if err != nil {
		return
	}
	defer display.Close()
	var other sync.WaitGroup
	other.Go(func() {
		carry(display, conn)
		display.Close()
		raw.Close()
	})
	carry(conn, display)
	raw.Close()
	display.Close()
	other.Wait()
}

// carry copies until an end. The types are hidden: with them io.CopyBuffer would
// not use the buffer, but a smaller one.
func carry(to io.Writer, from io.Reader) {
	io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from}, make([]byte, copySize))
}
