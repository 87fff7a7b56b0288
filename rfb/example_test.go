package rfb_test

import (
	"fmt"
	"io"
	"net"

	"github.com/streamspace/streamspace/rfb"
)

// A client that counts what a desktop sends.
func Example_client() {
	watch := func(conn net.Conn) error {
		session, err := rfb.ClientHandshake(conn, rfb.ClientConfig{})
		if err != nil {
			return err
		}
		full := rfb.UpdateRequest{Width: session.Init.Width, Height: session.Init.Height}
		hello := rfb.AppendSetEncodings(nil, rfb.EncodingTight, rfb.JPEGQuality(6), rfb.EncodingLastRect)
		if _, err := session.Conn.Write(rfb.AppendUpdateRequest(hello, full)); err != nil {
			return err
		}
		reader := rfb.NewServerReader(session.Conn, session.Init, 0)
		for {
			m, err := reader.Read()
			if err != nil {
				return err
			}
			fmt.Println(m.Type, len(m.Rects), "rectangles")
		}
	}
	_ = watch
}

// A proxy that keeps the desktop's clipboard to itself and touches nothing else.
func ExampleServerWalker() {
	init := rfb.ServerInit{Width: 640, Height: 480, Format: rfb.RGB888()}
	fromDesktop := rfb.AppendBell(rfb.AppendServerCutText(rfb.AppendBell(nil), "secret"))

	walker := rfb.NewServerWalker(init)
	drop := false // a message may come in several pieces
	forward := func(w io.Writer, p []byte) error {
		start, at := 0, 0
		for at < len(p) {
			n, event, err := walker.Next(p[at:])
			if err != nil {
				return err
			}
			if event.Has(rfb.EventBegin) {
				if drop = walker.Message() == rfb.ServerCutText; drop {
					w.Write(p[start:at]) // all before, in one piece
				}
			}
			at += n
			if drop {
				start = at
			}
		}
		_, err := w.Write(p[start:])
		return err
	}
	var out countingWriter
	if err := forward(&out, fromDesktop); err != nil {
		fmt.Println(err)
	}
	fmt.Println(len(fromDesktop), "bytes came,", out, "went on")
	// Output: 16 bytes came, 2 went on
}

type countingWriter int

func (c *countingWriter) Write(p []byte) (int, error) {
	*c += countingWriter(len(p))
	return len(p), nil
}
