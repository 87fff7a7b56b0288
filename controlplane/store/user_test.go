package store_test

import (
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/store"
)

func login(user streamspace.UserID, token string, expires time.Time) store.InsertLoginParams {
	return store.InsertLoginParams{ID: streamspace.NewLoginID(), TokenHash: []byte(token), UserID: user, Now: time.Now(), ExpiresAt: expires}
}

func TestTheLastAdministratorStays(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	var admins []store.User
	for _, name := range []string{"a", "b", "c", "d"} {
		admins = append(admins, addUser(t, s, name, streamspace.RoleAdmin))
	}
	var wait sync.WaitGroup
	for i, admin := range admins {
		wait.Go(func() {
			var err error
			switch i {
			case 0:
				_, err = s.ChangeUser(t.Context(), store.UpdateUserParams{ID: admin.ID, Role: streamspace.RoleUser, Now: time.Now()})
			case 1:
				_, err = s.ChangeUser(t.Context(), store.UpdateUserParams{ID: admin.ID, Disabled: new(true), Now: time.Now()})
			default:
				_, err = s.DeleteUser(t.Context(), admin.ID)
			}
			if err != nil && !errors.Is(err, store.ErrLastAdmin) {
				t.Errorf("%s: %v", admin.Username, err)
			}
		})
	}
	wait.Wait()
	if n, err := s.CountActiveAdmins(t.Context()); n != 1 || err != nil {
		t.Errorf("%d administrators are left, %v", n, err)
	}
}

func TestDeletingAUserTakesEverything(t *testing.T) {
	t.Parallel()
	s, url := open(t)
	addUser(t, s, "root", streamspace.RoleAdmin)
	ada := addUser(t, s, "ada", streamspace.RoleUser)
	session := addSession(t, s, wanted(ada.ID))
	if err := s.AddLogin(t.Context(), login(ada.ID, "t", time.Now().Add(time.Hour)), 5); err != nil {
		t.Fatal(err)
	}
	if _, err := s.InsertAPIKey(t.Context(), store.InsertAPIKeyParams{ID: streamspace.NewAPIKeyID(), UserID: ada.ID, SecretHash: []byte("k"), CreatedAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if err := s.ReplaceSetupToken(t.Context(), []byte("s"), ada.ID, time.Now(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	_, err := s.DeleteUser(t.Context(), ada.ID)
	check(t, "while a session lives", err, store.ErrConflict)
	stopSession(t, s, session.ID)
	homes, err := s.DeleteUser(t.Context(), ada.ID)
	if err != nil || len(homes) != 1 || homes[0] != session.HomeID {
		t.Errorf("homes %v, %v", homes, err)
	}
	var left int
	if err := connect(t, url).QueryRow(t.Context(), `SELECT (SELECT count(*) FROM sessions) + (SELECT count(*) FROM homes)
		+ (SELECT count(*) FROM logins) + (SELECT count(*) FROM api_keys) + (SELECT count(*) FROM setup_tokens)`).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d rows are left, %v", left, err)
	}
	_, err = s.DeleteUser(t.Context(), ada.ID)
	check(t, "a second time", err, store.ErrNotFound)
}

func TestEveryChangeIsTold(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	addUser(t, s, "root", streamspace.RoleAdmin)
	ada := addUser(t, s, "ada", streamspace.RoleUser)
	session := addSession(t, s, wanted(ada.ID))
	stopSession(t, s, session.ID)
	name := "Ada L."
	if _, err := s.ChangeUser(t.Context(), store.UpdateUserParams{ID: ada.ID, DisplayName: &name, Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.DeleteUser(t.Context(), ada.ID); err != nil {
		t.Fatal(err)
	}
	rows, err := s.EventsBetween(t.Context(), store.EventsBetweenParams{After: 1, UpTo: 1000, Max: 1000})
	if err != nil {
		t.Fatal(err)
	}
	want := []struct{ kind, subject string }{
		{store.EventUserCreated, string(ada.ID)},
		{store.EventSessionCreated, string(session.ID)},
		{store.EventSessionDeleted, string(session.ID)},
		{store.EventUserUpdated, string(ada.ID)},
		{store.EventUserDeleted, string(ada.ID)},
	}
	if len(rows) != len(want) {
		t.Fatalf("%d events, want %d: %v", len(rows), len(want), rows)
	}
	for i, row := range rows {
		if row.Type != want[i].kind || row.Subject != want[i].subject || row.OwnerID == nil || *row.OwnerID != ada.ID || !json.Valid(row.Payload) {
			t.Errorf("event %d: %+v, want %+v", i, row, want[i])
		}
	}
}

func TestASetupLinkWorksOnce(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	ada := addUser(t, s, "ada", streamspace.RoleUser)
	now := time.Now()
	if err := s.ReplaceSetupToken(t.Context(), []byte("old"), ada.ID, now, now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := s.ReplaceSetupToken(t.Context(), []byte("link"), ada.ID, now, now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	_, err := s.CompleteSetup(t.Context(), []byte("old"), "hash", login("", "x", now.Add(time.Hour)))
	check(t, "a replaced link", err, store.ErrNotFound)
	late := login("", "y", now.Add(3*time.Hour))
	late.Now = now.Add(2 * time.Hour)
	_, err = s.CompleteSetup(t.Context(), []byte("link"), "hash", late)
	check(t, "an expired link", err, store.ErrNotFound)

	var wait sync.WaitGroup
	done := make(chan store.User, 8)
	for i := range cap(done) {
		wait.Go(func() {
			user, err := s.CompleteSetup(t.Context(), []byte("link"), "hash", login("", string(rune('a'+i)), now.Add(time.Hour)))
			if err == nil {
				done <- user
			} else if !errors.Is(err, store.ErrNotFound) {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if len(done) != 1 {
		t.Fatalf("the link worked %d times", len(done))
	}
	if user := <-done; user.ID != ada.ID || user.PasswordHash == nil || *user.PasswordHash != "hash" {
		t.Errorf("got %+v", user)
	}
}

func TestAuditIsReadFromTheNewest(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	for i, action := range []string{"login", "session.create", "login", "login"} {
		if err := s.InsertAudit(t.Context(), store.InsertAuditParams{
			At: time.Now(), ActorName: "ada", Action: action, Outcome: "ok", RequestID: string(rune('0' + i)), Detail: []byte("{}"),
		}); err != nil {
			t.Fatal(err)
		}
	}
	page, err := s.AuditBefore(t.Context(), store.AuditBeforeParams{Action: "login", Max: 2})
	if err != nil || len(page) != 2 || page[0].RequestID != "3" || page[1].RequestID != "2" {
		t.Fatalf("first page %v, %v", page, err)
	}
	page, err = s.AuditBefore(t.Context(), store.AuditBeforeParams{Action: "login", Before: page[1].ID, Max: 2})
	if err != nil || len(page) != 1 || page[0].RequestID != "0" {
		t.Errorf("second page %v, %v", page, err)
	}
	err = s.InsertAudit(t.Context(), store.InsertAuditParams{At: time.Now(), Outcome: "maybe", Detail: []byte("{}")})
	if err == nil {
		t.Error("an outcome that does not exist was taken")
	}
}
