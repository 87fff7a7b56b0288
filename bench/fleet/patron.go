package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/streamspace/streamspace/rfb"
)

// Patron is a viewer who behaves as the page does: it answers fences, keeps what
// the gateway gives it to come back with, and comes back when its stream breaks.
type Patron struct {
	Updates atomic.Int64
	Breaks  atomic.Int64 // how often the stream broke
	Tickets atomic.Int64 // how often coming back took another ticket

	ticket func(ctx context.Context) (address string, err error) // immutable
	ended  chan struct{}
	stop   context.CancelFunc

	mu   sync.Mutex
	conn *websocket.Conn // guarded by mu
	gaps []time.Duration // guarded by mu; from the end of a stream to the first pixels of the next
}

// comeBack are the pauses between attempts to come back, the last one again and
// again.
var comeBack = []time.Duration{0, 50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond}

// Enter opens a stream and stays until Leave. ticket gives an address to open.
func Enter(ctx context.Context, ticket func(ctx context.Context) (string, error)) (*Patron, error) {
	address, err := ticket(ctx)
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	p := &Patron{ticket: ticket, ended: make(chan struct{}), stop: stop}
	first := make(chan error, 1)
	go p.run(running, address, first)
	if err := <-first; err != nil {
		p.Leave()
		return nil, err
	}
	return p, nil
}

// Leave ends the stream.
func (p *Patron) Leave() {
	p.stop()
	p.mu.Lock()
	if p.conn != nil {
		p.conn.Close()
	}
	p.mu.Unlock()
	<-p.ended
}

// Gaps returns what was noted since the last call.
func (p *Patron) Gaps() []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	gaps := p.gaps
	p.gaps = nil
	return gaps
}

// Send sends RFB; what a broken stream does not take is lost.
func (p *Patron) Send(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn != nil {
		p.conn.WriteMessage(websocket.BinaryMessage, b)
	}
}

func (p *Patron) run(ctx context.Context, address string, first chan<- error) {
	defer close(p.ended)
	base, _, _ := strings.Cut(address, "?")
	var broke time.Time
	told := false
	word := ""
	for attempt := 0; ctx.Err() == nil; attempt++ {
		s, err := p.open(ctx, address)
		if err == nil {
			err = s.read(func() {
				if !told {
					told = true
					first <- nil
				}
				if !broke.IsZero() {
					p.mu.Lock()
					p.gaps = append(p.gaps, time.Since(broke))
					p.mu.Unlock()
					broke, attempt = time.Time{}, 0
				}
			})
			if s.word != "" {
				word = s.word
			}
		}
		if !told {
			first <- err
			return
		}
		if ctx.Err() != nil {
			return
		}
		if broke.IsZero() {
			broke, attempt = time.Now(), 0
			p.Breaks.Add(1)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(comeBack[min(attempt, len(comeBack)-1)]):
		}
		if word != "" && attempt < len(comeBack) {
			address = base + "?resume=" + url.QueryEscape(word)
			continue
		}
		if next, err := p.ticket(ctx); err == nil {
			p.Tickets.Add(1)
			address = next
		}
	}
}

// stream is one connection of a patron.
type stream struct {
	patron *Patron
	conn   *websocket.Conn
	rest   io.Reader
	word   string // with which to come back
}

func (p *Patron) open(ctx context.Context, address string) (*stream, error) {
	dialer := websocket.Dialer{Subprotocols: []string{"streamspace.v1"}, HandshakeTimeout: 10 * time.Second, ReadBufferSize: 4 << 10, WriteBufferSize: 512}
	conn, response, err := dialer.DialContext(ctx, address, http.Header{})
	if err != nil {
		if response != nil {
			io.Copy(io.Discard, response.Body)
			response.Body.Close()
		}
		return nil, err
	}
	s := &stream{patron: p, conn: conn}
	p.mu.Lock()
	p.conn = conn
	p.mu.Unlock()
	return s, nil
}

// Read is RFB; texts are heard on the way.
func (s *stream) Read(b []byte) (int, error) {
	for {
		if s.rest == nil {
			kind, message, err := s.conn.NextReader()
			if err != nil {
				return 0, err
			}
			if kind == websocket.BinaryMessage {
				s.rest = message
				continue
			}
			var text struct{ Type, Token string }
			if err := json.NewDecoder(message).Decode(&text); err == nil && text.Type == "resume" {
				s.word = text.Token
			}
			continue
		}
		n, err := s.rest.Read(b)
		if errors.Is(err, io.EOF) {
			s.rest, err = nil, nil
			if n == 0 {
				continue
			}
		}
		return n, err
	}
}

func (s *stream) Write(b []byte) (int, error) {
	s.patron.mu.Lock()
	defer s.patron.mu.Unlock()
	return len(b), s.conn.WriteMessage(websocket.BinaryMessage, b)
}

// read speaks RFB until the stream ends. seen is called with the first pixels.
func (s *stream) read(seen func()) error {
	defer s.conn.Close()
	session, err := rfb.ClientHandshake(s, rfb.ClientConfig{})
	if err != nil {
		return err
	}
	init := session.Init
	reader := rfb.NewServerReader(s, init, 0)
	hello := rfb.AppendSetEncodings(nil, rfb.EncodingTight, rfb.EncodingCopyRect, rfb.EncodingLastRect, rfb.EncodingFence, rfb.EncodingContinuousUpdates, rfb.EncodingExtendedDesktopSize)
	whole := rfb.UpdateRequest{Width: init.Width, Height: init.Height}
	if _, err := s.Write(rfb.AppendUpdateRequest(hello, whole)); err != nil {
		return err
	}
	whole.Incremental = true
	continuous := false
	for {
		m, err := reader.Read()
		if err != nil {
			return err
		}
		if fence, ok := m.Fence(); ok {
			if fence.Flags&rfb.FenceRequest != 0 {
				_, err = s.Write(rfb.AppendClientFence(nil, fence.Answer()))
			}
		} else if m.Type == rfb.ServerFramebufferUpdate {
			s.patron.Updates.Add(1)
			seen()
			if !continuous {
				_, err = s.Write(rfb.AppendUpdateRequest(nil, whole))
			}
		} else if m.Type == rfb.ServerEndOfContinuousUpdates && !continuous {
			continuous = true
			_, err = s.Write(rfb.AppendEnableContinuousUpdates(nil, rfb.ContinuousUpdates{Enable: true, Width: init.Width, Height: init.Height}))
		}
		if err != nil {
			return err
		}
	}
}
