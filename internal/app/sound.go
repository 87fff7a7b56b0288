package app

import "github.com/streamspace/streamspace/gateway/sound"

// sound opens what codes sound. Without it viewers hear nothing, and all else works.
func (p *parts) sound() *sound.Library {
	library, err := sound.Open()
	if err != nil {
		p.log.Warn("viewers hear no sound", "error", err)
		return nil
	}
	return library
}
