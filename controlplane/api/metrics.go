package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what the API tells of itself.
type metrics struct {
	requests    *prometheus.HistogramVec
	subscribers prometheus.Gauge
	resyncs     prometheus.Counter
	joins       *prometheus.CounterVec
	shares      *prometheus.CounterVec
}

func newMetrics(registerer prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "streamspace_api_request_duration_seconds",
			Help:    "How long requests took, by route template, method and class of status.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60},
		}, []string{"route", "method", "class"}),
		subscribers: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "streamspace_api_event_subscribers",
			Help: "Open event sockets.",
		}),
		resyncs: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "streamspace_api_event_resyncs_total",
			Help: "Times that an event socket was told to read everything again because it lost events.",
		}),
		joins: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "streamspace_api_joins_total",
			Help: "Guests that came with a link, by outcome: ok, denied or throttled.",
		}, []string{"outcome"}),
		shares: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "streamspace_api_shares_total",
			Help: "Shares by what became of them: created, or why they ended (revoked, expired, session_stopped, account_disabled, sharer_demoted). Ends are counted by the one process that enforces them.",
		}, []string{"change"}),
	}
	if registerer != nil {
		registerer.MustRegister(m.requests, m.subscribers, m.resyncs, m.joins, m.shares)
	}
	return m
}

// observe counts one request. The labels are bounded: paths that are no route
// and methods that are none of ours share one.
func (m *metrics) observe(route, verb string, status int, took time.Duration) {
	if route == "" {
		route = "none"
	}
	class := strconv.Itoa(status/100) + "xx"
	m.requests.WithLabelValues(route, method(verb), class).Observe(took.Seconds())
}

func method(verb string) string {
	switch verb {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPatch, http.MethodPut, http.MethodDelete, http.MethodOptions:
		return verb
	}
	return "other"
}
