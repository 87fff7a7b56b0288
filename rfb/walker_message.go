package rfb

import "encoding/binary"

// gather asks for n bytes of header, at the end of which the stage runs.
func (w *ServerWalker) gather(n int, next stage) Event {
	w.have, w.want, w.stage = 0, n, next
	return 0
}

// gatherMore asks for n bytes behind those that are here.
func (w *ServerWalker) gatherMore(n int, next stage) Event {
	w.want, w.stage = w.have+n, next
	return 0
}

// pass lets n bytes go by, at the end of which the stage runs: at once when
// there are none, so that an end is told with the last byte before it.
func (w *ServerWalker) pass(n int64, next stage) Event {
	w.opaque, w.stage = n, next
	if n == 0 {
		return w.step()
	}
	return 0
}

// begin starts a message. Its type is gathered again as part of the header.
func (w *ServerWalker) begin(message ServerMessageType) Event {
	if w.next.Load() != nil {
		w.setFormat(*w.next.Swap(nil))
	}
	w.message = message
	size := 0
	switch message {
	case ServerFramebufferUpdate, ServerXVP, ServerGII, ServerQEMU:
		size = 4
	case ServerSetColourMapEntries:
		size = 6
	case ServerBell, ServerEndOfContinuousUpdates:
		size = 1
	case ServerCutText:
		size = 8
	case ServerFence:
		size = 9
	default:
		return w.fail("unknown message type")
	}
	w.gather(size, stageMessage)
	if w.err != nil {
		return 0
	}
	return EventBegin
}

func (w *ServerWalker) setFormat(format PixelFormat) {
	if err := format.Check(); err != nil {
		w.fail("%v", err)
		return
	}
	w.format = format
}

// end finishes the message.
func (w *ServerWalker) end() Event {
	w.stage = stageBetween
	return EventEnd
}

// step runs when what the stage waited for is here.
func (w *ServerWalker) step() Event {
	switch w.stage {
	case stageMessage:
		return w.messageHeader()
	case stageClipboardFlags:
		w.cut.Flags = ClipboardFlags(binary.BigEndian.Uint32(w.head[8:]))
		return EventHeader | w.pass(int64(w.cut.Length)-4, stageMessageEnd)
	case stageFencePayload:
		copy(w.fencePayload[:], w.head[:w.have])
		return w.fence()
	case stageAudioLength:
		length := binary.BigEndian.Uint32(w.head[4:])
		if length > MaxAudioData {
			return w.fail("%d bytes of sound, more than %d", length, MaxAudioData)
		}
		return EventHeader | w.pass(int64(length), stageMessageEnd)
	case stageMessageEnd:
		return w.end()
	default:
		return w.stepRect()
	}
}

// messageHeader reads a message's fixed part.
func (w *ServerWalker) messageHeader() Event {
	switch w.message {
	case ServerFramebufferUpdate:
		w.rects = int(binary.BigEndian.Uint16(w.head[2:]))
		w.left = w.rects
		return EventHeader | w.nextRect()
	case ServerSetColourMapEntries:
		count := int64(binary.BigEndian.Uint16(w.head[4:]))
		return EventHeader | w.pass(6*count, stageMessageEnd)
	case ServerCutText:
		return w.cutText()
	case ServerFence:
		return w.fenceHeader()
	case ServerGII:
		// The length has the byte order of the submessage's top bit.
		length := binary.LittleEndian.Uint16(w.head[2:])
		if w.head[1]&0x80 != 0 {
			length = binary.BigEndian.Uint16(w.head[2:])
		}
		return EventHeader | w.pass(int64(length), stageMessageEnd)
	case ServerQEMU:
		return w.qemu()
	default: // Bell, EndOfContinuousUpdates, XVP
		return EventHeader | w.end()
	}
}

func (w *ServerWalker) cutText() Event {
	length, extended := cutTextLength(w.head[4:8])
	w.cut = CutText{Length: int(length), Extended: extended}
	switch {
	case length > MaxServerCutText:
		return w.fail("clipboard of %d bytes, more than %d", length, MaxServerCutText)
	case extended && length < 4:
		return w.fail("extended clipboard of %d bytes, too short for its flags", length)
	case extended:
		return w.gatherMore(4, stageClipboardFlags)
	default:
		return EventHeader | w.pass(length, stageMessageEnd)
	}
}

// cutTextLength reads the length of a clipboard message: negative when the
// message is extended.
func cutTextLength(b []byte) (length int64, extended bool) {
	length = int64(int32(binary.BigEndian.Uint32(b)))
	if length < 0 {
		return -length, true
	}
	return length, false
}

func (w *ServerWalker) fenceHeader() Event {
	w.fenceFlags = FenceFlags(binary.BigEndian.Uint32(w.head[4:]))
	w.fenceLen = int(w.head[8])
	if w.fenceLen > MaxFencePayload {
		return w.fail("fence with %d bytes of payload, more than %d", w.fenceLen, MaxFencePayload)
	}
	if w.fenceLen == 0 {
		return EventHeader | w.fence()
	}
	return w.gather(w.fenceLen, stageFencePayload)
}

func (w *ServerWalker) fence() Event {
	if w.fenceFlags&(FenceRequest|FenceSyncNext) == FenceSyncNext && w.atSync.Load() != nil {
		w.setFormat(*w.atSync.Swap(nil))
		if w.err != nil {
			return 0
		}
	}
	return EventHeader | w.end()
}

func (w *ServerWalker) qemu() Event {
	if w.head[1] != QEMUAudio {
		return w.fail("unknown QEMU submessage %d", w.head[1])
	}
	switch operation := binary.BigEndian.Uint16(w.head[2:]); operation {
	case QEMUAudioBegin, QEMUAudioEnd:
		return EventHeader | w.end()
	case QEMUAudioData:
		return w.gatherMore(4, stageAudioLength)
	default:
		return w.fail("unknown QEMU audio operation %d", operation)
	}
}
