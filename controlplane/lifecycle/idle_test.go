package lifecycle

import (
	"testing"
	"time"

	"github.com/streamspace/streamspace"
)

// Idleness, against the minutes since a session came up, since its last
// activity by the row and by the broker.
func TestIdleness(t *testing.T) {
	const timeout = 10 // minutes
	const never = -1
	for _, c := range []struct {
		name                string
		started, row, touch int // minutes ago
		sleeps              bool
		again               int // minutes from now
	}{
		{"just up", 0, never, never, false, 10},
		{"up for a while", 9, never, never, false, 1},
		{"never touched", 10, never, never, true, 0},
		{"touched before it came up", 5, 30, 20, false, 5},
		{"touched by the row", 60, 4, never, false, 6},
		{"touched by the broker", 60, 59, 3, false, 7},
		{"the later touch counts", 60, 2, 8, false, 8},
		{"last touch too long ago", 60, 11, 10, true, 0},
		{"touched in the future", 60, never, -5, false, 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			ago := func(minutes int) time.Time { return testNow.Add(-time.Duration(minutes) * time.Minute) }
			row := testRow(streamspace.StateRunning, streamspace.DesiredRunning)
			row.IdleTimeoutSeconds, row.CreatedAt = timeout*60, ago(1000)
			started := ago(c.started)
			row.StartedAt = &started
			if c.row != never {
				active := ago(c.row)
				row.LastActiveAt = &active
			}
			in := Input{Row: row, Seen: observations["ready"], Did: Did{Routed: epoch, Address: observations["ready"].Address}, Now: testNow, Timing: testTiming}
			if c.touch != never {
				in.Touched = ago(c.touch)
			}
			plan := Decide(in)
			if slept := plan.Row.State == streamspace.StateHibernating; slept != c.sleeps {
				t.Fatalf("goes to sleep: %t, want %t", slept, c.sleeps)
			}
			if c.sleeps {
				if plan.Row.DesiredState != streamspace.DesiredHibernated || plan.Row.Reason != "Nobody used it for 10 minutes" {
					t.Fatalf("got %+v", plan.Row)
				}
				if newest := later(at(row.LastActiveAt), in.Touched); !at(plan.Row.LastActiveAt).Equal(newest) {
					t.Fatalf("last active at %v is written, want %s", plan.Row.LastActiveAt, newest)
				}
			} else if !plan.Again.Equal(ago(-c.again)) {
				t.Fatalf("looks again at %s, want in %d minutes", plan.Again, c.again)
			}
			in.Row.IdleTimeoutSeconds = 0
			if plan := Decide(in); plan.Changed || !plan.Again.IsZero() {
				t.Fatalf("a session that never sleeps: %+v", plan)
			}
		})
	}
}

func TestForPeople(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Second: "1 second", 90 * time.Second: "90 seconds", time.Minute: "1 minute", 30 * time.Minute: "30 minutes",
		time.Hour: "1 hour", 36 * time.Hour: "36 hours", 1500 * time.Millisecond: "1.5s",
	} {
		if got := forPeople(d); got != want {
			t.Errorf("%s: got %q, want %q", d, got, want)
		}
	}
}
