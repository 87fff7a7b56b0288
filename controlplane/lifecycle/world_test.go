package lifecycle_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/broker/memory"
	"github.com/streamspace/streamspace/controlplane/lifecycle"
	"github.com/streamspace/streamspace/controlplane/runtime"
	"github.com/streamspace/streamspace/controlplane/runtime/runtimetest"
	"github.com/streamspace/streamspace/controlplane/store"
	"github.com/streamspace/streamspace/controlplane/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// patience bounds every wait, and is only ever used up by a failure.
const patience = 60 * time.Second

// quick is a control plane in a hurry. It never looks at everything again, so
// that what happens in a test happens because somebody was told.
var quick = lifecycle.Timing{
	StartTimeout: 5 * time.Second, GoneTimeout: time.Second, Backoff: 10 * time.Millisecond, MaxRestarts: 3, Settled: time.Hour,
	StepEvery: 5 * time.Millisecond, FlushTouch: 50 * time.Millisecond, WakeGrace: 500 * time.Millisecond, Resync: time.Hour,
	CallTimeout: 5 * time.Second, RetryFirst: 5 * time.Millisecond, RetryMost: 50 * time.Millisecond,
}

// world is everything around a reconciler, and the one that runs now.
type world struct {
	*testing.T
	store   *faultyStore
	feed    *store.Feed
	broker  *faultyBroker
	runtime *runtimetest.Fake
	clock   *clock
	log     *lines
	timing  lifecycle.Timing
	metrics *prometheus.Registry
	owner   streamspace.UserID
	stop    func() // the reconciler that runs
}

func newWorld(t *testing.T, timing lifecycle.Timing, script func(runtime.Desktop) runtimetest.Script) *world {
	t.Helper()
	w := &world{T: t, clock: &clock{}, log: &lines{}, timing: timing}
	db := storetest.New(t)
	w.store = &faultyStore{Store: db}
	w.broker = &faultyBroker{Broker: memory.New(w.clock.now)}
	w.runtime = runtimetest.NewFake(script)
	w.feed = store.NewFeed(db)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.feed.Run(ctx) }()
	user, err := db.CreateUser(t.Context(), store.InsertUserParams{
		ID: streamspace.NewUserID(), Username: "ada", DisplayName: "Ada", Role: streamspace.RoleUser, Now: time.Now(),
	})
	w.must(err)
	w.owner = user.ID
	w.start()
	t.Cleanup(func() {
		w.stop()
		w.runtime.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("feed: %v", err)
		}
		if wrongs := w.runtime.Wrongs(); len(wrongs) > 0 {
			t.Errorf("the runtime was asked for what must never be: %v", wrongs)
		}
		if t.Failed() {
			t.Logf("log:\n%s", w.log.text())
		}
	})
	return w
}

// start runs a reconciler, as a control plane that has just started.
func (w *world) start() {
	w.Helper()
	w.metrics = prometheus.NewRegistry()
	reconciler, err := lifecycle.New(lifecycle.Options{
		Store: w.store, Feed: w.feed, Runtime: w.runtime, Broker: w.broker,
		Templates: func(name string) (streamspace.Template, bool) {
			return streamspace.Template{Name: name}, name != "withdrawn"
		},
		Logger: slog.New(slog.NewTextHandler(w.log, nil)), Registerer: w.metrics, Now: w.clock.now, Timing: w.timing,
	})
	w.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- reconciler.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.Errorf("reconciler: %v", err)
		}
	})
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// create makes a session as the API does.
func (w *world) create(template string, idle time.Duration) store.Session {
	w.Helper()
	row, err := w.store.CreateSession(w.Context(), store.NewSession{
		Owner: w.owner, Template: template, Name: template, IdleTimeoutSeconds: int32(idle / time.Second), MaxLive: 1000, Now: w.clock.now(),
	})
	w.must(err)
	return row
}

// want changes the desired state as the API does.
func (w *world) wish(id streamspace.SessionID, desired streamspace.DesiredState) {
	w.Helper()
	_, err := w.store.Store.ChangeSession(w.Context(), id, w.clock.now(), func(row *store.Session) error {
		row.DesiredState = desired
		return nil
	})
	w.must(err)
}

func (w *world) row(id streamspace.SessionID) store.Session {
	w.Helper()
	row, err := w.store.Store.SessionByID(w.Context(), id)
	w.must(err)
	return row
}

// reaches waits until the session's row fulfils the condition.
func (w *world) reaches(id streamspace.SessionID, what string, holds func(row store.Session) bool) store.Session {
	w.Helper()
	var row store.Session
	w.eventually(what, func() bool {
		row = w.row(id)
		return holds(row)
	})
	return row
}

func (w *world) becomes(id streamspace.SessionID, state streamspace.State) store.Session {
	w.Helper()
	return w.reaches(id, "the session is "+string(state), func(row store.Session) bool { return row.State == state })
}

// runs creates a session and waits until it is up and can be reached.
func (w *world) runs(template string, idle time.Duration) store.Session {
	w.Helper()
	row := w.becomes(w.create(template, idle).ID, streamspace.StateRunning)
	w.routed(row)
	return row
}

// routed waits for the route to the session's desktop.
func (w *world) routed(row store.Session) {
	w.Helper()
	w.eventually("the route is published", func() bool {
		route, err := w.broker.Route(w.Context(), row.ID)
		return err == nil && route.Epoch == uint64(row.Epoch)
	})
}

func (w *world) eventually(what string, holds func() bool) {
	w.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			w.Fatalf("after %s still not: %s", patience, what)
		}
	}
}

// never watches for a while that something does not happen.
func (w *world) never(what string, while time.Duration, happens func() bool) {
	w.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(while); time.Now().Before(deadline); <-tick.C {
		if happens() {
			w.Fatal(what)
		}
	}
}

// running returns the epochs of the session's desktops that run.
func (w *world) running(id streamspace.SessionID) []uint64 {
	var epochs []uint64
	for _, desktop := range w.runtime.Running() {
		if desktop.Session == id {
			epochs = append(epochs, desktop.Epoch)
		}
	}
	return epochs
}

// join is a viewer that comes, whether the desktop is up or not.
func (w *world) join(id streamspace.SessionID) broker.Viewer {
	w.Helper()
	viewer := broker.Viewer{ID: streamspace.NewViewerID(), Session: id, User: w.owner, Since: w.clock.now()}
	w.must(w.broker.Join(w.Context(), viewer, time.Hour))
	return viewer
}

// revoked tells whether a stream opened just now with a ticket of that age is forbidden.
func (w *world) revoked(viewer broker.Viewer, issued time.Time) streamspace.Code {
	w.Helper()
	revocation, ok, err := w.broker.Revoked(w.Context(), viewer, issued)
	w.must(err)
	if !ok {
		return ""
	}
	return revocation.Code
}

// metric returns the value of a counter or gauge, or the count of a histogram.
func (w *world) metric(name string, labels ...string) float64 {
	w.Helper()
	families, err := w.metrics.Gather()
	w.must(err)
	for _, family := range families {
		if family.GetName() != "streamspace_lifecycle_"+name {
			continue
		}
	metrics:
		for _, metric := range family.Metric {
			for i, label := range metric.Label {
				if i >= len(labels) || label.GetValue() != labels[i] {
					continue metrics
				}
			}
			return metric.GetCounter().GetValue() + metric.GetGauge().GetValue() + float64(metric.GetHistogram().GetSampleCount())
		}
	}
	return 0
}

// clock runs like the machine's, and can be made to jump.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time       { return time.Now().Add(time.Duration(c.offset.Load())) }
func (c *clock) jump(d time.Duration) { c.offset.Add(int64(d)) }

// lines is a log that tests can read.
type lines struct {
	mu     sync.Mutex
	buffer bytes.Buffer // guarded by mu
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.Write(p)
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.String()
}

// count returns how many lines hold all the words.
func (l *lines) count(words ...string) int {
	n := 0
lines:
	for line := range strings.Lines(l.text()) {
		for _, word := range words {
			if !strings.Contains(line, word) {
				continue lines
			}
		}
		n++
	}
	return n
}

// faultyStore is the real one, until it is taken away.
type faultyStore struct {
	*store.Store
	down atomic.Bool
}

func (s *faultyStore) err() error {
	if s.down.Load() {
		return store.ErrUnavailable
	}
	return nil
}

func (s *faultyStore) LiveSessions(ctx context.Context) ([]store.Session, error) {
	if err := s.err(); err != nil {
		return nil, err
	}
	return s.Store.LiveSessions(ctx)
}

func (s *faultyStore) SessionByID(ctx context.Context, id streamspace.SessionID) (store.Session, error) {
	if err := s.err(); err != nil {
		return store.Session{}, err
	}
	return s.Store.SessionByID(ctx, id)
}

func (s *faultyStore) ChangeSession(ctx context.Context, id streamspace.SessionID, now time.Time, change func(*store.Session) error) (store.Session, error) {
	if err := s.err(); err != nil {
		return store.Session{}, err
	}
	return s.Store.ChangeSession(ctx, id, now, change)
}

// faultyBroker is a real one, until it is taken away.
type faultyBroker struct {
	*memory.Broker
	down  atomic.Bool
	reset atomic.Bool // the next event is that it may have forgotten
}

// Subscribe subscribes to a broker that can say that it may have forgotten.
func (b *faultyBroker) Subscribe(ctx context.Context, buffer int) (broker.Subscription, error) {
	subscription, err := b.Broker.Subscribe(ctx, buffer)
	return forgetful{subscription, b}, err
}

type forgetful struct {
	broker.Subscription
	broker *faultyBroker
}

func (f forgetful) Next(ctx context.Context) (broker.Event, error) {
	event, err := f.Subscription.Next(ctx)
	if f.broker.reset.Swap(false) {
		return broker.Event{Kind: broker.EventReset}, nil
	}
	return event, err
}

var errBroker = errors.New("broker is away")

func (b *faultyBroker) err() error {
	if b.down.Load() {
		return errBroker
	}
	return nil
}

func (b *faultyBroker) Publish(ctx context.Context, route broker.Route) error {
	return errors.Join(b.err(), b.unless(func() error { return b.Broker.Publish(ctx, route) }))
}

func (b *faultyBroker) Withdraw(ctx context.Context, id streamspace.SessionID, epoch uint64) error {
	return errors.Join(b.err(), b.unless(func() error { return b.Broker.Withdraw(ctx, id, epoch) }))
}

func (b *faultyBroker) Viewers(ctx context.Context, id streamspace.SessionID) ([]broker.Viewer, error) {
	if err := b.err(); err != nil {
		return nil, err
	}
	return b.Broker.Viewers(ctx, id)
}

func (b *faultyBroker) LastTouch(ctx context.Context, id streamspace.SessionID) (time.Time, error) {
	if err := b.err(); err != nil {
		return time.Time{}, err
	}
	return b.Broker.LastTouch(ctx, id)
}

func (b *faultyBroker) unless(call func() error) error {
	if b.down.Load() {
		return nil
	}
	return call()
}
