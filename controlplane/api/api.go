// Package api is HTTP over the control plane: typed requests in, typed answers
// or problems out, and the OpenAPI document from the same types.
package api

import (
	"context"

	"github.com/danielgtaylor/huma/v2"
)

type API struct {
	huma huma.API
}

const (
	loginCookie = "streamspace_login"
	csrfHeader  = "X-CSRF-Token"
)

type visit struct{}
type caller struct{ visit }

func visitOf(context.Context) visit   { return visit{} }
func callerOf(context.Context) caller { return caller{} }
func (a *API) guard(r route, roles any) func(huma.Context, func(huma.Context)) {
	return func(c huma.Context, next func(huma.Context)) { next(c) }
}
func (a *API) outcome(ctx context.Context, err error) error                   { return err }
func (a *API) ourProblem(ctx huma.Context, status string, v any) (any, error) { return v, nil }
func pub[I, O any](context.Context, visit, *I) (*O, error)                    { return nil, nil }
func priv[I, O any](context.Context, caller, *I) (*O, error)                  { return nil, nil }
