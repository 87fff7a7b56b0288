//go:build linux && (amd64 || arm64)

package sound

import (
	"fmt"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"

	"github.com/streamspace/streamspace"
)

// file is libopus' name since 2012.
const file = "libopus.so.0"

// Constants of opus_defines.h, which do not change.
const (
	opusApplicationAudio = 2049 // for music and speech
	opusSetBitrate       = 4002
	opusSetComplexity    = 4010
)

// complexity of 10: what is heard better beyond costs twice as much.
const complexity = 5

// Library is libopus, opened.
type Library struct {
	version                            string
	createEncoder, destroyEncoder      uintptr
	encode, control                    uintptr
	createDecoder, destroyDecoder, dec uintptr
}

// Open opens libopus. It stays open.
func Open() (*Library, error) {
	handle, err := purego.Dlopen(file, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, &MissingError{Err: err}
	}
	l := &Library{}
	var version uintptr
	for name, function := range map[string]*uintptr{
		"opus_get_version_string": &version,
		"opus_encoder_create":     &l.createEncoder, "opus_encoder_destroy": &l.destroyEncoder, "opus_encode": &l.encode, "opus_encoder_ctl": &l.control,
		"opus_decoder_create": &l.createDecoder, "opus_decoder_destroy": &l.destroyDecoder, "opus_decode": &l.dec,
	} {
		if *function, err = purego.Dlsym(handle, name); err != nil {
			return nil, &MissingError{Err: fmt.Errorf("looking up %s: %w", name, err)}
		}
	}
	address, _, _ := purego.SyscallN(version)
	l.version = text(address)
	return l, nil
}

// Version is the library's name and version, for logs.
func (l *Library) Version() string { return l.version }

// pointer is an address that C returned. The detour keeps vet from taking it for
// arithmetic with a Go address.
func pointer(address uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&address)) }

// text is a C string that stays, at most 64 bytes of it.
func text(address uintptr) string {
	if address == 0 {
		return ""
	}
	const most = 64
	first := (*byte)(pointer(address))
	n := 0
	for n < most && *(*byte)(unsafe.Add(unsafe.Pointer(first), n)) != 0 {
		n++
	}
	return string(unsafe.Slice(first, n))
}

// encoder is one stream's. Its samples and packet are C's only during a call.
type encoder struct {
	library *Library
	state   uintptr
	samples [frameSamples * streamspace.SoundChannels]int16
	packet  [maxPacket]byte
}

func (l *Library) newEncoder() (*encoder, error) {
	var failure int32
	state, _, _ := purego.SyscallN(l.createEncoder, streamspace.SoundRate, streamspace.SoundChannels, opusApplicationAudio, uintptr(unsafe.Pointer(&failure)))
	if state == 0 {
		return nil, fmt.Errorf("making an Opus encoder: error %d", failure)
	}
	e := &encoder{library: l, state: state}
	for request, value := range map[uintptr]uintptr{opusSetBitrate: Bitrate, opusSetComplexity: complexity} {
		if result, _, _ := purego.SyscallN(l.control, state, request, value); int32(result) != 0 {
			e.close()
			return nil, fmt.Errorf("setting %d of an Opus encoder: error %d", request, int32(result))
		}
	}
	return e, nil
}

// encode codes e.samples. The packet is valid until the next call.
func (e *encoder) encode() ([]byte, error) {
	result, _, _ := purego.SyscallN(e.library.encode, e.state, uintptr(unsafe.Pointer(&e.samples[0])), frameSamples,
		uintptr(unsafe.Pointer(&e.packet[0])), uintptr(len(e.packet)))
	runtime.KeepAlive(e)
	n := int32(result)
	if n < 0 || int(n) > len(e.packet) {
		return nil, fmt.Errorf("coding sound: error %d", n)
	}
	return e.packet[:n], nil
}

func (e *encoder) close() { purego.SyscallN(e.library.destroyEncoder, e.state) }

// decoder is one microphone's: one channel, whatever comes.
type decoder struct {
	library *Library
	state   uintptr
	packet  [maxPacket]byte
	samples [maxDecoded]int16
}

func (l *Library) newDecoder() (*decoder, error) {
	var failure int32
	state, _, _ := purego.SyscallN(l.createDecoder, streamspace.SoundRate, 1, uintptr(unsafe.Pointer(&failure)))
	if state == 0 {
		return nil, fmt.Errorf("making an Opus decoder: error %d", failure)
	}
	return &decoder{library: l, state: state}, nil
}

// decode returns the packet's samples, which are valid until the next call. Of nil it
// makes up a frame in the place of one that was lost.
func (d *decoder) decode(packet []byte) ([]int16, error) {
	if len(packet) > len(d.packet) {
		return nil, fmt.Errorf("decoding sound: %d bytes", len(packet))
	}
	data, room := uintptr(0), maxDecoded
	if packet == nil {
		room = frameSamples
	} else {
		copy(d.packet[:], packet)
		data = uintptr(unsafe.Pointer(&d.packet[0]))
	}
	result, _, _ := purego.SyscallN(d.library.dec, d.state, data, uintptr(len(packet)), uintptr(unsafe.Pointer(&d.samples[0])), uintptr(room), 0)
	runtime.KeepAlive(d)
	n := int32(result)
	if n < 0 || int(n) > room {
		return nil, fmt.Errorf("decoding sound: error %d", n)
	}
	return d.samples[:n], nil
}

func (d *decoder) close() { purego.SyscallN(d.library.destroyDecoder, d.state) }
