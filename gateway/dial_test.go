package gateway

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/streamspace/streamspace/broker"
)

// A desktop over TLS is taken only with the certificate of its own session, and
// is shown the session's.
func TestDialOverTLS(t *testing.T) {
	t.Parallel()
	sign := func(template, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		t.Helper()
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if parent == nil {
			parent, signer = template, key
		}
		template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(1), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
		if err != nil {
			t.Fatal(err)
		}
		made, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return made, key
	}
	ca, caKey := sign(&x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil, nil)
	ours, oursKey := sign(&x509.Certificate{DNSNames: []string{"one.desktop"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, ca, caKey)
	private, err := x509.MarshalPKCS8PrivateKey(oursKey)
	if err != nil {
		t.Fatal(err)
	}
	var secret bytes.Buffer
	for _, block := range []pem.Block{{Type: "CERTIFICATE", Bytes: ours.Raw}, {Type: "PRIVATE KEY", Bytes: private}, {Type: "CERTIFICATE", Bytes: ca.Raw}} {
		if err := pem.Encode(&secret, &block); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]bool{"one.desktop": true, "two.desktop": false} {
		theirs, theirKey := sign(&x509.Certificate{DNSNames: []string{name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, ca, caKey)
		pool := x509.NewCertPool()
		pool.AddCert(ca)
		listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
			MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
			Certificates: []tls.Certificate{{Certificate: [][]byte{theirs.Raw}, PrivateKey: theirKey}},
		})
		if err != nil {
			t.Fatal(err)
		}
		shown := make(chan []string, 1)
		go func() {
			conn, err := listener.Accept()
			if err != nil {
				shown <- nil
				return
			}
			defer conn.Close()
			secured := conn.(*tls.Conn)
			if secured.HandshakeContext(t.Context()) != nil {
				shown <- nil
				return
			}
			shown <- secured.ConnectionState().PeerCertificates[0].DNSNames
		}()
		route := broker.Route{Address: "tls:" + listener.Addr().String(), Secret: secret.Bytes()}
		if config := clientConfig(route); config.Password != nil {
			t.Error("a certificate is taken for a password")
		}
		var conn net.Conn
		conn, err = dial(t.Context(), route)
		if (err == nil) != want {
			t.Errorf("a desktop with the certificate of %s: %v", name, err)
		}
		if conn != nil {
			conn.Close()
		}
		if names := <-shown; want && (len(names) != 1 || names[0] != "one.desktop") {
			t.Errorf("the desktop was shown %v", names)
		}
		listener.Close()
	}
	for _, broken := range [][]byte{nil, []byte("x"), secret.Bytes()[:400]} {
		if _, err := dial(t.Context(), broker.Route{Address: "tls:127.0.0.1:1", Secret: broken}); err == nil {
			t.Errorf("dialed with %q", broken)
		}
	}
}
