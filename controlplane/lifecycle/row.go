package lifecycle

import (
	"fmt"
	"time"

	"github.com/streamspace/streamspace/controlplane/store"
)

// sameRow compares what a decision may change.
func sameRow(a, b store.Session) bool {
	return a.State == b.State && a.DesiredState == b.DesiredState && a.Epoch == b.Epoch && a.Step == b.Step && a.Reason == b.Reason &&
		a.Restarts == b.Restarts && sameTime(a.RetryAt, b.RetryAt) && sameTime(a.StartedAt, b.StartedAt) && sameTime(a.LastActiveAt, b.LastActiveAt)
}

func sameTime(a, b *time.Time) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(*b)
}

// at returns the time, zero for none.
func at(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// forPeople writes a duration as people say it.
func forPeople(d time.Duration) string {
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}} {
		if n := d / unit.size; n > 0 && d%unit.size == 0 {
			if n == 1 {
				return "1 " + unit.name
			}
			return fmt.Sprintf("%d %ss", n, unit.name)
		}
	}
	return d.String()
}

func lastStep(step string) string {
	if step == "" {
		return ""
	}
	return " (last step: " + step + ")"
}
