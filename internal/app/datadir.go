package app

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lockDataDir makes the data folder and takes it for this process. Its mode
// lets desktops' users pass through, and nobody else look in.
func lockDataDir(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return nil, fmt.Errorf("making the data folder: %w", err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		return nil, fmt.Errorf("the data folder %s is not ours (choose another with --data-dir): %w", dir, err)
	}
	if os.Geteuid() == 0 {
		if err := passable(dir); err != nil {
			return nil, err
		}
	}
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the data folder: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		file.Close()
		return nil, fmt.Errorf("the data folder %s is used by another StreamSpace: stop that one, or choose another with --data-dir", dir)
	}
	return func() { file.Close() }, nil
}

// passable says which parent of the data folder keeps out the users that
// desktops and PostgreSQL run as when we are root.
func passable(dir string) error {
	for d := filepath.Clean(dir); ; d = filepath.Dir(d) {
		info, err := os.Stat(d)
		if err != nil {
			return fmt.Errorf("looking at the way to the data folder: %w", err)
		}
		if info.Mode().Perm()&0o001 == 0 {
			return fmt.Errorf("as root, desktops and the database run as users of their own, who cannot pass through %s (mode %04o): run `chmod o+x %s`, or choose another folder with --data-dir", d, info.Mode().Perm(), d)
		}
		if d == filepath.Dir(d) {
			return nil
		}
	}
}
