package relay

// Headroom is how many bytes Seal needs before a message.
const Headroom = maxHeader

// Seal makes a WebSocket frame of a message that has Headroom bytes before it,
// in place: all sockets can send the same bytes then.
func Seal(room []byte) []byte {
	length := len(room) - Headroom
	from := Headroom - headerSize(length)
	appendHeader(room[from:from], opBinary, length)
	return room[from:]
}

// WriteSealed sends what Seal returned, with one write. It waits for the viewer
// as Write does.
func (s *Socket) WriteSealed(frame []byte) error {
	s.beginWrite()
	err := s.writeFrame(frame)
	if ended := s.endWrite(); err == nil {
		err = ended
	}
	return err
}

// FinishWrites makes writes that wait for the viewer end soon, and all later
// ones: the stream is over.
func (s *Socket) FinishWrites() { s.wire.finishBy(s.timing.Linger / 2) }
