package rfb_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"image/jpeg"
	"io"

	"github.com/streamspace/streamspace/rfb"
)

// decoder is a second opinion on rectangles: it unpacks what is packed, and says
// when a rectangle's data does not fill the rectangle. A walker that cuts at the
// wrong place, and still finds something that looks like a header, fails here.
type decoder struct {
	pixel, tight, compact int
	tightStreams          [4]inflater
	zrle, zlib            inflater
}

func newDecoder(init rfb.ServerInit) *decoder {
	compact := init.Format.Bytes() // ZRLE's CPIXEL: three bytes whenever the colours fit
	if compact == 4 {
		compact = 3
	}
	return &decoder{pixel: init.Format.Bytes(), tight: init.Format.TightBytes(), compact: compact}
}

func (d *decoder) check(r rfb.ServerRect) error {
	area := int(r.Area())
	switch r.Encoding {
	case rfb.EncodingRaw:
		if len(r.Data) != area*d.pixel {
			return fmt.Errorf("%d bytes of raw pixels", len(r.Data))
		}
	case rfb.EncodingZlib:
		return d.zlib.inflate(r.Data[4:], area*d.pixel)
	case rfb.EncodingZRLE:
		return d.tiles(r.Data[4:], int(r.Width), int(r.Height))
	case rfb.EncodingTight:
		return d.tightRect(r.Data, int(r.Width), int(r.Height))
	case rfb.EncodingRRE:
		for sub := r.Data[4+d.pixel:]; len(sub) > 0; sub = sub[d.pixel+8:] {
			x, y := binary.BigEndian.Uint16(sub[d.pixel:]), binary.BigEndian.Uint16(sub[d.pixel+2:])
			width, height := binary.BigEndian.Uint16(sub[d.pixel+4:]), binary.BigEndian.Uint16(sub[d.pixel+6:])
			if x+width > r.Width || y+height > r.Height {
				return fmt.Errorf("subrectangle %dx%d+%d+%d", width, height, x, y)
			}
		}
	}
	return nil
}

func (d *decoder) tightRect(data []byte, width, height int) error {
	control := data[0]
	for i := range d.tightStreams {
		if control>>i&1 != 0 {
			d.tightStreams[i] = inflater{}
		}
	}
	data = data[1:]
	size := width * height * d.tight
	switch kind := control >> 4; {
	case kind == 8:
		if len(data) != d.tight {
			return fmt.Errorf("fill of %d bytes", len(data))
		}
		return nil
	case kind == 9:
		image, err := jpeg.Decode(bytes.NewReader(withoutLength(data)))
		if err != nil {
			return err
		}
		if image.Bounds().Dx() != width || image.Bounds().Dy() != height {
			return fmt.Errorf("image of %v", image.Bounds())
		}
		return nil
	case kind&4 != 0:
		filter := data[0]
		data = data[1:]
		if filter == 1 {
			colours := int(data[0]) + 1
			data = data[1+colours*d.tight:]
			size = width * height
			if colours <= 2 {
				size = (width + 7) / 8 * height
			}
		}
	}
	if size < 12 {
		if len(data) != size {
			return fmt.Errorf("%d bytes for %d", len(data), size)
		}
		return nil
	}
	return d.tightStreams[control>>4&3].inflate(withoutLength(data), size)
}

// withoutLength cuts off a compact length.
func withoutLength(data []byte) []byte {
	n := 1
	for ; data[n-1]&0x80 != 0 && n < 3; n++ {
	}
	return data[n:]
}

// tiles walks ZRLE's tiles of 64 by 64.
func (d *decoder) tiles(data []byte, width, height int) error {
	if err := d.zrle.feed(data); err != nil {
		return err
	}
	for y := 0; y < height; y += 64 {
		for x := 0; x < width; x += 64 {
			if err := d.tile(min(64, width-x), min(64, height-y)); err != nil {
				return fmt.Errorf("tile at %d,%d: %w", x, y, err)
			}
		}
	}
	return d.zrle.rest()
}

func (d *decoder) tile(width, height int) error {
	kind, err := d.zrle.next()
	switch {
	case err != nil:
		return err
	case kind == 0:
		return d.zrle.discard(width * height * d.compact)
	case kind == 1:
		return d.zrle.discard(d.compact)
	case kind <= 16:
		perByte := 2
		if kind <= 2 {
			perByte = 8
		} else if kind <= 4 {
			perByte = 4
		}
		return d.zrle.discard(int(kind)*d.compact + (width+perByte-1)/perByte*height)
	case kind < 128 || kind == 129:
		return fmt.Errorf("subencoding %d", kind)
	}
	if err := d.zrle.discard(max(0, int(kind)-128) * d.compact); err != nil {
		return err
	}
	for left := width * height; left > 0; {
		run, err := d.run(kind == 128)
		if err != nil {
			return err
		}
		if left -= run; left < 0 {
			return errors.New("run beyond the end")
		}
	}
	return nil
}

// run reads one run of pixels, each as itself or as an index.
func (d *decoder) run(plain bool) (int, error) {
	if plain {
		if err := d.zrle.discard(d.compact); err != nil {
			return 0, err
		}
	} else if index, err := d.zrle.next(); err != nil || index&0x80 == 0 {
		return 1, err
	}
	for run := 1; ; {
		length, err := d.zrle.next()
		run += int(length)
		if err != nil || length < 255 {
			return run, err
		}
	}
}

// inflater is a zlib stream whose parts come with flushes in between. Go's
// inflater cannot go on once it has met the end of its input, so only what must
// be there is asked for.
type inflater struct {
	in     bytes.Buffer
	stream io.Reader
}

func (z *inflater) feed(data []byte) (err error) {
	z.in.Write(data)
	if z.stream == nil {
		z.stream, err = zlib.NewReader(&z.in)
	}
	return err
}

func (z *inflater) next() (byte, error) {
	var b [1]byte
	_, err := io.ReadFull(z.stream, b[:])
	return b[0], err
}

func (z *inflater) discard(n int) error {
	_, err := io.CopyN(io.Discard, z.stream, int64(n))
	return err
}

// rest says whether more is there than the mark of a flush.
func (z *inflater) rest() error {
	if z.in.Len() > 6 {
		return fmt.Errorf("%d packed bytes too many", z.in.Len())
	}
	return nil
}

// inflate unpacks data, which must hold size bytes.
func (z *inflater) inflate(data []byte, size int) error {
	if err := z.feed(data); err != nil {
		return err
	}
	if err := z.discard(size); err != nil {
		return err
	}
	return z.rest()
}
