package operator

import (
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	writes   *prometheus.CounterVec
	duration *prometheus.HistogramVec
	phases   *prometheus.CounterVec
	start    prometheus.Histogram
	warm     *prometheus.CounterVec
}

func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		writes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "streamspace_operator_api_writes_total", Help: "Requests that change something at the API server, by method and resource.",
		}, []string{"method", "resource"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "streamspace_operator_reconcile_seconds", Help: "Time of one look at an object and acting on it, by kind.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 18), // to 13 s
		}, []string{"kind"}),
		phases: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "streamspace_operator_session_changes_total", Help: "Changes of sessions' phases, by the phase and the reason reached.",
		}, []string{"phase", "reason"}),
		start: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "streamspace_operator_start_seconds", Help: "From a pod's creation until its desktop is ready.",
			Buckets: prometheus.ExponentialBuckets(0.25, 2, 12), // to 8 min
		}),
		warm: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "streamspace_operator_starts_total", Help: "Starts of desktops, by whether a warm pod was there.",
		}, []string{"warm"}),
	}
	for _, c := range []prometheus.Collector{m.writes, m.duration, m.phases, m.start, m.warm} {
		if err := registerer.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// took notes how long a look at an object took; to be deferred.
func (m *metrics) took(kind string, from time.Time) {
	m.duration.WithLabelValues(kind).Observe(time.Since(from).Seconds())
}

// countWrites counts what changes something, by what is changed.
func (m *metrics) countWrites(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		if request.Method != http.MethodGet {
			m.writes.WithLabelValues(request.Method, resourceOf(request.URL.Path)).Inc()
		}
		return next.RoundTrip(request)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return f(request) }

// resourceOf is the resource and subresource of a path such as
// /apis/stream.space/v1alpha1/namespaces/NAMESPACE/sessions/NAME/status.
func resourceOf(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	skip := 2 // api, version
	if parts[0] == "apis" {
		skip = 3
	}
	if len(parts) > skip+1 && parts[skip] == "namespaces" {
		skip += 2
	}
	switch {
	case len(parts) > skip+2:
		return parts[skip] + "/" + parts[skip+2]
	case len(parts) > skip:
		return parts[skip]
	}
	return "other"
}
