package api

import (
	"net/http"

	"github.com/streamspace/streamspace"
)

type homeListOutput struct{ Body HomeList }

type homeIDInput struct {
	ID string `path:"id" doc:"The home's id (hom_…)."`
}

func (a *API) homeRoutes() {
	const tag = "homes"
	signedIn(a, route{id: "listHomes", method: http.MethodGet, path: "/homes", tag: tag,
		summary: "List the caller's homes"}, priv[none, homeListOutput])
	signedIn(a, route{id: "deleteHome", method: http.MethodDelete, path: "/homes/{id}", tag: tag,
		summary: "Delete a home with everything in it", status: http.StatusNoContent,
		codes: []streamspace.Code{streamspace.CodeConflict}}, priv[homeIDInput, none])
}
