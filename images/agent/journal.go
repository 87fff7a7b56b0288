package agent

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
)

const (
	maxLog  = 1 << 20 // bytes of the log file; then it begins anew with the last lines
	logTail = 12      // lines kept for a failure's reason
)

// journal collects what the programs say.
type journal struct {
	read, write *os.File
	done        chan struct{}

	mu   sync.Mutex
	file *os.File // guarded by mu
	size int64    // guarded by mu
	tail ring     // guarded by mu
}

func newJournal(file string) (*journal, error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the desktop's log: %w", err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		f.Close()
		return nil, err
	}
	j := &journal{read: read, write: write, file: f, done: make(chan struct{})}
	go func() {
		defer close(j.done)
		io.Copy(j, read) // ends when the last writer has closed, or close was called
	}()
	return j, nil
}

// Write takes output; it never fails, so that a full disk does not stop a desktop.
func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.size+int64(len(p)) > maxLog {
		j.file.Truncate(0)
		j.file.Seek(0, io.SeekStart)
		n, _ := j.file.WriteString(j.tail.text() + "\n") // so that whoever comes just now still reads of what has happened
		j.size = int64(n)
	}
	n, _ := j.file.Write(p)
	j.size += int64(n)
	j.tail.add(p)
	return len(p), nil
}

func (j *journal) lastWords() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.tail.text()
}

func (j *journal) close() {
	j.write.Close()
	j.read.Close()
	<-j.done
	j.file.Close()
}

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
