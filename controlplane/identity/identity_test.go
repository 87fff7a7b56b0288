package identity

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/store"
	"github.com/streamspace/streamspace/controlplane/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// cheap keeps tests fast; what is tested does not depend on the cost.
var cheap = Cost{MemoryKiB: 64, Passes: 1, Lanes: 1}

const (
	password = "correct battery 4"
	another  = "staple horse 77"
)

// clock is a time that the test moves.
type clock struct {
	mu sync.Mutex
	at time.Time // guarded by mu
}

func newClock() *clock { return &clock{at: time.Now().UTC().Truncate(time.Second)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

type world struct {
	*Identity
	t     *testing.T
	store *store.Store
	clock *clock
}

func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	s, c := storetest.New(t), newClock()
	return &world{New(Options{Store: s, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(), Now: c.now, Cost: cheap}), t, s, c}
}

// root is an administrator with a password.
func (w *world) root() Principal {
	w.t.Helper()
	link, err := w.EnsureAdmin(w.t.Context(), "")
	if err != nil || link == nil {
		w.t.Fatalf("EnsureAdmin: %v, %v", link, err)
	}
	in, err := w.CompleteSetup(w.t.Context(), visitor, link.Token, password)
	if err != nil {
		w.t.Fatalf("CompleteSetup: %v", err)
	}
	return in.Principal
}

func (w *world) account(by Principal, name string, role streamspace.Role) Account {
	w.t.Helper()
	secret := password
	account, _, err := w.CreateAccount(w.t.Context(), by, NewAccount{Username: name, Role: role, Password: &secret})
	if err != nil {
		w.t.Fatalf("CreateAccount %s: %v", name, err)
	}
	return account
}

func (w *world) signIn(name string) SignedIn {
	w.t.Helper()
	in, err := w.SignIn(w.t.Context(), visitor, name, password)
	if err != nil {
		w.t.Fatalf("SignIn %s: %v", name, err)
	}
	return in
}

func (w *world) hashes() float64 { return testutil.ToFloat64(w.passwords.hashes) }

// trail is the audit trail, oldest first, as "actor action outcome".
func (w *world) trail() []string {
	w.t.Helper()
	rows, err := w.store.AuditBefore(context.Background(), store.AuditBeforeParams{Max: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	var lines []string
	for n := len(rows) - 1; n >= 0; n-- {
		lines = append(lines, rows[n].ActorName+" "+rows[n].Action+" "+rows[n].Outcome)
	}
	return lines
}

var visitor = Visitor{RemoteAddr: "192.0.2.7", UserAgent: "Tester/1.0", RequestID: "req-1"}
