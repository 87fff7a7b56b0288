package lifecycle

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/controlplane/runtime"
	"github.com/streamspace/streamspace/controlplane/store"
)

// Store is what the reconciler needs of *store.Store.
type Store interface {
	LiveSessions(ctx context.Context) ([]store.Session, error)
	SessionByID(ctx context.Context, id streamspace.SessionID) (store.Session, error)
	HomeByID(ctx context.Context, id streamspace.HomeID) (store.Home, error)
	// ChangeSession writes the row and its event in one transaction.
	ChangeSession(ctx context.Context, id streamspace.SessionID, now time.Time, change func(row *store.Session) error) (store.Session, error)
	SetLastActive(ctx context.Context, arg store.SetLastActiveParams) error
}

// Broker is what the reconciler needs of broker.Broker.
type Broker interface {
	Publish(ctx context.Context, route broker.Route) error
	Withdraw(ctx context.Context, session streamspace.SessionID, epoch uint64) error
	Revoke(ctx context.Context, revocation broker.Revocation, keep time.Duration) error
	Viewers(ctx context.Context, session streamspace.SessionID) ([]broker.Viewer, error)
	LastTouch(ctx context.Context, session streamspace.SessionID) (time.Time, error)
	Subscribe(ctx context.Context, buffer int) (broker.Subscription, error)
}

// Options is what a Reconciler works with. Everything without a remark is needed.
type Options struct {
	Store      Store
	Feed       *store.Feed // must run
	Runtime    runtime.Runtime
	Broker     Broker
	Templates  func(name string) (streamspace.Template, bool)
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Now        func() time.Time // nil: time.Now
	Timing     Timing
}

const (
	// maxStoreCalls leaves the API some of the store's ten connections.
	maxStoreCalls = 6
	// maxBrokerCalls share one connection, or none.
	maxBrokerCalls = 32
	// maxRuntimeCalls is how many calls the runtime may have under way; one
	// that hangs holds up nothing but its own session, until this many do.
	maxRuntimeCalls = 64
)

// Reconciler brings desktops in line with the rows of their sessions. There is
// one for a database: two would be safe for the rows, not for the desktops.
type Reconciler struct {
	store     Store                                          // immutable
	feed      *store.Feed                                    // immutable
	runtime   runtime.Runtime                                // immutable
	broker    Broker                                         // immutable
	templates func(name string) (streamspace.Template, bool) // immutable
	log       *slog.Logger                                   // immutable
	clock     func() time.Time                               // immutable
	timing    Timing                                         // immutable
	metrics   *metrics                                       // immutable
	outages   struct{ store, broker, runtime outage }        // each has its own lock
	slots     struct{ store, broker, runtime chan struct{} } // immutable; semaphores

	mu       sync.Mutex
	open     bool                               // guarded by mu; work may begin
	sessions map[streamspace.SessionID]*session // guarded by mu
	group    sync.WaitGroup                     // sessions at work; Add is guarded by mu and open
}

// New returns a reconciler that does nothing until Run.
func New(o Options) (*Reconciler, error) {
	r := &Reconciler{
		store: o.Store, feed: o.Feed, runtime: o.Runtime, broker: o.Broker, templates: o.Templates,
		log: o.Logger, clock: o.Now, timing: o.Timing.withDefaults(),
		sessions: make(map[streamspace.SessionID]*session),
	}
	if r.clock == nil {
		r.clock = time.Now
	}
	r.outages.store.what, r.outages.broker.what, r.outages.runtime.what = "store", "broker", "runtime"
	r.slots.store = make(chan struct{}, maxStoreCalls)
	r.slots.broker = make(chan struct{}, maxBrokerCalls)
	r.slots.runtime = make(chan struct{}, maxRuntimeCalls)
	var err error
	r.metrics, err = newMetrics(o.Registerer)
	return r, err
}

// now is the time as the database keeps it.
func (r *Reconciler) now() time.Time { return r.clock().UTC().Truncate(time.Microsecond) }

// Run reconciles until ctx ends, and returns when all its work has. Desktops
// go on running: the next Run finds them.
func (r *Reconciler) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	synced := make(chan struct{})
	// All three listen before the first look, so that nothing falls between.
	group.Go(func() error { return r.watchRuntime(ctx, synced) })
	group.Go(func() error { return r.watchBroker(ctx) })
	group.Go(func() error {
		select {
		case <-synced: // before, a desktop that has not been told of would seem to be gone
		case <-ctx.Done():
			return nil
		}
		return r.watchRows(ctx, func() { r.begin(ctx) })
	})
	err := group.Wait()
	r.finish()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// begin lets the work start on all that was heard of so far.
func (r *Reconciler) begin(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open || ctx.Err() != nil {
		return
	}
	r.open = true
	for _, s := range r.sessions {
		r.launch(ctx, s)
	}
}

// finish waits for the sessions at work; their context has ended.
func (r *Reconciler) finish() {
	r.mu.Lock()
	r.open = false
	for _, s := range r.sessions {
		s.timer.stop()
	}
	r.mu.Unlock()
	r.group.Wait()
	r.mu.Lock()
	clear(r.sessions)
	r.mu.Unlock()
	r.metrics.sessions.Reset()
}

// tell changes what is known of a session and has it looked at.
func (r *Reconciler) tell(ctx context.Context, id streamspace.SessionID, change func(heard *heard)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sessions[id]
	if s == nil {
		s = &session{id: id}
		r.sessions[id] = s
	}
	change(&s.heard)
	s.dirty = true
	r.launch(ctx, s)
}

// launch starts the work on a session, unless it is under way; the caller
// holds mu. Work that is under way looks again before it ends.
func (r *Reconciler) launch(ctx context.Context, s *session) {
	if !r.open || !s.dirty || s.busy {
		return
	}
	s.busy = true
	r.group.Go(func() { r.work(ctx, s) })
}

// work is the only code that touches what a session's work owns, until there
// is nothing more to do for it.
func (r *Reconciler) work(ctx context.Context, s *session) {
	for {
		r.mu.Lock()
		if !s.dirty || ctx.Err() != nil {
			s.busy = false
			if s.over() && ctx.Err() == nil {
				s.timer.stop()
				delete(r.sessions, s.id)
			}
			r.mu.Unlock()
			return
		}
		s.dirty = false
		s.timer.stop()
		r.mu.Unlock()

		began := time.Now()
		again, err := r.reconcile(ctx, s)
		r.metrics.reconciled(time.Since(began), err)
		if err != nil && ctx.Err() == nil {
			again = earliest(again, r.now().Add(s.backoff(r.timing)))
		} else {
			s.failures = 0
		}
		r.mu.Lock()
		r.remind(ctx, s, again)
		r.mu.Unlock()
	}
}

// remind has the session looked at again at the given time, or earlier; the
// caller holds mu.
func (r *Reconciler) remind(ctx context.Context, s *session, when time.Time) {
	if when.IsZero() || !r.open {
		return
	}
	s.timer.start(when, when.Sub(r.now()), func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		s.dirty = true
		if r.sessions[s.id] == s {
			r.launch(ctx, s)
		}
	})
}
