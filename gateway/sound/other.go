//go:build !linux || !(amd64 || arm64)

package sound

import (
	"errors"

	"github.com/streamspace/streamspace"
)

var errElsewhere = errors.New("libopus is used on Linux on amd64 and arm64 only")

// Library is libopus, which is not opened here.
type Library struct{}

// Open returns a MissingError.
func Open() (*Library, error) { return nil, &MissingError{Err: errElsewhere} }

// Version is empty.
func (*Library) Version() string { return "" }

type encoder struct {
	samples [frameSamples * streamspace.SoundChannels]int16
}

func (*Library) newEncoder() (*encoder, error) { return nil, errElsewhere }
func (*encoder) encode() ([]byte, error)       { return nil, errElsewhere }
func (*encoder) close()                        {}

type decoder struct{}

func (*Library) newDecoder() (*decoder, error)    { return nil, errElsewhere }
func (*decoder) decode(_ []byte) ([]int16, error) { return nil, errElsewhere }
func (*decoder) close()                           {}
