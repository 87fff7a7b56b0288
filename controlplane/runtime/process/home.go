package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/streamspace/streamspace"
)

// homeWait is how long a desktop waits for its home: the one before it may
// still be ending.
const homeWait = 2 * time.Second

var errHomeInUse = errors.New("it is used by another desktop")

func (r *Runtime) homes() string { return filepath.Join(r.data, "homes") }

// lockHome takes a home: the lock is the open file, which the sandbox inherits,
// so it lasts as long as the desktop, whatever becomes of us. Two desktops
// never write one home.
func (r *Runtime) lockHome(home streamspace.HomeID, wait time.Duration) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(r.homes(), string(home)+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking home %s: %w", home, err)
	}
	for deadline := time.Now().Add(wait); ; time.Sleep(20 * time.Millisecond) {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) || time.Now().After(deadline) {
			file.Close()
			if errors.Is(err, syscall.EWOULDBLOCK) {
				err = errHomeInUse
			}
			return nil, fmt.Errorf("locking home %s: %w", home, err)
		}
	}
}

// DeleteHome removes a home's folder. It is an error while a desktop uses it.
func (r *Runtime) DeleteHome(_ context.Context, home streamspace.HomeID) error {
	if _, err := streamspace.ParseHomeID(string(home)); err != nil {
		return err
	}
	lock, err := r.lockHome(home, 0)
	if err != nil {
		return err
	}
	defer lock.Close()
	homes, err := os.OpenRoot(r.homes())
	if err != nil {
		return fmt.Errorf("removing home %s: %w", home, err)
	}
	defer homes.Close()
	// Root follows no symbolic link out of the folder, whatever the home holds.
	if err := homes.RemoveAll(string(home)); err != nil {
		return fmt.Errorf("removing home %s: %w", home, err)
	}
	if err := homes.Remove(string(home) + ".lock"); err != nil {
		return fmt.Errorf("removing home %s: %w", home, err)
	}
	return nil
}

// HomeUsage returns how many bytes of disk a home takes. One that was never
// used takes none.
func (r *Runtime) HomeUsage(ctx context.Context, home streamspace.HomeID) (int64, error) {
	if _, err := streamspace.ParseHomeID(string(home)); err != nil {
		return 0, err
	}
	var sum int64
	err := filepath.WalkDir(filepath.Join(r.homes(), string(home)), func(_ string, entry fs.DirEntry, err error) error {
		if err == nil {
			var info fs.FileInfo
			if info, err = entry.Info(); err == nil { // of the entry itself: links are not followed
				if s, ok := info.Sys().(*syscall.Stat_t); ok {
					sum += s.Blocks * 512 // stat(2)
				}
			}
		}
		if errors.Is(err, fs.ErrNotExist) { // it went while we looked
			err = nil
		}
		return errors.Join(err, ctx.Err())
	})
	if err != nil {
		return 0, fmt.Errorf("measuring home %s: %w", home, err)
	}
	return sum, nil
}
