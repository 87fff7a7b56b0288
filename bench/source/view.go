package source

import (
	"net"

	"github.com/streamspace/streamspace/bench/stamp"
	"github.com/streamspace/streamspace/rfb"
)

// listenBuffer is the read buffer of one connection: client messages are
// small, and thousands of idle viewers each have one.
const listenBuffer = 512

// View is one connected viewer as a pattern sees it.
type View struct {
	conn net.Conn // immutable
	kind Kind     // immutable

	requests chan struct{} // written by listen: an update was asked for; one waits, more are the same

	message []byte // owned by the pattern: the frame, with the last stamp in it
	stampAt int    // owned by the pattern
}

func newView(conn net.Conn, kind Kind) *View {
	return &View{conn: conn, kind: kind, requests: make(chan struct{}, 1)}
}

// Send writes one update with the stamp in it and returns when the kernel has
// all of it.
func (v *View) Send(mark stamp.Stamp) error {
	if v.message == nil {
		message, stampAt, err := v.kind.frame()
		if err != nil {
			return err
		}
		v.message, v.stampAt = message, stampAt
	}
	mark.Put(v.message[v.stampAt:])
	_, err := v.conn.Write(v.message)
	return err
}

// listen reads the viewer's messages until the connection ends. A request for
// updates, or for continuous ones, is handed to the pattern.
func (v *View) listen() {
	parser := rfb.NewClientParser(rfb.ClientLimits{})
	buffer := make([]byte, listenBuffer)
	for {
		n, err := v.conn.Read(buffer)
		if err != nil || v.take(parser, buffer[:n]) != nil {
			return
		}
	}
}

// take looks at the messages in bytes.
func (v *View) take(parser *rfb.ClientParser, bytes []byte) error {
	for len(bytes) > 0 {
		n, message, err := parser.Next(bytes)
		if err != nil {
			return err
		}
		bytes = bytes[n:]
		if message.Raw == nil {
			continue
		}
		if message.Type == rfb.ClientFramebufferUpdateRequest || message.Type == rfb.ClientEnableContinuousUpdates {
			select {
			case v.requests <- struct{}{}:
			default: // one is waiting already
			}
		}
	}
	return nil
}
