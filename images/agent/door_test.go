package agent

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// authority makes certificates for a test.
type authority struct {
	t           *testing.T
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t}
	a.certificate, a.key = a.sign(&x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a
}

func (a *authority) sign(template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.certificate, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		a.t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return made, key
}

func (a *authority) pair(name string, usage x509.ExtKeyUsage) tls.Certificate {
	made, key := a.sign(&x509.Certificate{DNSNames: []string{name}, ExtKeyUsage: []x509.ExtKeyUsage{usage}, KeyUsage: x509.KeyUsageDigitalSignature})
	return tls.Certificate{Certificate: [][]byte{made.Raw}, PrivateKey: key, Leaf: made}
}

// files writes what the agent is given.
func (a *authority) files(name string) TLS {
	dir := a.t.TempDir()
	pair := a.pair(name, x509.ExtKeyUsageServerAuth)
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		a.t.Fatal(err)
	}
	write := func(file, kind string, der []byte) string {
		file = filepath.Join(dir, file)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			a.t.Fatal(err)
		}
		return file
	}
	return TLS{
		Listen: "127.0.0.1:0", Cert: write("cert", "CERTIFICATE", pair.Leaf.Raw), Key: write("key", "PRIVATE KEY", key), CA: write("ca", "CERTIFICATE", a.certificate.Raw),
	}
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

// Who has this session's certificate comes to the display; nobody else does, and
// the display hears nothing of them.
func TestDoor(t *testing.T) {
	t.Parallel()
	ours := newAuthority(t)
	a := newTestAgent(t)
	defer a.control.listener.Close()
	settings := ours.files("one.desktop")
	a.spec.TLS = &settings
	display, err := net.Listen("unix", a.spec.RFBSocket)
	if err != nil {
		t.Fatal(err)
	}
	visits := make(chan struct{}, 100)
	over := make(chan struct{})
	go func() { // says what it is told, and ends when its listener does
		defer close(over)
		for {
			conn, err := display.Accept()
			if err != nil {
				return
			}
			visits <- struct{}{}
			io.Copy(conn, conn)
			conn.Close()
		}
	}()
	up := make(chan struct{})
	door, err := a.openDoor(up)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- door.run(ctx) }()

	// echo says a word through the door and returns what comes back.
	echo := func(config *tls.Config) (string, error) {
		config.ServerName, config.RootCAs = "one.desktop", ours.pool()
		conn, err := tls.Dial("tcp", door.listener.Addr().String(), config)
		if err != nil {
			return "", err
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := conn.Write([]byte("word")); err != nil {
			return "", err
		}
		word := make([]byte, 4)
		_, err = io.ReadFull(conn, word)
		return string(word), err
	}
	theirs := newAuthority(t)
	for who, config := range map[string]*tls.Config{
		"without a certificate":       {},
		"of another session":          {Certificates: []tls.Certificate{ours.pair("two.desktop", x509.ExtKeyUsageClientAuth)}},
		"of another authority":        {Certificates: []tls.Certificate{theirs.pair("one.desktop", x509.ExtKeyUsageClientAuth)}},
		"with a desktop's own":        {Certificates: []tls.Certificate{ours.pair("one.desktop", x509.ExtKeyUsageServerAuth)}},
		"with an older version (1.2)": {Certificates: []tls.Certificate{ours.pair("one.desktop", x509.ExtKeyUsageClientAuth)}, MaxVersion: tls.VersionTLS12},
	} {
		if word, err := echo(config); err == nil {
			t.Errorf("%s one comes in: %q", who, word)
		}
	}
	// A gateway that comes before the display is up waits for it.
	type answer struct {
		word string
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		word, err := echo(&tls.Config{Certificates: []tls.Certificate{ours.pair("one.desktop", x509.ExtKeyUsageClientAuth)}})
		answered <- answer{word, err}
	}()
	select {
	case a := <-answered:
		t.Errorf("before the display is up: %+v", a)
	case <-visits:
		t.Error("the display has a visitor before it is up")
	case <-time.After(20 * time.Millisecond): // a moment, in which nothing should happen
	}
	close(up)
	if a := <-answered; a.err != nil || a.word != "word" {
		t.Errorf("the gateway has %q, %v", a.word, a.err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	display.Close()
	<-over
	if n := len(visits); n != 1 {
		t.Errorf("%d visits to the display, want the gateway's only", n)
	}
}
