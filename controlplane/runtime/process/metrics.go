package process

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	phases   *prometheus.GaugeVec
	started  *prometheus.HistogramVec
	ended    *prometheus.CounterVec
	adopted  prometheus.Counter
	oomKills prometheus.Counter
	restarts prometheus.Counter
	limits   *prometheus.GaugeVec
}

func newMetrics(registerer prometheus.Registerer) *metrics {
	m := &metrics{
		phases: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "streamspace_process_desktops", Help: "Desktops that run as local processes, by phase: starting, ready."}, []string{"phase"}),
		started: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "streamspace_process_start_seconds",
			Help:    "From the wish for a desktop until a step was reached: sandbox, display, ready, window manager, application.",
			Buckets: []float64{.02, .05, .1, .2, .3, .5, .75, 1, 2, 5, 10, 30}}, []string{"step"}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "streamspace_process_ended_total", Help: "Desktops that ended, by why: asked, crashed, memory, timeout."}, []string{"why"}),
		adopted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "streamspace_process_adopted_total", Help: "Desktops of an earlier start that were found running."}),
		oomKills: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "streamspace_process_oom_kills_total", Help: "Processes of desktops that the kernel killed for want of the desktop's memory."}),
		restarts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "streamspace_process_program_restarts_total", Help: "Applications and window managers that died and were started again inside their desktop."}),
		limits: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "streamspace_process_limits", Help: "1 for what bounds desktops on this machine: cgroup2, cgroup1, rlimits."}, []string{"by"}),
	}
	registerer.MustRegister(m.phases, m.started, m.ended, m.adopted, m.oomKills, m.restarts, m.limits)
	return m
}
