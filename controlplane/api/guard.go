package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/identity"
)

const (
	loginCookie = "streamspace_login"
	csrfHeader  = "X-CSRF-Token"

	// requestTimeout bounds the work for one request. The longest honest one,
	// deleting an account, waits for desktops to end.
	requestTimeout = 60 * time.Second
)

// guard stands before every operation: it finds out who the caller is and
// refuses who may not pass. No roles means that everybody may.
func (a *API) guard(r route, roles []streamspace.Role) func(huma.Context, func(huma.Context)) {
	return func(hc huma.Context, next func(huma.Context)) {
		request, w := humago.Unwrap(hc)
		x := exchangeOf(hc.Context())
		x.route = r.path
		if p := a.admit(request, x, r, roles); p != nil {
			a.writeProblem(w, x, p)
			return
		}
		if r.status == http.StatusSwitchingProtocols { // a socket lives on
			next(hc)
			return
		}
		ctx, cancel := context.WithTimeout(hc.Context(), requestTimeout)
		defer cancel()
		next(huma.WithContext(hc, ctx))
	}
}

// admit returns nil when the request may go on.
func (a *API) admit(r *http.Request, x *exchange, to route, roles []streamspace.Role) *Problem {
	key, byKey := bearer(r)
	// A page of another site makes browsers send our cookie: to change
	// something, to sign somebody in, or to open a socket.
	if !byKey && (to.unsafe() || to.status == http.StatusSwitchingProtocols) && !a.sameOrigin(r, x.visit) {
		return problem(streamspace.CodeOriginForbidden, "This page's origin may not call the API.")
	}
	if len(roles) == 0 {
		return nil
	}
	principal, err := a.authenticate(r.Context(), x, r, key, byKey)
	if errors.Is(err, identity.ErrUnauthenticated) {
		return problem(streamspace.CodeUnauthenticated, "Sign in first.")
	}
	if err != nil {
		return a.problemOf(r.Context(), err)
	}
	x.user, x.caller = principal.ID, caller{Principal: principal, visit: x.visit}
	if wait := a.byCaller.Take(r.Context(), string(principal.ID)); wait > 0 {
		return tooManyRequests(wait)
	}
	if !byKey && to.unsafe() && !identity.ValidCSRFToken(x.visit.token, r.Header.Get(csrfHeader)) {
		return problem(streamspace.CodeCSRF, "The "+csrfHeader+" header is missing or does not belong to this login. Read it from GET /auth/login.")
	}
	if !slices.Contains(roles, principal.Role) {
		a.Identity.Audit(r.Context(), principal, identity.Entry{Action: "access.deny", Subject: to.id, Outcome: identity.OutcomeDenied})
		return problem(streamspace.CodeForbidden, "Only administrators may do this.")
	}
	return nil
}

func (a *API) authenticate(ctx context.Context, x *exchange, r *http.Request, key string, byKey bool) (identity.Principal, error) {
	if byKey {
		return a.Identity.ByAPIKey(ctx, x.visit.Visitor, key)
	}
	token, ok := loginToken(r)
	if !ok {
		return identity.Principal{}, identity.ErrUnauthenticated
	}
	x.visit.token = token
	return a.Identity.ByLogin(ctx, x.visit.Visitor, token)
}

// bearer returns the API key. An Authorization header of any kind stands
// before the cookie: who sends one does not mean the cookie.
func bearer(r *http.Request) (key string, given bool) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return "", false
	}
	scheme, key, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", true
	}
	return strings.TrimSpace(key), true
}

// loginToken returns the cookie's token. Two cookies of the name, as a
// neighbouring subdomain could plant, are none.
func loginToken(r *http.Request) (string, bool) {
	cookies := r.CookiesNamed(loginCookie)
	if len(cookies) != 1 || cookies[0].Value == "" {
		return "", false
	}
	return cookies[0].Value, true
}

// setLogin is the cookie that carries a login. It is kept as long as any login
// can last: the server knows when it ends.
func setLogin(v visit, token string) http.Cookie {
	return http.Cookie{
		Name: loginCookie, Value: token, Path: "/", MaxAge: int(identity.LoginMax / time.Second),
		HttpOnly: true, Secure: v.secure, SameSite: http.SameSiteLaxMode,
	}
}

func clearLogin(v visit) http.Cookie {
	return http.Cookie{Name: loginCookie, Path: "/", MaxAge: -1, HttpOnly: true, Secure: v.secure, SameSite: http.SameSiteLaxMode}
}

func tooManyRequests(wait time.Duration) *Problem {
	p := problem(streamspace.CodeThrottled, "Too many requests. Slow down.")
	p.retryAfter = wait
	return p
}
