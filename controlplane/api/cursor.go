package api

import (
	"encoding/base64"
	"strings"
)

// A cursor says after which item the next page starts. It is opaque so that
// nobody builds one, and names its list so that it fits no other.

func encodeCursor(list, key string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(list + ":" + key))
}

// decodeCursor returns the key, empty for an empty cursor.
func decodeCursor(list, cursor string) (string, error) {
	if cursor == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err == nil {
		if key, ok := strings.CutPrefix(string(raw), list+":"); ok && key != "" && isCursorKey(key) {
			return key, nil
		}
	}
	return "", invalid("query.cursor", "is none that this list gave out")
}

// isCursorKey passes ids and numbers, and nothing that Postgres minds.
func isCursorKey(key string) bool {
	for _, c := range []byte(key) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

// page cuts the one item too many that was read to see whether more follow,
// and returns the cursor of the next page.
func page[T any](items []T, limit int, list string, key func(T) string) ([]T, string) {
	if len(items) <= limit {
		return items, ""
	}
	items = items[:limit]
	return items, encodeCursor(list, key(items[limit-1]))
}
