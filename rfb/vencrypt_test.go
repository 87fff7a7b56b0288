package rfb_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/streamspace/streamspace/rfb"
)

// certificate makes one for desktop.test, and returns what trusts it and where
// it lies.
func certificate(t *testing.T) (trust *tls.Config, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "desktop.test"},
		DNSNames:     []string{"desktop.test"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		IsCA:         true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return &tls.Config{RootCAs: pool, ServerName: "desktop.test"}, certFile, keyFile
}

// veNCryptServer plays a server by the letter of the specification: what it
// offers, and what it does inside TLS.
func veNCryptServer(conn net.Conn, config *tls.Config, offer []rfb.VeNCryptType, inside func(io.ReadWriter, rfb.VeNCryptType) error) error {
	read := func(r io.Reader, n int) []byte {
		b := make([]byte, n)
		io.ReadFull(r, b)
		return b
	}
	conn.Write([]byte("RFB 003.008\n"))
	read(conn, 12)
	conn.Write([]byte{1, 19})
	read(conn, 1)
	conn.Write([]byte{0, 2})
	if version := read(conn, 2); !bytes.Equal(version, []byte{0, 2}) {
		return fmt.Errorf("version %v", version)
	}
	answer := []byte{0, byte(len(offer))}
	for _, v := range offer {
		answer = binary.BigEndian.AppendUint32(answer, uint32(v))
	}
	conn.Write(answer)
	chosen := rfb.VeNCryptType(binary.BigEndian.Uint32(read(conn, 4)))
	conn.Write([]byte{1})
	secure := tls.Server(conn, config)
	if err := secure.Handshake(); err != nil {
		return err
	}
	if err := inside(secure, chosen); err != nil {
		return err
	}
	secure.Write([]byte{0, 0, 0, 0}) // SecurityResult
	if init := read(secure, 1); init[0] != 1 {
		return fmt.Errorf("ClientInit %v", init)
	}
	_, err := secure.Write(rfb.AppendServerInit(nil, desktop))
	return err
}

// connected is a pair of sockets: TLS says goodbye to a peer that does not
// listen, which needs a buffer in between.
func connected(t *testing.T) (a, b net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if a, err = net.Dial("tcp", listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	for _, conn := range []net.Conn{a, b} {
		t.Cleanup(func() { conn.Close() })
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
	}
	return a, b
}

func TestVeNCrypt(t *testing.T) {
	t.Parallel()
	trust, certFile, keyFile := certificate(t)
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	serve := &tls.Config{Certificates: []tls.Certificate{pair}}
	all := []rfb.VeNCryptType{rfb.VeNCryptTLSNone, rfb.VeNCryptX509None, rfb.VeNCryptX509Vnc, rfb.VeNCryptX509Plain}
	tests := []struct {
		name   string
		accept []rfb.VeNCryptType
		offer  []rfb.VeNCryptType
		trust  *tls.Config
		want   rfb.VeNCryptType
		err    string
	}{
		{"best of all", nil, all, trust, rfb.VeNCryptX509Plain, ""},
		{"plain", []rfb.VeNCryptType{rfb.VeNCryptX509Plain}, all, trust, rfb.VeNCryptX509Plain, ""},
		{"vnc", []rfb.VeNCryptType{rfb.VeNCryptX509Vnc}, all, trust, rfb.VeNCryptX509Vnc, ""},
		{"none", []rfb.VeNCryptType{rfb.VeNCryptX509None}, all, trust, rfb.VeNCryptX509None, ""},
		{"nothing in common", nil, []rfb.VeNCryptType{rfb.VeNCryptTLSNone, rfb.VeNCryptPlain}, trust, 0, "offers VeNCrypt types [TLSNone Plain]"},
		{"another's certificate", nil, all, &tls.Config{RootCAs: trust.RootCAs, ServerName: "elsewhere.test"}, 0, "certificate is valid for desktop.test"},
		{"unknown issuer", nil, all, &tls.Config{ServerName: "desktop.test"}, 0, "certificate"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a, b := connected(t)
			done := make(chan error, 1)
			go func() {
				defer b.Close()
				done <- veNCryptServer(b, serve, test.offer, func(rw io.ReadWriter, chosen rfb.VeNCryptType) error {
					return authenticate(t, rw, chosen)
				})
			}()
			session, err := rfb.ClientHandshake(a, rfb.ClientConfig{
				Security: []rfb.SecurityType{rfb.SecurityVeNCrypt}, VeNCrypt: test.accept, TLS: test.trust, Password: fixedPassword("sesame"),
			})
			a.Close()
			serverErr := <-done
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil || serverErr != nil {
				t.Fatal(err, serverErr)
			}
			if _, ok := session.Conn.(*tls.Conn); !ok || session.VeNCrypt != test.want || session.Security != rfb.SecurityVeNCrypt || session.Init != desktop {
				t.Errorf("%+v", session)
			}
		})
	}
}

// authenticate is the server's part inside TLS.
func authenticate(t *testing.T, rw io.ReadWriter, chosen rfb.VeNCryptType) error {
	switch chosen {
	case rfb.VeNCryptX509Vnc:
		challenge := []byte("sixteen bytes ok")
		rw.Write(challenge)
		response := make([]byte, 16)
		io.ReadFull(rw, response)
		if !bytes.Equal(response, desResponse(t, challenge, "sesame")) {
			return fmt.Errorf("response %x", response)
		}
	case rfb.VeNCryptX509Plain:
		want := "\x00\x00\x00\x04\x00\x00\x00\x06usersesame"
		got := make([]byte, len(want))
		io.ReadFull(rw, got)
		if string(got) != want {
			return fmt.Errorf("plain %q", got)
		}
	}
	return nil
}

// TestVeNCryptRefusals: what a server may say before TLS.
func TestVeNCryptRefusals(t *testing.T) {
	t.Parallel()
	for server, want := range map[string]string{
		"\x00\x01":                             "VeNCrypt version 0.1",
		"\x00\x02\x01":                         "refuses VeNCrypt version",
		"\x00\x02\x00\x00":                     "offers VeNCrypt types []",
		"\x00\x02\x00\x01\x00\x00\x01\x04\x00": "refuses VeNCrypt type X509None",
		"\x00\x02\x00\x01\x00\x00\x01\x04\x01": "needs a net.Conn",
	} {
		_, err := rfb.ClientHandshake(&script{Reader: strings.NewReader("RFB 003.008\n\x01\x13" + server)},
			rfb.ClientConfig{Security: []rfb.SecurityType{rfb.SecurityVeNCrypt}, TLS: &tls.Config{ServerName: "x"}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", server, err, want)
		}
	}
}
