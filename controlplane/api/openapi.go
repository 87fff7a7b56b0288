package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

//go:generate go test -run ^TestOpenAPIDocument$ -update .

// Prefix is where the API stands on its host.
const Prefix = "/api/v1"

// documentVersion is the contract's: it grows with what clients see, not with
// builds.
const documentVersion = "1.0.0"

const documentDescription = `StreamSpace runs desktops and streams them to a browser.

Sign in with POST /auth/login (a cookie, and a CSRF token to send as X-CSRF-Token with every unsafe method) or send an API key as
Authorization: Bearer ssk_…. Errors are RFC 9457 problem details whose code tells programs what happened. What the caller may not see
answers 404, exactly like what does not exist. Lists are pages: send nextCursor back as cursor.`

var tags = []*huma.Tag{
	{Name: "auth", Description: "Signing in and out, and the browsers that are signed in."},
	{Name: "account", Description: "The caller's own account and API keys."},
	{Name: "users", Description: "All accounts, for administrators."},
	{Name: "templates", Description: "The catalog of desktops that can be started."},
	{Name: "sessions", Description: "Desktops: start, watch, connect, stop."},
	{Name: "shares", Description: "Letting others into a session: users by invitation, guests by link."},
	{Name: "homes", Description: "Home folders, which outlive sessions."},
	{Name: "events", Description: "Live changes over a WebSocket."},
	{Name: "audit", Description: "Who did what, for administrators."},
	{Name: "meta", Description: "The API itself."},
}

// register builds the huma API on mux with every route.
func (a *API) register(mux *http.ServeMux) {
	schemas := registry()
	schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	a.huma = humago.NewWithPrefix(mux, Prefix, huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "StreamSpace", Version: documentVersion, Description: documentDescription,
				License: &huma.License{Name: "MIT", Identifier: "MIT"},
			},
			Servers: []*huma.Server{{URL: Prefix}},
			Tags:    tags,
			Components: &huma.Components{
				Schemas: schemas,
				SecuritySchemes: map[string]*huma.SecurityScheme{
					schemeCookie: {Type: "apiKey", In: "cookie", Name: loginCookie, Description: "Set by POST /auth/login."},
					schemeCSRF:   {Type: "apiKey", In: "header", Name: csrfHeader, Description: "The csrfToken of the login; goes with the cookie."},
					schemeBearer: {Type: "http", Scheme: "bearer", BearerFormat: "ssk_…", Description: "An API key."},
				},
			},
		},
		Formats:       map[string]huma.Format{"application/json": strictJSON, "json": strictJSON},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{a.ourProblem},
	})
	a.authRoutes()
	a.accountRoutes()
	a.userRoutes()
	a.templateRoutes()
	a.sessionRoutes()
	a.thumbnailRoutes()
	a.shareRoutes()
	a.homeRoutes()
	a.eventRoutes()
	a.auditRoutes()
	a.metaRoutes()
	// huma documents its own error type beside ours, which is the one that is sent.
	delete(schemas.Map(), "ErrorModel")
	delete(schemas.Map(), "ErrorDetail")
}

// strictJSON is JSON with exactly one value. Unknown members are rejected by
// the schemas.
var strictJSON = huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: json.Unmarshal}

// document returns the OpenAPI document of all routes. It needs none of the
// parts that answer them.
func document() ([]byte, error) {
	a := &API{}
	a.register(http.NewServeMux())
	text, err := json.Marshal(a.huma.OpenAPI())
	if err != nil {
		return nil, fmt.Errorf("encoding the OpenAPI document: %w", err)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, text, "", "  "); err != nil {
		return nil, fmt.Errorf("indenting the OpenAPI document: %w", err)
	}
	indented.WriteByte('\n')
	return indented.Bytes(), nil
}
