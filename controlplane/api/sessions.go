package api

import (
	"net/http"

	"github.com/streamspace/streamspace"
)

type sessionOutput struct{ Body Session }

type sessionListOutput struct{ Body SessionList }

type createSessionInput struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"128" doc:"The same key within 24 hours returns the session that the first request made."`
	Body           CreateSessionRequest
}

type listSessionsInput struct {
	PageInput
	Scope string              `query:"scope" enum:"mine,all" default:"mine" doc:"all is for administrators."`
	State []streamspace.State `query:"state" maxItems:"9" nullable:"false" doc:"Only these states, separated by commas. Absent: all but stopped."`
}

// SessionPath names one session. It is exported because huma reads embedded
// fields of exported types only.
type SessionPath struct {
	ID string `path:"id" doc:"The session's id (ses_…)."`
}

type updateSessionInput struct {
	SessionPath
	Body UpdateSessionRequest
}

type connectInput struct {
	SessionPath
	Body *ConnectRequest
}

type connectOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         Connection
}

func (a *API) sessionRoutes() {
	const tag = "sessions"
	signedIn(a, route{id: "createSession", method: http.MethodPost, path: "/sessions", tag: tag,
		summary: "Start a desktop", status: http.StatusCreated,
		description: "Answers at once with the session pending; its progress comes over the events socket.",
		codes:       []streamspace.Code{streamspace.CodeConflict, streamspace.CodeNotInstalled, streamspace.CodeNotFound}}, priv[createSessionInput, sessionOutput])
	signedIn(a, route{id: "listSessions", method: http.MethodGet, path: "/sessions", tag: tag,
		summary: "List sessions, newest first",
		codes:   []streamspace.Code{streamspace.CodeForbidden}}, priv[listSessionsInput, sessionListOutput])
	signedIn(a, route{id: "getSession", method: http.MethodGet, path: "/sessions/{id}", tag: tag,
		summary: "Return a session"}, priv[SessionPath, sessionOutput])
	signedIn(a, route{id: "updateSession", method: http.MethodPatch, path: "/sessions/{id}", tag: tag,
		summary: "Rename, wake, put to sleep, or set the idle timeout",
		codes:   []streamspace.Code{streamspace.CodeConflict}}, priv[updateSessionInput, sessionOutput])
	signedIn(a, route{id: "stopSession", method: http.MethodDelete, path: "/sessions/{id}", tag: tag,
		summary: "Stop a session for good", status: http.StatusAccepted,
		description: "Its home stays. Stopping a stopped session changes nothing."}, priv[SessionPath, sessionOutput])
	signedIn(a, route{id: "connectSession", method: http.MethodPost, path: "/sessions/{id}/connect", tag: tag,
		summary: "Get a way into a session",
		description: "Works while the session is pending, starting, running, hibernating, hibernated or waking: the stream waits and wakes it. " +
			"An administrator gets into another user's session with the permissions asked for, view by default; that is audited.",
		codes: []streamspace.Code{streamspace.CodeConflict, streamspace.CodeForbidden}}, priv[connectInput, connectOutput])
}
