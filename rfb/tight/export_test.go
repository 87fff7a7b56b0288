package tight

// Standard is the compressor of a machine without libturbojpeg.
func Standard() compressor { return &standard{} }

// NewEncoderOf is NewEncoder with a compressor.
func NewEncoderOf(c compressor) *Encoder {
	e := NewEncoder()
	e.jpeg.close()
	e.jpeg = c
	return e
}
