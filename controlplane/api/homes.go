package api

import (
	"context"
	"net/http"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/identity"
	"github.com/streamspace/streamspace/controlplane/store"
)

type homeListOutput struct{ Body HomeList }

type homeIDInput struct {
	ID string `path:"id" doc:"The home's id (hom_…)."`
}

func (a *API) homeRoutes() {
	const tag = "homes"
	signedIn(a, route{id: "listHomes", method: http.MethodGet, path: "/homes", tag: tag,
		summary: "List the caller's homes, the last used first"}, a.listHomes)
	signedIn(a, route{id: "deleteHome", method: http.MethodDelete, path: "/homes/{id}", tag: tag,
		summary: "Delete a home with everything in it", status: http.StatusNoContent,
		codes: []streamspace.Code{streamspace.CodeConflict}}, a.deleteHome)
}

func (a *API) listHomes(ctx context.Context, c caller, _ *none) (*homeListOutput, error) {
	homes, err := a.Store.HomesByOwner(ctx, c.ID)
	if err != nil {
		return nil, store.Classify(err)
	}
	out := &homeListOutput{Body: HomeList{Items: make([]Home, len(homes))}}
	for n, h := range homes {
		out.Body.Items[n] = Home{ID: h.ID, Template: h.Template, CreatedAt: wireTime(h.CreatedAt), LastUsedAt: wireTime(h.LastUsedAt)}
		if h.SessionID != nil {
			out.Body.Items[n].SessionID = *h.SessionID
		}
	}
	return out, nil
}

// home reads the home that the path names, if it is the caller's own:
// administrators look after sessions, not after people's files.
func (a *API) home(ctx context.Context, c caller, path string) (store.Home, error) {
	id, err := streamspace.ParseHomeID(path)
	if err != nil {
		return store.Home{}, notFound("home")
	}
	home, err := a.Store.HomeByID(ctx, id)
	if err != nil {
		return store.Home{}, missing("home", store.Classify(err))
	}
	if home.OwnerID != c.ID {
		return store.Home{}, notFound("home")
	}
	return home, nil
}

func (a *API) deleteHome(ctx context.Context, c caller, in *homeIDInput) (*none, error) {
	home, err := a.home(ctx, c, in.ID)
	if err != nil {
		return nil, err
	}
	deleted, err := a.Store.DeleteFreeHome(ctx, store.DeleteFreeHomeParams{ID: home.ID, OwnerID: c.ID})
	if err != nil {
		return nil, store.Classify(err)
	}
	if deleted == 0 {
		return nil, problem(streamspace.CodeConflict, "A session uses this home. Stop the session first.")
	}
	a.removeHome(ctx, c, home.ID)
	return nil, nil
}

// removeHome removes the folder of a home whose row is gone. Nobody can reach
// the folder any more, so what goes wrong is the administrator's to mend.
func (a *API) removeHome(ctx context.Context, c caller, id streamspace.HomeID) {
	outcome := identity.OutcomeOK
	if err := a.Desktops.DeleteHome(context.WithoutCancel(ctx), id); err != nil {
		outcome = identity.OutcomeError
		a.Logger.Error("home folder not removed", "error", err, "home", id, "request_id", c.RequestID)
	}
	a.Identity.Audit(ctx, c.Principal, identity.Entry{Action: "home.delete", Subject: string(id), Outcome: outcome})
}
