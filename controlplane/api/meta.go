package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

type versionOutput struct{ Body Version }

type documentOutput struct {
	Body func(huma.Context)
}

func (a *API) metaRoutes() {
	const tag = "meta"
	signedIn(a, route{id: "getVersion", method: http.MethodGet, path: "/version", tag: tag,
		summary: "Say what is running"}, a.getVersion)
	public(a, route{id: "getOpenAPI", method: http.MethodGet, path: "/openapi.json", tag: tag,
		summary: "Return this document"}, a.getDocument)
	response := a.huma.OpenAPI().Paths["/openapi.json"].Get.Responses["200"]
	response.Content = map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Type: huma.TypeObject, Description: "An OpenAPI 3.1 document."}}}
}

func (a *API) getVersion(context.Context, caller, *none) (*versionOutput, error) {
	return &versionOutput{Body: Version{Version: a.Version, Commit: a.Commit}}, nil
}

func (a *API) getDocument(context.Context, visit, *none) (*documentOutput, error) {
	return &documentOutput{Body: func(hc huma.Context) {
		hc.SetHeader("Content-Type", "application/json")
		hc.SetStatus(http.StatusOK)
		if _, err := hc.BodyWriter().Write(a.text); err != nil {
			a.Logger.Debug("document not sent", "error", err)
		}
	}}, nil
}
