package tool

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// redraw is how often the line of progress is drawn at most.
const redraw = 100 * time.Millisecond

// progress is one line on a terminal that is drawn over and over. Where there
// is no terminal, each step is a line of its own.
type progress struct {
	out      io.Writer
	terminal bool // immutable

	mu    sync.Mutex
	step  string    // guarded by mu, like all below
	drawn time.Time // when the line was drawn last
	dirty bool      // a line stands there
}

func newProgress(out io.Writer) *progress {
	p := &progress{out: out}
	if file, ok := out.(*os.File); ok {
		_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
		p.terminal = err == nil
	}
	return p
}

// begin begins a step.
func (p *progress) begin(step string) {
	p.mu.Lock()
	p.step, p.drawn = step, time.Time{}
	p.mu.Unlock()
	p.tell(0, "")
	if !p.terminal {
		fmt.Fprintln(p.out, step)
	}
}

// say is a step without a measure.
func (p *progress) say(step string) { p.begin(step) }

const barWidth = 24

// tell draws how far the step is.
func (p *progress) tell(share float64, what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.terminal || time.Since(p.drawn) < redraw {
		return
	}
	p.drawn, p.dirty = time.Now(), true
	full := int(share * barWidth)
	bar := strings.Repeat("█", full) + strings.Repeat("░", barWidth-full)
	fmt.Fprintf(p.out, "\r\x1b[K%s %s  %s", bar, p.step, what)
}

// clear takes the line away.
func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dirty {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.dirty = false
	}
}
