package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/identity"
	"github.com/streamspace/streamspace/controlplane/store"
)

// retryUnavailable is what clients are told to wait while Postgres is away or
// too many passwords are hashed: either passes within seconds.
const retryUnavailable = 2 * time.Second

// outcome turns a handler's error into the problem that is sent.
func (a *API) outcome(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	return a.problemOf(ctx, err)
}

// problemOf is the one table of errors and problems. What is not in it is our
// fault: it is logged here, once, and the answer tells nothing of it.
func (a *API) problemOf(ctx context.Context, err error) *Problem {
	p := a.knownProblem(err)
	x := exchangeOf(ctx)
	switch {
	case p != nil:
	case errors.Is(err, context.Canceled) && ctx.Err() != nil: // the client has gone: nobody reads this
		p = problem(streamspace.CodeUnavailable, "The request was given up.")
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, identity.ErrBusy):
		a.Logger.Warn("request not answered, a part is unavailable", "error", err, "request_id", x.visit.RequestID, "route", x.route)
		p = problem(streamspace.CodeUnavailable, "StreamSpace is busy or its database does not answer. Try again in a moment.")
		p.retryAfter = retryUnavailable
	default:
		a.Logger.Error("request failed", "error", err, "request_id", x.visit.RequestID, "route", x.route)
		p = problem(streamspace.CodeInternal, internalDetail)
	}
	p.RequestID = x.visit.RequestID
	return p
}

func (a *API) knownProblem(err error) *Problem {
	var p *Problem
	var throttled *identity.ThrottledError
	var policy *identity.PolicyError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &throttled):
		p = problem(streamspace.CodeThrottled, "Too many failed sign-ins. Wait before trying again.")
		p.retryAfter = throttled.RetryAfter
		return p
	case errors.As(err, &policy):
		return badPassword("body.password", policy)
	case errors.Is(err, identity.ErrUnauthenticated):
		return problem(streamspace.CodeUnauthenticated, "The credentials are not valid.")
	case errors.Is(err, identity.ErrWrongPassword):
		p = problem(streamspace.CodeForbidden, "The current password is wrong.")
		p.Errors = []ProblemField{{Location: "body.currentPassword", Message: "is wrong"}}
		return p
	case errors.Is(err, identity.ErrUsername):
		return invalid("body.username", identity.ErrUsername.Error())
	case errors.Is(err, identity.ErrSelf):
		return problem(streamspace.CodeConflict, "This cannot be done to one's own account: ask another administrator.")
	case errors.Is(err, identity.ErrTooManyKeys):
		return problem(streamspace.CodeConflict, "There are as many API keys as an account can have. Delete one first.")
	case errors.Is(err, store.ErrLastAdmin):
		return problem(streamspace.CodeConflict, "This is the last active administrator.")
	case errors.Is(err, store.ErrNotFound):
		return notFound("thing")
	case errors.Is(err, store.ErrConflict):
		return problem(streamspace.CodeConflict, "The present state does not allow this.")
	}
	return nil
}

func badPassword(location string, policy *identity.PolicyError) *Problem {
	p := invalid(location, policy.Reason)
	p.Detail = "The password " + policy.Reason + "."
	return p
}

// ourProblem is huma's transformer: its own errors become ours before they are
// encoded.
func (a *API) ourProblem(hc huma.Context, _ string, v any) (any, error) {
	x := exchangeOf(hc.Context())
	switch body := v.(type) {
	case *huma.ErrorModel:
		if body.Status >= http.StatusInternalServerError {
			a.Logger.Error("request failed", "error", body, "request_id", x.visit.RequestID, "route", x.route)
		}
		p := fromHuma(body)
		p.RequestID = x.visit.RequestID
		return p, nil
	case *Problem:
		body.RequestID = x.visit.RequestID
	}
	return v, nil
}

// writeProblem sends a problem from outside of huma.
func (a *API) writeProblem(w http.ResponseWriter, x *exchange, p *Problem) {
	p.RequestID = x.visit.RequestID
	h := w.Header()
	for name, values := range p.GetHeaders() {
		h[name] = values
	}
	h.Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	if err := json.NewEncoder(w).Encode(p); err != nil {
		a.Logger.Debug("problem not sent", "error", err, "request_id", x.visit.RequestID)
	}
}
