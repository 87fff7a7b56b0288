//go:build linux && (amd64 || arm64)

package video

// What follows is vpx/*.h as 64-bit machines lay it out. The structures are the
// same, byte for byte, from libvpx 1.12 to 1.16, though the number of the ABI
// went up with every release (vpx_ext_ratectrl.h, which is not used here, is part
// of it). A number that is not listed is refused, and what
// vpx_codec_enc_config_default fills in is compared with what it must be.

// vpxABIs are VPX_ENCODER_ABI_VERSION of 1.12, 1.13, 1.14 and 1.15.0, 1.15.1 and
// 1.15.2, 1.16.
var vpxABIs = [...]uintptr{25, 30, 32, 33, 34}

// vpxConfig is vpx_codec_enc_cfg_t. Its fields up to the key frames' are used.
type vpxConfig struct {
	usage, threads, profile      uint32
	width, height                uint32
	bitDepth                     int32
	inputBitDepth                uint32
	timebaseNum, timebaseDen     int32
	errorResilient               uint32
	pass                         int32
	lagInFrames                  uint32
	dropThreshold                uint32
	resizeAllowed                uint32
	scaledWidth, scaledHeight    uint32
	resizeUp, resizeDown         uint32
	endUsage                     int32
	_                            uint32
	twoPass, firstPass           [2]uintptr
	targetBitrate                uint32 // kbit/s
	minQuantizer, maxQuantizer   uint32
	undershoot, overshoot        uint32
	bufferSize                   uint32 // ms, as the next two
	bufferInitial, bufferOptimal uint32
	twoPassBias                  [4]uint32
	keyMode                      int32
	keyMinDistance               uint32
	keyMaxDistance               uint32
	spatialLayers                uint32
	spatial                      [10]uint32
	temporalLayers               uint32
	rest                         [284]byte
	_                            [256]byte // were a structure longer than it should be, nothing else would be hit
}

// vpxConfigSize is sizeof(vpx_codec_enc_cfg_t).
const vpxConfigSize = 504

// vpxImage is vpx_image_t.
type vpxImage struct {
	format                    int32
	colorSpace                int32
	colorRange                int32
	width, height             uint32
	bitDepth                  uint32
	shownWidth, shownHeight   uint32
	renderWidth, renderHeight uint32
	shiftX, shiftY            uint32
	planes                    [4]*byte
	strides                   [4]int32
	bitsPerSample             int32
	_                         int32
	userPrivate               uintptr
	data                      *byte
	dataOwner, selfAllocated  int32
	bufferPrivate             uintptr
	_                         [64]byte
}

// Of vpx_image.h and vp8cx.h. libaom has the same formats.
const (
	apiFormatI420 = 0x102
	apiFormatI444 = 0x106
	vpxBT601      = 1

	vp8SetNoiseSensitivity  = 15
	vp8SetStaticThreshold   = 17
	vp8SetTokenPartitions   = 18
	vp8SetScreenContentMode = 31
	vp9SetTileColumns       = 33
	vp9SetFrameParallel     = 35
	vp9SetAQMode            = 36
	vp9SetNoiseSensitivity  = 38
	vp9SetTuneContent       = 43
	vp9SetColorSpace        = 46
	vp9SetColorRange        = 51
	vp9SetRowThreads        = 55

	vp9ContentScreen = 1
)
