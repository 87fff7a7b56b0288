package api

import (
	"context"
	"fmt"
	"net/url"
	"slices"

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
	row, err := a.session(ctx, c, in.SessionPath)
	if err != nil {
		return nil, err
	}
	var wanted []streamspace.Permission
	if in.Body != nil {
		wanted = in.Body.Permissions
	}
	granted, err := grant(c, row.Session.OwnerID, wanted)
	if err != nil {
		return nil, err
	}
	if err := connectable(row.Session); err != nil {
		return nil, err
	}
	minted, claims, err := a.Tickets.Mint(ticket.Grant{Session: row.Session.ID, User: c.ID, Permissions: granted})
	if err != nil {
		return nil, fmt.Errorf("making a way into session %s: %w", row.Session.ID, err)
	}
	a.auditSession(ctx, c, "session.connect", row.Session, map[string]any{"permissions": granted, "viewer": claims.Viewer})
	return &connectOutput{Body: Connection{
		URL: a.streamURL(c.visit, row.Session.ID, minted), Ticket: minted.Reveal(), ExpiresAt: wireTime(claims.Expires),
	}}, nil
}

// grant returns what the caller gets. Owners get everything unless they ask
// for less; administrators only look into others' sessions unless they ask
// for more.
func grant(c caller, owner streamspace.UserID, wanted []streamspace.Permission) ([]streamspace.Permission, error) {
	most := streamspace.OwnerPermissions
	if c.Admin() {
		most = permissions
	}
	if len(wanted) == 0 {
		if c.ID != owner {
			return []streamspace.Permission{streamspace.PermissionView}, nil
		}
		return streamspace.OwnerPermissions, nil
	}
	var granted []streamspace.Permission
	for _, p := range wanted {
		if !slices.Contains(most, p) {
			return nil, problem(streamspace.CodeForbidden, "You may not have the permission "+string(p)+" in this session.")
		}
		if !slices.Contains(granted, p) {
			granted = append(granted, p)
		}
	}
	return granted, nil
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
func (a *API) streamURL(v visit, session streamspace.SessionID, t ticket.Ticket) string {
	u := a.base(v)
	u.Scheme = map[string]string{"http": "ws", "https": "wss"}[u.Scheme]
	u.Path += streamPath + string(session)
	u.RawQuery = url.Values{"ticket": {t.Reveal()}}.Encode()
	return u.String()
}
