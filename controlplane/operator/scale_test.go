package operator_test

import (
	"context"
	"flag"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"k8s.io/client-go/tools/cache"
	crcache "sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/streamspace/streamspace/controlplane/operator"
	"github.com/streamspace/streamspace/controlplane/operator/v1alpha1"
)

var (
	scaleSessions = flag.Int("scale-sessions", 20, "sessions of TestScale that are there before the burst")
	scaleBurst    = flag.Int("scale-burst", 20, "sessions of TestScale that are made at once")
)

// TestScale has many sessions come up and end on a played node, and says what
// that costs. With its defaults it only sees to it that it works; what is in
// bench/results comes from
//
//	go test -v -count=1 -timeout 60m -run TestScale ./controlplane/operator -scale-sessions 5000 -scale-burst 500
func TestScale(t *testing.T) {
	b := newBed(t, func(o *operator.Options) { o.CountEvery = 0 }) // as a cluster has it
	cluster.Node(t, b.namespace)
	b.template("gimp")
	seen := b.follow()
	heap := b.heap()

	from, writes := time.Now(), b.writes()
	b.burst("first", *scaleSessions)
	seen.until(t, *scaleSessions)
	t.Logf("%d sessions: all ready after %.1f s; %s", *scaleSessions, time.Since(from).Seconds(), seen.times("first"))
	b.settled()
	ofStart := (b.writes() - writes) / float64(*scaleSessions)
	t.Logf("memory for them: %.1f KiB each (heap in use, operator and the test's own cache)", float64(b.heap()-heap)/1024/float64(*scaleSessions))

	rest := b.writes()
	from = time.Now()
	b.burst("burst", *scaleBurst)
	seen.until(t, *scaleSessions+*scaleBurst)
	t.Logf("%d more in one burst: all ready after %.1f s; %s", *scaleBurst, time.Since(from).Seconds(), seen.times("burst"))
	b.settled()
	t.Logf("API writes to be ready: %.1f a session, in the burst %.1f", ofStart, (b.writes()-rest)/float64(*scaleBurst))

	rest = b.writes()
	from = time.Now()
	b.each("first", *scaleSessions, func(s *v1alpha1.Session) error { return b.Delete(t.Context(), s) })
	b.each("burst", *scaleBurst, func(s *v1alpha1.Session) error { return b.Delete(t.Context(), s) })
	seen.until(t, 0)
	t.Logf("all deleted and gone after %.1f s", time.Since(from).Seconds())
	b.settled()
	t.Logf("API writes to end: %.1f a session", (b.writes()-rest)/float64(*scaleSessions+*scaleBurst))
	for _, line := range b.durations() {
		t.Log(line)
	}
}

// burst makes so many sessions, by several who write at once.
func (b *bed) burst(name string, n int) {
	b.Helper()
	b.each(name, n, func(s *v1alpha1.Session) error {
		s.Spec = v1alpha1.SessionSpec{Template: "gimp", User: "user-" + s.Name}
		return b.Create(b.Context(), s)
	})
}

// each does something with each of so many sessions, several at a time.
func (b *bed) each(name string, n int, do func(*v1alpha1.Session) error) {
	b.Helper()
	const writers = 8
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := w; i < n; i += writers {
				if err := do(&v1alpha1.Session{ObjectMeta: objectMeta(b.namespace, fmt.Sprintf("%s-%d", name, i))}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
}

// followed is when sessions became ready, as a watcher sees it.
type followed struct {
	mu      sync.Mutex
	made    map[string]time.Time // guarded by mu
	ready   map[string]time.Time // guarded by mu
	changed chan struct{}        // capacity 1
}

func (b *bed) follow() *followed {
	b.Helper()
	f := &followed{made: make(map[string]time.Time), ready: make(map[string]time.Time), changed: make(chan struct{}, 1)}
	all, err := crcache.New(cluster.Config, crcache.Options{Scheme: cluster.Scheme, DefaultNamespaces: map[string]crcache.Config{b.namespace: {}}})
	b.ok(err)
	informer, err := all.GetInformer(b.Context(), &v1alpha1.Session{}, crcache.BlockUntilSynced(false))
	b.ok(err)
	note := func(o any, gone bool) {
		s, ok := o.(*v1alpha1.Session)
		if !ok {
			return
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		switch {
		case gone:
			delete(f.ready, s.Name)
		case f.made[s.Name].IsZero():
			f.made[s.Name] = time.Now()
		case s.Status.Phase == v1alpha1.PhaseRunning && f.ready[s.Name].IsZero() && s.DeletionTimestamp == nil:
			f.ready[s.Name] = time.Now()
		}
		select {
		case f.changed <- struct{}{}:
		default:
		}
	}
	_, err = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(o any) { note(o, false) }, UpdateFunc: func(_, o any) { note(o, false) }, DeleteFunc: func(o any) { note(o, true) },
	})
	b.ok(err)
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { all.Start(ctx) })
	b.Cleanup(func() { cancel(); group.Wait() })
	return f
}

// until waits until so many sessions are ready.
func (f *followed) until(t *testing.T, want int) {
	t.Helper()
	for limit := time.After(30 * time.Minute); ; {
		f.mu.Lock()
		n := len(f.ready)
		f.mu.Unlock()
		if n == want {
			return
		}
		select {
		case <-f.changed:
		case <-limit:
			t.Fatalf("%d sessions are ready, want %d", n, want)
		}
	}
}

// times are from a session's creation until it was ready.
func (f *followed) times(prefix string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []time.Duration
	for name, at := range f.ready {
		if len(name) > len(prefix) && name[:len(prefix)] == prefix {
			all = append(all, at.Sub(f.made[name]))
		}
	}
	slices.Sort(all)
	if len(all) == 0 {
		return "none"
	}
	at := func(q float64) float64 { return all[int(q*float64(len(all)-1))].Seconds() }
	return fmt.Sprintf("each after p50 %.2f s, p99 %.2f s", at(0.5), at(0.99))
}

func (b *bed) heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}

// durations are the quantiles of the time of one reconcile, by kind.
func (b *bed) durations() []string {
	b.Helper()
	families, err := b.registry.Gather()
	b.ok(err)
	var lines []string
	for _, f := range families {
		for _, m := range f.Metric {
			switch f.GetName() {
			case "streamspace_operator_reconcile_seconds":
				h := m.GetHistogram()
				lines = append(lines, fmt.Sprintf("reconciles of a %s: %d, p50 %.1f ms, p99 %.1f ms",
					m.Label[0].GetValue(), h.GetSampleCount(), quantile(h, 0.5)*1000, quantile(h, 0.99)*1000))
			case "streamspace_operator_api_writes_total":
				lines = append(lines, fmt.Sprintf("writes: %s %s %.0f", m.Label[0].GetValue(), m.Label[1].GetValue(), m.GetCounter().GetValue()))
			}
		}
	}
	return lines
}

// quantile is between the bounds of the bucket that it falls into.
func quantile(h *dto.Histogram, q float64) float64 {
	rank := q * float64(h.GetSampleCount())
	low, below := 0.0, 0.0
	for _, bucket := range h.Bucket {
		if n := float64(bucket.GetCumulativeCount()); n >= rank {
			return low + (bucket.GetUpperBound()-low)*(rank-below)/max(1, n-below)
		}
		low, below = bucket.GetUpperBound(), float64(bucket.GetCumulativeCount())
	}
	return math.Inf(1)
}
