package process

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	running  prometheus.Gauge
	started  prometheus.Histogram
	ended    *prometheus.CounterVec
	adoption prometheus.Counter
}

func newMetrics(registerer prometheus.Registerer) *metrics {
	m := &metrics{
		running: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "streamspace_process_desktops", Help: "Desktops that run as local processes."}),
		started: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "streamspace_process_start_seconds", Help: "From the wish for a desktop to its RFB handshake.",
			Buckets: []float64{.1, .2, .3, .5, .75, 1, 2, 5, 10, 30}}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "streamspace_process_ended_total", Help: "Desktops that ended, by why: asked, crashed, memory, timeout."}, []string{"why"}),
		adoption: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "streamspace_process_adopted_total", Help: "Desktops of an earlier start that were found running."}),
	}
	registerer.MustRegister(m.running, m.started, m.ended, m.adoption)
	return m
}
