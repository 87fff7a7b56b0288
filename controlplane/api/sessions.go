package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/identity"
	"github.com/streamspace/streamspace/controlplane/store"
)

type sessionOutput struct{ Body Session }

type sessionListOutput struct{ Body SessionList }

type createSessionInput struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"128" doc:"The same key within 24 hours returns the session that the first request made, as long as the server is not restarted."`
	Body           CreateSessionRequest
}

type listSessionsInput struct {
	PageParams
	Scope string              `query:"scope" enum:"mine,shared,all" default:"mine" doc:"shared: what others share with the caller. all is for administrators."`
	State []streamspace.State `query:"state" maxItems:"9" nullable:"false" doc:"Only these states, separated by commas. Absent: all but stopped."`
}

// SessionPath names one session.
type SessionPath struct {
	ID string `path:"id" doc:"The session's id (ses_…)."`
}

type updateSessionInput struct {
	SessionPath
	Body UpdateSessionRequest
}

func (a *API) sessionRoutes() {
	const tag = "sessions"
	signedIn(a, route{id: "createSession", method: http.MethodPost, path: "/sessions", tag: tag,
		summary: "Start a desktop", status: http.StatusCreated,
		description: "Answers at once with the session pending; its progress comes over the events socket.",
		codes:       []streamspace.Code{streamspace.CodeConflict, streamspace.CodeNotInstalled, streamspace.CodeNotFound}}, a.createSession)
	signedIn(a, route{id: "listSessions", method: http.MethodGet, path: "/sessions", tag: tag,
		summary: "List sessions, newest first",
		codes:   []streamspace.Code{streamspace.CodeForbidden}}, a.listSessions)
	signedIn(a, route{id: "getSession", method: http.MethodGet, path: "/sessions/{id}", tag: tag,
		summary: "Return a session"}, a.getSession)
	signedIn(a, route{id: "updateSession", method: http.MethodPatch, path: "/sessions/{id}", tag: tag,
		summary: "Rename, wake, put to sleep, or set the idle timeout",
		codes:   []streamspace.Code{streamspace.CodeConflict, streamspace.CodeForbidden}}, a.updateSession)
	signedIn(a, route{id: "stopSession", method: http.MethodDelete, path: "/sessions/{id}", tag: tag,
		summary: "Stop a session for good", status: http.StatusAccepted,
		description: "Its home stays, its shares end. Stopping a stopped session changes nothing.",
		codes:       []streamspace.Code{streamspace.CodeForbidden}}, a.stopSession)
	signedIn(a, route{id: "connectSession", method: http.MethodPost, path: "/sessions/{id}/connect", tag: tag,
		summary: "Get a way into a session",
		description: "Works while the session is pending, starting, running, hibernating, hibernated or waking: the stream waits and wakes it. " +
			"An invited user gets what the share gives. An administrator gets into another user's session with the permissions asked for, view by default; that is audited.",
		codes: []streamspace.Code{streamspace.CodeConflict, streamspace.CodeForbidden}}, a.connectSession)
}

// visibleSession reads the session that the path names, if the caller may see
// it, with what they may do there. Every route with a session in its path
// begins here.
func (a *API) visibleSession(ctx context.Context, c caller, path SessionPath) (store.SessionWithOwnerRow, access, error) {
	id, err := streamspace.ParseSessionID(path.ID)
	if err != nil {
		return store.SessionWithOwnerRow{}, access{}, notFound("session")
	}
	row, err := a.Store.SessionWithOwner(ctx, id)
	if err != nil {
		return store.SessionWithOwnerRow{}, access{}, missing("session", store.Classify(err))
	}
	given, err := a.accessTo(ctx, c, row.Session)
	if err != nil {
		return store.SessionWithOwnerRow{}, access{}, err
	}
	return row, given, nil
}

// session is visibleSession for what only the owner and administrators do.
// Who is invited sees the session anyway: they learn that it is not theirs.
func (a *API) session(ctx context.Context, c caller, path SessionPath) (store.SessionWithOwnerRow, error) {
	row, _, err := a.visibleSession(ctx, c, path)
	if err == nil && !c.mayHave(row.Session.OwnerID) {
		return store.SessionWithOwnerRow{}, problem(streamspace.CodeForbidden, "Only the owner of this session may do this.")
	}
	return row, err
}

func (a *API) createSession(ctx context.Context, c caller, in *createSessionInput) (*sessionOutput, error) {
	wanted, err := a.newSession(c, in.Body)
	if err != nil {
		return nil, err
	}
	create := func() (streamspace.SessionID, error) { return a.startSession(ctx, c, wanted) }
	var id streamspace.SessionID
	if in.IdempotencyKey == "" {
		id, err = create()
	} else {
		id, err = a.idempotency.do(ctx, c.ID, in.IdempotencyKey, in.Body, create)
	}
	if err != nil {
		return nil, err
	}
	return a.getSession(ctx, c, &SessionPath{ID: string(id)})
}

// newSession checks what is asked for against the catalog.
func (a *API) newSession(c caller, body CreateSessionRequest) (store.NewSession, error) {
	t, ok := a.Catalog.Get(body.Template)
	if !ok {
		return store.NewSession{}, notFound("template")
	}
	if available := a.Desktops.Availability(t); !available.Installed {
		detail := t.DisplayName + " is not installed on this machine."
		if available.InstallCommand != "" {
			detail += " Install it with: " + available.InstallCommand
		}
		return store.NewSession{}, problem(streamspace.CodeNotInstalled, detail)
	}
	wanted := store.NewSession{
		Owner: c.ID, Template: t.Name, Name: t.DisplayName, IdleTimeoutSeconds: int32(idleSeconds(t)),
		MaxLive: a.SessionsPerUser, Now: a.Now(),
	}
	if body.Name != nil {
		name, err := cleanName("body.name", *body.Name)
		if err != nil {
			return store.NewSession{}, err
		}
		wanted.Name = name
	}
	if body.IdleTimeoutSeconds != nil {
		wanted.IdleTimeoutSeconds = int32(*body.IdleTimeoutSeconds)
	}
	switch {
	case body.Home == nil:
	case *body.Home == "new":
		wanted.NewHome = true
	default:
		wanted.Home = streamspace.HomeID(*body.Home)
	}
	return wanted, nil
}

func (a *API) startSession(ctx context.Context, c caller, wanted store.NewSession) (streamspace.SessionID, error) {
	row, err := a.Store.CreateSession(ctx, wanted)
	switch {
	case errors.Is(err, store.ErrTooMany):
		return "", problem(streamspace.CodeConflict, fmt.Sprintf("You have %d sessions, which is the most at a time. Stop one first.", wanted.MaxLive))
	case errors.Is(err, store.ErrNotFound):
		return "", notFound("home")
	case errors.Is(err, store.ErrConflict):
		return "", problem(streamspace.CodeConflict, "This home is used by another session, or belongs to another template.")
	case err != nil:
		return "", fmt.Errorf("making a session of %s: %w", wanted.Template, err)
	}
	a.auditSession(ctx, c, "session.create", row, map[string]any{"template": row.Template, "home": row.HomeID})
	return row.ID, nil
}

const sessionsCursor = "sessions"

func (a *API) listSessions(ctx context.Context, c caller, in *listSessionsInput) (*sessionListOutput, error) {
	before, err := decodeCursor(sessionsCursor, in.Cursor)
	if err != nil {
		return nil, err
	}
	params := store.SessionsParams{States: make([]string, len(in.State)), Before: before, Max: int32(in.Limit + 1)}
	for n, state := range in.State {
		params.States[n] = string(state)
	}
	if in.Scope == "shared" {
		return a.listShared(ctx, c, params, in.Limit)
	}
	switch {
	case in.Scope != "all":
		owner := string(c.ID)
		params.Owner = &owner
	case !c.Admin():
		return nil, problem(streamspace.CodeForbidden, "Only administrators list everybody's sessions.")
	}
	rows, err := a.Store.Sessions(ctx, params)
	if err != nil {
		return nil, store.Classify(err)
	}
	rows, next := page(rows, in.Limit, sessionsCursor, func(r store.SessionsRow) string { return string(r.Session.ID) })
	out := &sessionListOutput{Body: SessionList{Items: make([]Session, len(rows)), NextCursor: next}}
	for n, row := range rows {
		given, _ := ownAccess(c, row.Session.OwnerID)
		out.Body.Items[n] = a.sessionBody(ctx, row.Session, row.Username, given)
	}
	return out, nil
}

// listShared lists what others share with the caller.
func (a *API) listShared(ctx context.Context, c caller, p store.SessionsParams, limit int) (*sessionListOutput, error) {
	rows, err := a.Store.SharedSessions(ctx, store.SharedSessionsParams{UserID: string(c.ID), Now: a.Now(), States: p.States, Before: p.Before, Max: p.Max})
	if err != nil {
		return nil, store.Classify(err)
	}
	rows, next := page(rows, limit, sessionsCursor, func(r store.SharedSessionsRow) string { return string(r.Session.ID) })
	out := &sessionListOutput{Body: SessionList{Items: make([]Session, len(rows)), NextCursor: next}}
	for n, row := range rows {
		out.Body.Items[n] = a.sessionBody(ctx, row.Session, row.Username, sharedAccess(row.Share, row.Creator))
	}
	return out, nil
}

func (a *API) getSession(ctx context.Context, c caller, in *SessionPath) (*sessionOutput, error) {
	row, given, err := a.visibleSession(ctx, c, *in)
	if err != nil {
		return nil, err
	}
	return &sessionOutput{Body: a.sessionBody(ctx, row.Session, row.Username, given)}, nil
}

func (a *API) updateSession(ctx context.Context, c caller, in *updateSessionInput) (*sessionOutput, error) {
	before, err := a.session(ctx, c, in.SessionPath)
	if err != nil {
		return nil, err
	}
	change, detail, err := sessionChange(in.Body)
	if err != nil {
		return nil, err
	}
	row, err := a.Store.ChangeSession(ctx, before.Session.ID, a.Now(), func(row *store.Session) error {
		if ending(*row) {
			return problem(streamspace.CodeConflict, "This session is stopped. Start a new one: its home is still there.")
		}
		change(row)
		return nil
	})
	if err != nil {
		return nil, missing("session", err)
	}
	a.auditSession(ctx, c, "session.update", row, detail)
	given, _ := ownAccess(c, row.OwnerID)
	return &sessionOutput{Body: a.sessionBody(ctx, row, before.Username, given)}, nil
}

// sessionChange checks the request and returns what it does to a row.
func sessionChange(body UpdateSessionRequest) (change func(*store.Session), detail map[string]any, err error) {
	var name string
	detail = map[string]any{}
	if body.Name != nil {
		if name, err = cleanName("body.name", *body.Name); err != nil {
			return nil, nil, err
		}
		detail["name"] = name
	}
	if body.DesiredState != nil {
		if *body.DesiredState == streamspace.DesiredStopped {
			return nil, nil, invalid("body.desiredState", "is running or hibernated; delete the session to stop it")
		}
		detail["desiredState"] = *body.DesiredState
	}
	if body.IdleTimeoutSeconds != nil {
		detail["idleTimeoutSeconds"] = *body.IdleTimeoutSeconds
	}
	return func(row *store.Session) {
		if body.Name != nil {
			row.Name = name
		}
		if body.DesiredState != nil {
			row.DesiredState = *body.DesiredState
		}
		if body.IdleTimeoutSeconds != nil {
			row.IdleTimeoutSeconds = int32(*body.IdleTimeoutSeconds)
		}
	}, detail, nil
}

// ending tells whether nothing but its end is left of the session.
func ending(row store.Session) bool {
	return row.DesiredState == streamspace.DesiredStopped || row.State == streamspace.StateStopping || row.State == streamspace.StateStopped
}

func (a *API) stopSession(ctx context.Context, c caller, in *SessionPath) (*sessionOutput, error) {
	before, err := a.session(ctx, c, *in)
	if err != nil {
		return nil, err
	}
	row, err := a.stop(ctx, c, before.Session.ID)
	if err != nil {
		return nil, missing("session", err)
	}
	given, _ := ownAccess(c, row.OwnerID)
	return &sessionOutput{Body: a.sessionBody(ctx, row, before.Username, given)}, nil
}

func (a *API) stop(ctx context.Context, c caller, id streamspace.SessionID) (store.Session, error) {
	stopped := false
	row, err := a.Store.ChangeSession(ctx, id, a.Now(), func(row *store.Session) error {
		if ending(*row) {
			return store.ErrUnchanged
		}
		row.DesiredState, stopped = streamspace.DesiredStopped, true
		return nil
	})
	if err != nil {
		return store.Session{}, fmt.Errorf("stopping session %s: %w", id, err)
	}
	if stopped {
		a.auditSession(ctx, c, "session.stop", row, map[string]any{})
	}
	return row, nil
}

// auditSession notes what was done to a session, and whose it is when it is
// not the caller's.
func (a *API) auditSession(ctx context.Context, c caller, action string, row store.Session, detail map[string]any) {
	if row.OwnerID != c.ID {
		detail["owner"] = row.OwnerID
	}
	a.Identity.Audit(ctx, c.Principal, identity.Entry{Action: action, Subject: string(row.ID), Outcome: identity.OutcomeOK, Detail: detail})
}
