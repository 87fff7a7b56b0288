package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// maxSocketPath is what fits into sockaddr_un (108 bytes with the final
// zero) after PostgreSQL has added its file name.
const maxSocketPath = 107 - len("/.s.PGSQL."+port)

// account is whom the server runs as when we are root.
type account struct{ uid, gid int }

// accountFor returns whom the server for the cluster in data runs as; nil: who
// we are. A cluster that is there already keeps its owner.
func accountFor(data string) (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	if info, err := os.Stat(data); err == nil {
		if owner := ownerOf(info); owner.uid != 0 {
			return &owner, nil
		}
	}
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.Atoi(found.Uid)
		gid, err2 := strconv.Atoi(found.Gid)
		if err := errors.Join(err, err2); err != nil {
			return nil, fmt.Errorf("account %s: %w", name, err)
		}
		return &account{uid, gid}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is neither an account postgres nor nobody")
}

func ownerOf(info fs.FileInfo) account {
	stat := info.Sys().(*syscall.Stat_t)
	return account{int(stat.Uid), int(stat.Gid)}
}

// checkReach asks the kernel whether the account gets to the folder, and names
// the parent that stands in the way.
func (s *Server) checkReach(ctx context.Context) error {
	if s.account == nil {
		return nil
	}
	probe := s.command(ctx, "postgres", "--version")
	probe.Dir = s.dir // entered as the account
	err := probe.Run()
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	closed := s.dir
	for dir := s.dir; ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && !mayPass(info, *s.account) {
			closed = dir
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	return fmt.Errorf("%s: user id %d, which PostgreSQL runs as, may not pass through %s: run `chmod o+x %s`, or choose a data folder elsewhere, /var/lib/streamspace say",
		s.dir, s.account.uid, closed, closed)
}

func mayPass(dir fs.FileInfo, who account) bool {
	switch owner := ownerOf(dir); {
	case owner.uid == who.uid:
		return dir.Mode()&0o100 != 0
	case owner.gid == who.gid:
		return dir.Mode()&0o010 != 0
	}
	return dir.Mode()&0o001 != 0
}

// own makes a folder that only the server's account (and root) can enter.
func (s *Server) own(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if s.account != nil {
		if err := os.Chown(dir, s.account.uid, s.account.gid); err != nil {
			return err
		}
	}
	return os.Chmod(dir, 0o700)
}

func (s *Server) writeOwned(file, text string) error {
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	if s.account == nil {
		return nil
	}
	return os.Chown(file, s.account.uid, s.account.gid)
}

// socketDir is the folder of the socket.
type socketDir struct {
	path string
	temp bool // outside of the server's folder: Run removes it in the end
}

// makeSocketDir makes <dir>/socket a folder, or, where that path is too long
// for a socket, a link to a folder among the temporary files.
func (s *Server) makeSocketDir() (socketDir, error) {
	path := filepath.Join(s.dir, "socket")
	if len(path) <= maxSocketPath {
		return socketDir{path: path}, s.own(path)
	}
	// The link finds the folder again that a killed process has left.
	if target, err := os.Readlink(path); err == nil && strings.HasPrefix(filepath.Base(target), "streamspace-pg-") && s.isOwn(target) {
		return socketDir{target, true}, nil
	}
	target, err := os.MkdirTemp("", "streamspace-pg-")
	if err != nil {
		return socketDir{}, err
	}
	if len(target) > maxSocketPath {
		return socketDir{}, errors.Join(fmt.Errorf("%s and %s are both too long for a socket: choose a shorter data folder", path, target), os.Remove(target))
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return socketDir{}, err
	}
	return socketDir{target, true}, errors.Join(s.own(target), os.Symlink(target, path))
}

// isOwn says whether dir is one that own has made; nobody else can replace it,
// since /tmp is sticky.
func (s *Server) isOwn(dir string) bool {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() || info.Mode().Perm() != 0o700 {
		return false
	}
	uid := os.Geteuid()
	if s.account != nil {
		uid = s.account.uid
	}
	return ownerOf(info).uid == uid
}
