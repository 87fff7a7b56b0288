//go:build linux && (amd64 || arm64)

package video

import (
	"image"
	"unsafe"

	"github.com/ebitengine/purego"

	"github.com/streamspace/streamspace/rfb/picture"
)

// yuvFile is libyuv in Debian and its descendants. The two functions that are
// used have had these arguments since 2011.
const yuvFile = "libyuv.so.0"

// yuv is libyuv, whose ARGB is blue, green, red, alpha in memory.
type yuv struct {
	library *library
	to420   uintptr
	to444   uintptr
}

func openYUV() (*yuv, error) {
	lib, err := openLibrary("", "libyuv0", yuvFile)
	if err != nil {
		return nil, err
	}
	y := &yuv{library: lib}
	if err := lib.resolve(map[string]*uintptr{"ARGBToI420": &y.to420, "ARGBToI444": &y.to444}); err != nil {
		lib.close()
		return nil, err
	}
	return y, nil
}

func (y *yuv) convert(to *planes, from *picture.Picture, r image.Rectangle) {
	function := y.to420
	if to.full {
		function = y.to444
	}
	luma := r.Min.Y*to.strideY + r.Min.X
	colour := r.Min.Y>>to.shift()*to.strideC + r.Min.X>>to.shift()
	pixel := (r.Min.Y*from.Width + r.Min.X) * picture.BytesPerPixel
	purego.SyscallN(function, uintptr(unsafe.Pointer(&from.Pix[pixel])), uintptr(from.Width*picture.BytesPerPixel),
		uintptr(unsafe.Pointer(&to.y[luma])), uintptr(to.strideY),
		uintptr(unsafe.Pointer(&to.u[colour])), uintptr(to.strideC),
		uintptr(unsafe.Pointer(&to.v[colour])), uintptr(to.strideC),
		uintptr(r.Dx()), uintptr(r.Dy()))
}

func (y *yuv) name() string { return "libyuv" }
func (y *yuv) close()       { y.library.close() }
