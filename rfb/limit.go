package rfb

// Limits on what a peer may announce. The parsers keep no bodies, so most of
// them protect whoever decodes behind the parser; what is kept (names,
// reasons, client messages) is kept within them.
const (
	// MaxDimension bounds width and height of a framebuffer, in pixels.
	// TigerVNC's own bound.
	MaxDimension = 16384
	// MaxRectArea bounds one rectangle of pixels: a whole framebuffer.
	MaxRectArea = MaxDimension * MaxDimension
	// MaxRects bounds one update. The count is 16 bits wide, and an update with
	// LastRect announces all ones.
	MaxRects = 0xFFFF
	// MaxCursor bounds width and height of a cursor, in pixels. TigerVNC's
	// viewer refuses more than 256; desktops with large print use up to 512.
	MaxCursor = 1024
	// MaxName bounds a desktop's name in bytes. It is a window title.
	MaxName = 4096
	// MaxReason bounds the reason of a refusal in bytes. It is a sentence; the
	// rest of a longer one is not read.
	MaxReason = 1024
	// MaxServerCutText bounds a clipboard message of a desktop, in bytes. Xvnc
	// sends at most 256 KiB unless told otherwise, and extended clipboards
	// announce up to 10 MiB.
	MaxServerCutText = 16 << 20
	// MaxClientCutText is the bound on a viewer's clipboard message, in bytes,
	// when ClientLimits does not say another. A message is kept until it is
	// complete, so this bounds a viewer's memory.
	MaxClientCutText = 1 << 20
	// MaxEncodings bounds a SetEncodings. noVNC sends about 30, TigerVNC 45.
	MaxEncodings = 1024
	// MaxTightData bounds the data of a Tight rectangle, in bytes: the largest
	// length that its three bytes can say.
	MaxTightData = 1<<22 - 1
	// MaxFencePayload is the specification's bound, in bytes.
	MaxFencePayload = 64
	// MaxAudioData bounds one QEMU audio message, in bytes: five seconds of
	// 32-bit stereo at 48 kHz, where servers send tens of milliseconds.
	MaxAudioData = 2 << 20
)

// maxBody bounds announced lengths of compressed rectangles: no encoder makes
// more than twice a raw 32-bit pixel, and headers need room when there are few
// pixels.
func maxBody(area int64) int64 { return 1<<20 + 8*area }
