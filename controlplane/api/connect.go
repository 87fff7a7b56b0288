package api

import (
	"context"
	"fmt"
	"net/url"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/store"
	"github.com/streamspace/streamspace/gateway/ticket"
)

type connectInput struct {
	SessionPath
	Body *ConnectRequest
}

type connectOutput struct{ Body Connection }

// streamPath is the gateway's endpoint, with the session's id behind it.
const streamPath = "/stream/v1/"

func (a *API) connectSession(ctx context.Context, c caller, in *connectInput) (*connectOutput, error) {
	row, given, err := a.visibleSession(ctx, c, in.SessionPath)
	if err != nil {
		return nil, err
	}
	var wanted []streamspace.Permission
	if in.Body != nil {
		wanted = in.Body.Permissions
	}
	granted, err := given.grant(wanted)
	if err != nil {
		return nil, err
	}
	if err := connectable(row.Session); err != nil {
		return nil, err
	}
	grant := ticket.Grant{Session: row.Session.ID, User: c.ID, Name: shownName(c.Account), Permissions: granted}
	detail := map[string]any{}
	if share := given.share; share != nil && covers(*share, granted) {
		used, err := a.Store.UseShare(ctx, store.UseShareParams{ID: share.ID, Now: a.Now()})
		if err != nil {
			return nil, missing("session", err)
		}
		if !covers(used, granted) { // narrowed since it was read
			return nil, problem(streamspace.CodeConflict, "What you may do in this session has just changed. Try again.")
		}
		grant.Share, grant.After, detail["share"] = used.ID, narrowed(used), used.ID
	}
	minted, claims, err := a.Tickets.Mint(grant)
	if err != nil {
		return nil, fmt.Errorf("making a way into session %s: %w", row.Session.ID, err)
	}
	detail["permissions"], detail["viewer"] = granted, claims.Viewer
	a.auditSession(ctx, c, "session.connect", row.Session, detail)
	return &connectOutput{Body: Connection{
		URL: a.streamURL(ctx, c.visit, row.Session.ID, minted), Ticket: minted.Reveal(), ExpiresAt: wireTime(claims.Expires),
	}}, nil
}

func connectable(row store.Session) error {
	switch {
	case ending(row):
		return problem(streamspace.CodeConflict, "This session is stopped.")
	case row.State == streamspace.StateFailed:
		return problem(streamspace.CodeConflict, "This session has failed. Set its desired state to running to try again.")
	}
	return nil
}

// streamURL is complete: it names the gateway and carries the ticket.
func (a *API) streamURL(ctx context.Context, v visit, session streamspace.SessionID, t ticket.Ticket) string {
	u := a.place(ctx, v, session)
	u.Path += streamPath + string(session)
	u.RawQuery = url.Values{"ticket": {t.Reveal()}}.Encode()
	return u.String()
}
