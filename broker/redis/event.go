package redis

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
)

// allKinds are the kinds of events that go through Redis. EventReset does not:
// each process finds it out by itself.
var allKinds = [...]broker.EventKind{
	broker.EventRoute, broker.EventWithdrawn, broker.EventWant, broker.EventTouch, broker.EventPresence, broker.EventRevocation,
	broker.EventThumbnail, broker.EventGlance,
}

// body is what an event's message has besides its kind, which the channel
// names, and its epoch, which only the script may know.
type body struct {
	Session    streamspace.SessionID `json:"s,omitzero"`
	At         time.Time             `json:"t,omitzero"`
	Revocation broker.Revocation     `json:"r,omitzero"`
}

func encodeEvent(event broker.Event) string {
	text, err := json.Marshal(body{event.Session, event.At, event.Revocation})
	if err != nil {
		return "{}" // a time beyond the year 9999; nothing else in it can fail
	}
	return string(text)
}

// message is an event as it came.
type message struct {
	event  broker.Event
	bucket int
	count  uint64 // of the events of its kind from its bucket
}

// decodeEvent reads what tell in prelude.lua published: bucket, count, epoch
// and body, with spaces between.
func decodeEvent(kind broker.EventKind, payload string) (message, error) {
	parts := strings.SplitN(payload, " ", 4)
	if len(parts) != 4 {
		return message{}, fmt.Errorf("an event of %d parts, not 4", len(parts))
	}
	bucket, err := strconv.ParseUint(parts[0], 10, 16)
	if err != nil || bucket >= buckets {
		return message{}, fmt.Errorf("an event of bucket %q", parts[0])
	}
	count, err := strconv.ParseUint(parts[1], 10, 64)
	if err != nil {
		return message{}, fmt.Errorf("the count of an event: %w", err)
	}
	epoch, err := strconv.ParseUint(parts[2], 10, 64)
	if err != nil {
		return message{}, fmt.Errorf("the epoch of an event: %w", err)
	}
	var b body
	if err := json.Unmarshal([]byte(parts[3]), &b); err != nil {
		return message{}, fmt.Errorf("the body of an event: %w", err)
	}
	return message{broker.Event{Kind: kind, Session: b.Session, Epoch: epoch, At: b.At, Revocation: b.Revocation}, int(bucket), count}, nil
}
