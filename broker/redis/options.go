package redis

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	client "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/streamspace/streamspace/broker"
)

// Options say where Redis is and how it is spoken to. Addresses must be set;
// every other zero field means its default.
type Options struct {
	// Addresses are host:port of the server, of the sentinels, or of some of
	// the cluster's nodes. A single server may be a Unix socket's path.
	Addresses []string
	// Cluster says that the addresses are those of a Redis Cluster.
	Cluster bool
	// Sentinel says that the addresses are those of sentinels.
	Sentinel Sentinel

	Username string // of the ACL; empty is the default user
	Password string // never logged
	Database int    // of a single server or behind sentinels
	TLS      *tls.Config

	// Prefix begins every key and channel, so that installations can share a
	// Redis: "streamspace".
	Prefix string
	// Events are the kinds that this process subscribes to: all. A gateway
	// has no use for wants, touches and presence, which are most of them.
	Events []broker.EventKind

	// Timeout bounds each call, with all its attempts: 2 s. A Redis in the
	// same building answers within a millisecond; what takes longer than this
	// is an outage, and a viewer who waits is better told.
	Timeout time.Duration
	// Connections bounds the pool, to each node of a cluster: 32. One
	// connection carries some ten thousand calls a second.
	Connections int

	Log        *slog.Logger          // slog.Default()
	Registerer prometheus.Registerer // a registry of its own, that nobody reads
}

// Sentinel names the master that sentinels watch, and says who asks them.
type Sentinel struct {
	Master   string // empty: there are no sentinels
	Username string
	Password string
}

const (
	defaultPrefix      = "streamspace"
	defaultTimeout     = 2 * time.Second
	defaultConnections = 32

	// attempts bounds how often one call is sent again within its timeout,
	// when a connection broke under it. Every script may run twice.
	attempts = 3
	// pause bounds the growing wait between attempts.
	firstPause, lastPause = 8 * time.Millisecond, 256 * time.Millisecond
	// idleConnection is how long a connection is kept that a burst needed.
	idleConnection = 5 * time.Minute
)

// settings checks the options and returns what the client library makes of them.
func (o Options) settings() (*client.UniversalOptions, error) {
	var wrong []error
	complain := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	if len(o.Addresses) == 0 {
		complain("no address is named")
	}
	for _, address := range o.Addresses {
		unix := strings.HasPrefix(address, "/")
		if !unix && !strings.Contains(address, ":") {
			complain("address %q is neither host:port nor the path of a socket", address)
		}
		if unix && (len(o.Addresses) > 1 || o.Cluster || o.Sentinel.Master != "") {
			complain("address %q: only a single server can be a Unix socket", address)
		}
	}
	switch {
	case o.Cluster && o.Sentinel.Master != "":
		complain("a cluster has no sentinels: name one of the two")
	case o.Cluster && o.Database != 0:
		complain("a cluster has database 0 only, not %d", o.Database)
	case !o.Cluster && o.Sentinel.Master == "" && len(o.Addresses) > 1:
		complain("%d addresses are named, and neither that they are a cluster nor a sentinel's master", len(o.Addresses))
	}
	if o.Timeout < 0 || o.Connections < 0 || o.Database < 0 {
		complain("timeout %s, connections %d, database %d: none can be negative", o.Timeout, o.Connections, o.Database)
	}
	if strings.ContainsAny(o.Prefix, "{}* \n") {
		complain("prefix %q: braces, stars and spaces mean something to Redis", o.Prefix)
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	timeout, connections := cmp.Or(o.Timeout, defaultTimeout), cmp.Or(o.Connections, defaultConnections)
	return &client.UniversalOptions{
		Addrs: o.Addresses, IsClusterMode: o.Cluster, MasterName: o.Sentinel.Master,
		SentinelUsername: o.Sentinel.Username, SentinelPassword: o.Sentinel.Password,
		Username: o.Username, Password: o.Password, DB: o.Database, TLSConfig: o.TLS,
		ClientName: "streamspace", DisableIdentity: true,

		// The context of each call bounds it; these bound one attempt.
		ContextTimeoutEnabled: true,
		DialTimeout:           timeout / 2, DialerRetries: 1,
		ReadTimeout: timeout, WriteTimeout: timeout, PoolTimeout: timeout,
		MaxRetries: attempts - 1, MinRetryBackoff: firstPause, MaxRetryBackoff: lastPause,

		PoolSize: connections, MinIdleConns: 1, MaxIdleConns: connections,
		ConnMaxIdleTime: idleConnection, PipelinePoolSize: -1,
		// Half of the library's buffers: the longest answer that is common is
		// a session's viewers.
		ReadBufferSize: 16 << 10, WriteBufferSize: 16 << 10,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}, nil
}

// Files name the PEM files of a connection's TLS.
type Files struct {
	CA          string // who signed the server's certificate; empty: whom the system trusts
	Certificate string // of this client, if the server wants one
	Key         string
	ServerName  string // what the server's certificate says; empty: the address's host
}

// TLS reads the files. The client's certificate is read again for each
// connection, so that a renewed one is used without a restart.
func (f Files) TLS() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: f.ServerName}
	if f.CA != "" {
		pem, err := os.ReadFile(f.CA)
		if err != nil {
			return nil, fmt.Errorf("reading the certificate of Redis's authority: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("reading the certificate of Redis's authority: %s holds none", f.CA)
		}
	}
	if f.Certificate == "" && f.Key == "" {
		return config, nil
	}
	own := func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(f.Certificate, f.Key)
		if err != nil {
			return nil, fmt.Errorf("reading the client certificate for Redis: %w", err)
		}
		return &pair, nil
	}
	if _, err := own(); err != nil {
		return nil, err
	}
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return own() }
	return config, nil
}
