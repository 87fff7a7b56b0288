package store_test

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/store"
	"github.com/streamspace/streamspace/controlplane/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// patience is how long a test waits for what must happen.
const patience = 60 * time.Second

var quiet = slog.New(slog.DiscardHandler)

// open returns a store and its address, for tests that also speak SQL.
func open(t testing.TB) (*store.Store, string) {
	t.Helper()
	url := storetest.URL(t)
	s, err := store.Open(t.Context(), url, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, url
}

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func run(t testing.TB, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func addUser(t testing.TB, s *store.Store, name string, role streamspace.Role) store.User {
	t.Helper()
	user, err := s.CreateUser(t.Context(), store.InsertUserParams{
		ID: streamspace.NewUserID(), Username: name, DisplayName: name, Role: role, Now: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return user
}

func wanted(owner streamspace.UserID) store.NewSession {
	return store.NewSession{Owner: owner, Template: "terminal", Name: "Terminal", MaxLive: 100, Now: time.Now()}
}

func addSession(t testing.TB, s *store.Store, n store.NewSession) store.Session {
	t.Helper()
	session, err := s.CreateSession(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return session
}

func stopSession(t testing.TB, s *store.Store, id streamspace.SessionID) {
	t.Helper()
	_, err := s.ChangeSession(t.Context(), id, time.Now(), func(row *store.Session) error {
		row.DesiredState, row.State = streamspace.DesiredStopped, streamspace.StateStopped
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAddressesAreNeverRepeated(t *testing.T) {
	t.Parallel()
	const secret = "hunter2-secret"
	taken := storetest.URL(t)
	parsed, err := url.Parse(taken)
	if err != nil {
		t.Fatal(err)
	}
	parsed.User = url.UserPassword("streamspace", secret)
	for address, says := range map[string]string{
		"postgres://u:" + secret + "@h:not-a-port/db":         "not one that PostgreSQL understands",
		"host=/nowhere password=" + secret + " port=99999999": "not one that PostgreSQL understands",
		"postgres://u:" + secret + "@127.0.0.1:1/db":          "does not answer",
		parsed.String(): "refuses the connection",
	} {
		limit := 2 * time.Second // in place of 30 s, in which an answer is waited for
		if address == parsed.String() {
			limit = patience // the answer comes, when a busy machine gets to it
		}
		limited, cancel := context.WithTimeout(t.Context(), limit)
		_, err := store.Open(limited, address, quiet)
		cancel()
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: got %v", says, err)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("the password is in %v", err)
		}
	}
}

func TestErrorsAreSentinels(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	ada := addUser(t, s, "ada", streamspace.RoleAdmin)
	ctx := t.Context()
	_, err := s.UserByID(ctx, streamspace.NewUserID())
	check(t, "a missing row", err, store.ErrNotFound)
	check(t, "a missing row, as pgx says it", err, pgx.ErrNoRows)
	_, err = s.CreateUser(ctx, store.InsertUserParams{ID: streamspace.NewUserID(), Username: "ada", Role: streamspace.RoleUser, Now: time.Now()})
	check(t, "a taken name", err, store.ErrConflict)
	err = s.InTx(ctx, func(q *store.Queries) error {
		_, err := q.UserByName(ctx, "nobody")
		check(t, "inside a transaction", err, store.ErrNotFound)
		_, err = q.DeleteUserRow(ctx, ada.ID)
		return err
	})
	if err != nil {
		t.Errorf("deleting a row: %v", err)
	}
	late, cancel := context.WithDeadline(ctx, time.Now().Add(-time.Second))
	defer cancel()
	_, err = s.CountUsers(late)
	check(t, "no time left", err, store.ErrUnavailable)
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := s.CountUsers(gone); errors.Is(err, store.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("a caller who left: %v", err)
	}
	for code, want := range map[string]error{
		"53100": store.ErrUnavailable, "57P01": store.ErrUnavailable, "57014": store.ErrUnavailable, "58030": store.ErrUnavailable,
		"40P01": store.ErrConflict, "23503": store.ErrConflict,
	} {
		check(t, code, store.Classify(&pgconn.PgError{Code: code}), want)
	}
	if err := store.Classify(&pgconn.PgError{Code: "42601"}); errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrConflict) {
		t.Errorf("a syntax error is our own: %v", err)
	}
}

func check(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}

func TestATransactionThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	boom := errors.New("boom")
	err := s.InTx(t.Context(), func(q *store.Queries) error {
		if _, err := q.InsertUser(t.Context(), store.InsertUserParams{ID: streamspace.NewUserID(), Username: "eve", Role: streamspace.RoleUser, Now: time.Now()}); err != nil {
			return err
		}
		return boom
	})
	check(t, "the function's error", err, boom)
	if n, err := s.CountUsers(t.Context()); n != 0 || err != nil {
		t.Errorf("%d users, %v", n, err)
	}
	var events int
	if err := connect(t, url).QueryRow(t.Context(), "SELECT count(*) FROM events").Scan(&events); err != nil || events != 0 {
		t.Errorf("%d events, %v", events, err)
	}
}

func TestSessionsOfOneUserGetHomesOfTheirOwn(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	ada, bob := addUser(t, s, "ada", streamspace.RoleUser), addUser(t, s, "bob", streamspace.RoleUser)
	const each = 12
	var wait sync.WaitGroup
	made := make(chan store.Session, 2*each)
	for i := range 2 * each {
		owner := []streamspace.UserID{ada.ID, bob.ID}[i%2]
		wait.Go(func() {
			session, err := s.CreateSession(t.Context(), wanted(owner))
			if err != nil {
				t.Error(err)
			}
			made <- session
		})
	}
	wait.Wait()
	close(made)
	homes := map[streamspace.HomeID]store.Session{}
	for session := range made {
		if other, taken := homes[session.HomeID]; taken {
			t.Errorf("sessions %s and %s share home %s", session.ID, other.ID, session.HomeID)
		}
		homes[session.HomeID] = session
		home, err := s.HomeByID(t.Context(), session.HomeID)
		if err != nil || home.OwnerID != session.OwnerID || home.SessionID == nil || *home.SessionID != session.ID || home.Index < 1 {
			t.Errorf("home of %s: %+v, %v", session.ID, home, err)
		}
	}
}

func TestHomesAreUsedAgain(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	ada := addUser(t, s, "ada", streamspace.RoleUser)
	first := addSession(t, s, wanted(ada.ID))
	second := addSession(t, s, wanted(ada.ID))
	other := wanted(ada.ID)
	other.Template = "editor"
	if third := addSession(t, s, other); third.HomeID == first.HomeID || third.HomeID == second.HomeID {
		t.Error("a home was taken from another template")
	}
	stopSession(t, s, first.ID)
	stopSession(t, s, second.ID)
	if again := addSession(t, s, wanted(ada.ID)); again.HomeID != second.HomeID {
		t.Errorf("got home %s, want %s, which was used last", again.HomeID, second.HomeID)
	}
	n := wanted(ada.ID)
	n.NewHome = true
	if fresh := addSession(t, s, n); fresh.HomeID == first.HomeID {
		t.Error("asked for a new home, got an old one")
	}
	n = wanted(ada.ID)
	n.Home = second.HomeID
	_, err := s.CreateSession(t.Context(), n)
	check(t, "a home in use", err, store.ErrConflict)
	n.Home, n.Template = first.HomeID, "editor"
	_, err = s.CreateSession(t.Context(), n)
	check(t, "a home of another template", err, store.ErrConflict)
	n = wanted(addUser(t, s, "bob", streamspace.RoleUser).ID)
	n.Home = first.HomeID
	_, err = s.CreateSession(t.Context(), n)
	check(t, "another user's home", err, store.ErrNotFound)
}

func TestLiveSessionsAreLimited(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	ada := addUser(t, s, "ada", streamspace.RoleUser)
	n := wanted(ada.ID)
	n.MaxLive = 3
	var wait sync.WaitGroup
	made := make(chan streamspace.SessionID, 10)
	for range cap(made) {
		wait.Go(func() {
			session, err := s.CreateSession(t.Context(), n)
			if err == nil {
				made <- session.ID
			} else if !errors.Is(err, store.ErrTooMany) || !errors.Is(err, store.ErrConflict) {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if len(made) != n.MaxLive {
		t.Fatalf("%d sessions were made at once, the limit is %d", len(made), n.MaxLive)
	}
	stopSession(t, s, <-made)
	addSession(t, s, n)
	if _, err := s.ChangeUser(t.Context(), store.UpdateUserParams{ID: ada.ID, Disabled: new(true), Now: time.Now()}); !errors.Is(err, store.ErrLastAdmin) {
		t.Errorf("no administrator is there: %v", err)
	}
	addUser(t, s, "root", streamspace.RoleAdmin)
	if _, err := s.ChangeUser(t.Context(), store.UpdateUserParams{ID: ada.ID, Disabled: new(true), Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	n.MaxLive = 100
	_, err := s.CreateSession(t.Context(), n)
	check(t, "a disabled owner", err, store.ErrConflict)
}

func TestChangesOfOneSessionAreNotLost(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	session := addSession(t, s, wanted(addUser(t, s, "ada", streamspace.RoleUser).ID))
	const times = 20
	var wait sync.WaitGroup
	for range times {
		wait.Go(func() {
			if _, err := s.ChangeSession(t.Context(), session.ID, time.Now(), func(row *store.Session) error {
				row.Epoch++
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	row, err := s.SessionByID(t.Context(), session.ID)
	if err != nil || row.Epoch != times {
		t.Errorf("epoch %d after %d changes, %v", row.Epoch, times, err)
	}
}

func TestWhatNoChangeMayDo(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	session := addSession(t, s, wanted(addUser(t, s, "ada", streamspace.RoleUser).ID))
	change := func(do func(row *store.Session) error) (store.Session, error) {
		return s.ChangeSession(t.Context(), session.ID, time.Now(), do)
	}
	if _, err := change(func(row *store.Session) error { row.Epoch = 2; return nil }); err != nil {
		t.Fatal(err)
	}
	_, err := change(func(row *store.Session) error { row.Epoch = 1; return nil })
	check(t, "an epoch taken back", err, store.ErrConflict)
	var before, after int
	conn := connect(t, url)
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM events").Scan(&before); err != nil {
		t.Fatal(err)
	}
	row, err := change(func(row *store.Session) error { row.Name = "scribble"; return store.ErrUnchanged })
	if err != nil || row.Name != session.Name || row.Epoch != 2 {
		t.Errorf("nothing to change: got %q, epoch %d, %v", row.Name, row.Epoch, err)
	}
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM events").Scan(&after); err != nil || after != before {
		t.Errorf("nothing changed, and %d events were written: %v", after-before, err)
	}
	stopSession(t, s, session.ID)
	_, err = change(func(row *store.Session) error { row.State = streamspace.StateRunning; return nil })
	check(t, "a stopped session that lives again", err, store.ErrConflict)
	if row, err := s.SessionByID(t.Context(), session.ID); err != nil || row.StoppedAt == nil {
		t.Errorf("stopped at %v, %v", row.StoppedAt, err)
	}
}

func TestSessionsAreListedInPages(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	ada, bob := addUser(t, s, "ada", streamspace.RoleUser), addUser(t, s, "bob", streamspace.RoleUser)
	for range 7 {
		addSession(t, s, wanted(ada.ID))
	}
	stopped := addSession(t, s, wanted(ada.ID))
	stopSession(t, s, stopped.ID)
	addSession(t, s, wanted(bob.ID))

	mine, before := 0, ""
	owner := string(ada.ID)
	for pages := 0; pages < 10; pages++ {
		rows, err := s.Sessions(t.Context(), store.SessionsParams{Owner: &owner, States: []string{}, Before: before, Max: 3})
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) == 0 {
			break
		}
		for _, row := range rows {
			if row.Username != "ada" || row.Session.ID == stopped.ID || before != "" && string(row.Session.ID) >= before {
				t.Errorf("page before %q has %s of %s", before, row.Session.ID, row.Username)
			}
			before = string(row.Session.ID)
			mine++
		}
	}
	if mine != 7 {
		t.Errorf("listed %d of 7", mine)
	}
	all, err := s.Sessions(t.Context(), store.SessionsParams{States: []string{}, Max: 100})
	if err != nil || len(all) != 8 {
		t.Errorf("everyone's: %d, %v", len(all), err)
	}
	past, err := s.Sessions(t.Context(), store.SessionsParams{States: []string{"stopped", "failed"}, Max: 100})
	if err != nil || len(past) != 1 || past[0].Session.ID != stopped.ID {
		t.Errorf("past ones: %v, %v", past, err)
	}
}
