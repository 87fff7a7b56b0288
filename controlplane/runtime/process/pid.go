package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// pid names a process for good: numbers are used again, but not with the same
// time of start in the same boot. The zero value names none.
type pid struct {
	Number int    `json:"number"`
	Start  uint64 `json:"start"` // clock ticks since boot
}

// pidOf returns the name of the process that has the number now.
func pidOf(number int) (pid, error) {
	start, _, err := stat(number)
	if err != nil {
		return pid{}, fmt.Errorf("looking at process %d: %w", number, err)
	}
	return pid{number, start}, nil
}

// stat reads a process' time of start, and whether only its entry in the table
// is left.
func stat(number int) (start uint64, dead bool, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", number))
	if err != nil {
		return 0, false, err
	}
	// proc(5): number (name) state parent …, starttime is field 22. The name may
	// hold spaces and brackets.
	_, rest, _ := strings.Cut(string(text[strings.LastIndexByte(string(text), ')'):]), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 20 {
		return 0, false, fmt.Errorf("/proc/%d/stat is cut short", number)
	}
	start, err = strconv.ParseUint(fields[19], 10, 64)
	return start, fields[0] == "Z" || fields[0] == "X", err
}

func (p pid) alive() bool {
	if p.Number == 0 {
		return false
	}
	start, dead, err := stat(p.Number)
	return err == nil && !dead && start == p.Start
}

// open returns a pidfd of exactly this process, or ESRCH.
func (p pid) open() (*os.File, error) {
	if p.Number == 0 {
		return nil, unix.ESRCH
	}
	fd, err := unix.PidfdOpen(p.Number, unix.PIDFD_NONBLOCK)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "pidfd")
	if !p.alive() { // the number may have been somebody else's by now
		file.Close()
		return nil, unix.ESRCH
	}
	return file, nil
}

// signal reaches exactly this process; one that has ended is no error.
func (p pid) signal(signal unix.Signal) error {
	file, err := p.open()
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("opening process %d: %w", p.Number, err)
	}
	defer file.Close()
	if err := unix.PidfdSendSignal(int(file.Fd()), signal, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("signalling process %d: %w", p.Number, err)
	}
	return nil
}

// wait returns when the process has ended, or ctx has.
func (p pid) wait(ctx context.Context) error {
	file, err := p.open()
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("opening process %d: %w", p.Number, err)
	}
	defer file.Close()
	stop := context.AfterFunc(ctx, func() { file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	err = raw.Read(func(fd uintptr) bool { // a pidfd can be read from when its process has ended
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		return n > 0 && err == nil
	})
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// bootID tells one run of the kernel from the next: process numbers and times
// of start mean nothing beyond it.
func bootID() string {
	text, _ := os.ReadFile("/proc/sys/kernel/random/boot_id") // there on every Linux; without it, nothing is found again
	return strings.TrimSpace(string(text))
}
