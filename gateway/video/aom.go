//go:build linux && (amd64 || arm64)

package video

import (
	"image"
	"unsafe"

	"github.com/ebitengine/purego"
)

// aomFile is libaom 3.
const aomFile = "libaom.so.3"

// aom is libaom's encoder of AV1.
type aom struct {
	api
	config             *aomConfig // as the library has it
	image              *aomImage
	releaseOf, release uintptr // the library's version, three bytes
}

func openAOM(s Settings, size image.Point) (engine, error) {
	lib, err := openLibrary(s.Codec, "libaom3", aomFile)
	if err != nil {
		return nil, err
	}
	a := &aom{api: api{library: lib, codec: s.Codec, name: "libaom"}, config: &aomConfig{}, image: &aomImage{}}
	if err := a.open(s, size); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

func (a *aom) open(s Settings, size image.Point) error {
	if err := a.bind("aom_", "av1_cx"); err != nil {
		return err
	}
	if err := a.library.resolve(map[string]*uintptr{"aom_codec_version": &a.releaseOf}); err != nil {
		return a.unknown(err.Error())
	}
	a.release, _, _ = purego.SyscallN(a.releaseOf)
	if err := a.defaults(unsafe.Pointer(a.config), aomUsageRealtime); err != nil {
		return err
	}
	c := a.config
	if err := a.verify(
		expected{"g_usage", c.usage, aomUsageRealtime}, expected{"g_w", c.width, 320}, expected{"g_h", c.height, 240},
		expected{"g_timebase.num", uint32(c.timebaseNum), 1}, expected{"g_timebase.den", uint32(c.timebaseDen), 30},
		expected{"rc_target_bitrate", c.targetBitrate, 256}, expected{"rc_max_quantizer", c.maxQuantizer, worstQuantizer},
		expected{"rc_buf_sz", c.bufferSize, 6000}, expected{"rc_buf_initial_sz", c.bufferInitial, 4000}, expected{"rc_buf_optimal_sz", c.bufferOptimal, 5000},
		expected{"kf_max_dist", c.keyMaxDistance, 9999},
	); err != nil {
		return err
	}
	a.configure(s, size)
	if err := a.init(unsafe.Pointer(c), []uintptr{aomABI}); err != nil {
		return err
	}
	return a.tune(s, size)
}

// configure is as in libvpx.
func (a *aom) configure(s Settings, size image.Point) {
	c := a.config
	c.threads, c.width, c.height = uint32(s.Threads), uint32(size.X), uint32(size.Y)
	if s.FullChroma {
		c.profile = 1
	}
	c.timebaseNum, c.timebaseDen = 1, clockRate
	c.errorResilient, c.lagInFrames, c.dropThreshold = 0, 0, 0
	c.endUsage = apiRateConstant
	c.targetBitrate = uint32(s.Bitrate / 1000)
	c.minQuantizer, c.maxQuantizer = 0, worstQuantizer
	c.undershoot, c.overshoot = 100, 15
	c.bufferSize, c.bufferInitial, c.bufferOptimal = bufferedMillis, bufferedInitialMillis, bufferedOptimalMillis
	c.keyMode, c.keyMinDistance, c.keyMaxDistance = 0, 0, 0
}

const (
	// aomSpeed is cpu-used: 10 gains nothing on a desktop.
	aomSpeed = 9
	// aomFinest is the quantizer at which text at rest cannot be told from the
	// original.
	aomFinest = 8
	// superblock64 is what is coded as one piece, in pixels. In superblocks of 128
	// libaom 3.6 compares colour up to 64 rows below the picture's lower edge, where it
	// keeps 32, and dies when memory ends there.
	superblock64 = 0
	// costOff stops the bookkeeping of costs between frames, which is dear.
	costOff = 3
)

func (a *aom) tune(s Settings, size image.Point) error {
	return a.set(
		setting{"cpu-used", apiSetSpeed, aomSpeed},
		setting{"key frames' size", apiSetMaxIntraPercent, keyPercent},
		setting{"content", aomSetTuneContent, aomContentScreen},
		setting{"adaptive quantization", aomSetAQMode, 0},
		setting{"delta quantization", aomSetDeltaQ, 0},
		setting{"superblocks", aomSetSuperblockSize, superblock64},
		setting{"palettes", aomSetPalette, 1},
		setting{"block copy", aomSetIntraBlockCopy, 0}, // it would switch off the loop filters of key frames
		setting{"CDEF", aomSetCDEF, 0},                 // made for film; blurs text and costs every frame
		setting{"overlapped compensation", aomSetOBMC, 0},
		setting{"order hints", aomSetOrderHint, 0},
		setting{"global motion", aomSetGlobalMotion, 0},
		setting{"warped motion", aomSetWarpedMotion, 0},
		setting{"noise sensitivity", aomSetNoiseSensitive, 0},
		setting{"tile columns", aomSetTileColumns, tileColumns(s, size)},
		setting{"row threads", aomSetRowThreads, min(s.Threads-1, 1)},
		setting{"coefficient costs", aomSetCoefficientCost, costOff},
		setting{"mode costs", aomSetModeCost, costOff},
		setting{"motion costs", aomSetMotionCost, costOff},
		setting{"primaries", aomSetPrimaries, colourPrimaries709},
		setting{"transfer", aomSetTransfer, colourTransferSRGB},
		setting{"matrix", aomSetMatrix, colourMatrixBT601},
		setting{"range", aomSetColorRange, colourRangeIsNarrow},
	)
}

// aomMapsSince is the version, major and minor, whose active maps are right: older
// ones leave out blocks that are active.
const aomMapsSince = 3<<16 | 10<<8

func (a *aom) features() features {
	return features{activeMap: a.release >= aomMapsSince, finest: aomFinest}
}

func (a *aom) encode(j job) (coded, error) {
	was := *a.config
	a.config.targetBitrate = uint32(j.bitrate / 1000)
	a.config.minQuantizer, a.config.maxQuantizer = uint32(j.finest), uint32(j.coarsest)
	if *a.config != was {
		if err := a.reconfigure(unsafe.Pointer(a.config), j); err != nil {
			return coded{}, err
		}
	}
	if err := a.show(j.image); err != nil {
		return coded{}, err
	}
	if !a.features().activeMap {
		j.active = nil
	}
	return a.submit(unsafe.Pointer(a.image), j)
}

// show is as in libvpx.
func (a *aom) show(p *planes) error {
	if a.image.planes[0] == &p.y[0] {
		return nil
	}
	format := uintptr(apiFormatI420)
	if p.full {
		format = apiFormatI444
	}
	*a.image = aomImage{}
	first := &p.all[0]
	wrapped, _, _ := purego.SyscallN(a.call.wrap, uintptr(unsafe.Pointer(a.image)), format, uintptr(p.width), uintptr(p.height), 1, uintptr(unsafe.Pointer(first)))
	i := a.image
	if wrapped == 0 || i.format != int32(format) || i.shownWidth != uint32(p.width) || i.shownHeight != uint32(p.height) ||
		i.planes[0] != first || i.shiftX != uint32(p.shift()) || i.shiftY != i.shiftX || i.strides[0] < int32(p.width) {
		return a.unknown("its images are laid out in another way")
	}
	i.planes = [3]*byte{&p.y[0], &p.u[0], &p.v[0]}
	i.strides = [3]int32{int32(p.strideY), int32(p.strideC), int32(p.strideC)}
	i.primaries, i.transfer, i.matrix = colourPrimaries709, colourTransferSRGB, colourMatrixBT601
	return nil
}
