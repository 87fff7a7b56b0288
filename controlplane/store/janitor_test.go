package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/store"
)

func TestTheJanitorRemovesWhatIsDue(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	conn := connect(t, url)
	ada := addUser(t, s, "ada", streamspace.RoleUser)
	now := time.Now()
	// More than one batch of old events, and a young one.
	run(t, conn, `INSERT INTO events (type, subject, payload, created_at)
		SELECT 'old', '', '{}', now() - interval '8 days' FROM generate_series(1, 25000)`)
	young := tell(t, conn, "young")
	for token, expires := range map[string]time.Time{"past": now.Add(-time.Minute), "alive": now.Add(time.Minute)} {
		if err := s.InsertLogin(t.Context(), login(ada.ID, token, expires)); err != nil {
			t.Fatal(err)
		}
		if err := s.InsertSetupToken(t.Context(), store.InsertSetupTokenParams{TokenHash: []byte(token), UserID: ada.ID, CreatedAt: now, ExpiresAt: expires}); err != nil {
			t.Fatal(err)
		}
	}
	run(t, conn, `INSERT INTO sign_in_throttle VALUES ('user:old', 3, now() - interval '3 days', now() - interval '3 days'),
		('user:new', 3, now(), now()), ('user:blocked', 3, now() - interval '3 days', now() + interval '1 day')`)

	janitor := &store.Janitor{Store: s, Log: quiet, Now: func() time.Time { return now }}
	if err := janitor.Clean(t.Context()); err != nil {
		t.Fatal(err)
	}
	for sql, want := range map[string]int{
		"SELECT count(*) FROM events":                                  2, // the young one, and that ada was made
		"SELECT count(*) FROM logins WHERE token_hash = 'alive'":       1,
		"SELECT count(*) FROM logins":                                  1,
		"SELECT count(*) FROM setup_tokens":                            1,
		"SELECT count(*) FROM sign_in_throttle":                        2,
		"SELECT count(*) FROM sign_in_throttle WHERE key = 'user:old'": 0,
	} {
		var got int
		if err := conn.QueryRow(t.Context(), sql).Scan(&got); err != nil || got != want {
			t.Errorf("%s: %d, %v; want %d", sql, got, err, want)
		}
	}
	// The newest stays however old it is: it tells how far the outbox has come.
	janitor.Now = func() time.Time { return now.Add(30 * 24 * time.Hour) }
	if err := janitor.Clean(t.Context()); err != nil {
		t.Fatal(err)
	}
	bounds, err := s.EventBounds(t.Context())
	if err != nil || bounds.Oldest != young || bounds.Newest != young {
		t.Errorf("left %+v, %v; want event %d alone", bounds, err, young)
	}
}

func TestTheJanitorEndsWhenTold(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	conn := connect(t, url)
	run(t, conn, "INSERT INTO events (type, subject, payload, created_at) VALUES ('old', '', '{}', now() - interval '8 days')")
	tell(t, conn, "new")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- (&store.Janitor{Store: s, Log: quiet, Now: time.Now}).Run(ctx) }()
	eventually(t, "the first cleaning", func() bool {
		bounds, err := s.EventBounds(t.Context())
		return err == nil && bounds.Oldest == bounds.Newest
	})
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// eventually waits until what holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}
