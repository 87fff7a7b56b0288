package hub

import (
	"encoding/binary"
	"image"
	"slices"

	"github.com/streamspace/streamspace/gateway/relay"
	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/tight"
)

// classKey is all that what a viewer is sent depends on: those with the same one
// get the same bytes.
type classKey struct {
	quality tight.Quality
	format  rfb.PixelFormat // of a raw class; zero for Tight, where it makes no difference
	raw     bool
	copies  bool // CopyRect is understood
	fences  bool // a fence follows each update
	reel    bool // a film goes as video
}

func (k classKey) String() string {
	if k.raw {
		return "raw"
	}
	if k.reel {
		return "h264_" + k.quality.String()
	}
	return k.quality.String()
}

// class is the viewers with one key.
type class struct {
	key     classKey
	viewers int
	lossy   region // what those in step see not exactly
}

// chunk is one update, ready to be sent to any viewer of its class.
type chunk struct {
	sequence uint64
	sealed   []byte // the message as sockets take it, with its fence
	bytes    int    // of RFB
	rects    int
	lossy    []image.Rectangle // what it shows not exactly
}

// marker begins the payload of the hub's fences: a viewer's answers to an
// earlier server are not ours.
const marker = "hub\x00"

// fencePayload names a chunk.
func fencePayload(sequence uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte(marker), sequence)
}

func fenceSequence(payload []byte) (sequence uint64, ok bool) {
	if len(payload) != len(marker)+8 || string(payload[:len(marker)]) != marker {
		return 0, false
	}
	return binary.BigEndian.Uint64(payload[len(marker):]), true
}

// parcel remembers a chunk for others that need the same.
type parcel struct {
	key   classKey
	frame uint64
	rects []image.Rectangle
	chunk *chunk
}

// maxParcels bounds the chunks that are remembered besides the frame's own.
const maxParcels = 8

// parcels are the latest chunks. Those of an older frame are of no use.
type parcels []parcel

func (p *parcels) find(key classKey, frame uint64, rects []image.Rectangle) *chunk {
	for _, e := range *p {
		if e.key == key && e.frame == frame && slices.Equal(e.rects, rects) {
			return e.chunk
		}
	}
	return nil
}

func (p *parcels) keep(e parcel) {
	if len(*p) > 0 && (*p)[0].frame != e.frame {
		clear(*p)
		*p = (*p)[:0]
	}
	if len(*p) == maxParcels {
		*p = slices.Delete(*p, 0, 1)
	}
	*p = append(*p, e)
}

// encode makes a chunk of copies, of what the screen shows in rects, and of
// rectangles that are ready.
func (h *Hub) encode(key classKey, copies []copied, rects []image.Rectangle, ready ...[]byte) *chunk {
	h.sequence++
	c := &chunk{sequence: h.sequence}
	b := make([]byte, relay.Headroom, relay.Headroom+4096)
	b = rfb.AppendFramebufferUpdate(b, 0) // the count is set below
	count := 0
	for _, copy := range copies {
		b = rfb.AppendCopyRect(b, wire(copy.to), uint16(copy.from.X), uint16(copy.from.Y))
		count++
	}
	var n int
	if key.raw {
		b, n = tight.AppendRaw(b, h.picture, rects, key.format)
	} else {
		var lossy []image.Rectangle
		b, n, lossy = h.encoder.AppendRegion(b, h.picture, rects, key.quality)
		c.lossy = slices.Clone(lossy)
	}
	count += n
	if count+len(ready) > rfb.MaxRects && len(copies) > 0 {
		for _, copy := range copies { // too many to be told one by one
			rects = append(slices.Clip(rects), copy.to)
		}
		return h.encode(key, nil, rects, ready...)
	}
	for _, rect := range ready {
		b, count = append(b, rect...), count+1
	}
	c.rects = count
	binary.BigEndian.PutUint16(b[relay.Headroom+2:], uint16(count))
	if key.fences {
		b = rfb.AppendServerFence(b, rfb.Fence{Flags: rfb.FenceRequest | rfb.FenceBlockBefore, Payload: fencePayload(c.sequence)})
	}
	c.bytes = len(b) - relay.Headroom
	c.sealed = relay.Seal(b)
	h.options.Observer.Encoded(key.String(), area(rects), c.bytes)
	return c
}

// wire is a rectangle as RFB writes it.
func wire(r image.Rectangle) rfb.Rect {
	return rfb.Rect{X: uint16(r.Min.X), Y: uint16(r.Min.Y), Width: uint16(r.Dx()), Height: uint16(r.Dy())}
}

// rectOf is the same the other way.
func rectOf(r rfb.Rect) image.Rectangle {
	return image.Rect(int(r.X), int(r.Y), int(r.X)+int(r.Width), int(r.Y)+int(r.Height))
}
