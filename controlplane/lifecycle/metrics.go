package lifecycle

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/store"
)

// metrics is what the reconciler counts.
type metrics struct {
	sessions     *prometheus.GaugeVec     // by state
	transitions  *prometheus.CounterVec   // by from and to
	starts       *prometheus.HistogramVec // by kind
	hibernations prometheus.Counter
	wakes        prometheus.Counter
	restarts     prometheus.Counter
	reconciles   prometheus.Histogram
	errors       prometheus.Counter
}

var (
	// startBuckets in seconds: the goal is under one, the bound is ninety.
	startBuckets = []float64{.1, .2, .3, .5, .75, 1, 1.5, 2, 3, 5, 10, 20, 30, 60, 90, 180}
	// reconcileBuckets in seconds: mostly one small transaction.
	reconcileBuckets = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .5, 1, 5, 10, 30}
)

func newMetrics(registerer prometheus.Registerer) (*metrics, error) {
	const prefix = "streamspace_lifecycle_"
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + name, Help: help})
	}
	m := &metrics{
		sessions: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: prefix + "sessions", Help: "Sessions that are not stopped, by state.",
		}, []string{"state"}),
		transitions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: prefix + "transitions_total", Help: "Changes of a session's state.",
		}, []string{"from", "to"}),
		starts: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: prefix + "start_seconds", Buckets: startBuckets,
			Help: "Time until a desktop was up: since the session was created (start), since it was wanted again (wake), or since its death (restart).",
		}, []string{"kind"}),
		hibernations: counter("hibernations_total", "Sessions that went to sleep."),
		wakes:        counter("wakes_total", "Sessions that were woken."),
		restarts:     counter("restarts_total", "Desktops that ended unasked and are started again."),
		reconciles: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: prefix + "reconcile_seconds", Buckets: reconcileBuckets, Help: "Time of one look at a session, with all that followed from it.",
		}),
		errors: counter("reconcile_errors_total", "Looks at a session that something went wrong in; they are repeated."),
	}
	for _, collector := range []prometheus.Collector{
		m.sessions, m.transitions, m.starts, m.hibernations, m.wakes, m.restarts, m.reconciles, m.errors,
	} {
		if err := registerer.Register(collector); err != nil {
			return nil, fmt.Errorf("registering the lifecycle's metrics: %w", err)
		}
	}
	return m, nil
}

// moved counts the session under its new state; from is empty for one that was
// not counted yet.
func (m *metrics) moved(from, to streamspace.State) {
	if from == to {
		return
	}
	if from != "" && from != streamspace.StateStopped {
		m.sessions.WithLabelValues(string(from)).Dec()
	}
	if to != streamspace.StateStopped {
		m.sessions.WithLabelValues(string(to)).Inc()
	}
}

// transition counts a change of state that this process made.
func (m *metrics) transition(from, to store.Session) {
	m.transitions.WithLabelValues(string(from.State), string(to.State)).Inc()
	switch to.State {
	case streamspace.StateHibernated:
		m.hibernations.Inc()
	case streamspace.StateWaking:
		m.wakes.Inc()
	case streamspace.StateRunning:
		kind, since := "restart", from.StateChangedAt
		switch {
		case from.State == streamspace.StateWaking:
			kind = "wake"
		case to.Epoch == 1:
			kind, since = "start", to.CreatedAt
		}
		m.starts.WithLabelValues(kind).Observe(to.StateChangedAt.Sub(since).Seconds())
	}
}

// reconciled counts one look at a session.
func (m *metrics) reconciled(took time.Duration, err error) {
	m.reconciles.Observe(took.Seconds())
	if err != nil {
		m.errors.Inc()
	}
}
