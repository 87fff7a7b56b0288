package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"syscall"
	"time"

	"github.com/streamspace/streamspace/internal/certificate"
	"github.com/streamspace/streamspace/internal/config"
)

// Bounds of every HTTP connection. Streams and event sockets leave these
// behind when they are hijacked, and set their own.
const (
	readHeaderTimeout = 10 * time.Second  // a slow-loris client is cut here
	idleTimeout       = 120 * time.Second // between requests
	maxHeaderBytes    = 32 << 10          // cookies and a ticket fit many times over
)

// listen opens the public listener before anything else is started, so that a
// port in use is told at once.
func listen(ctx context.Context, settings config.Config) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", settings.Listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listening on %s: another program uses this port (perhaps StreamSpace runs already); stop it or choose another with --listen: %w", settings.Listen, err)
	}
	if errors.Is(err, syscall.EACCES) {
		return nil, fmt.Errorf("listening on %s: ports under 1024 need root or CAP_NET_BIND_SERVICE; choose another with --listen: %w", settings.Listen, err)
	}
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", settings.Listen, err)
	}
	return listener, nil
}

// tlsConfig returns nil when the listener is to speak plain HTTP.
func tlsConfig(settings config.Config, log *slog.Logger) (*tls.Config, error) {
	var cert tls.Certificate
	var err error
	switch {
	case settings.TLSSelfSigned:
		cert, err = certificate.SelfSigned(filepath.Join(settings.DataDir, "tls"), certificate.Hosts(settings.Listen), time.Now())
		if err == nil {
			log.Info("serving a self-signed certificate", "sha256", certificate.Fingerprint(cert))
		}
	case settings.TLSCert != "":
		cert, err = tls.LoadX509KeyPair(settings.TLSCert, settings.TLSKey)
		if err != nil {
			err = fmt.Errorf("tls-cert %s with tls-key %s: %w", settings.TLSCert, settings.TLSKey, err)
		}
	default:
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	// A browser opens its WebSocket over HTTP/1.1; with h2 offered, pages and
	// API calls share one connection beside it.
	return &tls.Config{
		Certificates: []tls.Certificate{cert},
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"h2", "http/1.1"},
	}, nil
}

// serve answers on the listener until ctx ends, then stops taking connections
// and waits for the requests under way. Hijacked ones are their owners'.
func serve(ctx context.Context, listener net.Listener, secure *tls.Config, handler http.Handler, step *doorstep, log *slog.Logger) error {
	server := &http.Server{
		Handler:           handler,
		TLSConfig:         secure,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug), // scanners and cut connections
	}
	step.guard(server)
	ended := make(chan error, 1)
	go func() {
		if secure != nil {
			ended <- server.ServeTLS(listener, "", "")
		} else {
			ended <- server.Serve(listener)
		}
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	// Requests under way are short: what has not ended soon is cut.
	shutdown, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := server.Shutdown(shutdown)
	if err != nil {
		err = errors.Join(err, server.Close())
	}
	<-ended
	return err
}

// baseURL is what people open, without a trailing slash.
func baseURL(settings config.Config, bound net.Addr) string {
	if settings.ExternalURL != nil {
		return settings.ExternalURL.String()
	}
	u := url.URL{Scheme: "http"}
	if settings.TLS() {
		u.Scheme = "https"
	}
	host, _, err := net.SplitHostPort(settings.Listen)
	if ip := net.ParseIP(host); err != nil || host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	_, port, _ := net.SplitHostPort(bound.String()) // of a bound listener: always host:port
	u.Host = net.JoinHostPort(host, port)
	if (u.Scheme == "http" && port == "80") || (u.Scheme == "https" && port == "443") {
		u.Host = host
	}
	return u.String()
}
