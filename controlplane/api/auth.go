package api

import (
	"context"
	"net/http"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/identity"
)

type none struct{}

type loginOutput struct {
	SetCookie []http.Cookie `header:"Set-Cookie"`
	Body      Login
}

type signOutOutput struct {
	SetCookie []http.Cookie `header:"Set-Cookie"`
}

type loginInput struct{ Body LoginRequest }

type setupInput struct{ Body SetupRequest }

type setupStatusOutput struct{ Body SetupStatus }

type loginIDInput struct {
	ID string `path:"id" doc:"The login's id (lgn_…)."`
}

type loginListOutput struct{ Body LoginSessionList }

func (a *API) authRoutes() {
	const tag = "auth"
	public(a, route{id: "getSetup", method: http.MethodGet, path: "/auth/setup", tag: tag,
		summary: "Say whether the first administrator still has to be set up"}, a.getSetup)
	public(a, route{id: "completeSetup", method: http.MethodPost, path: "/auth/setup", tag: tag,
		summary:     "Set a password with a one-time link",
		description: "Consumes the token of the link, sets the password of its account and signs in.",
		codes:       []streamspace.Code{streamspace.CodeUnauthenticated}}, a.completeSetup)
	public(a, route{id: "createLogin", method: http.MethodPost, path: "/auth/login", tag: tag,
		summary:     "Sign in",
		description: "Sets the login cookie. An unknown user and a wrong password get the same answer. Repeated failures are throttled per user and per address: see Retry-After.",
		codes:       []streamspace.Code{streamspace.CodeUnauthenticated}}, a.createLogin)
	signedIn(a, route{id: "getLogin", method: http.MethodGet, path: "/auth/login", tag: tag,
		summary: "Return the current login"}, a.getLogin)
	signedIn(a, route{id: "deleteLogin", method: http.MethodPost, path: "/auth/logout", tag: tag,
		summary: "Sign out", status: http.StatusNoContent}, a.deleteLogin)
	signedIn(a, route{id: "listLogins", method: http.MethodGet, path: "/auth/logins", tag: tag,
		summary: "List the browsers in which the caller is signed in"}, a.listLogins)
	signedIn(a, route{id: "revokeLogin", method: http.MethodDelete, path: "/auth/logins/{id}", tag: tag,
		summary: "Sign out of another browser", status: http.StatusNoContent}, a.revokeLogin)
}

func (a *API) getSetup(ctx context.Context, _ visit, _ *none) (*setupStatusOutput, error) {
	required, err := a.Identity.SetupRequired(ctx)
	if err != nil {
		return nil, err
	}
	return &setupStatusOutput{Body: SetupStatus{Required: required}}, nil
}

func (a *API) completeSetup(ctx context.Context, v visit, in *setupInput) (*loginOutput, error) {
	signedIn, err := a.Identity.CompleteSetup(ctx, v.Visitor, in.Body.Token, in.Body.Password)
	if err != nil {
		return nil, err
	}
	return newLogin(v, signedIn), nil
}

func (a *API) createLogin(ctx context.Context, v visit, in *loginInput) (*loginOutput, error) {
	signedIn, err := a.Identity.SignIn(ctx, v.Visitor, in.Body.Username, in.Body.Password)
	if err != nil {
		return nil, err
	}
	return newLogin(v, signedIn), nil
}

func newLogin(v visit, s identity.SignedIn) *loginOutput {
	v.token = s.Token
	return &loginOutput{SetCookie: []http.Cookie{setLogin(v, s.Token)}, Body: loginBody(caller{Principal: s.Principal, visit: v})}
}

// never is the expiry of API keys that have none: the last year that RFC 3339
// can write.
func never() time.Time { return time.Date(9999, time.December, 31, 0, 0, 0, 0, time.UTC) }

func loginBody(c caller) Login {
	l := Login{User: userBody(c.Account), ExpiresAt: never()}
	if c.Login != "" {
		l.CSRFToken = identity.CSRFToken(c.visit.token)
	}
	if !c.ExpiresAt.IsZero() {
		l.ExpiresAt = wireTime(c.ExpiresAt)
	}
	return l
}

func (a *API) getLogin(_ context.Context, c caller, _ *none) (*loginOutput, error) {
	return &loginOutput{Body: loginBody(c)}, nil
}

func (a *API) deleteLogin(ctx context.Context, c caller, _ *none) (*signOutOutput, error) {
	if err := a.Identity.SignOut(ctx, c.Principal); err != nil {
		return nil, err
	}
	return &signOutOutput{SetCookie: []http.Cookie{clearLogin(c.visit)}}, nil
}

func (a *API) listLogins(ctx context.Context, c caller, _ *none) (*loginListOutput, error) {
	logins, err := a.Identity.Logins(ctx, c.Principal)
	if err != nil {
		return nil, err
	}
	out := &loginListOutput{Body: LoginSessionList{Items: make([]LoginSession, len(logins))}}
	for n, l := range logins {
		out.Body.Items[n] = LoginSession{
			ID: l.ID, Current: l.ID == c.Login, CreatedAt: wireTime(l.CreatedAt), LastSeenAt: wireTime(l.LastSeenAt),
			ExpiresAt: wireTime(l.ExpiresAt), UserAgent: l.UserAgent, RemoteAddr: l.RemoteAddr,
		}
	}
	return out, nil
}

func (a *API) revokeLogin(ctx context.Context, c caller, in *loginIDInput) (*none, error) {
	if !isCursorKey(in.ID) { // an id that Postgres would not even read
		return nil, notFound("login")
	}
	return nil, missing("login", a.Identity.RevokeLogin(ctx, c.Principal, streamspace.LoginID(in.ID)))
}
