package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/streamspace/streamspace"
)

// Names of the security schemes in the document.
const (
	schemeCookie = "cookie"
	schemeCSRF   = "csrf"
	schemeBearer = "bearer"
)

// maxBodyBytes bounds a request body: the largest honest one, a session with
// all its fields, has less than 2 KiB.
const maxBodyBytes = 1 << 20

// route is what the document says about an operation. Who may call it follows
// from the function it is registered with: public, signedIn or adminOnly.
type route struct {
	id          string
	method      string
	path        string
	tag         string
	summary     string
	description string
	status      int                // of success; 0 means 200, or 204 without a body
	codes       []streamspace.Code // further ways to fail, beside those that follow from the rest
}

func (r route) unsafe() bool { return r.method != http.MethodGet && r.method != http.MethodHead }

// public registers an operation for everybody.
func public[I, O any](a *API, r route, handle func(context.Context, visit, *I) (*O, error)) {
	op := a.operation(r)
	op.Security = []map[string][]string{} // explicitly none
	op.Middlewares = huma.Middlewares{a.guard(r, nil)}
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, visitOf(ctx), in)
		return out, a.outcome(ctx, err)
	})
}

// signedIn registers an operation for callers with a login or an API key. The
// handler is given the caller: whatever it loads goes through the caller's eyes.
func signedIn[I, O any](a *API, r route, handle func(context.Context, caller, *I) (*O, error)) {
	private(a, r, everyRole, handle)
}

// adminOnly registers an operation for administrators.
func adminOnly[I, O any](a *API, r route, handle func(context.Context, caller, *I) (*O, error)) {
	r.codes = append(r.codes, streamspace.CodeForbidden)
	private(a, r, []streamspace.Role{streamspace.RoleAdmin}, handle)
}

var everyRole = []streamspace.Role{streamspace.RoleAdmin, streamspace.RoleUser}

func private[I, O any](a *API, r route, roles []streamspace.Role, handle func(context.Context, caller, *I) (*O, error)) {
	r.codes = append(r.codes, streamspace.CodeUnauthenticated)
	op := a.operation(r)
	byCookie := map[string][]string{schemeCookie: {}}
	if r.unsafe() {
		byCookie[schemeCSRF] = []string{}
	}
	op.Security = []map[string][]string{byCookie, {schemeBearer: {}}}
	op.Middlewares = huma.Middlewares{a.guard(r, roles)}
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, callerOf(ctx), in)
		return out, a.outcome(ctx, err)
	})
}

// operation turns a route into huma's description, with every answer it can give.
func (a *API) operation(r route) huma.Operation {
	codes := append([]streamspace.Code{
		streamspace.CodeInvalid, streamspace.CodeThrottled, streamspace.CodeInternal, streamspace.CodeUnavailable,
	}, r.codes...)
	if r.unsafe() {
		codes = append(codes, streamspace.CodeCSRF, streamspace.CodeOriginForbidden, streamspace.CodeTooLarge)
	}
	if strings.Contains(r.path, "{") {
		codes = append(codes, streamspace.CodeNotFound)
	}
	byStatus := map[int][]string{}
	for _, code := range codes {
		status := statusOf[code]
		if !slices.Contains(byStatus[status], string(code)) {
			byStatus[status] = append(byStatus[status], string(code))
		}
	}
	responses := map[string]*huma.Response{}
	for status, names := range byStatus {
		slices.Sort(names)
		responses[strconv.Itoa(status)] = problemResponse(http.StatusText(status) + ": " + strings.Join(names, ", "))
	}
	if r.method == http.MethodPost || r.method == http.MethodPatch {
		responses["400"] = problemResponse("Bad Request: invalid (the body is missing or no JSON)")
		responses["415"] = problemResponse("Unsupported Media Type: invalid (the body is not application/json)")
	}
	return huma.Operation{
		OperationID: r.id, Method: r.method, Path: r.path, Tags: []string{r.tag},
		Summary: r.summary, Description: r.description, DefaultStatus: r.status,
		MaxBodyBytes: maxBodyBytes, RejectUnknownQueryParameters: true, Responses: responses,
	}
}

func problemResponse(description string) *huma.Response {
	return &huma.Response{
		Description: description,
		Content:     map[string]*huma.MediaType{problemType: {Schema: &huma.Schema{Ref: schemaPrefix + "Problem"}}},
	}
}
