package api

import (
	"errors"
	"strings"
	"unicode"

	"github.com/streamspace/streamspace/controlplane/store"
)

// cleanName takes what a person typed as a name: trimmed, not empty, nothing
// that is invisible or that Postgres refuses. Its length is the schema's.
func cleanName(location, typed string) (string, error) {
	name := strings.TrimSpace(typed)
	if name == "" {
		return "", invalid(location, "is empty")
	}
	if strings.ContainsFunc(name, func(r rune) bool {
		return unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control)
	}) {
		return "", invalid(location, "has control characters")
	}
	return name, nil
}

// displayName is a name that may be left empty for the username. nil stays nil.
func displayName(typed *string, username string) (*string, error) {
	if typed == nil {
		return nil, nil
	}
	if strings.TrimSpace(*typed) == "" {
		return &username, nil
	}
	name, err := cleanName("body.displayName", *typed)
	return &name, err
}

// missing says what it is that does not exist.
func missing(what string, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return notFound(what)
	}
	return err
}
