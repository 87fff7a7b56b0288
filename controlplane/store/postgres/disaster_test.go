package postgres

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"
)

// superviseDir names the folder for a copy of this test binary that does
// nothing but supervise a server until it is killed.
const superviseDir = "STREAMSPACE_TEST_SUPERVISE"

func superviseForATest(dir string) {
	s, err := New(context.Background(), Options{Dir: dir, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)), Volatile: true})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	go func() {
		<-s.Ready()
		fmt.Println("ready")
	}()
	if err := s.Run(context.Background()); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// supervisor starts such a copy, as another user when who is not nil, and
// waits until its server answers.
func supervisor(t *testing.T, dir string, who *syscall.Credential) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if who != nil { // go test's own folder is closed to others
		binary, err := os.ReadFile(self)
		if err != nil {
			t.Fatal(err)
		}
		self = filepath.Join(filepath.Dir(dir), "supervisor")
		if err := os.WriteFile(self, binary, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(self)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), superviseDir+"="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Credential: who}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait() // its error is the kill
	})
	said := make([]byte, len("ready\n"))
	if _, err := io.ReadFull(out, said); err != nil || string(said) != "ready\n" {
		rest, _ := io.ReadAll(out)
		t.Fatalf("the supervisor said %s%s, %v", said, rest, err)
	}
	return cmd
}

func TestTheServerEndsWithAKilledSupervisor(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	killed := supervisor(t, dir, nil)
	s := prepare(t, dir)
	mark(t, s)
	pid := postmaster(t, s.data)
	if err := killed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	killed.Wait() // its error is the kill
	again, _ := start(t, dir)
	expectMark(t, again)
	if alive(pid) {
		t.Errorf("process %d is left", pid)
	}
}

func TestAnOrdinaryUserNeedsNoOtherAccount(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("every other test is this one")
	}
	dir := dataDir(t)
	nobody := &syscall.Credential{Uid: 65534, Gid: 65534}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, int(nobody.Uid), int(nobody.Gid)); err != nil {
		t.Fatal(err)
	}
	killed := supervisor(t, dir, nobody)
	pid := postmaster(t, filepath.Join(dir, "data"))
	if info, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err != nil || ownerOf(info).uid != int(nobody.Uid) {
		t.Errorf("the server's owner: %+v, %v", info, err)
	}
	killed.Process.Kill()
	killed.Wait() // its error is the kill
	eventually(t, "the server to end", func() bool { return !alive(pid) })
	s, _ := start(t, dir) // as root now: the cluster keeps its owner
	if _, err := query(t, s, "SELECT 'up'"); err != nil {
		t.Error(err)
	}
}

// A server that nobody told to end, as after the parent-death signal was lost.
func TestALeftoverServerIsStopped(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	s, stop := start(t, dir)
	mark(t, s)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	args := []string{"-D", s.data, "-k", s.socket.path, "-c", "listen_addresses="}
	left := s.command(context.Background(), "postgres", args...)
	left.SysProcAttr.Pdeathsig = syscall.SIGQUIT
	if err := left.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		left.Wait() // its error is of no interest
		close(ended)
	}()
	eventually(t, "the server left behind to answer", func() bool {
		_, err := query(t, s, "SELECT 'up'")
		return err == nil
	})
	again, _ := start(t, dir)
	<-ended
	expectMark(t, again)
}

func TestAForeignProcessIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	s, stop := start(t, dir)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	// The process id in the file has been given to another process since.
	foreign := exec.Command("sleep", "600")
	foreign.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := foreign.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		foreign.Process.Kill()
		foreign.Wait() // its error is the kill
	}()
	if err := s.writeOwned(filepath.Join(s.data, "postmaster.pid"), fmt.Sprintf("%d\n%s\n1700000000\n5432\n%s\n\n", foreign.Process.Pid, s.data, s.socket.path)); err != nil {
		t.Fatal(err)
	}
	if err := s.stopOld(t.Context()); err != nil {
		t.Error(err)
	}
	if !alive(foreign.Process.Pid) {
		t.Error("a foreign process was ended")
	}
}

// smallDisk mounts a file system of so many bytes, and returns a folder on it.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	mounted := filepath.Dir(dataDir(t))
	if err := unix.Mount("streamspace-test", mounted, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0711", size)); err != nil {
		t.Skipf("mounting a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(mounted, unix.MNT_DETACH); err != nil {
			t.Errorf("unmounting: %v", err)
		}
	})
	return filepath.Join(mounted, "pg")
}

func TestADiskTooSmallIsNamed(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, 8<<20)
	err := prepare(t, dir).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "the disk that holds "+dir+" is full") {
		t.Errorf("got %v", err)
	}
}

func TestADiskThatFillsUpIsNamed(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, 120<<20)
	s := prepare(t, dir)
	ended := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	go func() { ended <- s.Run(ctx) }()
	<-s.Ready()
	conn, err := pgx.Connect(ctx, s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	fill(t, filepath.Join(dir, "fill"))
	// Every switch needs a new file of the write-ahead log.
	for err == nil {
		_, err = conn.Exec(ctx, "SELECT pg_logical_emit_message(false, 'x', repeat('x', 1000000)), pg_switch_wal()")
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "the disk that holds "+dir+" is full") {
		t.Errorf("got %v", err)
	}
}

func TestLowSpaceIsToldOnce(t *testing.T) {
	t.Parallel()
	dir := filepath.Dir(smallDisk(t, 8<<20))
	var log bytes.Buffer
	var d disk
	for range 3 {
		d.look(dir, slog.New(slog.NewTextHandler(&log, nil)))
	}
	if n := strings.Count(log.String(), "almost full"); n != 1 {
		t.Errorf("told %d times:\n%s", n, log.String())
	}
}

// fill writes a file until the disk is full.
func fill(t *testing.T, name string) {
	t.Helper()
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	block := make([]byte, 1<<16)
	for err == nil {
		_, err = file.Write(block)
	}
}
