package rfb

import "fmt"

// Encoding says how the data of a rectangle is written, or, as a
// pseudo-encoding, which extension a client understands.
type Encoding int32

// Encodings of pixels (section "Encodings").
const (
	EncodingRaw      Encoding = 0
	EncodingCopyRect Encoding = 1
	EncodingRRE      Encoding = 2
	EncodingHextile  Encoding = 5
	EncodingZlib     Encoding = 6
	EncodingTight    Encoding = 7
	EncodingZRLE     Encoding = 16
	EncodingJPEG     Encoding = 21
	EncodingH264     Encoding = 50
	EncodingTightPNG Encoding = -260
)

// Pseudo-encodings that a server answers with a rectangle of the same number.
const (
	EncodingDesktopSize          Encoding = -223
	EncodingLastRect             Encoding = -224
	EncodingCursor               Encoding = -239
	EncodingXCursor              Encoding = -240
	EncodingQEMUPointerMotion    Encoding = -257
	EncodingQEMUExtendedKey      Encoding = -258
	EncodingQEMUAudio            Encoding = -259
	EncodingQEMULEDState         Encoding = -261
	EncodingDesktopName          Encoding = -307
	EncodingExtendedDesktopSize  Encoding = -308
	EncodingCursorWithAlpha      Encoding = -314
	EncodingExtendedMouseButtons Encoding = -316
	EncodingVMwareCursor         Encoding = 0x574d5664
	EncodingVMwareCursorState    Encoding = 0x574d5665
	EncodingVMwareCursorPosition Encoding = 0x574d5666
	EncodingVMwareKeyRepeat      Encoding = 0x574d5667
	EncodingVMwareLEDState       Encoding = 0x574d5668
	EncodingVMwareDisplayMode    Encoding = 0x574d5669
	EncodingVMwareMachineState   Encoding = 0x574d566a
)

// Pseudo-encodings that a server answers with a message, or not at all.
const (
	EncodingGII               Encoding = -305
	EncodingXVP               Encoding = -309
	EncodingFence             Encoding = -312
	EncodingContinuousUpdates Encoding = -313
	EncodingTightWithoutZlib  Encoding = -317
	EncodingExtendedClipboard Encoding = -0x3f5e1a32 // 0xc0a1e5ce
)

// Ranges of pseudo-encodings that ask for a quality.
const (
	encodingJPEGQuality0     Encoding = -32  // to -23, quality 9
	encodingCompress0        Encoding = -256 // to -247, level 9
	encodingFineQuality0     Encoding = -512 // to -412, quality 100
	encodingSubsamplingFirst Encoding = -768 // to -763
)

// JPEGQuality asks for JPEG at level 0 (small) to 9 (good). Without it Tight
// rectangles are lossless.
func JPEGQuality(level int) Encoding { return encodingJPEGQuality0 + Encoding(min(max(level, 0), 9)) }

// CompressLevel asks for compression from 0 (cheap) to 9 (small).
func CompressLevel(level int) Encoding { return encodingCompress0 + Encoding(min(max(level, 0), 9)) }

// FineQuality asks for JPEG at quality 0 to 100.
func FineQuality(quality int) Encoding {
	return encodingFineQuality0 + Encoding(min(max(quality, 0), 100))
}

// Subsampling is the number of pixels that share one chrominance sample.
type Subsampling uint8

// In the order of their pseudo-encodings, from -768 up.
const (
	Subsampling1X Subsampling = iota
	Subsampling4X
	Subsampling2X
	SubsamplingGray
	Subsampling8X
	Subsampling16X
)

// Encoding is the pseudo-encoding that asks for the subsampling.
func (s Subsampling) Encoding() Encoding {
	return encodingSubsamplingFirst + Encoding(min(s, Subsampling16X))
}

var encodingNames = map[Encoding]string{
	EncodingRaw:                  "Raw",
	EncodingCopyRect:             "CopyRect",
	EncodingRRE:                  "RRE",
	EncodingHextile:              "Hextile",
	EncodingZlib:                 "Zlib",
	EncodingTight:                "Tight",
	EncodingZRLE:                 "ZRLE",
	EncodingJPEG:                 "JPEG",
	EncodingH264:                 "H264",
	EncodingTightPNG:             "TightPNG",
	EncodingDesktopSize:          "DesktopSize",
	EncodingLastRect:             "LastRect",
	EncodingCursor:               "Cursor",
	EncodingXCursor:              "XCursor",
	EncodingQEMUPointerMotion:    "QEMUPointerMotion",
	EncodingQEMUExtendedKey:      "QEMUExtendedKey",
	EncodingQEMUAudio:            "QEMUAudio",
	EncodingQEMULEDState:         "QEMULEDState",
	EncodingDesktopName:          "DesktopName",
	EncodingExtendedDesktopSize:  "ExtendedDesktopSize",
	EncodingCursorWithAlpha:      "CursorWithAlpha",
	EncodingExtendedMouseButtons: "ExtendedMouseButtons",
	EncodingVMwareCursor:         "VMwareCursor",
	EncodingVMwareCursorState:    "VMwareCursorState",
	EncodingVMwareCursorPosition: "VMwareCursorPosition",
	EncodingVMwareKeyRepeat:      "VMwareKeyRepeat",
	EncodingVMwareLEDState:       "VMwareLEDState",
	EncodingVMwareDisplayMode:    "VMwareDisplayMode",
	EncodingVMwareMachineState:   "VMwareMachineState",
	EncodingGII:                  "GII",
	EncodingXVP:                  "XVP",
	EncodingFence:                "Fence",
	EncodingContinuousUpdates:    "ContinuousUpdates",
	EncodingTightWithoutZlib:     "TightWithoutZlib",
	EncodingExtendedClipboard:    "ExtendedClipboard",
}

// String is the encoding's name, without blanks so that it can be a metric's
// label.
func (e Encoding) String() string {
	if name, ok := encodingNames[e]; ok {
		return name
	}
	switch {
	case e >= encodingJPEGQuality0 && e <= encodingJPEGQuality0+9:
		return fmt.Sprintf("JPEGQuality%d", e-encodingJPEGQuality0)
	case e >= encodingCompress0 && e <= encodingCompress0+9:
		return fmt.Sprintf("CompressLevel%d", e-encodingCompress0)
	case e >= encodingFineQuality0 && e <= encodingFineQuality0+100:
		return fmt.Sprintf("FineQuality%d", e-encodingFineQuality0)
	case e >= encodingSubsamplingFirst && e <= encodingSubsamplingFirst+5:
		return "Subsampling" + [...]string{"1X", "4X", "2X", "Gray", "8X", "16X"}[e-encodingSubsamplingFirst]
	}
	return fmt.Sprintf("Encoding(%d)", int32(e))
}

// Pixels says whether a rectangle of this encoding changes pixels of the
// framebuffer, and so must lie inside it.
func (e Encoding) Pixels() bool {
	switch e {
	case EncodingRaw, EncodingCopyRect, EncodingRRE, EncodingHextile, EncodingZlib, EncodingTight,
		EncodingZRLE, EncodingJPEG, EncodingH264, EncodingTightPNG:
		return true
	}
	return false
}
