package api

import (
	"context"
	"net/http"
	"time"

	"github.com/streamspace/streamspace"
)

type templateListOutput struct{ Body TemplateList }

type templateOutput struct{ Body Template }

type templateNameInput struct {
	Name string `path:"name" doc:"The template's name."`
}

func (a *API) templateRoutes() {
	const tag = "templates"
	signedIn(a, route{id: "listTemplates", method: http.MethodGet, path: "/templates", tag: tag,
		summary: "List the catalog"}, a.listTemplates)
	signedIn(a, route{id: "getTemplate", method: http.MethodGet, path: "/templates/{name}", tag: tag,
		summary: "Return a template"}, a.getTemplate)
}

func (a *API) templateBody(t streamspace.Template) Template {
	available := a.Desktops.Availability(t)
	body := Template{
		Name: t.Name, DisplayName: t.DisplayName, Description: t.Description, Category: t.Category, Icon: t.Icon,
		Tags: append([]string{}, t.Tags...), Installed: available.Installed, Missing: append([]string{}, available.Missing...),
		IdleTimeoutSeconds: idleSeconds(t), Network: t.Network,
		Resources: TemplateResources{MemoryBytes: t.Resources.MemoryBytes, CPUs: t.Resources.CPUs, Processes: t.Resources.Processes},
	}
	if !available.Installed {
		body.InstallCommand = available.InstallCommand
	}
	return body
}

func idleSeconds(t streamspace.Template) int { return int(time.Duration(t.IdleTimeout) / time.Second) }

func (a *API) listTemplates(_ context.Context, _ caller, _ *none) (*templateListOutput, error) {
	out := &templateListOutput{Body: TemplateList{Items: []Template{}}}
	for _, t := range a.Catalog.List() {
		out.Body.Items = append(out.Body.Items, a.templateBody(t))
	}
	return out, nil
}

func (a *API) getTemplate(_ context.Context, _ caller, in *templateNameInput) (*templateOutput, error) {
	t, ok := a.Catalog.Get(in.Name)
	if !ok {
		return nil, notFound("template")
	}
	return &templateOutput{Body: a.templateBody(t)}, nil
}
