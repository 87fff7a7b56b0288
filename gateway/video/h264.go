//go:build linux && (amd64 || arm64)

package video

import (
	"fmt"
	"image"
	"unsafe"

	"github.com/ebitengine/purego"
)

// h264Files are OpenH264 2.5 to 2.6, 2.3 to 2.4, 2.0 to 2.2.
var h264Files = []string{"libopenh264.so.8", "libopenh264.so.7", "libopenh264.so.6"}

// h264 is OpenH264's encoder: constrained baseline, which every browser and every
// phone's circuit decodes. It finds out by itself what has not changed.
type h264 struct {
	library                  *library
	release                  uint32 // major times 100 and minor
	create, destroy, version uintptr
	encoder                  uintptr // ISVCEncoder*
	ready                    bool    // it was set up
	layer                    uintptr // the size of a layer in info
	bitrate                  int     // that it has

	// What it reads and fills in.
	config  *h264Config
	picture *h264Picture
	info    *h264Info
	rate    *h264Rate
	figures *h264Statistics

	out []byte // the last frame
}

func openH264(s Settings, size image.Point) (engine, error) {
	lib, err := openLibrary(H264, "libopenh264-7", h264Files...)
	if err != nil {
		return nil, err
	}
	h := &h264{library: lib, config: &h264Config{}, picture: &h264Picture{}, info: &h264Info{}, rate: &h264Rate{}, figures: &h264Statistics{}}
	if err := h.open(s, size); err != nil {
		h.close()
		return nil, err
	}
	return h, nil
}

func (h *h264) open(s Settings, size image.Point) error {
	if err := h.library.resolve(map[string]*uintptr{
		"WelsCreateSVCEncoder": &h.create, "WelsDestroySVCEncoder": &h.destroy, "WelsGetCodecVersionEx": &h.version,
	}); err != nil {
		return h.unknown(err.Error())
	}
	var version [4]uint32
	purego.SyscallN(h.version, uintptr(unsafe.Pointer(&version)))
	h.release = version[0]*100 + version[1]
	if h.release < openh264Versions[0] || h.release >= openh264Versions[1] {
		return h.unknown("its structures may be laid out in another way")
	}
	h.layer = h264LayerShort
	if h.release >= openh264Longer {
		h.layer = h264LayerLong
	}
	if code, _, _ := purego.SyscallN(h.create, uintptr(unsafe.Pointer(&h.encoder))); int32(code) != 0 || h.encoder == 0 {
		return h.fail(code, "opening an encoder")
	}
	quiet := new(int32)
	if err := h.option(h264OptionTrace, unsafe.Pointer(quiet), "silencing it"); err != nil {
		return err
	}
	c := h.config
	if code := h.call(h264Defaults, uintptr(unsafe.Pointer(c))); int32(code) != 0 {
		return h.fail(code, "asking for its defaults")
	}
	if c.maxQuantizer != h264WorstQuantizer || c.spatialLayers != 1 || c.temporalLayers != 1 || c.threads != 1 || !c.cropping {
		return h.unknown("its default configuration is none that is known")
	}
	h.configure(s, size)
	if code := h.call(h264InitializeExt, uintptr(unsafe.Pointer(c))); int32(code) != 0 {
		return h.fail(code, "setting it up for %dx%d", size.X, size.Y)
	}
	h.ready = true
	return nil
}

// configure fills in the configuration: a single slice a frame, and no frame left
// out, since what is left out is what a person waits for. Its mode for screens
// takes three times as long as the one for cameras and codes text no better; what
// stays as it is, the search for a background finds.
func (h *h264) configure(s Settings, size image.Point) {
	c := h.config
	h.bitrate = s.Bitrate
	c.usage, c.rateControl = h264Camera, h264RateBitrate
	c.width, c.height = even(size.X), even(size.Y)
	c.bitrate, c.maxBitrate, c.frameRate = int32(s.Bitrate), 0, float32(s.FrameRate)
	c.intraPeriod, c.parameterSets, c.complexity = 0, h264ConstantSets, h264LowComplexity
	c.background, c.skip, c.denoise, c.adaptive, c.sceneChange, c.longTerm = true, false, false, false, false, false
	c.minQuantizer, c.maxQuantizer = h264Finest, h264WorstQuantizer
	c.threads, c.keyPercent = 1, keyPercent
	l := &c.layers[0]
	l.width, l.height, l.frameRate, l.bitrate, l.maxBitrate = c.width, c.height, c.frameRate, c.bitrate, 0
	l.profile, l.sliceMode = h264ProfileBaseline, h264SingleSlice
	l.signalType, l.format, l.fullRange, l.colours = true, h264VideoUndefined, false, true
	l.primaries, l.transfer, l.matrix = colourPrimaries709, colourTransferSRGB, colourMatrixBT601
}

// h264Finest is the quantizer, of 0 to 51, at which text at rest cannot be told
// from the original: the finest that OpenH264 has.
const h264Finest = 12

// even is a side as H.264 has it, whose pictures of half the colours can be cut to
// even sides only. Planes reach as far.
func even(side int) int32 { return int32(roundUp(side, 2)) }

// common is a quantizer on the scale of 0 to 63.
func common(quantizer uint32) int { return int(quantizer) * worstQuantizer / h264WorstQuantizer }

func (h *h264) features() features { return features{finest: common(h264Finest)} }

func (h *h264) encode(j job) (coded, error) {
	if j.bitrate != h.bitrate {
		h.bitrate = j.bitrate
		*h.rate = h264Rate{layer: h264AllLayers, bitrate: int32(j.bitrate)}
		if err := h.option(h264OptionBitrate, unsafe.Pointer(h.rate), "setting %d bits a second", j.bitrate); err != nil {
			return coded{}, err
		}
	}
	if j.key {
		if code := h.call(h264ForceIntra, 1); int32(code) != 0 {
			return coded{}, h.fail(code, "asking for a key frame")
		}
	}
	p := j.image
	*h.picture = h264Picture{
		format: h264FormatI420, width: even(p.width), height: even(p.height), time: j.at * 1000 / clockRate,
		planes: [4]*byte{&p.y[0], &p.u[0], &p.v[0]}, strides: [4]int32{int32(p.strideY), int32(p.strideC), int32(p.strideC)},
	}
	if code := h.call(h264EncodeFrame, uintptr(unsafe.Pointer(h.picture)), uintptr(unsafe.Pointer(h.info))); int32(code) != 0 {
		return coded{}, h.fail(code, "encoding a frame of %dx%d", p.width, p.height)
	}
	return h.take()
}

// take copies out what has been coded: the units of all layers with their start
// codes, of which the parameter sets are one.
func (h *h264) take() (coded, error) {
	var result coded
	h.out = h.out[:0]
	for i := range int(h.info.layers) {
		layer := (*h264Coded)(unsafe.Pointer(&h.info.layer[uintptr(i)*h.layer]))
		size := 0
		for _, n := range unsafe.Slice(layer.sizes, layer.units) {
			size += int(n)
		}
		h.out = append(h.out, unsafe.Slice(layer.data, size)...)
		result.key = result.key || layer.kind == h264KindKey
	}
	result.data = h.out
	if code := h.call(h264GetOption, h264OptionStatistics, uintptr(unsafe.Pointer(h.figures))); int32(code) != 0 {
		return coded{}, h.fail(code, "asking for the quantizer")
	}
	result.quantizer = common(h.figures.quantizer)
	return result, nil
}

// call calls a method of the encoder. The arguments are addresses, whose owners
// must not move meanwhile.
//
//go:uintptrescapes
func (h *h264) call(method int, arguments ...uintptr) uintptr {
	methods := *(*unsafe.Pointer)(pointer(h.encoder))
	function := *(*uintptr)(unsafe.Add(methods, method*8))
	code, _, _ := purego.SyscallN(function, append([]uintptr{h.encoder}, arguments...)...)
	return code
}

func (h *h264) option(option uintptr, value unsafe.Pointer, format string, args ...any) error {
	if code := h.call(h264SetOption, option, uintptr(value)); int32(code) != 0 {
		return h.fail(code, format, args...)
	}
	return nil
}

func (h *h264) unknown(reason string) error {
	return &UnknownLibraryError{Codec: H264, File: h.library.file, Version: fmt.Sprintf("%d.%d", h.release/100, h.release%100), Reason: reason}
}

func (h *h264) fail(code uintptr, format string, args ...any) error {
	return fmt.Errorf("H264 by OpenH264 %d.%d: %s: code %d", h.release/100, h.release%100, fmt.Sprintf(format, args...), int32(code))
}

func (h *h264) close() {
	if h.encoder != 0 {
		if h.ready {
			h.call(h264Uninitialize)
		}
		purego.SyscallN(h.destroy, h.encoder)
		h.encoder = 0
	}
	h.library.close()
}
