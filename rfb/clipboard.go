package rfb

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"strings"
)

// ClipboardFlags are the formats (low half) and actions (top byte) of an
// extended clipboard message (section "Extended Clipboard Pseudo-Encoding").
type ClipboardFlags uint32

const (
	ClipboardText  ClipboardFlags = 1 << 0 // UTF-8
	ClipboardRTF   ClipboardFlags = 1 << 1
	ClipboardHTML  ClipboardFlags = 1 << 2
	ClipboardDIB   ClipboardFlags = 1 << 3 // bitmap
	ClipboardFiles ClipboardFlags = 1 << 4 // reserved

	ClipboardCaps    ClipboardFlags = 1 << 24 // what the sender takes: formats, actions, sizes
	ClipboardRequest ClipboardFlags = 1 << 25 // send these formats
	ClipboardPeek    ClipboardFlags = 1 << 26 // say which formats you have
	ClipboardNotify  ClipboardFlags = 1 << 27 // these formats are there
	ClipboardProvide ClipboardFlags = 1 << 28 // here they are

	clipboardFormats ClipboardFlags = 0xFFFF
	clipboardActions ClipboardFlags = 0xFF << 24
)

// Action is the one action that the message is, or 0 when the flags name none
// or several. Caps lists further actions and is Caps.
func (f ClipboardFlags) Action() ClipboardFlags {
	if f&ClipboardCaps != 0 {
		return ClipboardCaps
	}
	if action := f & clipboardActions; bits.OnesCount32(uint32(action)) == 1 {
		return action
	}
	return 0
}

// Formats are the formats that the message is about.
func (f ClipboardFlags) Formats() ClipboardFlags { return f & clipboardFormats }

// Clipboard is an extended clipboard message, in either direction. Request, Peek
// and Notify have flags only.
type Clipboard struct {
	Flags ClipboardFlags
	// Sizes, of Caps: for each format in Flags, from the lowest bit up, how many
	// bytes may be provided without a request.
	Sizes []uint32

	data []byte // of Provide: a zlib stream
}

// ClipboardItem is the content of the clipboard in one format.
type ClipboardItem struct {
	Format ClipboardFlags
	Data   []byte
}

// ErrClipboardTooLarge says that a clipboard is longer than the caller wants.
var ErrClipboardTooLarge = errors.New("clipboard is too large")

// ParseClipboard reads what follows the length of an extended clipboard
// message. It keeps body.
func ParseClipboard(body []byte) (Clipboard, error) {
	if len(body) < 4 {
		return Clipboard{}, fmt.Errorf("extended clipboard of %d bytes, too short for its flags", len(body))
	}
	c := Clipboard{Flags: ClipboardFlags(binary.BigEndian.Uint32(body))}
	body = body[4:]
	switch c.Flags.Action() {
	case ClipboardCaps:
		formats := bits.OnesCount32(uint32(c.Flags.Formats()))
		if len(body) < 4*formats {
			return Clipboard{}, fmt.Errorf("clipboard capabilities with %d bytes for %d sizes", len(body), formats)
		}
		c.Sizes = make([]uint32, formats)
		for i := range c.Sizes {
			c.Sizes[i] = binary.BigEndian.Uint32(body[4*i:])
		}
	case ClipboardProvide:
		c.data = body
	case ClipboardRequest, ClipboardPeek, ClipboardNotify:
	default:
		return Clipboard{}, fmt.Errorf("extended clipboard with flags %#x, which name no action", uint32(c.Flags))
	}
	return c, nil
}

// Items unpacks a Provide. More than limit bytes in total are
// ErrClipboardTooLarge: a few packed bytes can stand for a thousand times as
// many.
func (c Clipboard) Items(limit int) ([]ClipboardItem, error) {
	if c.Flags.Action() != ClipboardProvide {
		return nil, errors.New("clipboard message without content")
	}
	// TigerVNC and noVNC flush their stream and never end it, so what counts is
	// that the announced sizes are there.
	stream, err := zlib.NewReader(bytes.NewReader(c.data))
	if err != nil {
		return nil, fmt.Errorf("unpack clipboard: %w", err)
	}
	var items []ClipboardItem
	for formats := c.Flags.Formats(); formats != 0; formats &= formats - 1 {
		var size [4]byte
		if _, err := io.ReadFull(stream, size[:]); err != nil {
			return nil, fmt.Errorf("unpack clipboard: %w", err)
		}
		length := int64(binary.BigEndian.Uint32(size[:]))
		if length > int64(limit) {
			return nil, ErrClipboardTooLarge
		}
		limit -= int(length)
		// Grows with what is there, not with what is announced.
		var data bytes.Buffer
		if _, err := io.CopyN(&data, stream, length); err != nil {
			return nil, fmt.Errorf("unpack clipboard: %w", err)
		}
		items = append(items, ClipboardItem{Format: formats & -formats, Data: data.Bytes()})
	}
	return items, nil
}

// Text unpacks the text of a Provide, with the line ends of Unix. It is empty
// when there is none.
func (c Clipboard) Text(limit int) (string, error) {
	items, err := c.Items(limit)
	if err != nil {
		return "", err
	}
	for _, item := range items {
		if item.Format == ClipboardText {
			text, _, _ := bytes.Cut(item.Data, []byte{0})
			return strings.ToValidUTF8(strings.ReplaceAll(string(text), "\r\n", "\n"), "\uFFFD"), nil
		}
	}
	return "", nil
}

// ProvideClipboard packs the items. Those of the same format must not repeat.
func ProvideClipboard(items ...ClipboardItem) Clipboard {
	c := Clipboard{Flags: ClipboardProvide}
	var packed bytes.Buffer
	stream := zlib.NewWriter(&packed) // writing to a buffer cannot fail
	for format := ClipboardFlags(1); format <= clipboardFormats; format <<= 1 {
		for _, item := range items {
			if item.Format == format {
				c.Flags |= format
				stream.Write(binary.BigEndian.AppendUint32(nil, uint32(len(item.Data))))
				stream.Write(item.Data)
			}
		}
	}
	stream.Close()
	c.data = packed.Bytes()
	return c
}

// ProvideClipboardText packs text as the protocol wants it: UTF-8, lines ended by
// CR LF, a zero behind it.
func ProvideClipboardText(text string) Clipboard {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n")
	return ProvideClipboard(ClipboardItem{Format: ClipboardText, Data: append([]byte(text), 0)})
}

// Latin1 turns the bytes of a plain clipboard message into a string.
func Latin1(text []byte) string {
	runes := make([]rune, len(text))
	for i, b := range text {
		runes[i] = rune(b)
	}
	return string(runes)
}

func appendClipboard(dst []byte, message byte, c Clipboard) []byte {
	dst = append(dst, message, 0, 0, 0, 0, 0, 0, 0)
	start := len(dst)
	dst = binary.BigEndian.AppendUint32(dst, uint32(c.Flags))
	for _, size := range c.Sizes {
		dst = binary.BigEndian.AppendUint32(dst, size)
	}
	dst = append(dst, c.data...)
	binary.BigEndian.PutUint32(dst[start-4:], uint32(start-len(dst))) // negative: extended
	return dst
}
