package certificate

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestSelfSignedIsKeptUntilItNoLongerServes(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	first, err := SelfSigned(dir, []string{"localhost", "127.0.0.1"}, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"localhost", "127.0.0.1"} {
		if err := first.Leaf.VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
	info, err := os.Stat(filepath.Join(dir, "self-signed.pem"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key file: %v, %v", info, err)
	}
	same := func(hosts []string, at time.Time) bool {
		t.Helper()
		again, err := SelfSigned(dir, hosts, at)
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Equal(first.Certificate[0], again.Certificate[0])
	}
	if !same([]string{"localhost"}, now.Add(time.Hour)) {
		t.Error("a good certificate was replaced")
	}
	if same([]string{"localhost"}, now.Add(lifetime-24*time.Hour)) {
		t.Error("an expiring certificate was kept")
	}
	if same([]string{"localhost", "desktops.example.org"}, now) {
		t.Error("a certificate without the new name was kept")
	}
}

func TestDamagedCertificateIsToldNotReplaced(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "self-signed.pem"), []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := SelfSigned(dir, []string{"localhost"}, time.Now()); err == nil {
		t.Error("a damaged file passed")
	}
}
