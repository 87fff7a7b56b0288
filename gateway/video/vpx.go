//go:build linux && (amd64 || arm64)

package video

import (
	"fmt"
	"image"
	"math/bits"
	"unsafe"

	"github.com/ebitengine/purego"
)

// vpxFiles are libvpx 1.12, 1.13, 1.14 and 1.15.0, 1.15.1 and on, 1.16.
var vpxFiles = []string{"libvpx.so.7", "libvpx.so.8", "libvpx.so.9", "libvpx.so.11", "libvpx.so.12"}

// vpx is libvpx's encoder of VP8 or VP9.
type vpx struct {
	library *library
	call    vpxFunctions
	codec   Codec

	context *vpxContext
	config  *vpxConfig // as the library has it
	image   *vpxImage
	active  *vpxActiveMap
	opened  bool
	out     []byte // the last frame
}

type vpxFunctions struct {
	version, versionText, errorText, errorDetail uintptr
	interface8, interface9                       uintptr
	configDefault, configSet, open, destroy      uintptr
	control, encode, packet, wrap                uintptr
}

func openVPX(s Settings, size image.Point) (engine, error) {
	lib, err := openLibrary(s.Codec, "libvpx7", vpxFiles...)
	if err != nil {
		return nil, err
	}
	v := &vpx{library: lib, codec: s.Codec, context: &vpxContext{}, config: &vpxConfig{}, image: &vpxImage{}, active: &vpxActiveMap{}}
	if err := v.open(s, size); err != nil {
		v.close()
		return nil, err
	}
	return v, nil
}

func (v *vpx) open(s Settings, size image.Point) error {
	if err := v.library.resolve(map[string]*uintptr{
		"vpx_codec_version": &v.call.version, "vpx_codec_version_str": &v.call.versionText,
		"vpx_codec_err_to_string": &v.call.errorText, "vpx_codec_error_detail": &v.call.errorDetail,
		"vpx_codec_vp8_cx": &v.call.interface8, "vpx_codec_vp9_cx": &v.call.interface9,
		"vpx_codec_enc_config_default": &v.call.configDefault, "vpx_codec_enc_config_set": &v.call.configSet,
		"vpx_codec_enc_init_ver": &v.call.open, "vpx_codec_destroy": &v.call.destroy,
		"vpx_codec_control_": &v.call.control, "vpx_codec_encode": &v.call.encode,
		"vpx_codec_get_cx_data": &v.call.packet, "vpx_img_wrap": &v.call.wrap,
	}); err != nil {
		return &UnknownLibraryError{Codec: s.Codec, File: v.library.file, Version: v.version(), Reason: err.Error()}
	}
	which := v.call.interface9
	if s.Codec == VP8 {
		which = v.call.interface8
	}
	iface, _, _ := purego.SyscallN(which)
	if iface == 0 {
		return v.unknown("it has no encoder of " + string(s.Codec))
	}
	if code, _, _ := purego.SyscallN(v.call.configDefault, iface, uintptr(unsafe.Pointer(v.config)), 0); int32(code) != vpxOK {
		return v.unknown("it has no default configuration")
	}
	if reason := v.config.strange(); reason != "" {
		return v.unknown(reason)
	}
	v.configure(s, size)
	if err := v.init(iface); err != nil {
		return err
	}
	return v.tune(s, size)
}

// strange says how the library's default configuration differs from what it is
// when the structure is the one that is known here. These values have been the
// same for both codecs since 2010.
func (c *vpxConfig) strange() string {
	for _, field := range []struct {
		name      string
		got, want uint32
	}{
		{"g_w", c.width, 320}, {"g_h", c.height, 240}, {"g_timebase.num", uint32(c.timebaseNum), 1}, {"g_timebase.den", uint32(c.timebaseDen), 30},
		{"rc_target_bitrate", c.targetBitrate, 256}, {"rc_max_quantizer", c.maxQuantizer, worstQuantizer},
		{"rc_buf_sz", c.bufferSize, 6000}, {"rc_buf_initial_sz", c.bufferInitial, 4000}, {"rc_buf_optimal_sz", c.bufferOptimal, 5000},
		{"kf_max_dist", min(c.keyMaxDistance, 128), 128}, {"ts_number_layers", c.temporalLayers, 1},
	} {
		if field.got != field.want {
			return fmt.Sprintf("%s of its default configuration is %d, not %d", field.name, field.got, field.want)
		}
	}
	return ""
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
	c.endUsage = vpxRateConstant
	c.targetBitrate = uint32(s.Bitrate / 1000)
	c.minQuantizer, c.maxQuantizer = 0, worstQuantizer
	c.undershoot, c.overshoot = 100, 15 // WebRTC's
	c.bufferSize, c.bufferInitial, c.bufferOptimal = bufferedMillis, bufferedInitialMillis, bufferedOptimalMillis
	c.keyMode, c.keyMinDistance, c.keyMaxDistance = 0, 0, 0 // key frames when asked for only
}

// init opens the encoder with the ABI's number that the library has.
func (v *vpx) init(iface uintptr) error {
	code := uintptr(vpxABIMismatch)
	for _, abi := range vpxABIs {
		code, _, _ = purego.SyscallN(v.call.open, uintptr(unsafe.Pointer(v.context)), iface, uintptr(unsafe.Pointer(v.config)), 0, abi)
		if int32(code) != vpxABIMismatch {
			break
		}
	}
	switch int32(code) {
	case vpxOK:
		v.opened = true
		return nil
	case vpxABIMismatch:
		return v.unknown(fmt.Sprintf("the number of its interface is none of %v", vpxABIs))
	}
	return v.fail(code, "opening an encoder of %dx%d", v.config.width, v.config.height)
}

// vp8Speed and vp9Speed are cpu-used. Faster ones of VP8 miss their bitrate by half
// and more; 8 in VP9 costs a fifth more than 9 for 2 dB.
const (
	vp8Speed = -6
	vp9Speed = 8
	// tileWidth is the least width of a column of tiles that VP9 allows.
	tileWidth = 256
)

// tune sets what the configuration has no field for.
func (v *vpx) tune(s Settings, size image.Point) error {
	type setting struct {
		name    string
		control uintptr
		value   int
	}
	columns := min(bits.Len(uint(s.Threads))-1, bits.Len(uint(size.X/tileWidth))-1)
	settings := []setting{
		{"cpu-used", vp8SetSpeed, vp9Speed},
		{"static threshold", vp8SetStaticThreshold, 0}, // the active map does its work without leaving anything out
		{"key frames' size", vp8SetMaxIntraPercent, keyPercent},
		{"content", vp9SetTuneContent, vp9ContentScreen},
		{"adaptive quantization", vp9SetAQMode, 0}, // refreshes by chance what is sharpened here on purpose
		{"noise sensitivity", vp9SetNoiseSensitivity, 0},
		{"frame parallel decoding", vp9SetFrameParallel, 0},
		{"tile columns", vp9SetTileColumns, max(columns, 0)},
		{"row threads", vp9SetRowThreads, min(s.Threads-1, 1)},
		{"colour space", vp9SetColorSpace, int(vp9BT601)},
		{"colour range", vp9SetColorRange, 0}, // limited
	}
	if s.Codec == VP8 {
		settings = []setting{
			{"cpu-used", vp8SetSpeed, vp8Speed},
			{"static threshold", vp8SetStaticThreshold, 0},
			{"key frames' size", vp8SetMaxIntraPercent, keyPercent},
			{"screen content", vp8SetScreenContentMode, 1},
			{"noise sensitivity", vp8SetNoiseSensitivity, 0},
			{"token partitions", vp8SetTokenPartitions, max(bits.Len(uint(s.Threads))-1, 0)},
		}
	}
	for _, set := range settings {
		if code, _, _ := purego.SyscallN(v.call.control, uintptr(unsafe.Pointer(v.context)), set.control, uintptr(set.value)); int32(code) != vpxOK {
			return v.fail(code, "setting %s to %d", set.name, set.value)
		}
	}
	return nil
}

// vp9BT601 is VPX_CS_BT_601.
const vp9BT601 = 1

func (v *vpx) features() features {
	finest := 8
	if v.codec == VP8 {
		finest = 6
	}
	return features{activeMap: true, finest: finest}
}

func (v *vpx) encode(j job) (coded, error) {
	if err := v.adjust(j); err != nil {
		return coded{}, err
	}
	if err := v.show(j.image); err != nil {
		return coded{}, err
	}
	if err := v.activate(j); err != nil {
		return coded{}, err
	}
	var flags uintptr
	if j.key {
		flags = vpxForceKey
	}
	code, _, _ := purego.SyscallN(v.call.encode, uintptr(unsafe.Pointer(v.context)), uintptr(unsafe.Pointer(v.image)),
		uintptr(j.at), uintptr(j.span), flags, vpxRealtime)
	if int32(code) != vpxOK {
		return coded{}, v.fail(code, "encoding a frame of %dx%d", j.image.width, j.image.height)
	}
	return v.take()
}

// adjust hands over a configuration that has changed.
func (v *vpx) adjust(j job) error {
	was := *v.config
	v.config.targetBitrate = uint32(j.bitrate / 1000)
	v.config.minQuantizer, v.config.maxQuantizer = uint32(j.finest), uint32(j.coarsest)
	if *v.config == was {
		return nil
	}
	if code, _, _ := purego.SyscallN(v.call.configSet, uintptr(unsafe.Pointer(v.context)), uintptr(unsafe.Pointer(v.config))); int32(code) != vpxOK {
		return v.fail(code, "setting %d kbit/s and quantizers of %d to %d", v.config.targetBitrate, j.finest, j.coarsest)
	}
	return nil
}

// show points the library's image at the planes, once for each set of planes, and
// sees whether that structure is the one that is known.
func (v *vpx) show(p *planes) error {
	if v.image.planes[0] == &p.y[0] {
		return nil
	}
	format := uintptr(vpxFormatI420)
	if p.full {
		format = vpxFormatI444
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
	i.colorSpace = vp9BT601
	return nil
}

// activate says which blocks may differ from the last frame.
func (v *vpx) activate(j job) error {
	*v.active = vpxActiveMap{rows: uint32(roundUp(j.image.height, blockSide) / blockSide), columns: uint32(roundUp(j.image.width, blockSide) / blockSide)}
	if j.active != nil && !j.key {
		if len(j.active) != int(v.active.rows*v.active.columns) {
			return fmt.Errorf("an active map of %d blocks for %dx%d", len(j.active), v.active.columns, v.active.rows)
		}
		v.active.blocks = &j.active[0]
	}
	code, _, _ := purego.SyscallN(v.call.control, uintptr(unsafe.Pointer(v.context)), vp8SetActiveMap, uintptr(unsafe.Pointer(v.active)))
	if int32(code) != vpxOK {
		return v.fail(code, "setting an active map of %dx%d", v.active.columns, v.active.rows)
	}
	return nil
}

// take copies out what has been coded.
func (v *vpx) take() (coded, error) {
	var result coded
	var iterator uintptr
	v.out = v.out[:0]
	for {
		address, _, _ := purego.SyscallN(v.call.packet, uintptr(unsafe.Pointer(v.context)), uintptr(unsafe.Pointer(&iterator)))
		if address == 0 {
			break
		}
		packet := (*vpxPacket)(pointer(address))
		if packet.kind != vpxPacketFrame {
			continue
		}
		v.out = append(v.out, unsafe.Slice(packet.data, packet.size)...)
		result.key = result.key || packet.flags&vpxFrameKey != 0
	}
	result.data = v.out
	var quantizer int32
	code, _, _ := purego.SyscallN(v.call.control, uintptr(unsafe.Pointer(v.context)), vp8GetLastQuantizer64, uintptr(unsafe.Pointer(&quantizer)))
	if int32(code) != vpxOK {
		return coded{}, v.fail(code, "asking for the quantizer")
	}
	result.quantizer = int(quantizer)
	return result, nil
}

func (v *vpx) version() string {
	if v.call.versionText == 0 {
		return "unknown"
	}
	address, _, _ := purego.SyscallN(v.call.versionText)
	return text(address)
}

func (v *vpx) unknown(reason string) error {
	return &UnknownLibraryError{Codec: v.codec, File: v.library.file, Version: v.version(), Reason: reason}
}

// fail is an error of the library's, with what it says about it.
func (v *vpx) fail(code uintptr, format string, args ...any) error {
	what, _, _ := purego.SyscallN(v.call.errorText, code)
	detail, _, _ := purego.SyscallN(v.call.errorDetail, uintptr(unsafe.Pointer(v.context)))
	message := text(what)
	if more := text(detail); more != "" {
		message += ": " + more
	}
	return fmt.Errorf("%s by libvpx %s: %s: %s", v.codec, v.version(), fmt.Sprintf(format, args...), message)
}

func (v *vpx) close() {
	if v.opened {
		purego.SyscallN(v.call.destroy, uintptr(unsafe.Pointer(v.context)))
		v.opened = false
	}
	v.library.close()
}
