package peer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// startTimeout bounds a process from its start to its first answer: on a
	// busy machine Python alone takes a second.
	startTimeout = 20 * time.Second
	// stopTimeout bounds an orderly end; then the process group is killed.
	stopTimeout = 3 * time.Second
	// probeInterval is how often a peer that does not say when it listens is
	// asked.
	probeInterval = 20 * time.Millisecond
	// keptOutput bounds what is kept of a process's messages for an error.
	keptOutput = 4 << 10
)

// Place is where processes start and connections are dialled: this machine, or
// a network namespace.
type Place struct {
	Address string // what a process there listens on
	Start   func(*exec.Cmd) error
	Dial    func(ctx context.Context, network, address string) (net.Conn, error)
}

// Here is the machine's loopback.
func Here() Place {
	return Place{Address: "127.0.0.1", Start: (*exec.Cmd).Start, Dial: new(net.Dialer).DialContext}
}

// Process is a child process with everything that it starts.
type Process struct {
	command *exec.Cmd
	input   io.WriteCloser
	spoken  *io.PipeReader
	output  *bufio.Reader // over spoken; one caller at a time
	said    *tail

	exited chan struct{}
	err    error // set before exited is closed
	stop   sync.Once
}

// Launch starts the command in the place, in a process group of its own. The
// process is killed when this one dies, however it dies. Line reads its standard
// output, unless the command has one already. The caller must Stop it.
func Launch(place Place, command *exec.Cmd) (*Process, error) {
	p := &Process{command: command, said: new(tail), exited: make(chan struct{})}
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	command.Stderr = p.said
	// Grandchildren may keep the pipes open after the child's end.
	command.WaitDelay = stopTimeout
	input, err := command.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe for %s: %w", command.Path, err)
	}
	reader, writer := io.Pipe()
	if command.Stdout == nil {
		command.Stdout = writer
	}
	p.input, p.spoken, p.output = input, reader, bufio.NewReader(reader)
	if err := place.Start(command); err != nil {
		return nil, fmt.Errorf("starting %s: %w", command.Path, err)
	}
	go func() {
		p.err = command.Wait()
		writer.CloseWithError(io.EOF)
		close(p.exited)
	}()
	return p, nil
}

// Line reads the next line that the process prints.
func (p *Process) Line() (string, error) {
	type answer struct {
		line string
		err  error
	}
	read := make(chan answer, 1)
	go func() {
		line, err := p.output.ReadString('\n')
		read <- answer{strings.TrimSpace(line), err}
	}()
	select {
	case got := <-read:
		if got.err != nil {
			return "", fmt.Errorf("%s ended: %s", p.command.Path, p.Messages())
		}
		return got.line, nil
	case <-time.After(startTimeout):
		p.Stop() // also ends the reading goroutine
		<-read
		return "", fmt.Errorf("%s said nothing for %v: %s", p.command.Path, startTimeout, p.Messages())
	}
}

// Tell writes one line to the process.
func (p *Process) Tell(line string) error {
	if _, err := io.WriteString(p.input, line+"\n"); err != nil {
		return fmt.Errorf("telling %s %q: %w", p.command.Path, line, err)
	}
	return nil
}

// Answers waits until something accepts connections at the address.
func (p *Process) Answers(ctx context.Context, place Place, network, address string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		conn, err := place.Dial(ctx, network, address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-p.exited:
			return fmt.Errorf("%s ended: %s", p.command.Path, p.Messages())
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer at %s: %w", p.command.Path, address, errors.Join(ctx.Err(), err))
		case <-time.After(probeInterval):
		}
	}
}

// Serves waits until url is answered with 200, at most for as long as said.
func (p *Process) Serves(ctx context.Context, place Place, url string, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	client := &http.Client{Timeout: startTimeout, Transport: &http.Transport{DialContext: place.Dial}}
	defer client.CloseIdleConnections()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if response, err := client.Do(request); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-p.exited:
			return fmt.Errorf("%s ended: %s", p.command.Path, p.Messages())
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s to be ready: %w: %s", p.command.Path, ctx.Err(), p.Messages())
		case <-time.After(probeInterval):
		}
	}
}

// Messages returns the last of what the process has written to its standard
// error.
func (p *Process) Messages() string { return p.said.String() }

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Signal sends the signal to the process alone. One that has ended already is
// no error.
func (p *Process) Signal(signal syscall.Signal) { p.command.Process.Signal(signal) }

// PID is the process's id.
func (p *Process) PID() int { return p.command.Process.Pid }

// Stop ends the process and its group and waits for its end. It may be called
// more than once.
func (p *Process) Stop() {
	p.stop.Do(func() {
		p.input.Close()
		p.spoken.Close() // so that output nobody reads holds up nothing
		group := -p.command.Process.Pid
		syscall.Kill(group, syscall.SIGTERM)
		select {
		case <-p.exited:
		case <-time.After(stopTimeout):
		}
		// What is left of the group, be it the process or its children.
		syscall.Kill(group, syscall.SIGKILL)
	})
	<-p.exited
}

// tail keeps the last bytes written to it.
type tail struct {
	mu   sync.Mutex
	text []byte // guarded by mu
}

func (t *tail) Write(text []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, text...)
	if excess := len(t.text) - keptOutput; excess > 0 {
		t.text = append([]byte(nil), t.text[excess:]...)
	}
	return len(text), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.text))
}

// FreePort returns an address of the place with a port that nothing listens
// on now.
func FreePort(place Place) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("looking for a free port: %w", err)
	}
	defer listener.Close()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return "", fmt.Errorf("looking for a free port: %w", err)
	}
	return net.JoinHostPort(place.Address, port), nil
}
