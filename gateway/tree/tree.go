// Package tree is how gateways speak to each other: a desktop is served by one of
// them, and another whose viewers want it is served through that one, over a
// connection on which both prove who they are.
//
// The connection is the stream that a viewer has, RFB in binary messages and JSON
// in texts, over mutual TLS 1.3. A gateway is known by its key, which it makes when
// it starts and announces in the fleet's list: there are no certificates to hand
// out, and nobody who is not on the list gets or gives a byte.
package tree

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/streamspace/streamspace/gateway/ticket"
)

// Prefix is where the streams between gateways are; the session's id follows.
const Prefix = "/tree/v1/"

// AlivePath answers a gateway that asks how another sees the fleet.
const AlivePath = "/tree/alive"

// WatchPath answers a gateway as long as this one lives, with Leaving when it takes
// viewers no more.
const (
	WatchPath = "/tree/watch"
	Leaving   = "leaving\n"
)

// ErrUnknown says that the other end's key is none of the fleet's.
var ErrUnknown = errors.New("peer is no gateway of this fleet")

// certificateLife is long: what makes the certificate valid is that its key is on
// the list.
const certificateLife = 20 * 365 * 24 * time.Hour

// Certificate makes the certificate that a gateway shows others.
func Certificate(key ticket.Key) (tls.Certificate, error) {
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "streamspace gateway " + key.ID()},
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(certificateLife),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Signer().Public(), key.Signer())
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making the certificate for other gateways: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key.Signer()}, nil
}

// Known tells whether a key is of a gateway of the fleet.
type Known func(ctx context.Context, key crypto.PublicKey) bool

// ServerConfig lets gateways in that are known.
func ServerConfig(own tls.Certificate, known Known) *tls.Config {
	return config(own, func(key crypto.PublicKey) bool {
		ctx, cancel := context.WithTimeout(context.Background(), lookTimeout)
		defer cancel()
		return known(ctx, key)
	})
}

// lookTimeout bounds the look at the fleet's list in a handshake.
const lookTimeout = 5 * time.Second

// config proves the own key and checks the other's. Names and dates say nothing
// here, so that the library's own checks are left out, and the key is what counts:
// TLS 1.3 proves that the peer has it.
func config(own tls.Certificate, known func(crypto.PublicKey) bool) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{own},
		ClientAuth: tls.RequireAnyClientCert, InsecureSkipVerify: true,
		SessionTicketsDisabled: true, // a resumed connection would not be checked again
		NextProtos:             []string{"http/1.1"},
		VerifyConnection: func(state tls.ConnectionState) error {
			if len(state.PeerCertificates) != 1 || !known(state.PeerCertificates[0].PublicKey) {
				return ErrUnknown
			}
			return nil
		},
	}
}
