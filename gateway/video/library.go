//go:build linux && (amd64 || arm64)

package video

import (
	"fmt"
	"unsafe"

	"github.com/ebitengine/purego"
)

// library is a shared library that was opened, with the functions that are used.
type library struct {
	file   string
	handle uintptr
}

// openLibrary opens the first of the files that is there. The dynamic linker
// counts users: two encoders share one library.
func openLibrary(codec Codec, pkg string, files ...string) (*library, error) {
	var last error
	for _, file := range files {
		handle, err := purego.Dlopen(file, purego.RTLD_NOW|purego.RTLD_LOCAL)
		if err == nil {
			return &library{file: file, handle: handle}, nil
		}
		last = err
	}
	return nil, &MissingError{Codec: codec, Files: files, Package: pkg, Err: last}
}

// resolve looks up functions by name.
func (l *library) resolve(functions map[string]*uintptr) error {
	for name, function := range functions {
		address, err := purego.Dlsym(l.handle, name)
		if err != nil {
			return fmt.Errorf("looking up %s in %s: %w", name, l.file, err)
		}
		*function = address
	}
	return nil
}

func (l *library) close() {
	if l.handle != 0 {
		purego.Dlclose(l.handle)
		l.handle = 0
	}
}

// trim gives the system back what C keeps of memory that was freed: glibc holds an
// encoder's frames, some 20 MB, for the next one, and in each of its arenas anew.
// Other C libraries have no such function.
func trim() {
	if address, err := purego.Dlsym(purego.RTLD_DEFAULT, "malloc_trim"); err == nil {
		purego.SyscallN(address, 0)
	}
}

// pointer is an address that C returned. The detour keeps vet from taking it for
// arithmetic with a Go address.
func pointer(address uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&address)) }

// text is a C string that stays, at most 256 bytes of it.
func text(address uintptr) string {
	if address == 0 {
		return ""
	}
	const most = 256
	first := (*byte)(pointer(address))
	n := 0
	for n < most && *(*byte)(unsafe.Add(unsafe.Pointer(first), n)) != 0 {
		n++
	}
	return string(unsafe.Slice(first, n))
}
