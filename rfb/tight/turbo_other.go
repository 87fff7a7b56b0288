//go:build !linux

package tight

import "errors"

// openTurbo: elsewhere the library has other names.
func openTurbo() (*standard, error) { return nil, errors.New("libturbojpeg is used on Linux only") }
