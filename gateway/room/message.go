package room

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/streamspace/streamspace"
)

// MaxMessage bounds what a viewer sends in bytes. The longest that means
// anything has about 80.
const MaxMessage = 4 << 10

// MaxListed is how many members a list names: with more it would be long,
// nobody would read it, and everybody would get it at each coming and going.
const MaxListed = 64

// CommandType is what a viewer asks for.
type CommandType string

const (
	ControlRequest CommandType = "control.request"
	ControlRelease CommandType = "control.release"
	ControlGive    CommandType = "control.give" // to whom
	ControlDeny    CommandType = "control.deny" // whose request
	ControlTake    CommandType = "control.take"
	ControlReset   CommandType = "control.reset"
)

// Command is one message of a viewer.
type Command struct {
	Type CommandType          `json:"type"`
	To   streamspace.ViewerID `json:"to"`
}

// errMessage says that a viewer's text is not a message at all.
var errMessage = errors.New("malformed room message")

// Parse reads a viewer's message. known is false for types that are not of this
// version, which are to be ignored.
func Parse(text []byte) (c Command, known bool, err error) {
	switch {
	case len(text) > MaxMessage:
		return c, false, fmt.Errorf("%w: %d bytes", errMessage, len(text))
	case !utf8.Valid(text):
		return c, false, fmt.Errorf("%w: not UTF-8", errMessage)
	case !bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("{")):
		return c, false, fmt.Errorf("%w: not an object", errMessage)
	}
	var kind struct {
		Type CommandType `json:"type"`
	}
	if err := json.Unmarshal(text, &kind); err != nil {
		return Command{}, false, fmt.Errorf("%w: %w", errMessage, err)
	}
	switch kind.Type {
	case ControlRequest, ControlRelease, ControlGive, ControlDeny, ControlTake, ControlReset:
	default: // whose other fields may be anything
		return Command{}, false, nil
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return Command{}, false, fmt.Errorf("%w: %w", errMessage, err)
	}
	return c, true, nil
}

// Welcome tells a viewer who it is.
func Welcome(m Member) []byte {
	return encode(struct {
		Type        string                   `json:"type"`
		Viewer      streamspace.ViewerID     `json:"viewer"`
		Name        string                   `json:"name"`
		Permissions []streamspace.Permission `json:"permissions"`
	}{"welcome", m.ID, m.Name, m.Permissions})
}

type listed struct {
	Viewer      streamspace.ViewerID     `json:"viewer"`
	Name        string                   `json:"name"`
	You         bool                     `json:"you"`
	Permissions []streamspace.Permission `json:"permissions"`
	Since       time.Time                `json:"since"`
	Guest       bool                     `json:"guest"`
}

// Viewers tells the given member who is here: itself, the holder, those who ask
// for control, and the first to come, MaxListed in all.
func (r *Room) Viewers(to streamspace.ViewerID) []byte {
	items := make([]listed, 0, min(len(r.members), MaxListed))
	asks := make(map[streamspace.ViewerID]bool, len(r.requests))
	for _, q := range r.requests[:min(len(r.requests), MaxListed-2)] { // two places are the receiver's and the holder's
		asks[q.from] = true
	}
	due := func(m member) bool { return m.ID == to || m.ID == r.holder || asks[m.ID] }
	spare := MaxListed
	for _, m := range r.members {
		if due(m) {
			spare--
		}
	}
	for _, m := range r.members {
		if !due(m) {
			if spare <= 0 {
				continue
			}
			spare--
		}
		items = append(items, listed{m.ID, m.Name, m.ID == to, m.Permissions, m.Since.UTC().Truncate(time.Second), m.Guest})
	}
	return encode(struct {
		Type  string   `json:"type"`
		Items []listed `json:"items"`
		Total int      `json:"total"`
	}{"viewers", items, len(r.members)})
}

type asking struct {
	Viewer streamspace.ViewerID `json:"viewer"`
	Until  time.Time            `json:"until"`
}

// Control tells who has control and who asks for it: the same for all.
func (r *Room) Control() []byte {
	requests := make([]asking, 0, min(len(r.requests), MaxListed))
	for _, q := range r.requests[:min(len(r.requests), MaxListed)] {
		requests = append(requests, asking{q.from, q.at.Add(RequestLife).UTC().Truncate(time.Second)})
	}
	var holder *streamspace.ViewerID
	if r.holder != "" {
		id := r.holder
		holder = &id
	}
	return encode(struct {
		Type     string                `json:"type"`
		Holder   *streamspace.ViewerID `json:"holder"`
		Requests []asking              `json:"requests"`
		Idle     bool                  `json:"idle"`
	}{"control", holder, requests, r.idle})
}

// Cursor tells where another viewer points, in pixels of the framebuffer.
func Cursor(viewer streamspace.ViewerID, x, y uint16) []byte {
	return encode(struct {
		Type   string               `json:"type"`
		Viewer streamspace.ViewerID `json:"viewer"`
		X      uint16               `json:"x"`
		Y      uint16               `json:"y"`
	}{"cursor", viewer, x, y})
}

// CursorGone tells that another viewer points nowhere any more.
func CursorGone(viewer streamspace.ViewerID) []byte {
	return encode(struct {
		Type   string               `json:"type"`
		Viewer streamspace.ViewerID `json:"viewer"`
		Gone   bool                 `json:"gone"`
	}{"cursor", viewer, true})
}

// Message is the refusal as its receiver is told.
func (r Refusal) Message() []byte {
	return encode(struct {
		Type    string           `json:"type"`
		Request CommandType      `json:"request"`
		Code    streamspace.Code `json:"code"`
		Detail  string           `json:"detail"`
	}{"refused", r.Request, r.Code, r.Detail})
}

// Mode is how a viewer is served.
type Mode string

const (
	ModeRelay Mode = "relay" // the desktop's own bytes
	ModeHub   Mode = "hub"   // encoded here, once for all
)

// Status is how a viewer's stream does. What is not known is nil.
type Status struct {
	Mode            Mode     `json:"mode"`
	RoundTrip       *float64 `json:"roundTripMs"`
	FrameAge        *float64 `json:"frameAgeMs"`
	ClickToPixel    *float64 `json:"clickToPixelMs"`
	Quality         *string  `json:"quality"` // lossless, high, medium or low; the format of video
	BytesPerSecond  int64    `json:"bytesPerSecond"`
	FramesPerSecond float64  `json:"framesPerSecond"`
	Dropped         int64    `json:"dropped"` // frames that the viewer did not get since they were old when it could
	// Of video: what a frame takes to be coded, how long it waits for that, and the
	// bits a second that frames are made to fit.
	Encode  *float64 `json:"encodeMs,omitempty"`
	Queue   *float64 `json:"queueMs,omitempty"`
	Bitrate int      `json:"bitrate,omitempty"`
}

// Message is the status as its viewer is told.
func (s Status) Message() []byte {
	return encode(struct {
		Type string `json:"type"`
		Status
	}{"status", s})
}

// Millis is a duration as a Status has it, nil for zero.
func Millis(d time.Duration) *float64 {
	if d <= 0 {
		return nil
	}
	ms := float64(d.Microseconds()) / 1000
	return &ms
}

// encode cannot fail: everything above is plain strings, numbers and times.
func encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("room: encoding %T: %v", v, err))
	}
	return text
}
