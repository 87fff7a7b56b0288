package postgres

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
)

const (
	tailLines   = 20   // told when the server cannot run
	maxTailLine = 2000 // bytes; a statement in a message may be long
)

// tail passes the server's log on line by line and keeps the last lines.
type tail struct {
	log *slog.Logger

	mu      sync.Mutex
	partial []byte   // guarded by mu; a line without its end yet
	lines   []string // guarded by mu; at most tailLines
}

// Write takes the server's output.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.partial = append(t.partial, p...)
	for {
		line, rest, found := bytes.Cut(t.partial, []byte("\n"))
		if !found && len(t.partial) < maxTailLine {
			return len(p), nil
		}
		if !found {
			line, rest = t.partial, nil
		}
		t.add(string(line[:min(len(line), maxTailLine)]))
		t.partial = append(t.partial[:0], rest...)
	}
}

func (t *tail) add(line string) {
	if strings.TrimSpace(line) == "" {
		return
	}
	if len(t.lines) == tailLines {
		t.lines = t.lines[1:]
	}
	t.lines = append(t.lines, line)
	t.log.Log(context.Background(), levelOf(line), "postgres says", "line", line)
}

// levelOf is warn for what concerns the server. An ERROR is one statement's,
// and whoever sent it hears of it, unless the server could not do its work.
func levelOf(line string) slog.Level {
	for _, usual := range []string{" is starting up", " is shutting down", "due to administrator command"} {
		if strings.Contains(line, usual) {
			return slog.LevelDebug
		}
	}
	severity, text, _ := strings.Cut(line, ":")
	switch severity {
	case "WARNING", "FATAL", "PANIC":
		return slog.LevelWarn
	case "ERROR":
		if strings.Contains(text, "could not ") || strings.Contains(text, "invalid page") {
			return slog.LevelWarn
		}
	}
	return slog.LevelDebug
}

func (t *tail) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines, t.partial = nil, nil
}

func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "\n")
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
