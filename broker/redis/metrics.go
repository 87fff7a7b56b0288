package redis

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	seconds  *prometheus.HistogramVec
	failures *prometheus.CounterVec
	up       prometheus.Gauge
	dropped  prometheus.Counter
	resets   prometheus.Counter
}

func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "streamspace_broker_call_seconds", Help: "Time that calls to Redis took, with all their attempts.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 3, 10), // 0.1 ms to 2 s
		}, []string{"call"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "streamspace_broker_failures_total", Help: "Calls to Redis that got no answer, or one that was an error.",
		}, []string{"call"}),
		up: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "streamspace_broker_up", Help: "1 while Redis answers.",
		}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "streamspace_broker_dropped_events_total", Help: "Events that subscribers lost because they read too slowly.",
		}),
		resets: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "streamspace_broker_resets_total", Help: "Times that Redis may have forgotten what it was told.",
		}),
	}
	var err error
	for _, c := range []prometheus.Collector{m.seconds, m.failures, m.up, m.dropped, m.resets} {
		err = errors.Join(err, registerer.Register(c))
	}
	return m, err
}
