//go:build linux && (amd64 || arm64)

package video

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/ebitengine/purego"
)

// api is the encoding interface that libvpx has and that libaom took over from it:
// the same calls, contexts, active maps and packets under other names. Only
// configurations and images differ.
type api struct {
	library *library
	codec   Codec
	name    string // "libvpx"
	call    apiFunctions
	context *apiContext
	active  *apiActiveMap
	opened  bool
	out     []byte // the last frame
}

type apiFunctions struct {
	versionText, errorText, errorDetail     uintptr
	iface                                   uintptr
	configDefault, configSet, open, destroy uintptr
	control, encode, packet, wrap           uintptr
}

// apiContext is vpx_codec_ctx_t and aom_codec_ctx_t.
type apiContext struct {
	name      uintptr
	iface     uintptr
	err       int32
	_         int32
	errDetail uintptr
	initFlags int64
	config    uintptr
	private   uintptr
	_         [64]byte // were a structure longer than it should be, nothing else would be hit
}

// apiActiveMap is vpx_active_map_t and aom_active_map_t.
type apiActiveMap struct {
	blocks        *byte
	rows, columns uint32
}

// apiPacket is vpx_codec_cx_pkt_t and aom_codec_cx_pkt_t of the kind of a frame.
type apiPacket struct {
	kind  int32
	_     int32
	data  *byte
	size  uintptr
	pts   int64
	_     uintptr // duration
	flags uint32
}

// What both call the same.
const (
	apiOK          = 0
	apiABIMismatch = 3

	apiFrameKey     = 1
	apiPacketFrame  = 0
	apiForceKey     = 1
	apiRealtime     = 1 // libvpx's deadline
	apiRateConstant = 1

	apiSetActiveMap       = 9
	apiSetSpeed           = 13
	apiGetLastQuantizer64 = 20
	apiSetMaxIntraPercent = 26
)

// bind looks up the functions, which begin with a prefix.
func (a *api) bind(prefix, iface string) error {
	functions := map[string]*uintptr{
		"codec_version_str": &a.call.versionText, "codec_err_to_string": &a.call.errorText, "codec_error_detail": &a.call.errorDetail,
		"codec_" + iface: &a.call.iface, "codec_enc_config_default": &a.call.configDefault, "codec_enc_config_set": &a.call.configSet,
		"codec_enc_init_ver": &a.call.open, "codec_destroy": &a.call.destroy,
		"codec_encode": &a.call.encode, "codec_get_cx_data": &a.call.packet, "img_wrap": &a.call.wrap,
	}
	named := map[string]*uintptr{}
	for name, function := range functions {
		named[prefix+name] = function
	}
	control := "codec_control"
	if prefix == "vpx_" {
		control += "_"
	}
	named[prefix+control] = &a.call.control
	if err := a.library.resolve(named); err != nil {
		return a.unknown(err.Error())
	}
	a.context, a.active = &apiContext{}, &apiActiveMap{}
	return nil
}

// defaults has the library fill in a configuration.
func (a *api) defaults(config unsafe.Pointer, usage uintptr) error {
	iface, _, _ := purego.SyscallN(a.call.iface)
	if iface == 0 {
		return a.unknown("it has no encoder of " + string(a.codec))
	}
	a.context.iface = iface
	if code, _, _ := purego.SyscallN(a.call.configDefault, iface, uintptr(config), usage); int32(code) != apiOK {
		return a.unknown("it has no default configuration")
	}
	return nil
}

// init opens the encoder with the number of the ABI that the library has.
func (a *api) init(config unsafe.Pointer, abis []uintptr) error {
	iface := a.context.iface
	code := uintptr(apiABIMismatch)
	for _, abi := range abis {
		code, _, _ = purego.SyscallN(a.call.open, uintptr(unsafe.Pointer(a.context)), iface, uintptr(config), 0, abi)
		if int32(code) != apiABIMismatch {
			break
		}
	}
	switch int32(code) {
	case apiOK:
		a.opened = true
		return nil
	case apiABIMismatch:
		return a.unknown(fmt.Sprintf("the number of its interface is none of %v", abis))
	}
	return a.fail(code, "opening an encoder")
}

// setting is a number that is set apart from the configuration.
type setting struct {
	name    string
	control uintptr
	value   int
}

func (a *api) set(settings ...setting) error {
	for _, s := range settings {
		if code, _, _ := purego.SyscallN(a.call.control, uintptr(unsafe.Pointer(a.context)), s.control, uintptr(s.value)); int32(code) != apiOK {
			return a.fail(code, "setting %s to %d", s.name, s.value)
		}
	}
	return nil
}

// reconfigure hands over a configuration that has changed.
func (a *api) reconfigure(config unsafe.Pointer, j job) error {
	if code, _, _ := purego.SyscallN(a.call.configSet, uintptr(unsafe.Pointer(a.context)), uintptr(config)); int32(code) != apiOK {
		return a.fail(code, "setting %d bits a second and quantizers of %d to %d", j.bitrate, j.finest, j.coarsest)
	}
	return nil
}

// submit has a frame coded.
func (a *api) submit(image unsafe.Pointer, j job) (coded, error) {
	if err := a.activate(j); err != nil {
		return coded{}, err
	}
	var flags uintptr
	if j.key {
		flags = apiForceKey
	}
	code, _, _ := purego.SyscallN(a.call.encode, uintptr(unsafe.Pointer(a.context)), uintptr(image), uintptr(j.at), uintptr(j.span), flags, apiRealtime)
	if int32(code) != apiOK {
		return coded{}, a.fail(code, "encoding a frame of %dx%d", j.image.width, j.image.height)
	}
	return a.take()
}

// activate says which blocks may differ from the last frame.
func (a *api) activate(j job) error {
	*a.active = apiActiveMap{rows: uint32(roundUp(j.image.height, blockSide) / blockSide), columns: uint32(roundUp(j.image.width, blockSide) / blockSide)}
	if j.active != nil && !j.key {
		if len(j.active) != int(a.active.rows*a.active.columns) {
			return errors.New("an active map of another size than the picture")
		}
		a.active.blocks = &j.active[0]
	}
	code, _, _ := purego.SyscallN(a.call.control, uintptr(unsafe.Pointer(a.context)), apiSetActiveMap, uintptr(unsafe.Pointer(a.active)))
	if int32(code) != apiOK {
		return a.fail(code, "setting an active map of %dx%d", a.active.columns, a.active.rows)
	}
	return nil
}

// take copies out what has been coded.
func (a *api) take() (coded, error) {
	var result coded
	var iterator uintptr
	a.out = a.out[:0]
	for {
		address, _, _ := purego.SyscallN(a.call.packet, uintptr(unsafe.Pointer(a.context)), uintptr(unsafe.Pointer(&iterator)))
		if address == 0 {
			break
		}
		packet := (*apiPacket)(pointer(address))
		if packet.kind != apiPacketFrame {
			continue
		}
		a.out = append(a.out, unsafe.Slice(packet.data, packet.size)...)
		result.key = result.key || packet.flags&apiFrameKey != 0
	}
	result.data = a.out
	var quantizer int32
	code, _, _ := purego.SyscallN(a.call.control, uintptr(unsafe.Pointer(a.context)), apiGetLastQuantizer64, uintptr(unsafe.Pointer(&quantizer)))
	if int32(code) != apiOK {
		return coded{}, a.fail(code, "asking for the quantizer")
	}
	result.quantizer = int(quantizer)
	return result, nil
}

func (a *api) version() string {
	if a.call.versionText == 0 {
		return "unknown"
	}
	address, _, _ := purego.SyscallN(a.call.versionText)
	return text(address)
}

func (a *api) unknown(reason string) error {
	return &UnknownLibraryError{Codec: a.codec, File: a.library.file, Version: a.version(), Reason: reason}
}

// fail is an error of the library's, with what it says about it.
func (a *api) fail(code uintptr, format string, args ...any) error {
	what, _, _ := purego.SyscallN(a.call.errorText, code)
	message := text(what)
	if detail, _, _ := purego.SyscallN(a.call.errorDetail, uintptr(unsafe.Pointer(a.context))); detail != 0 {
		message += ": " + text(detail)
	}
	return fmt.Errorf("%s by %s %s: %s: %s", a.codec, a.name, a.version(), fmt.Sprintf(format, args...), message)
}

func (a *api) close() {
	if a.opened {
		purego.SyscallN(a.call.destroy, uintptr(unsafe.Pointer(a.context)))
		a.opened = false
	}
	a.library.close()
}

// expected is a field of a default configuration and what it must be if the
// structure is the one that is known here.
type expected struct {
	name      string
	got, want uint32
}

func (a *api) verify(fields ...expected) error {
	for _, f := range fields {
		if f.got != f.want {
			return a.unknown(fmt.Sprintf("%s of its default configuration is %d, not %d", f.name, f.got, f.want))
		}
	}
	return nil
}
