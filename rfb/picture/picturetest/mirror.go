package picturetest

import (
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/picture"
)

// Mirror is a client that draws what it is sent as it comes, answers fences and
// asks for what comes next, as a browser does.
type Mirror struct {
	t          testing.TB
	continuous bool // enables continuous updates; otherwise it asks for each

	writing sync.Mutex
	conn    io.Writer // guarded by writing

	mu       sync.Mutex
	screen   *picture.Picture    // guarded by mu
	updates  int                 // guarded by mu
	films    int                 // guarded by mu
	messages []rfb.ServerMessage // guarded by mu; all but updates, without their data
	err      error               // guarded by mu; why it stopped
}

// Reflect runs a mirror behind a handshake that ended with init, until reading
// fails, for which the caller closes conn. It asks for the encodings.
func Reflect(t testing.TB, conn io.ReadWriter, init rfb.ServerInit, encodings ...rfb.Encoding) *Mirror {
	t.Helper()
	m := &Mirror{t: t, conn: conn, screen: picture.New(int(init.Width), int(init.Height))}
	for _, e := range encodings {
		m.continuous = m.continuous || e == rfb.EncodingContinuousUpdates
	}
	init.Format = rfb.RGB888()
	reader := rfb.NewServerReader(conn, init, 0)
	var reading sync.WaitGroup
	reading.Go(func() { m.read(reader) })
	t.Cleanup(func() {
		if c, ok := conn.(io.Closer); ok {
			c.Close()
		}
		reading.Wait()
	})
	m.Send(rfb.AppendSetEncodings(rfb.AppendSetPixelFormat(nil, rfb.RGB888()), encodings...))
	m.Send(m.request(false))
	return m
}

// Send sends a message. That it cannot is noticed by the reading.
func (m *Mirror) Send(b []byte) {
	m.writing.Lock()
	defer m.writing.Unlock()
	m.conn.Write(b)
}

// SendAround sends the two parts of a message with something done between them,
// while nothing else is sent.
func (m *Mirror) SendAround(first, second []byte, between func()) {
	m.writing.Lock()
	defer m.writing.Unlock()
	m.conn.Write(first)
	between()
	m.conn.Write(second)
}

func (m *Mirror) request(incremental bool) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	return rfb.AppendUpdateRequest(nil, rfb.UpdateRequest{Incremental: incremental, Width: uint16(m.screen.Width), Height: uint16(m.screen.Height)})
}

func (m *Mirror) read(reader *rfb.ServerReader) {
	decoder := picture.NewDecoder()
	for {
		message, err := reader.Read()
		if err != nil {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.err = err
			return
		}
		m.take(message, decoder)
	}
}

func (m *Mirror) take(message rfb.ServerMessage, decoder *picture.Decoder) {
	if fence, ok := message.Fence(); ok && fence.Flags&rfb.FenceRequest != 0 {
		m.Send(rfb.AppendClientFence(nil, fence.Answer()))
	}
	m.mu.Lock()
	if message.Type == rfb.ServerFramebufferUpdate {
		all := len(message.Rects)
		message.Rects = slices.DeleteFunc(message.Rects, func(r rfb.ServerRect) bool { return r.Encoding == rfb.EncodingH264 })
		m.films += all - len(message.Rects)
		Draw(m.t, decoder, m.screen, message)
		m.updates++
	} else {
		m.messages = append(m.messages, rfb.ServerMessage{Type: message.Type})
	}
	area := rfb.ContinuousUpdates{Enable: true, Width: uint16(m.screen.Width), Height: uint16(m.screen.Height)}
	m.mu.Unlock()
	switch {
	case message.Type == rfb.ServerFramebufferUpdate && !m.continuous:
		m.Send(m.request(true))
	case message.Type == rfb.ServerEndOfContinuousUpdates && m.continuous:
		m.Send(rfb.AppendEnableContinuousUpdates(nil, area))
	}
}

// Shows waits until the mirror shows p.
func (m *Mirror) Shows(p *picture.Picture) {
	m.t.Helper()
	m.ShowsWithin(p, 0)
}

// ShowsWithin waits until it shows p but for a difference of every colour: Xvnc
// 1.12 leaves some off by a little where it was asked for JPEG.
func (m *Mirror) ShowsWithin(p *picture.Picture, difference int) {
	m.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) { // between looks
		m.mu.Lock()
		ok, err := alike(m.screen, p, difference), m.err
		m.mu.Unlock()
		if ok {
			return
		}
		if err != nil {
			m.t.Fatalf("the mirror stopped: %v", err)
		}
		if time.Now().After(deadline) {
			m.t.Fatal("the mirror shows something else")
		}
	}
}

func alike(a, b *picture.Picture, within int) bool {
	if a.Width != b.Width || a.Height != b.Height {
		return false
	}
	if within == 0 {
		return a.Equal(b, b.Bounds())
	}
	for i := range a.Pix {
		if d := int(a.Pix[i]) - int(b.Pix[i]); i%4 != 3 && (d > within || d < -within) {
			return false
		}
	}
	return true
}

// Count is how many messages of a type came that were no updates.
func (m *Mirror) Count(kind rfb.ServerMessageType) (count int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, message := range m.messages {
		if message.Type == kind {
			count++
		}
	}
	return count
}

// Films is how many rectangles of H.264 have come, which are not drawn.
func (m *Mirror) Films() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.films
}

// Screen is what it shows now.
func (m *Mirror) Screen() *picture.Picture {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.screen.Clone()
}
