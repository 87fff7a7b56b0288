package rfb

import "fmt"

// ServerMessageType is the first byte of a message from the desktop.
type ServerMessageType uint8

const (
	ServerFramebufferUpdate      ServerMessageType = 0
	ServerSetColourMapEntries    ServerMessageType = 1
	ServerBell                   ServerMessageType = 2
	ServerCutText                ServerMessageType = 3
	ServerEndOfContinuousUpdates ServerMessageType = 150
	ServerFence                  ServerMessageType = 248
	ServerXVP                    ServerMessageType = 250
	ServerGII                    ServerMessageType = 253
	ServerQEMU                   ServerMessageType = 255
)

func (t ServerMessageType) String() string {
	switch t {
	case ServerFramebufferUpdate:
		return "FramebufferUpdate"
	case ServerSetColourMapEntries:
		return "SetColourMapEntries"
	case ServerBell:
		return "Bell"
	case ServerCutText:
		return "ServerCutText"
	case ServerEndOfContinuousUpdates:
		return "EndOfContinuousUpdates"
	case ServerFence:
		return "ServerFence"
	case ServerXVP:
		return "ServerXVP"
	case ServerGII:
		return "ServerGII"
	case ServerQEMU:
		return "ServerQEMU"
	}
	return fmt.Sprintf("ServerMessageType(%d)", uint8(t))
}

// ClientMessageType is the first byte of a message from the viewer.
type ClientMessageType uint8

const (
	ClientSetPixelFormat           ClientMessageType = 0
	ClientSetEncodings             ClientMessageType = 2
	ClientFramebufferUpdateRequest ClientMessageType = 3
	ClientKeyEvent                 ClientMessageType = 4
	ClientPointerEvent             ClientMessageType = 5
	ClientCutText                  ClientMessageType = 6
	ClientEnableContinuousUpdates  ClientMessageType = 150
	ClientFence                    ClientMessageType = 248
	ClientXVP                      ClientMessageType = 250
	ClientSetDesktopSize           ClientMessageType = 251
	ClientGII                      ClientMessageType = 253
	ClientQEMU                     ClientMessageType = 255
)

func (t ClientMessageType) String() string {
	switch t {
	case ClientSetPixelFormat:
		return "SetPixelFormat"
	case ClientSetEncodings:
		return "SetEncodings"
	case ClientFramebufferUpdateRequest:
		return "FramebufferUpdateRequest"
	case ClientKeyEvent:
		return "KeyEvent"
	case ClientPointerEvent:
		return "PointerEvent"
	case ClientCutText:
		return "ClientCutText"
	case ClientEnableContinuousUpdates:
		return "EnableContinuousUpdates"
	case ClientFence:
		return "ClientFence"
	case ClientXVP:
		return "ClientXVP"
	case ClientSetDesktopSize:
		return "SetDesktopSize"
	case ClientGII:
		return "ClientGII"
	case ClientQEMU:
		return "ClientQEMU"
	}
	return fmt.Sprintf("ClientMessageType(%d)", uint8(t))
}

// Submessages of QEMU's message number 255.
const (
	QEMUExtendedKey uint8 = 0 // client only
	QEMUAudio       uint8 = 1
)

// Operations of QEMU's audio messages. The two directions number them
// differently.
const (
	QEMUAudioEnable    uint16 = 0 // client: send me sound
	QEMUAudioDisable   uint16 = 1 // client: stop
	QEMUAudioSetFormat uint16 = 2 // client: sample format, channels, frequency follow

	QEMUAudioEnd   uint16 = 0 // server: the stream is over
	QEMUAudioBegin uint16 = 1 // server: a stream starts
	QEMUAudioData  uint16 = 2 // server: samples follow
)

// Codes of the XVP message.
const (
	XVPFail     uint8 = 0 // server
	XVPInit     uint8 = 1 // server
	XVPShutdown uint8 = 2 // client
	XVPReboot   uint8 = 3 // client
	XVPReset    uint8 = 4 // client
)

// FenceFlags are what a fence asks for (section "ClientFence").
type FenceFlags uint32

const (
	FenceBlockBefore FenceFlags = 1 << 0  // everything before has taken effect
	FenceBlockAfter  FenceFlags = 1 << 1  // nothing after has started
	FenceSyncNext    FenceFlags = 1 << 2  // the answer divides what the next message changes from what it does not
	FenceRequest     FenceFlags = 1 << 31 // an answer is expected; cleared in the answer

	// FenceKnown are the flags of the specification; an answer clears all others.
	FenceKnown = FenceBlockBefore | FenceBlockAfter | FenceSyncNext | FenceRequest
)

// Lock keys, as bits of the LED states of QEMU and VMware.
const (
	LEDScrollLock uint8 = 1 << 0
	LEDNumLock    uint8 = 1 << 1
	LEDCapsLock   uint8 = 1 << 2
)

// Buttons of a pointer event. Above ButtonScrollRight they need the
// ExtendedMouseButtons extension, except for the Back of old clients, which has
// the same bit.
const (
	ButtonLeft        uint16 = 1 << 0
	ButtonMiddle      uint16 = 1 << 1
	ButtonRight       uint16 = 1 << 2
	ButtonScrollUp    uint16 = 1 << 3
	ButtonScrollDown  uint16 = 1 << 4
	ButtonScrollLeft  uint16 = 1 << 5
	ButtonScrollRight uint16 = 1 << 6
	ButtonBack        uint16 = 1 << 7
	ButtonForward     uint16 = 1 << 8
)

// Reasons and results of an ExtendedDesktopSize rectangle, in its X and Y.
const (
	ResizeByServer      uint16 = 0 // or the answer to a full update request
	ResizeByThisClient  uint16 = 1
	ResizeByOtherClient uint16 = 2

	ResizeOK            uint16 = 0
	ResizeProhibited    uint16 = 1
	ResizeOutOfResource uint16 = 2
	ResizeInvalidLayout uint16 = 3
	ResizeForwarded     uint16 = 4
)
