package streamspace

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestIDsSortByCreation(t *testing.T) {
	var ids []string
	for range 5 {
		ids = append(ids, string(NewSessionID()))
		time.Sleep(2 * time.Millisecond) // an id's clock ticks in milliseconds
	}
	if !slices.IsSorted(ids) {
		t.Errorf("ids made one after another do not sort: %v", ids)
	}
}

func TestParseSessionID(t *testing.T) {
	good := string(NewSessionID())
	if _, err := ParseSessionID(good); err != nil {
		t.Errorf("ParseSessionID(%q) = %v", good, err)
	}
	for _, bad := range []string{
		"", "ses_", good[:len(good)-1], good + "0", "usr_" + good[4:], strings.ToUpper(good),
		"ses_../../../../../../etc/passwd", "ses_" + strings.Repeat("/", 26), "ses_" + strings.Repeat("u", 26),
	} {
		if _, err := ParseSessionID(bad); err == nil {
			t.Errorf("ParseSessionID(%q) passed", bad)
		}
	}
}
