package storetest_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/store"
	"github.com/streamspace/streamspace/controlplane/store/storetest"
)

// dieAs names how a copy of this test binary is to end.
const dieAs = "STREAMSPACE_TEST_DIE"

func TestMain(m *testing.M) { storetest.Main(m) }

func TestEachTestHasItsOwnDatabase(t *testing.T) {
	t.Parallel()
	for range 2 {
		s := storetest.New(t)
		if _, err := s.CreateUser(t.Context(), store.InsertUserParams{ID: streamspace.NewUserID(), Username: "ada", Role: streamspace.RoleUser, Now: time.Now()}); err != nil {
			t.Error(err)
		}
	}
}

// TestDying is run by TestNothingIsLeft, in a process of its own.
func TestDying(t *testing.T) {
	how := os.Getenv(dieAs)
	if how == "" {
		t.Skip("only to be run by TestNothingIsLeft")
	}
	storetest.New(t)
	fmt.Println("ready")
	if how == "panic" {
		panic("as told")
	}
	select {} // until killed
}

func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"panic", "kill"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			temp, err := os.MkdirTemp("", "storetest-")
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(temp)
			if err := os.Chmod(temp, 0o711); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(os.Args[0], "-test.run", "^TestDying$")
			cmd.Env = append(os.Environ(), dieAs+"="+how, "TMPDIR="+temp)
			cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			if !lines.Scan() || lines.Text() != "ready" {
				t.Errorf("it said %q", lines.Text())
			}
			if serving(t, temp) == 0 {
				t.Error("no server is there to be left")
			}
			if how == "kill" {
				cmd.Process.Kill()
			}
			for lines.Scan() { // what it says when it dies
			}
			cmd.Wait() // its error is the death
			deadline := time.Now().Add(30 * time.Second)
			for {
				left, err := filepath.Glob(filepath.Join(temp, "*"))
				if err == nil && len(left) == 0 && serving(t, temp) == 0 {
					return
				}
				if time.Now().After(deadline) {
					t.Fatalf("left: %v, and %d processes", left, serving(t, temp))
				}
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
}

// serving counts the processes whose command line names dir.
func serving(t *testing.T, dir string) (n int) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && strings.Contains(string(text), dir) {
			n++
		}
	}
	return n
}
