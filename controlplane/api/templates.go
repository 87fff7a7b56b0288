package api

import "net/http"

type templateListOutput struct{ Body TemplateList }

type templateOutput struct{ Body Template }

type templateNameInput struct {
	Name string `path:"name" doc:"The template's name."`
}

func (a *API) templateRoutes() {
	const tag = "templates"
	signedIn(a, route{id: "listTemplates", method: http.MethodGet, path: "/templates", tag: tag,
		summary: "List the catalog"}, priv[none, templateListOutput])
	signedIn(a, route{id: "getTemplate", method: http.MethodGet, path: "/templates/{name}", tag: tag,
		summary: "Return a template"}, priv[templateNameInput, templateOutput])
}
