package redis_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	client "github.com/redis/go-redis/v9"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/broker/redis"
	"github.com/streamspace/streamspace/broker/redis/redistest"
)

func TestConformanceInACluster(t *testing.T) {
	t.Parallel()
	var addresses []string
	for _, node := range redistest.Cluster(t, 3) {
		addresses = append(addresses, node.Address)
	}
	conformance(t, redis.Options{Addresses: addresses, Cluster: true})
}

// commands are what a user of Redis may do who is us, as docs/SECURITY.md has it.
const commands = "+@connection +info +eval +evalsha +get +mget +set +setnx +del +pexpire +pttl +time +hget +hgetall +hmget +hset +hdel +hvals +hincrby +zadd +zscore +zrem +zrangebyscore +publish +subscribe"

// Everything works over TLS with a certificate of ours, as a user who may do no
// more than is documented.
func TestConformanceWithTLSAndACL(t *testing.T) {
	t.Parallel()
	pki := newAuthority(t)
	port := freePort(t)
	server := redistest.Start(t, "--tls-port", strconv.Itoa(port), "--tls-ca-cert-file", pki.ca,
		"--tls-cert-file", pki.certificate, "--tls-key-file", pki.key, "--tls-auth-clients", "yes")
	user := append([]any{"acl", "setuser", "fleet", "on", ">secret", "~test-*", "&test-*"}, words(commands)...)
	if err := server.Client(t).Do(t.Context(), user...).Err(); err != nil {
		t.Fatal(err)
	}
	files := redis.Files{CA: pki.ca, Certificate: pki.certificate, Key: pki.key}
	config, err := files.TLS()
	if err != nil {
		t.Fatal(err)
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	options := redis.Options{Addresses: []string{address}, TLS: config, Username: "fleet", Password: "secret"}

	for name, wrong := range map[string]func(*redis.Options){
		"the wrong password":        func(o *redis.Options) { o.Password = "guess" },
		"no certificate":            func(o *redis.Options) { o.TLS = &tls.Config{RootCAs: config.RootCAs} },
		"another authority":         func(o *redis.Options) { o.TLS = &tls.Config{GetClientCertificate: config.GetClientCertificate} },
		"keys of another's":         func(o *redis.Options) { o.Prefix = "theirs" },
		"no TLS where there is one": func(o *redis.Options) { o.TLS = nil },
	} {
		t.Run(name, func(t *testing.T) {
			o := apart(options)
			wrong(&o)
			o.Timeout = soon
			o.Log = slog.New(slog.DiscardHandler)
			_, err := start(t, o).Route(t.Context(), streamspace.NewSessionID())
			if !errors.Is(err, broker.ErrUnavailable) {
				t.Errorf("got error %v, want ErrUnavailable", err)
			}
			if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "guess") {
				t.Errorf("the password is told: %v", err)
			}
		})
	}
	plain := redis.Options{Addresses: []string{server.Address}} // the way by which the test forgets
	t.Run("conforms", func(t *testing.T) { conformanceWith(t, options, plain) })
}

func words(s string) (all []any) {
	for word := range strings.FieldsSeq(s) {
		all = append(all, word)
	}
	return all
}

func TestUnixSocket(t *testing.T) {
	t.Parallel()
	b := start(t, apart(redis.Options{Addresses: []string{shared.Socket}}))
	if err := b.Publish(t.Context(), broker.Route{Session: streamspace.NewSessionID(), Epoch: 1}); err != nil {
		t.Fatal(err)
	}
}

func TestWrongOptions(t *testing.T) {
	t.Parallel()
	one := []string{"127.0.0.1:6379"}
	two := []string{"127.0.0.1:6379", "127.0.0.1:6380"}
	for name, c := range map[string]struct {
		options redis.Options
		says    string
	}{
		"no address":            {redis.Options{}, "no address"},
		"not an address":        {redis.Options{Addresses: []string{"redis"}}, `"redis"`},
		"two of what":           {redis.Options{Addresses: two}, "neither that they are a cluster"},
		"a cluster's database":  {redis.Options{Addresses: two, Cluster: true, Database: 1}, "database 0 only"},
		"a cluster's sentinels": {redis.Options{Addresses: two, Cluster: true, Sentinel: redis.Sentinel{Master: "m"}}, "no sentinels"},
		"sockets of a cluster":  {redis.Options{Addresses: []string{"/run/redis.sock"}, Cluster: true}, "only a single server"},
		"a prefix with a brace": {redis.Options{Addresses: one, Prefix: "a{b"}, "prefix"},
		"a negative timeout":    {redis.Options{Addresses: one, Timeout: -1}, "negative"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := redis.New(c.options)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got error %v, want one that says %s", err, c.says)
			}
		})
	}
	if _, err := redis.New(redis.Options{Addresses: []string{"redis"}, Prefix: "}", Timeout: -1}); err == nil || strings.Count(err.Error(), "\n") < 2 {
		t.Errorf("three mistakes, and what is said is: %v", err)
	}
}

// No test of the fleet may leave keys that stay for ever, but for the marks and
// counters of the buckets, of which there is a fixed number.
func TestEverythingEnds(t *testing.T) {
	t.Parallel()
	options := apart(redis.Options{Addresses: []string{shared.Address}})
	b := start(t, options)
	ctx := t.Context()
	session, viewer := streamspace.NewSessionID(), streamspace.NewViewerID()
	_, claimErr := b.Claim(ctx, session, streamspace.NewGatewayID(), long)
	err := errors.Join(claimErr,
		b.Publish(ctx, broker.Route{Session: session, Epoch: 1}), b.Want(ctx, session), b.Touch(ctx, session, time.Now()),
		b.Join(ctx, broker.Viewer{ID: viewer, Session: session}, long), b.Redeem(ctx, streamspace.NewTicketID(), time.Now().Add(long)),
		b.Revoke(ctx, broker.Revocation{Viewer: viewer, Before: time.Now()}, long),
		b.PutThumbnail(ctx, session, broker.Thumbnail{JPEG: []byte("jpeg"), Taken: time.Now()}, long),
		b.Announce(ctx, broker.Node{Gateway: streamspace.NewGatewayID()}, long))
	if err != nil {
		t.Fatal(err)
	}
	c := client.NewClient(&client.Options{Addr: shared.Address})
	defer c.Close()
	names, err := c.Keys(ctx, options.Prefix+":*").Result()
	if err != nil {
		t.Fatal(err)
	}
	mortal := 0
	for _, name := range names {
		if strings.HasSuffix(name, ":told") || strings.HasSuffix(name, ":life") {
			continue
		}
		mortal++
		if left, err := c.PTTL(ctx, name).Result(); err != nil || left <= 0 {
			t.Errorf("%s ends in %s (error %v)", name, left, err)
		}
	}
	if mortal != 10 {
		t.Errorf("%d keys that end, want one for each of ten things: %v", mortal, names)
	}
}

func freePort(t *testing.T) int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// authority is a certificate that signs itself and serves both ends.
type authority struct{ ca, certificate, key string }

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redistest"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	a := authority{certificate: write("certificate.pem", "CERTIFICATE", certificate), key: write("key.pem", "PRIVATE KEY", private)}
	a.ca = a.certificate
	return a
}
