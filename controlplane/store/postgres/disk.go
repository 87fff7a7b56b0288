package postgres

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// diskEvery is how often the free space is looked at.
	diskEvery = 10 * time.Second
	// lowSpace is what the write-ahead log may need at once: max_wal_size.
	lowSpace = 256 << 20
	// noSpace is less than PostgreSQL needs to take a connection.
	noSpace = 1 << 20
)

// disk tells once when space runs low: a full disk does not always end the
// server, it may refuse connections with words that do not name the cause.
type disk struct{ told bool }

func (d *disk) look(dir string, log *slog.Logger) {
	free, err := freeBytes(dir)
	low := err == nil && free < lowSpace
	if low && !d.told {
		log.Warn("the disk that holds the private database is almost full", "dir", dir, "free_bytes", free)
	}
	d.told = low
}

// freeBytes is what an ordinary user may still write.
func freeBytes(dir string) (int64, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return 0, err
	}
	return int64(stat.Bavail) * stat.Bsize, nil
}

// explain adds PostgreSQL's last words to an error, and what they mean where
// people have to do something about it.
func (s *Server) explain(err error, words string) error {
	free, statErr := freeBytes(s.dir)
	if strings.Contains(words, "No space left on device") || statErr == nil && free < noSpace {
		return fmt.Errorf("the disk that holds %s is full: %w; PostgreSQL's last words:\n%s", s.dir, err, words)
	}
	return fmt.Errorf("%w; PostgreSQL's last words:\n%s", err, words)
}
