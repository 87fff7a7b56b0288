//go:build linux && (amd64 || arm64)

package video

// What follows is wels/codec_app_def.h of OpenH264 as 64-bit machines lay it out.
// It is the same from 2.0 to 2.4; 2.5 and 2.6 append fields to three structures,
// for which there is room here, and so lengthen each layer of a frame.

// openh264Versions are the versions, major times 100 and minor, whose structures
// are known: from the first on, before the last.
var openh264Versions = [2]uint32{200, 207}

// openh264Longer is the version from which on layers are longer.
const openh264Longer = 205

// h264Layer is SSpatialLayerConfig.
type h264Layer struct {
	width, height       int32
	frameRate           float32
	bitrate, maxBitrate int32 // bits a second
	profile, level      int32
	quantizer           int32
	sliceMode           int32
	sliceCount          uint32
	sliceBlocks         [35]uint32
	sliceSize           uint32
	signalType          bool
	format              uint8
	fullRange           bool
	colours             bool
	primaries           uint8
	transfer            uint8
	matrix              uint8
	aspect              bool
	aspectRatio         int32
	aspectWidth         uint16
	aspectHeight        uint16
}

// h264Config is SEncParamExt.
type h264Config struct {
	usage                         int32
	width, height                 int32
	bitrate                       int32 // bits a second
	rateControl                   int32
	frameRate                     float32
	temporalLayers, spatialLayers int32
	layers                        [4]h264Layer
	complexity                    int32
	intraPeriod                   uint32 // frames; 0: only when asked for
	references                    int32
	parameterSets                 int32
	prefix, ssei, simulcast       bool
	padding, entropy              int32
	skip                          bool
	maxBitrate                    int32
	maxQuantizer, minQuantizer    int32
	maxUnit                       uint32
	longTerm                      bool
	longTermCount                 int32
	longTermPeriod                uint32
	threads                       uint16
	balance                       bool
	loopFilter                    [3]int32
	denoise, background, adaptive bool
	cropping, sceneChange         bool
	lossless, fixOvershoot        bool
	keyPercent                    int32
	_                             [64]byte // newer fields
}

// h264Picture is SSourcePicture.
type h264Picture struct {
	format        int32
	strides       [4]int32
	planes        [4]*byte
	width, height int32
	time          int64 // ms
	_             [64]byte
}

// h264Coded is SLayerBSInfo.
type h264Coded struct {
	temporal, spatial, quality uint8
	kind                       int32
	layerType                  uint8
	subsequence                int32
	units                      int32
	sizes                      *int32 // of so many units, in bytes
	data                       *byte
}

// h264Info is SFrameBSInfo with the layers as bytes, since their size differs.
type h264Info struct {
	layers int32
	_      int32
	layer  [128 * 56]byte
	_      [64]byte
}

// The sizes of a layer in it.
const (
	h264LayerShort = 40
	h264LayerLong  = 56
)

// h264Rate is SBitrateInfo.
type h264Rate struct{ layer, bitrate int32 }

// h264Statistics is SEncoderStatistics, of which one figure is used.
type h264Statistics struct {
	width, height uint32
	speeds        [3]float32
	bitrate       uint32
	quantizer     uint32 // of the last frame
	_             [128]byte
}

// The methods of ISVCEncoder, by their place.
const (
	h264InitializeExt = 1
	h264Defaults      = 2
	h264Uninitialize  = 3
	h264EncodeFrame   = 4
	h264ForceIntra    = 6
	h264SetOption     = 7
	h264GetOption     = 8
)

// Values of its enumerations.
const (
	h264OptionBitrate    = 5
	h264OptionTrace      = 25
	h264OptionStatistics = 28

	h264Camera          = 0 // usage
	h264RateBitrate     = 1
	h264ProfileBaseline = 66
	h264LowComplexity   = 0
	h264ConstantSets    = 0
	h264SingleSlice     = 0
	h264AllLayers       = 4
	h264FormatI420      = 23
	h264VideoUndefined  = 5

	h264KindKey = 1

	h264WorstQuantizer = 51
)
