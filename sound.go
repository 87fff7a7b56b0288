package streamspace

// Sound between a desktop and a gateway: bare samples, 16 bits little-endian at
// SoundRate, for as long as the gateway is connected. Where a desktop's RFB is a
// Unix socket, sound has sockets beside it; where it is behind TLS, sound is behind the
// same port, told apart by ALPN.
const (
	// SoundSocket gives what the desktop plays, in SoundChannels interleaved. While
	// it plays nothing, nothing comes.
	SoundSocket   = "sound.sock"
	SoundProtocol = "streamspace-sound"
	// MicrophoneSocket takes what the desktop is to hear, in one channel, from one
	// gateway at a time: of a second one the connection is closed.
	MicrophoneSocket   = "mic.sock"
	MicrophoneProtocol = "streamspace-microphone"

	SoundRate     = 48_000 // samples a second
	SoundChannels = 2
)
