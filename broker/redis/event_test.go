package redis

import (
	"testing"
	"time"

	"github.com/streamspace/streamspace/broker"
)

// Whatever somebody else publishes on our channels, reading it ends in an event
// or an error.
func FuzzDecodeEvent(f *testing.F) {
	whole := broker.Event{
		Kind: broker.EventRevocation, Session: "ses_1", At: time.Unix(1, 0),
		Revocation: broker.Revocation{User: "usr_1", Before: time.Unix(2, 0), Code: "access_revoked"},
	}
	for _, seed := range []string{
		"0 1 0 {}", "63 18446744073709551615 7 " + encodeEvent(whole), "64 1 0 {}", "-1 1 0 {}", "1 2 3", "", "1  3 {}", "0 1 0 {\"s\":1}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		m, err := decodeEvent(broker.EventWant, payload)
		if err == nil && (m.bucket < 0 || m.bucket >= buckets || m.event.Kind != broker.EventWant) {
			t.Fatalf("%q became %+v", payload, m)
		}
	})
}

func TestEventsAreReadAsTheyWereWritten(t *testing.T) {
	want := broker.Event{
		Kind: broker.EventRevocation, Session: "ses_1", Epoch: 1 << 63, At: time.Unix(1, 5).UTC(),
		Revocation: broker.Revocation{User: "usr_1", Share: "shr_1", Before: time.Unix(2, 0).UTC(), Code: "access_revoked"},
	}
	m, err := decodeEvent(want.Kind, "5 6 9223372036854775808 "+encodeEvent(want))
	if err != nil || m.event != want || m.bucket != 5 || m.count != 6 {
		t.Fatalf("got %+v and error %v, want %+v", m, err, want)
	}
}

// Lost, repeated and forgotten counts are told apart.
func TestGapsAreNoticed(t *testing.T) {
	var e events
	e.init(func() {})
	e.connect()
	s, err := e.add(t.Context(), 10, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	next := func() string {
		ctx := t.Context()
		event, err := s.Next(ctx)
		if err != nil {
			return err.Error()
		}
		return string(event.Kind)
	}
	for _, step := range []struct {
		kind   broker.EventKind
		bucket int
		count  uint64
		then   string // what comes before the event
	}{
		{broker.EventWant, 1, 5, ""}, // the first that is seen
		{broker.EventWant, 1, 6, ""},
		{broker.EventWant, 2, 9, ""},  // another bucket counts by itself
		{broker.EventTouch, 1, 3, ""}, // and so does another kind
		{broker.EventWant, 1, 8, broker.ErrDropped.Error()},
		{broker.EventWant, 1, 9, ""},
		{broker.EventWant, 1, 5_000_000, string(broker.EventReset)},
		{broker.EventWant, 1, 5_000_001, ""},
		{broker.EventWant, 1, 7, string(broker.EventReset)},
		{broker.EventWant, 2, 12, broker.ErrDropped.Error()},
	} {
		e.deliver(message{broker.Event{Kind: step.kind}, step.bucket, step.count})
		if step.then != "" {
			if got := next(); got != step.then {
				t.Fatalf("before %+v came %s", step, got)
			}
		}
		if got := next(); got != string(step.kind) {
			t.Fatalf("for %+v came %s", step, got)
		}
	}
}
