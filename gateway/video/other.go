//go:build !linux || !(amd64 || arm64)

package video

import (
	"errors"
	"image"
)

// errElsewhere: on other systems the libraries have other names, and 32-bit ones
// lay out their structures in another way.
var errElsewhere = errors.New("video codecs are used on Linux on amd64 and arm64 only")

func openVPX(s Settings, _ image.Point) (engine, error) {
	return nil, &MissingError{Codec: s.Codec, Files: []string{"libvpx"}, Package: "libvpx7", Err: errElsewhere}
}

func openAOM(s Settings, _ image.Point) (engine, error) {
	return nil, &MissingError{Codec: s.Codec, Files: []string{"libaom"}, Package: "libaom3", Err: errElsewhere}
}

func openH264(s Settings, _ image.Point) (engine, error) {
	return nil, &MissingError{Codec: s.Codec, Files: []string{"libopenh264"}, Package: "libopenh264-7", Err: errElsewhere}
}

func trim() {}

func openYUV() (converter, error) { return nil, errElsewhere }
