package postgres

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// minMajor is the oldest version that the store works with.
const minMajor = 13

// binaries is one installed PostgreSQL.
type binaries struct {
	dir   string // with initdb and postgres
	major int
}

var versionOf = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// installed lists every usable PostgreSQL of this machine, newest first.
func installed() []binaries {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // Debian; the pattern is well formed
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	if path, err := exec.LookPath("postgres"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(path))
		}
	}
	var found []binaries
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err != nil {
			continue
		}
		out, err := exec.Command(filepath.Join(dir, "postgres"), "--version").Output()
		match := versionOf.FindSubmatch(out)
		if err != nil || match == nil {
			continue
		}
		major, _ := strconv.Atoi(string(match[1])) // digits only
		if major >= minMajor {
			found = append(found, binaries{dir, major})
		}
	}
	slices.SortStableFunc(found, func(a, b binaries) int { return b.major - a.major })
	return found
}

// choose returns the newest PostgreSQL for a new cluster, or the one that the
// cluster in dir was made with.
func choose(dir string) (binaries, error) {
	found := installed()
	if len(found) == 0 {
		return binaries{}, errors.New("no PostgreSQL 13 or newer is installed: run `sudo apt-get install postgresql`, or give --postgres-url")
	}
	text, err := os.ReadFile(filepath.Join(dir, "PG_VERSION"))
	if errors.Is(err, os.ErrNotExist) {
		return found[0], nil
	}
	if err != nil {
		return binaries{}, fmt.Errorf("reading the version of the database: %w", err)
	}
	major, err := strconv.Atoi(string(bytes.TrimSpace(text)))
	if err != nil {
		return binaries{}, fmt.Errorf("version of the database in %s: %w", dir, err)
	}
	if i := slices.IndexFunc(found, func(b binaries) bool { return b.major == major }); i >= 0 {
		return found[i], nil
	}
	return binaries{}, fmt.Errorf("the database in %s was made by PostgreSQL %d, and the installed one is %d: "+
		"install postgresql-%d, or move the data with pg_upgrade", dir, major, found[0].major, major)
}
