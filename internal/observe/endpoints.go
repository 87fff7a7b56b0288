package observe

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// checkTimeout bounds one readiness check: a load balancer asks again within
// seconds, and a hanging answer is worse for it than "no".
const checkTimeout = 2 * time.Second

// Readiness is the list of what must work before the role takes traffic.
type Readiness struct {
	mu     sync.Mutex
	names  []string                                   // guarded by mu; in the order they were added
	checks map[string]func(ctx context.Context) error // guarded by mu
}

// Add makes ready depend on check. The text of its error is shown to whoever
// asks, so it must hold no secret.
func (r *Readiness) Add(name string, check func(ctx context.Context) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.checks == nil {
		r.checks = make(map[string]func(ctx context.Context) error)
	}
	r.names = append(r.names, name)
	r.checks[name] = check
}

// ServeHTTP answers 200 when every check passes and 503 otherwise, with the
// outcome of each as JSON.
func (r *Readiness) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	ctx, cancel := context.WithTimeout(req.Context(), checkTimeout)
	defer cancel()
	r.mu.Lock()
	names := append([]string(nil), r.names...)
	checks := make([]func(context.Context) error, len(names))
	for i, name := range names {
		checks[i] = r.checks[name]
	}
	r.mu.Unlock()

	outcomes := make(map[string]string, len(names))
	status := http.StatusOK
	for i, check := range checks {
		outcomes[names[i]] = "ok"
		if err := check(ctx); err != nil {
			outcomes[names[i]] = err.Error()
			status = http.StatusServiceUnavailable
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"ready": status == http.StatusOK, "checks": outcomes})
}

// Alive answers 200: the process runs and serves.
func Alive(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Write([]byte("ok\n"))
}

// Metrics serves the registry in Prometheus' format.
func Metrics(registry *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{Registry: registry})
}

// LoopbackOnly lets clients on this machine through that come without a proxy:
// what stands behind a public proxy looks local, but carries its headers.
func LoopbackOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		host, _, err := net.SplitHostPort(req.RemoteAddr)
		addr, parseErr := netip.ParseAddr(host)
		proxied := req.Header.Get("X-Forwarded-For") != "" || req.Header.Get("Forwarded") != "" || req.Header.Get("Via") != ""
		if err != nil || parseErr != nil || !addr.Unmap().IsLoopback() || proxied {
			http.Error(w, "metrics are served to this machine only; set metrics-listen to serve them elsewhere", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, req)
	})
}
