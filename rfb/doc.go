// Package rfb is the RFB ("VNC") protocol and nothing else: the words on the
// wire, the security handshakes of both ends, and two parsers that find the
// boundaries of messages in a byte stream. It decodes no pixels, opens no
// connection, starts no goroutine, logs nothing, and imports only the standard
// library.
//
// A connection starts with a handshake, after which both directions are plain
// sequences of messages:
//
//	session, err := rfb.ClientHandshake(conn, rfb.ClientConfig{})  // towards a desktop
//	viewer, err := rfb.ServerHandshake(conn, rfb.ServerConfig{})   // towards a viewer
//
// From then on
//
//   - [ServerWalker] takes the desktop's stream apart without looking at
//     pixels, in whatever pieces it arrives: a proxy can drop, count or splice
//     messages and forward all others untouched;
//   - [ServerReader] sits on top of it and returns whole messages;
//   - [ClientParser] takes the viewer's stream apart and returns whole messages,
//     each with its raw bytes;
//   - the Append functions write every message of both directions.
//
// The protocol is the community's specification,
// https://github.com/rfbproto/rfbproto/blob/master/rfbproto.rst; section names
// in comments are its. Covered is what TigerVNC 1.12 to 1.16 and noVNC 1.7
// exchange. All integers are big-endian unless a comment says otherwise.
package rfb
