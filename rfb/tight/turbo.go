//go:build linux

package tight

import (
	"errors"
	"fmt"
	"image"
	"unsafe"

	"github.com/ebitengine/purego"

	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/picture"
)

// turboFile is Debian's libturbojpeg0 and everyone's library of that ABI, which
// has been stable since 2010; version 3 still has these functions.
const turboFile = "libturbojpeg.so.0"

// Of turbojpeg.h.
const (
	tjPixelBGRX = 3

	tjSample444 = 0
	tjSample422 = 1
	tjSample420 = 2
	tjSampleGry = 3

	tjFastDCT = 2048
	// turboFastBelow is the quality from which on the accurate transform is used:
	// the fast one's error shows from there.
	turboFastBelow = 90
)

// turbo is libjpeg-turbo through its TurboJPEG interface.
type turbo struct {
	library                     uintptr
	compress2, destroy, release uintptr
	handle                      uintptr

	// The image is in memory of the library's, which it makes longer when it must
	// and uses again.
	coded *byte
	size  uint // unsigned long
}

func openTurbo() (*turbo, error) {
	library, err := purego.Dlopen(turboFile, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", turboFile, err)
	}
	t := &turbo{library: library}
	var create uintptr
	for name, function := range map[string]*uintptr{
		"tjInitCompress": &create, "tjCompress2": &t.compress2, "tjDestroy": &t.destroy, "tjFree": &t.release,
	} {
		if *function, err = purego.Dlsym(library, name); err != nil {
			t.close()
			return nil, fmt.Errorf("looking up %s: %w", name, err)
		}
	}
	if t.handle, _, _ = purego.SyscallN(create); t.handle == 0 {
		t.close()
		return nil, errors.New("tjInitCompress has no memory")
	}
	return t, nil
}

func (t *turbo) compress(p *picture.Picture, r image.Rectangle, quality int, chroma rfb.Subsampling) ([]byte, error) {
	samples := tjSample444
	switch chroma {
	case rfb.Subsampling2X:
		samples = tjSample422
	case rfb.Subsampling4X:
		samples = tjSample420
	case rfb.SubsamplingGray:
		samples = tjSampleGry
	}
	flags := 0
	if quality < turboFastBelow {
		flags |= tjFastDCT
	}
	first := &p.Pix[(r.Min.Y*p.Width+r.Min.X)*picture.BytesPerPixel]
	result, _, _ := purego.SyscallN(t.compress2, t.handle, uintptr(unsafe.Pointer(first)),
		uintptr(r.Dx()), uintptr(p.Width*picture.BytesPerPixel), uintptr(r.Dy()), tjPixelBGRX,
		uintptr(unsafe.Pointer(&t.coded)), uintptr(unsafe.Pointer(&t.size)),
		uintptr(samples), uintptr(quality), uintptr(flags))
	if int32(result) != 0 || t.coded == nil {
		return nil, fmt.Errorf("tjCompress2 of %v at quality %d", r, quality)
	}
	return unsafe.Slice(t.coded, t.size), nil
}

func (t *turbo) name() string { return "libjpeg-turbo" }

func (t *turbo) close() {
	if t.coded != nil {
		purego.SyscallN(t.release, uintptr(unsafe.Pointer(t.coded)))
	}
	if t.handle != 0 {
		purego.SyscallN(t.destroy, t.handle)
	}
	purego.Dlclose(t.library)
	*t = turbo{}
}
