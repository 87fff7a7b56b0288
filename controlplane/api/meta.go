package api

import "net/http"

type versionOutput struct{ Body Version }

func (a *API) metaRoutes() {
	const tag = "meta"
	signedIn(a, route{id: "getVersion", method: http.MethodGet, path: "/version", tag: tag,
		summary: "Say what is running"}, priv[none, versionOutput])
	public(a, route{id: "getOpenAPI", method: http.MethodGet, path: "/openapi.json", tag: tag,
		summary: "Return this document"}, pub[none, documentOutput])
}

type documentOutput struct {
	ContentType string         `header:"Content-Type"`
	Body        map[string]any `doc:"An OpenAPI 3.1 document."`
}
