package store

import (
	"strings"
	"testing"
)

// No PostgreSQL that old is at hand, so the number is all that is tested.
func TestOldServersAreRefused(t *testing.T) {
	t.Parallel()
	for version, want := range map[int]string{120022: "PostgreSQL 12.22 is too old: version 13", 90624: "too old", 130000: "", 170002: ""} {
		err := checkVersion(version)
		if (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%d: got %v, want %q", version, err, want)
		}
	}
}
