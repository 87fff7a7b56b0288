//go:build linux && (amd64 || arm64)

package video

import (
	"image"
	"math/bits"
	"unsafe"

	"github.com/ebitengine/purego"
)

// vpxFiles are libvpx 1.12, 1.13, 1.14 and 1.15.0, 1.15.1 and on, 1.16.
var vpxFiles = []string{"libvpx.so.7", "libvpx.so.8", "libvpx.so.9", "libvpx.so.11", "libvpx.so.12"}

// vpx is libvpx's encoder of VP8 or VP9.
type vpx struct {
	api
	config *vpxConfig // as the library has it
	image  *vpxImage
}

func openVPX(s Settings, size image.Point) (engine, error) {
	lib, err := openLibrary(s.Codec, "libvpx7", vpxFiles...)
	if err != nil {
		return nil, err
	}
	v := &vpx{api: api{library: lib, codec: s.Codec, name: "libvpx"}, config: &vpxConfig{}, image: &vpxImage{}}
	if err := v.open(s, size); err != nil {
		v.close()
		return nil, err
	}
	return v, nil
}

func (v *vpx) open(s Settings, size image.Point) error {
	iface := "vp9_cx"
	if s.Codec == VP8 {
		iface = "vp8_cx"
	}
	if err := v.bind("vpx_", iface); err != nil {
		return err
	}
	if err := v.defaults(unsafe.Pointer(v.config), 0); err != nil {
		return err
	}
	c := v.config
	if err := v.verify( // the same for both codecs since 2010
		expected{"g_w", c.width, 320}, expected{"g_h", c.height, 240},
		expected{"g_timebase.num", uint32(c.timebaseNum), 1}, expected{"g_timebase.den", uint32(c.timebaseDen), 30},
		expected{"rc_target_bitrate", c.targetBitrate, 256}, expected{"rc_max_quantizer", c.maxQuantizer, worstQuantizer},
		expected{"rc_buf_sz", c.bufferSize, 6000}, expected{"rc_buf_initial_sz", c.bufferInitial, 4000}, expected{"rc_buf_optimal_sz", c.bufferOptimal, 5000},
		expected{"kf_max_dist", c.keyMaxDistance, 128}, expected{"ts_number_layers", c.temporalLayers, 1},
	); err != nil {
		return err
	}
	v.configure(s, size)
	if err := v.init(unsafe.Pointer(c), vpxABIs[:]); err != nil {
		return err
	}
	return v.tune(s, size)
}

// configure fills in the configuration. Frames are sent as they come, without a
// look ahead. Error resilience is off: it forgets what the codec has learnt with
// each frame, and buys only frames that can be decoded after a loss, which a
// browser does not do: it asks again (NACK) and then for a key frame.
func (v *vpx) configure(s Settings, size image.Point) {
	c := v.config
	c.threads, c.width, c.height = uint32(s.Threads), uint32(size.X), uint32(size.Y)
	if s.FullChroma {
		c.profile = 1
	}
	c.timebaseNum, c.timebaseDen = 1, clockRate
	c.errorResilient, c.lagInFrames, c.dropThreshold, c.resizeAllowed = 0, 0, 0, 0
	c.endUsage = apiRateConstant
	c.targetBitrate = uint32(s.Bitrate / 1000)
	c.minQuantizer, c.maxQuantizer = 0, worstQuantizer
	c.undershoot, c.overshoot = 100, 15 // WebRTC's
	c.bufferSize, c.bufferInitial, c.bufferOptimal = bufferedMillis, bufferedInitialMillis, bufferedOptimalMillis
	c.keyMode, c.keyMinDistance, c.keyMaxDistance = 0, 0, 0 // key frames when asked for only
}

// The values of cpu-used. Faster ones of VP8 miss their bitrate by half and more.
const (
	vp8Speed = -6
	vp9Speed = 8
	// tileWidth is the least width of a column of tiles.
	tileWidth = 256
)

// tileColumns is log2 of how many columns of tiles suit so many threads.
func tileColumns(s Settings, size image.Point) int {
	return max(0, min(bits.Len(uint(s.Threads))-1, bits.Len(uint(size.X/tileWidth))-1))
}

// tune sets what the configuration has no field for.
func (v *vpx) tune(s Settings, size image.Point) error {
	if s.Codec == VP8 {
		return v.set(
			setting{"cpu-used", apiSetSpeed, vp8Speed},
			setting{"static threshold", vp8SetStaticThreshold, 0},
			setting{"key frames' size", apiSetMaxIntraPercent, keyPercent},
			setting{"screen content", vp8SetScreenContentMode, 1},
			setting{"noise sensitivity", vp8SetNoiseSensitivity, 0},
			setting{"token partitions", vp8SetTokenPartitions, bits.Len(uint(s.Threads)) - 1},
		)
	}
	return v.set(
		setting{"cpu-used", apiSetSpeed, vp9Speed},
		setting{"static threshold", vp8SetStaticThreshold, 0}, // the active map does its work and leaves nothing out
		setting{"key frames' size", apiSetMaxIntraPercent, keyPercent},
		setting{"content", vp9SetTuneContent, vp9ContentScreen},
		setting{"adaptive quantization", vp9SetAQMode, 0}, // refreshes by chance what is sharpened here on purpose
		setting{"noise sensitivity", vp9SetNoiseSensitivity, 0},
		setting{"frame parallel decoding", vp9SetFrameParallel, 0},
		setting{"tile columns", vp9SetTileColumns, tileColumns(s, size)},
		setting{"row threads", vp9SetRowThreads, min(s.Threads-1, 1)},
		setting{"colour space", vp9SetColorSpace, vpxBT601},
		setting{"colour range", vp9SetColorRange, 0}, // limited
	)
}

// The quantizers at which text at rest cannot be told from the original.
const (
	vp8Finest = 6
	vp9Finest = 8
)

func (v *vpx) features() features {
	f := features{activeMap: true, finest: vp9Finest}
	if v.codec == VP8 {
		f.finest = vp8Finest
	}
	return f
}

func (v *vpx) encode(j job) (coded, error) {
	was := *v.config
	v.config.targetBitrate = uint32(j.bitrate / 1000)
	v.config.minQuantizer, v.config.maxQuantizer = uint32(j.finest), uint32(j.coarsest)
	if *v.config != was {
		if err := v.reconfigure(unsafe.Pointer(v.config), j); err != nil {
			return coded{}, err
		}
	}
	if err := v.show(j.image); err != nil {
		return coded{}, err
	}
	return v.submit(unsafe.Pointer(v.image), j)
}

// show points the library's image at the planes, once for each set of planes, and
// sees whether that structure is the one that is known.
func (v *vpx) show(p *planes) error {
	if v.image.planes[0] == &p.y[0] {
		return nil
	}
	format := uintptr(apiFormatI420)
	if p.full {
		format = apiFormatI444
	}
	*v.image = vpxImage{}
	first := &p.all[0]
	wrapped, _, _ := purego.SyscallN(v.call.wrap, uintptr(unsafe.Pointer(v.image)), format, uintptr(p.width), uintptr(p.height), 1, uintptr(unsafe.Pointer(first)))
	i := v.image
	if wrapped == 0 || i.format != int32(format) || i.shownWidth != uint32(p.width) || i.shownHeight != uint32(p.height) ||
		i.planes[0] != first || i.shiftX != uint32(p.shift()) || i.shiftY != i.shiftX || i.strides[0] < int32(p.width) {
		return v.unknown("its images are laid out in another way")
	}
	i.planes = [4]*byte{&p.y[0], &p.u[0], &p.v[0], nil}
	i.strides = [4]int32{int32(p.strideY), int32(p.strideC), int32(p.strideC), 0}
	i.colorSpace = vpxBT601
	return nil
}
