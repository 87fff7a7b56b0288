package picture_test

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"

	"github.com/klauspost/compress/zlib"

	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/picture"
	"github.com/streamspace/streamspace/rfb/picture/picturetest"
)

func deflated(data []byte) []byte {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	w.Write(data)
	w.Flush()
	return b.Bytes()
}

// TestHostileDataIsAnError: none of it may panic, and each says what is wrong.
func TestHostileDataIsAnError(t *testing.T) {
	t.Parallel()
	bomb := deflated(make([]byte, 1<<20))
	for name, c := range map[string]struct {
		rect rfb.ServerRect
		want string
	}{
		"outside":                  {rect(rfb.EncodingRaw, 7, 0, 2, 1, "12345678"), "outside the picture"},
		"raw, short":               {rect(rfb.EncodingRaw, 0, 0, 2, 1, "1234567"), "7 bytes of pixels"},
		"raw, long":                {rect(rfb.EncodingRaw, 0, 0, 1, 1, "12345"), "5 bytes of pixels"},
		"copy from outside":        {rect(rfb.EncodingCopyRect, 0, 0, 2, 1, uint16(7), uint16(0)), "copied from 7,0"},
		"copy, short":              {rect(rfb.EncodingCopyRect, 0, 0, 2, 1, "123"), "too early"},
		"RRE, short":               {rect(rfb.EncodingRRE, 0, 0, 2, 1, "123"), "too early"},
		"RRE, missing":             {rect(rfb.EncodingRRE, 0, 0, 2, 1, uint32(9), "0000"), "0 bytes for 9"},
		"RRE, outside":             {rect(rfb.EncodingRRE, 0, 0, 2, 1, uint32(1), "00000000", uint16(1), uint16(0), uint16(2), uint16(1)), "subrectangle 2x1+1+0"},
		"hextile, empty":           {rect(rfb.EncodingHextile, 0, 0, 2, 1), "too early"},
		"hextile, mask":            {rect(rfb.EncodingHextile, 0, 0, 2, 1, "\x80"), "mask 0x80"},
		"hextile, outside":         {rect(rfb.EncodingHextile, 0, 0, 2, 1, "\x08\x01\x00\x20"), "subrectangle outside"},
		"hextile, no subrect":      {rect(rfb.EncodingHextile, 0, 0, 2, 1, "\x08\x01\x00"), "too early"},
		"hextile, more":            {rect(rfb.EncodingHextile, 0, 0, 2, 1, "\x00\x00"), "behind the last tile"},
		"zlib, no header":          {rect(rfb.EncodingZlib, 0, 0, 2, 1, long([]byte("xx"))), "not the beginning"},
		"zlib, length":             {rect(rfb.EncodingZlib, 0, 0, 2, 1, uint32(1<<31), "xx"), "too early"},
		"zlib, bomb":               {rect(rfb.EncodingZlib, 0, 0, 2, 1, long(bomb)), "more than 8 bytes"},
		"zlib, stored bomb":        {rect(rfb.EncodingZlib, 0, 0, 2, 1, long(stored(make([]byte, 9)))), "more than 8 bytes"},
		"zlib, less":               {rect(rfb.EncodingZlib, 0, 0, 2, 1, long(stored(make([]byte, 7)))), "7 bytes, not 8"},
		"zlib, stored and cut":     {rect(rfb.EncodingZlib, 0, 0, 2, 1, long(stored(make([]byte, 8))[:12])), "unexpected EOF"},
		"zlib, damaged":            {rect(rfb.EncodingZlib, 0, 0, 2, 1, long([]byte("\x78\x01\x00\x01\x00\x01\x00x"))), "length is damaged"},
		"zlib, not flushed":        {rect(rfb.EncodingZlib, 0, 0, 2, 1, long([]byte("\x78\x01\x62\x00"))), "does not end with a flush"},
		"zlib, block of type 3":    {rect(rfb.EncodingZlib, 0, 0, 2, 1, long([]byte("\x78\x01\x06"))), "inflating"},
		"ZRLE, bomb":               {rect(rfb.EncodingZRLE, 0, 0, 2, 1, long(bomb)), "more than"},
		"ZRLE, subencoding":        {rect(rfb.EncodingZRLE, 0, 0, 2, 1, long(stored([]byte{17}))), "subencoding 17"},
		"ZRLE, run too long":       {rect(rfb.EncodingZRLE, 0, 0, 2, 1, long(stored([]byte("\x80rgb\x02")))), "beyond the end"},
		"ZRLE, index":              {rect(rfb.EncodingZRLE, 0, 0, 2, 1, long(stored([]byte("\x82rgbrgb\x02\x02")))), "not in the palette"},
		"ZRLE, packed index":       {rect(rfb.EncodingZRLE, 0, 0, 2, 1, long(stored([]byte("\x03rgbrgbrgb\xf0")))), "not in the palette"},
		"ZRLE, more":               {rect(rfb.EncodingZRLE, 0, 0, 2, 1, long(stored([]byte("\x01rgbx")))), "behind the last tile"},
		"tight, empty":             {rect(rfb.EncodingTight, 0, 0, 2, 1), "too early"},
		"tight, control":           {rect(rfb.EncodingTight, 0, 0, 4, 1, "\xb0"), "control 0xb"},
		"tight, fill":              {rect(rfb.EncodingTight, 0, 0, 4, 1, "\x80xx"), "fill of 2"},
		"tight, filter":            {rect(rfb.EncodingTight, 0, 0, 4, 1, "\x40\x03"), "filter 3"},
		"tight, palette":           {rect(rfb.EncodingTight, 0, 0, 4, 1, "\x40\x01\xff123"), "too early"},
		"tight, index":             {rect(rfb.EncodingTight, 0, 0, 4, 1, "\x40\x01\x02rgbrgbrgb\x00\x01\x02\x03"), "not in the palette"},
		"tight, length":            {rect(rfb.EncodingTight, 0, 0, 4, 1, "\x00\xff\xff\xff"), "0 bytes of data"},
		"tight, no length":         {rect(rfb.EncodingTight, 0, 0, 4, 1, "\x00\x80"), "too early"},
		"tight, PNG":               {rect(rfb.EncodingTight, 0, 0, 4, 1, "\xa0\x01x"), "not 12"},
		"TightPNG, basic":          {rect(rfb.EncodingTightPNG, 0, 0, 4, 1, "\x00"), "control 0x0"},
		"TightPNG, not one":        {rect(rfb.EncodingTightPNG, 0, 0, 4, 1, "\xa0\x01x"), "decoding PNG"},
		"JPEG, not one":            {rect(rfb.EncodingTight, 0, 0, 4, 1, "\x90\x01x"), "decoding JPEG"},
		"JPEG, of another size":    {rect(rfb.EncodingTight, 0, 0, 4, 1, "\x90", withTightLength(jpegOf(t, 8, 8))), "image of 8x8"},
		"JPEG encoding, not one":   {rect(rfb.EncodingJPEG, 0, 0, 4, 1, "xxxx"), "not a JPEG"},
		"JPEG encoding, no tables": {rect(rfb.EncodingJPEG, 0, 0, 8, 8, withoutTables(jpegOf(t, 8, 8))), "decoding JPEG"},
		"H.264":                    {rect(rfb.EncodingH264, 0, 0, 4, 1, "00000000"), "not an encoding"},
		"a cursor":                 {rect(rfb.EncodingCursor, 0, 0, 4, 1), "not an encoding"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := picture.NewDecoder().Decode(picture.New(8, 8), c.rect)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, not %q", err, c.want)
			}
		})
	}
}

func jpegOf(t testing.TB, width, height int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, picturetest.Photo(width, height, 1).Image(), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// withoutTables leaves out a JPEG's tables.
func withoutTables(coded []byte) []byte {
	out := append([]byte(nil), coded[:2]...)
	for at := 2; ; {
		length := 2 + int(binary.BigEndian.Uint16(coded[at+2:]))
		switch marker := coded[at+1]; marker {
		case 0xDA:
			return append(out, coded[at:]...)
		case 0xC4, 0xDB:
		default:
			out = append(out, coded[at:at+length]...)
		}
		at += length
	}
}

// TestImagesAreDrawn: JPEG and PNG show what the libraries' own drawing shows.
func TestImagesAreDrawn(t *testing.T) {
	t.Parallel()
	const width, height = 50, 30
	coded := jpegOf(t, width, height)
	decoded, err := jpeg.Decode(bytes.NewReader(coded))
	if err != nil {
		t.Fatal(err)
	}
	var lossless bytes.Buffer
	if err := png.Encode(&lossless, decoded); err != nil {
		t.Fatal(err)
	}
	d := picture.NewDecoder()
	var all []*picture.Picture
	for _, r := range []rfb.ServerRect{
		rect(rfb.EncodingTight, 3, 2, width, height, "\x90", withTightLength(coded)),
		rect(rfb.EncodingTightPNG, 3, 2, width, height, "\xa0", withTightLength(lossless.Bytes())),
		rect(rfb.EncodingJPEG, 3, 2, width, height, coded),
		rect(rfb.EncodingJPEG, 3, 2, width, height, withoutTables(coded)), // those of before
	} {
		p := picture.New(60, 40)
		if err := d.Decode(p, r); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	for y := range height {
		for x := range width {
			r, g, b, _ := decoded.At(x, y).RGBA()
			pixel := all[0].Row(y+2, x+3, x+4)
			if pixel[2] != byte(r>>8) || pixel[1] != byte(g>>8) || pixel[0] != byte(b>>8) {
				t.Fatalf("pixel %d,%d is %v", x, y, pixel)
			}
		}
	}
	for _, p := range all[1:] {
		if !p.Equal(all[0], image.Rect(0, 0, 60, 40)) {
			t.Error("the same image is drawn in two ways")
		}
	}
}
