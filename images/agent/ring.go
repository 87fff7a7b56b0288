package agent

import "strings"

const maxLine = 400 // bytes of a line kept

// ring keeps the last lines of a text that comes in pieces.
type ring struct {
	lines   []string // at most logTail
	partial string   // at most maxLine bytes
}

func (r *ring) add(p []byte) {
	text := r.partial + string(p)
	for {
		line, rest, found := strings.Cut(text, "\n")
		if !found {
			r.partial = line[:min(len(line), maxLine)]
			return
		}
		text = rest
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if len(r.lines) == logTail {
			r.lines = r.lines[1:]
		}
		r.lines = append(r.lines, line[:min(len(line), maxLine)])
	}
}

func (r *ring) text() string { return strings.Join(r.lines, "\n") }
