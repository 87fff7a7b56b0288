package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"

	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/rfb"
)

// overTLS begins the address of a desktop that wants a certificate: the route's
// secret is that, its key and the authority that the desktop's own is from.
const overTLS = "tls"

// clientConfig is how the gateway proves to the desktop who it is, once they are
// connected.
func clientConfig(route broker.Route) rfb.ClientConfig {
	config := rfb.ClientConfig{}
	if len(route.Secret) > 0 && !strings.HasPrefix(route.Address, overTLS+":") {
		config.Security = []rfb.SecurityType{rfb.SecurityVncAuth, rfb.SecurityNone}
		config.Password = func() (user, password string, err error) { return "", string(route.Secret), nil }
	}
	return config
}

// dial connects to the desktop that the route names.
func dial(ctx context.Context, route broker.Route) (net.Conn, error) {
	return dialFor(ctx, route, "")
}

// dialBeside connects to what the desktop that the route names has besides RFB: a
// socket in the same folder, or another protocol behind the same door.
func dialBeside(ctx context.Context, route broker.Route, socket, protocol string) (net.Conn, error) {
	network, target, _ := strings.Cut(route.Address, ":")
	switch network {
	case overTLS:
		return dialFor(ctx, route, protocol)
	case "unix":
		route.Address = network + ":" + filepath.Join(filepath.Dir(target), socket)
		return dialFor(ctx, route, "")
	}
	return nil, fmt.Errorf("a desktop at %s has nothing but RFB", network)
}

// dialFor connects to the desktop, for RFB or a protocol by name (ALPN, RFC 7301).
func dialFor(ctx context.Context, route broker.Route, protocol string) (net.Conn, error) {
	network, target, ok := strings.Cut(route.Address, ":")
	if !ok || (network != "unix" && network != "tcp" && network != overTLS) {
		return nil, fmt.Errorf("route address %q has none of the forms unix:path, tcp:host:port and tls:host:port", route.Address)
	}
	if network == overTLS {
		config, err := mutual(route.Secret)
		if err != nil {
			return nil, fmt.Errorf("reading the certificate for the desktop: %w", err)
		}
		if protocol != "" {
			config.NextProtos = []string{protocol}
		}
		conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", target)
		if err != nil {
			return nil, fmt.Errorf("dialing the desktop: %w", err)
		}
		return conn, nil
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, target)
	if err != nil {
		return nil, fmt.Errorf("dialing the desktop: %w", err)
	}
	return conn, nil
}

// mutual reads a route's secret: PEM of the gateway's certificate for this
// session, its key, and the authority, in this order. Both ends' certificates
// have the same one name in them, which no other session's have: a desktop that
// came to another's address is not taken for it.
func mutual(secret []byte) (*tls.Config, error) {
	first, rest := pem.Decode(secret)
	if first == nil {
		return nil, errors.New("no certificate")
	}
	key, rest := pem.Decode(rest)
	if key == nil {
		return nil, errors.New("no key")
	}
	pair, err := tls.X509KeyPair(pem.EncodeToMemory(first), pem.EncodeToMemory(key))
	if err != nil {
		return nil, err
	}
	if len(pair.Leaf.DNSNames) != 1 {
		return nil, fmt.Errorf("it is for %d names, not for one", len(pair.Leaf.DNSNames))
	}
	authority := x509.NewCertPool()
	if !authority.AppendCertsFromPEM(rest) {
		return nil, errors.New("no authority")
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}, RootCAs: authority, ServerName: pair.Leaf.DNSNames[0],
	}, nil
}
