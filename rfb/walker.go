package rfb

import (
	"fmt"
	"sync/atomic"
)

// Event says what a step of a [ServerWalker] has come upon. Several bits may be
// set: the last byte of a message can end a rectangle too.
type Event uint8

const (
	// EventBegin: the next byte is the first of a message, and Message tells
	// which. No byte was taken, so the caller can still decide where the
	// message's bytes go. Always alone.
	EventBegin Event = 1 << iota
	// EventHeader: the message's fixed part is known: RectCount, CutText or
	// Fence are valid. More of the message may follow.
	EventHeader
	// EventRect: a rectangle begins, and Rect is valid.
	EventRect
	// EventRectEnd: the last byte of the rectangle was taken. LastRect is told
	// as a rectangle too.
	EventRectEnd
	// EventResize: the framebuffer has another size, and Size is valid.
	EventResize
	// EventEnd: the last byte of the message was taken.
	EventEnd
)

// Has says whether any of the bits is set.
func (e Event) Has(bits Event) bool { return e&bits != 0 }

// CutText is the header of a clipboard message.
type CutText struct {
	Length   int            // bytes after the length field
	Extended bool           // ExtendedClipboard rather than Latin-1 text
	Flags    ClipboardFlags // of an extended message
}

// Fence is a point in a stream that the other end answers when it has got
// there.
type Fence struct {
	Flags   FenceFlags
	Payload []byte // at most MaxFencePayload bytes, returned in the answer
}

// Answer is the response to a fence: the flags that we know, without Request.
func (f Fence) Answer() Fence {
	return Fence{Flags: f.Flags & FenceKnown &^ FenceRequest, Payload: f.Payload}
}

// ServerWalker follows the stream of a desktop from ServerInit on, and tells
// where messages and rectangles begin and end. The bytes may come in any
// pieces; it copies none but headers, and allocates nothing.
//
//	for len(p) > 0 {
//		n, event, err := walker.Next(p)
//		if err != nil {
//			return err // a *ProtocolError: nothing behind this can be understood
//		}
//		if event.Has(rfb.EventBegin) {
//			drop = walker.Message() == rfb.ServerCutText
//		}
//		if !drop {
//			forward(p[:n])
//		}
//		p = p[n:]
//	}
//
// All bytes of one call belong to one message. Bytes that need no look may go
// past the walker: Opaque says how many are next, Skip says that they went.
//
// A walker has one user at a time; only the two SetPixelFormat methods may be
// called from elsewhere, since it is the other direction that sees
// SetPixelFormat.
type ServerWalker struct {
	// What is being read.
	stage   stage
	have    int   // bytes of head that are here
	want    int   // bytes of head that the stage needs; no more than len(head)
	opaque  int64 // bytes to pass before the stage goes on
	offset  int64 // bytes taken since the start
	message ServerMessageType
	rect    Rect
	left    int // rectangles of the update still to come
	err     error

	// What is known of the desktop.
	width, height uint16
	format        PixelFormat
	pixel         int64 // bytes of a PIXEL in the present rectangle
	tight         int64 // bytes of a TPIXEL in the present rectangle

	// Within the present rectangle.
	tileX, tileY int   // Hextile: top left of the present tile
	control      byte  // Tight: compression-control; JPEG: marker of the segment
	budget       int64 // JPEG: bytes that the image may still have

	// Of the latest message of the kind.
	rects        int
	cut          CutText
	fenceFlags   FenceFlags
	fencePayload [MaxFencePayload]byte
	fenceLen     int

	head [MaxFencePayload]byte // the header being gathered

	next   atomic.Pointer[PixelFormat] // taken over when the next message begins
	atSync atomic.Pointer[PixelFormat] // taken over at the answer to a SyncNext fence
}

// stage is what to do when the wanted header bytes are here and the opaque
// bytes have passed.
type stage uint8

const (
	stageBetween stage = iota // no message has begun

	stageMessage // a message's fixed part
	stageClipboardFlags
	stageFencePayload
	stageAudioLength
	stageMessageEnd

	stageRectHeader
	stageRectEnd
	stageRRECount
	stageTile
	stageTileHeader
	stageTileEnd
	stageCompressedLength // ZRLE, Zlib: 32 bits
	stageH264Header
	stageTightControl
	stageTightFilter
	stageTightPaletteSize
	stageTightPaletteEnd
	stageTightLength
	stageJPEGStart
	stageJPEGMarker
	stageJPEGLength
	stageJPEGSegmentEnd
	stageJPEGScan // the only stage that looks at a body
	stageJPEGScanMarker
	stageNameLength
	stageScreenCount
	stageAlphaEncoding
	stageVMwareCursorType
	stageDisplayMode
)

// NewServerWalker follows a desktop that has just sent init.
func NewServerWalker(init ServerInit) *ServerWalker {
	w := &ServerWalker{width: init.Width, height: init.Height, format: init.Format}
	if err := checkInit(init); err != nil {
		w.err = &ProtocolError{Message: "ServerInit", Reason: err.Error()}
	}
	return w
}

func checkInit(init ServerInit) error {
	if init.Width > MaxDimension || init.Height > MaxDimension {
		return fmt.Errorf("framebuffer of %dx%d, more than %d", init.Width, init.Height, MaxDimension)
	}
	return init.Format.Check()
}

// SetPixelFormat says that the viewer changes the pixel format. It takes effect
// with the next message that begins.
//
// The protocol marks in the desktop's stream no point where the change happens: a
// server applies it to every update that it writes after it has read the
// message. So a viewer may send it only while no update can be on its way (it
// has no request outstanding, continuous updates are off), which is what noVNC
// does, once, before its first request. Call this before the message is
// forwarded, and it is exact. A viewer that changes the format later puts a
// fence with SyncNext before it; see SetPixelFormatAtSync.
//
// May be called from any goroutine.
func (w *ServerWalker) SetPixelFormat(format PixelFormat) { w.next.Store(&format) }

// SetPixelFormatAtSync is SetPixelFormat for a message that follows a fence
// with SyncNext (ClientMessage.Synced): updates before the desktop's answer to
// the fence have the old format, updates after it the new one. TigerVNC's
// viewer does this.
//
// May be called from any goroutine.
func (w *ServerWalker) SetPixelFormatAtSync(format PixelFormat) { w.atSync.Store(&format) }

// Next takes bytes from p until there is something to tell, and returns how
// many it took and what it has come upon. Event is zero when it has taken all
// of p and there is nothing to tell. An error is final.
func (w *ServerWalker) Next(p []byte) (n int, event Event, err error) {
	if w.err != nil || len(p) == 0 {
		return 0, 0, w.err
	}
	if w.stage == stageBetween {
		event = w.begin(ServerMessageType(p[0]))
		return 0, event, w.err
	}
	for event == 0 && n < len(p) && w.err == nil {
		var took int
		done := false
		switch {
		case w.opaque > 0:
			took = int(min(w.opaque, int64(len(p)-n)))
			w.opaque -= int64(took)
			done = w.opaque == 0
		case w.stage == stageJPEGScan:
			took, done = w.scanJPEG(p[n:])
		default:
			took = copy(w.head[w.have:w.want], p[n:])
			w.have += took
			done = w.have == w.want
		}
		n += took
		w.offset += int64(took)
		if done {
			event = w.step()
		}
	}
	if w.err != nil {
		return n, 0, w.err
	}
	return n, event, nil
}

// Opaque returns how many of the next bytes the walker need not see. They all
// belong to the same message and, in an update, to the same rectangle.
func (w *ServerWalker) Opaque() int64 { return w.opaque }

// Skip says that n of the opaque bytes went another way, as if Next had taken
// them. It panics when n is negative or more than Opaque.
func (w *ServerWalker) Skip(n int64) (Event, error) {
	if n < 0 || n > w.opaque {
		panic(fmt.Sprintf("rfb: skip %d of %d opaque bytes", n, w.opaque))
	}
	if n == 0 {
		return 0, w.err
	}
	w.opaque -= n
	w.offset += n
	if w.opaque > 0 {
		return 0, nil
	}
	event := w.step()
	if w.err != nil {
		return 0, w.err
	}
	return event, nil
}

// Between says that no message has begun or the latest one has ended: here the
// caller can put messages of its own into the stream that it forwards.
func (w *ServerWalker) Between() bool { return w.stage == stageBetween }

// Message is the type of the present message, or of the latest one.
func (w *ServerWalker) Message() ServerMessageType { return w.message }

// RectCount is the number of rectangles that the latest update announced.
// 65535 means that LastRect ends it.
func (w *ServerWalker) RectCount() int { return w.rects }

// Rect is the present rectangle, or the latest one.
func (w *ServerWalker) Rect() Rect { return w.rect }

// CutText is the latest clipboard message.
func (w *ServerWalker) CutText() CutText { return w.cut }

// Fence is the latest fence, complete at its EventEnd. The payload is valid
// until the next call of Next or Skip.
func (w *ServerWalker) Fence() Fence {
	return Fence{Flags: w.fenceFlags, Payload: w.fencePayload[:w.fenceLen]}
}

// Size is the framebuffer's width and height in pixels.
func (w *ServerWalker) Size() (width, height uint16) { return w.width, w.height }

// Format is the pixel format of the present update, or of the next one.
func (w *ServerWalker) Format() PixelFormat { return w.format }

// Offset is the number of bytes taken since the start.
func (w *ServerWalker) Offset() int64 { return w.offset }

// fail ends the walk.
func (w *ServerWalker) fail(format string, args ...any) Event {
	w.err = &ProtocolError{Offset: w.offset, Message: w.message.String(), Reason: fmt.Sprintf(format, args...)}
	return 0
}
