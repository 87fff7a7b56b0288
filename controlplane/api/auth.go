package api

import (
	"net/http"

	"github.com/streamspace/streamspace"
)

type none struct{}

type loginOutput struct {
	SetCookie    []http.Cookie `header:"Set-Cookie"`
	CacheControl string        `header:"Cache-Control"`
	Body         Login
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
		summary: "Say whether the first administrator still has to be set up"}, pub[none, setupStatusOutput])
	public(a, route{id: "completeSetup", method: http.MethodPost, path: "/auth/setup", tag: tag,
		summary:     "Set a password with a one-time link",
		description: "Consumes the token of the link, sets the password of its account and signs in.",
		codes:       []streamspace.Code{streamspace.CodeUnauthenticated}}, pub[setupInput, loginOutput])
	public(a, route{id: "createLogin", method: http.MethodPost, path: "/auth/login", tag: tag,
		summary:     "Sign in",
		description: "Sets the login cookie. An unknown user and a wrong password get the same answer. Repeated failures are throttled per user and per address: see Retry-After.",
		codes:       []streamspace.Code{streamspace.CodeUnauthenticated}}, pub[loginInput, loginOutput])
	signedIn(a, route{id: "getLogin", method: http.MethodGet, path: "/auth/login", tag: tag,
		summary: "Return the current login"}, priv[none, loginOutput])
	signedIn(a, route{id: "deleteLogin", method: http.MethodPost, path: "/auth/logout", tag: tag,
		summary: "Sign out", status: http.StatusNoContent}, priv[none, signOutOutput])
	signedIn(a, route{id: "listLogins", method: http.MethodGet, path: "/auth/logins", tag: tag,
		summary: "List the browsers in which the caller is signed in"}, priv[none, loginListOutput])
	signedIn(a, route{id: "revokeLogin", method: http.MethodDelete, path: "/auth/logins/{id}", tag: tag,
		summary: "Sign out of another browser", status: http.StatusNoContent}, priv[loginIDInput, none])
}
