//go:build linux && (amd64 || arm64)

package video

// aomABI is AOM_ENCODER_ABI_VERSION of libaom 3.5 to 3.10 at least; their
// structures are the same, byte for byte. Others are refused.
const aomABI = 29

// aomConfig is aom_codec_enc_cfg_t. Its fields up to the key frames' are used.
type aomConfig struct {
	usage, threads, profile      uint32
	width, height                uint32
	limit                        uint32
	forcedWidth, forcedHeight    uint32
	bitDepth                     int32
	inputBitDepth                uint32
	timebaseNum, timebaseDen     int32
	errorResilient               uint32
	pass                         int32
	lagInFrames                  uint32
	dropThreshold                uint32
	resize                       [3]uint32
	superResolution              [5]uint32
	endUsage                     int32
	_                            uint32
	twoPass, firstPass           [2]uintptr
	targetBitrate                uint32 // kbit/s
	minQuantizer, maxQuantizer   uint32
	undershoot, overshoot        uint32
	bufferSize                   uint32 // ms, as the next two
	bufferInitial, bufferOptimal uint32
	twoPassBias                  [3]uint32
	forwardKeys                  int32
	keyMode                      int32
	keyMinDistance               uint32
	keyMaxDistance               uint32
	rest                         [708]byte
	_                            [256]byte // were a structure longer than it should be, nothing else would be hit
}

// aomConfigSize is sizeof(aom_codec_enc_cfg_t).
const aomConfigSize = 904

// aomImage is aom_image_t.
type aomImage struct {
	format                      int32
	primaries, transfer, matrix int32
	monochrome                  int32
	samplePosition              int32
	colorRange                  int32
	width, height               uint32
	bitDepth                    uint32
	shownWidth, shownHeight     uint32
	renderWidth, renderHeight   uint32
	shiftX, shiftY              uint32
	planes                      [3]*byte
	strides                     [3]int32
	_                           int32
	size                        uintptr
	bitsPerSample               int32
	temporalLayer, spatialLayer int32
	_                           int32
	userPrivate                 uintptr
	data                        *byte
	dataOwner, selfAllocated    int32
	metadata, bufferPrivate     uintptr
	_                           [64]byte
}

// Of aom_encoder.h and aomcx.h.
const (
	aomUsageRealtime = 1

	aomSetRowThreads      = 32
	aomSetTileColumns     = 33
	aomSetAQMode          = 40
	aomSetNoiseSensitive  = 42
	aomSetTuneContent     = 43
	aomSetPrimaries       = 45
	aomSetTransfer        = 46
	aomSetMatrix          = 47
	aomSetColorRange      = 52
	aomSetSuperblockSize  = 56
	aomSetCDEF            = 58
	aomSetOBMC            = 61
	aomSetOrderHint       = 79
	aomSetGlobalMotion    = 95
	aomSetWarpedMotion    = 96
	aomSetPalette         = 104
	aomSetIntraBlockCopy  = 105
	aomSetDeltaQ          = 107
	aomSetCoefficientCost = 126
	aomSetModeCost        = 127
	aomSetMotionCost      = 128

	aomContentScreen = 1

	// Of ISO/IEC 23091-2.
	colourPrimaries709  = 1
	colourTransferSRGB  = 13
	colourMatrixBT601   = 6
	colourRangeIsNarrow = 0
)
