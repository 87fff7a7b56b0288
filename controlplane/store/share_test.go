package store_test

import (
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/store"
)

func invitation(session store.Session, by streamspace.UserID, user *streamspace.UserID) store.NewShare {
	n := store.NewShare{Session: session.ID, By: by, User: user, Permissions: []streamspace.Permission{streamspace.PermissionView}, Max: 10, Now: time.Now()}
	if user == nil {
		n.TokenHash = []byte(streamspace.NewShareID()) // any bytes that are no other's
	}
	return n
}

func addShare(t testing.TB, s *store.Store, n store.NewShare) store.Share {
	t.Helper()
	share, err := s.CreateShare(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return share
}

// shareEvents are the events of shares since after, as "type owner ended".
func shareEvents(t testing.TB, s *store.Store, after int64) (told []string, last int64) {
	t.Helper()
	rows, err := s.EventsBetween(t.Context(), store.EventsBetweenParams{After: after, UpTo: 1 << 60, Max: 1000})
	if err != nil {
		t.Fatal(err)
	}
	last = after
	for _, row := range rows {
		last = row.ID
		if !slices.Contains([]string{store.EventSessionShares, store.EventSessionShared, store.EventSessionUnshared}, row.Type) {
			continue
		}
		var change store.ShareChange
		if err := json.Unmarshal(row.Payload, &change); err != nil || change.Share == "" || string(change.Session) != row.Subject {
			t.Errorf("event %s has the payload %s, %v", row.Type, row.Payload, err)
		}
		told = append(told, row.Type+" "+string(*row.OwnerID)+" "+string(change.Ended))
	}
	return told, last
}

func TestSharesAndTheirEvents(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	ada, grace := addUser(t, s, "ada", streamspace.RoleUser), addUser(t, s, "grace", streamspace.RoleUser)
	root := addUser(t, s, "root", streamspace.RoleAdmin)
	session := addSession(t, s, wanted(ada.ID))
	_, last := shareEvents(t, s, 0)
	expect := func(what string, want ...string) {
		t.Helper()
		var told []string
		if told, last = shareEvents(t, s, last); !slices.Equal(told, want) {
			t.Errorf("%s: told %q, want %q", what, told, want)
		}
	}
	owner, invited := store.EventSessionShares+" "+string(ada.ID)+" ", " "+string(grace.ID)+" "
	share := addShare(t, s, invitation(session, ada.ID, &grace.ID))
	expect("inviting", owner, store.EventSessionShared+invited)
	link := addShare(t, s, invitation(session, root.ID, nil))
	expect("a link", owner)
	if _, err := s.CreateShare(t.Context(), invitation(session, root.ID, &grace.ID)); !errors.Is(err, store.ErrInvited) {
		t.Errorf("inviting twice: %v", err)
	}
	expect("nothing")
	changed, narrowed, err := s.ChangeShare(t.Context(), session.ID, share.ID, time.Now(), func(row *store.Share) {
		row.Permissions = []streamspace.Permission{streamspace.PermissionView, streamspace.PermissionControl}
	})
	if err != nil || narrowed || len(changed.Permissions) != 2 || changed.NarrowedAt != nil {
		t.Errorf("widened to %+v, %t, %v", changed, narrowed, err)
	}
	expect("widening", owner, store.EventSessionShared+invited)
	if used, err := s.UseShare(t.Context(), store.UseShareParams{ID: share.ID, Now: time.Now()}); err != nil || used.Uses != 1 || used.LastUsedAt == nil {
		t.Errorf("used: %+v, %v", used, err)
	}
	if _, err := s.RevokeShare(t.Context(), session.ID, share.ID, time.Now()); err != nil {
		t.Error(err)
	}
	expect("revoking", owner+"revoked", store.EventSessionUnshared+invited+"revoked")
	for what, err := range map[string]error{
		"revoking again": func() error { _, err := s.RevokeShare(t.Context(), session.ID, share.ID, time.Now()); return err }(),
		"changing": func() error {
			_, _, err := s.ChangeShare(t.Context(), session.ID, share.ID, time.Now(), func(*store.Share) {})
			return err
		}(),
		"using": func() error {
			_, err := s.UseShare(t.Context(), store.UseShareParams{ID: share.ID, Now: time.Now()})
			return err
		}(),
	} {
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s what has ended: %v", what, err)
		}
	}
	addShare(t, s, invitation(session, ada.ID, &grace.ID))
	_, last = shareEvents(t, s, last)
	stopSession(t, s, session.ID)
	if told, _ := shareEvents(t, s, last); len(told) != 3 || !slices.Contains(told, store.EventSessionUnshared+invited+"session_stopped") {
		t.Errorf("stopping told %q", told)
	}
	if _, err := s.ShareByToken(t.Context(), store.ShareByTokenParams{TokenHash: link.TokenHash, Now: time.Now()}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a link outlived its session: %v", err)
	}
	if _, err := s.CreateShare(t.Context(), invitation(session, ada.ID, nil)); !errors.Is(err, store.ErrConflict) {
		t.Errorf("sharing what has stopped: %v", err)
	}
}

func TestWhoMayShare(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	ada, eve, root := addUser(t, s, "ada", streamspace.RoleUser), addUser(t, s, "eve", streamspace.RoleUser), addUser(t, s, "root", streamspace.RoleAdmin)
	addUser(t, s, "root2", streamspace.RoleAdmin)
	session := addSession(t, s, wanted(ada.ID))
	nobody := streamspace.NewUserID()
	foreign := addShare(t, s, invitation(session, root.ID, nil))
	own := addShare(t, s, invitation(session, ada.ID, nil))
	for what, n := range map[string]store.NewShare{
		"a stranger": invitation(session, eve.ID, nil), "with nobody": invitation(session, ada.ID, &nobody),
		"nothing": invitation(store.Session{ID: streamspace.NewSessionID()}, ada.ID, nil),
	} {
		if _, err := s.CreateShare(t.Context(), n); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	few := invitation(session, ada.ID, nil)
	few.Max = 2
	if _, err := s.CreateShare(t.Context(), few); !errors.Is(err, store.ErrTooManyShares) {
		t.Errorf("a third of two: %v", err)
	}
	standing := func(share store.Share) bool {
		_, err := s.ShareByToken(t.Context(), store.ShareByTokenParams{TokenHash: share.TokenHash, Now: time.Now()})
		return err == nil
	}
	if _, err := s.ChangeUser(t.Context(), store.UpdateUserParams{ID: root.ID, Role: streamspace.RoleUser, Now: time.Now()}); err != nil || standing(foreign) || !standing(own) {
		t.Errorf("a former administrator's share stands: %t, the owner's: %t (%v)", standing(foreign), standing(own), err)
	}
	yes := true
	if _, err := s.ChangeUser(t.Context(), store.UpdateUserParams{ID: ada.ID, Disabled: &yes, Now: time.Now()}); err != nil || standing(own) {
		t.Errorf("a disabled owner's share stands: %t (%v)", standing(own), err)
	}
	if _, err := s.CreateShare(t.Context(), invitation(session, ada.ID, nil)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a disabled owner shares: %v", err)
	}
	if _, err := s.CreateShare(t.Context(), invitation(session, root.ID, nil)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a former administrator shares: %v", err)
	}
}

// Disabling an account while it shares: whichever is first, nothing stands.
func TestShareWhileDisabled(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	conn := connect(t, url)
	for n := range 10 {
		ada := addUser(t, s, "ada"+string(rune('a'+n)), streamspace.RoleUser)
		session := addSession(t, s, wanted(ada.ID))
		if n == 0 {
			addUser(t, s, "root", streamspace.RoleAdmin)
		}
		yes := true
		var both sync.WaitGroup
		both.Go(func() {
			if _, err := s.CreateShare(t.Context(), invitation(session, ada.ID, nil)); err != nil && !errors.Is(err, store.ErrNotFound) {
				t.Errorf("sharing: %v", err)
			}
		})
		both.Go(func() {
			if _, err := s.ChangeUser(t.Context(), store.UpdateUserParams{ID: ada.ID, Disabled: &yes, Now: time.Now()}); err != nil {
				t.Errorf("disabling: %v", err)
			}
		})
		both.Wait()
	}
	var standing int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM shares WHERE revoked_at IS NULL").Scan(&standing); err != nil || standing != 0 {
		t.Errorf("%d shares of disabled accounts stand (%v)", standing, err)
	}
}

// Of several sweepers each ends what the others have not, and it is told once.
func TestManySweepers(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	ada := addUser(t, s, "ada", streamspace.RoleUser)
	session := addSession(t, s, wanted(ada.ID))
	now := time.Now().Truncate(time.Millisecond)
	if next, err := s.NextShareExpiry(t.Context()); err != nil || next.Year() != 1 {
		t.Errorf("nothing runs out at %s, %v", next, err)
	}
	const shares = 40
	for n := range shares {
		share := invitation(session, ada.ID, nil)
		expires := now.Add(time.Duration(n) * time.Minute)
		share.ExpiresAt, share.Max, share.Now = &expires, shares, now.Add(-time.Hour)
		addShare(t, s, share)
	}
	if next, err := s.NextShareExpiry(t.Context()); err != nil || !next.Equal(now) {
		t.Errorf("the next runs out at %s, %v, want %s", next, err, now)
	}
	_, last := shareEvents(t, s, 0)
	var mu sync.Mutex
	ended := map[streamspace.ShareID]int{}
	var sweepers sync.WaitGroup
	for range 4 {
		sweepers.Go(func() {
			out, err := s.EndExpired(t.Context(), now.Add(time.Minute*(shares/2-1)))
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, share := range out {
				ended[share.ID]++
			}
		})
	}
	sweepers.Wait()
	told, _ := shareEvents(t, s, last)
	if len(ended) != shares/2 || len(told) != shares/2 {
		t.Errorf("ended %d and told %d of %d", len(ended), len(told), shares/2)
	}
	for id, times := range ended {
		if times != 1 {
			t.Errorf("share %s ended %d times", id, times)
		}
	}
}
