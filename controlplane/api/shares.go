package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/identity"
	"github.com/streamspace/streamspace/controlplane/store"
)

const (
	// maxShares bounds what stands for one session: a class fits.
	maxShares = 100
	// leastShareLife is longer than the sweeper sleeps (enforce.go), so that no
	// share runs out unseen.
	leastShareLife = 60 * time.Second
)

// SharePath names one share of a session.
type SharePath struct {
	SessionPath
	Share string `path:"share" doc:"The share's id (shr_…)."`
}

type createShareInput struct {
	SessionPath
	Body CreateShareRequest
}

type createShareOutput struct{ Body NewShare }

type shareOutput struct{ Body Share }

type listSharesInput struct {
	SessionPath
	PageParams
}

type shareListOutput struct{ Body ShareList }

type updateShareInput struct {
	SharePath
	Body UpdateShareRequest
}

func (a *API) shareRoutes() {
	const tag = "shares"
	signedIn(a, route{id: "createShare", method: http.MethodPost, path: "/sessions/{id}/shares", tag: tag,
		summary: "Invite a user into a session, or make a link for guests", status: http.StatusCreated,
		description: "Only the session's owner and administrators share it. An invited user finds the session with scope=shared and gets a session.shared event; " +
			"a link lets anybody in who has it, without an account, and is shown once. Shares end with their session.",
		codes: []streamspace.Code{streamspace.CodeConflict, streamspace.CodeForbidden}}, a.createShare)
	signedIn(a, route{id: "listShares", method: http.MethodGet, path: "/sessions/{id}/shares", tag: tag,
		summary: "List who else may enter a session, newest first",
		codes:   []streamspace.Code{streamspace.CodeForbidden}}, a.listShares)
	signedIn(a, route{id: "updateShare", method: http.MethodPatch, path: "/sessions/{id}/shares/{share}", tag: tag,
		summary: "Change what a share gives and how long it lasts",
		codes:   []streamspace.Code{streamspace.CodeForbidden}}, a.updateShare)
	signedIn(a, route{id: "revokeShare", method: http.MethodDelete, path: "/sessions/{id}/shares/{share}", tag: tag,
		summary: "End a share", status: http.StatusNoContent,
		description: "Whoever watches by it is disconnected at once with 4001 access_revoked, and tickets that were made by it no longer work.",
		codes:       []streamspace.Code{streamspace.CodeForbidden}}, a.revokeShare)
	public(a, route{id: "joinSession", method: http.MethodPost, path: "/join", tag: tag,
		summary: "Get a way into a session with a link",
		description: "For guests: no sign-in is needed, and none is made. It can be repeated, with every reconnection, until the link ends. " +
			"A link that is unknown, has run out, or was withdrawn gets the same answer. Throttled per address and per link: see Retry-After.",
		codes: []streamspace.Code{streamspace.CodeNotFound, streamspace.CodeConflict}}, a.joinSession)
}

func (a *API) createShare(ctx context.Context, c caller, in *createShareInput) (*createShareOutput, error) {
	row, err := a.session(ctx, c, in.SessionPath)
	if err != nil {
		return nil, err
	}
	wanted := store.NewShare{Session: row.Session.ID, By: c.ID, Max: maxShares, Now: a.Now()}
	if wanted.Permissions, err = sharedPermissions(c, row.Session.OwnerID, in.Body.Permissions); err != nil {
		return nil, err
	}
	if wanted.Label, err = label(in.Body.Label); err != nil {
		return nil, err
	}
	if in.Body.ExpiresInSeconds != nil {
		expires := wanted.Now.Add(time.Duration(*in.Body.ExpiresInSeconds) * time.Second)
		wanted.ExpiresAt = &expires
	}
	if wanted.User, err = a.invited(ctx, in.Body, row.Session.OwnerID); err != nil {
		return nil, err
	}
	if wanted.Origin, err = embedder(in.Body, wanted.User); err != nil {
		return nil, err
	}
	var link identity.ShareLink
	if wanted.User == nil {
		link, wanted.TokenHash = identity.NewShareLink()
	}
	share, err := a.Store.CreateShare(ctx, wanted)
	switch {
	case errors.Is(err, store.ErrInvited):
		return nil, problem(streamspace.CodeConflict, "This user is invited already: change that share, or end it first.")
	case errors.Is(err, store.ErrTooManyShares):
		return nil, problem(streamspace.CodeConflict, fmt.Sprintf("This session is shared %d times, which is the most. End a share first.", maxShares))
	case errors.Is(err, store.ErrConflict):
		return nil, problem(streamspace.CodeConflict, "This session is stopped.")
	case err != nil:
		return nil, missing("session", fmt.Errorf("sharing session %s: %w", row.Session.ID, err))
	}
	a.metrics.shares.WithLabelValues("created").Inc()
	a.auditShare(ctx, c, "share.create", share, map[string]any{"permissions": share.Permissions, "expiresAt": share.ExpiresAt})
	body, err := a.shareBody(ctx, share.ID)
	if err != nil {
		return nil, err
	}
	out := &createShareOutput{Body: NewShare{Share: body}}
	switch base := a.base(c.visit).String(); {
	case link.Token == "":
	case wanted.Origin != nil:
		out.Body.URL = link.EmbedURL(base, row.Session.ID)
	default:
		out.Body.URL = link.URL(base)
	}
	return out, nil
}

// sharedPermissions checks what is to be given, and puts it into the usual
// order. Nobody gives more than they have, and nobody control over others.
func sharedPermissions(c caller, owner streamspace.UserID, wanted []streamspace.Permission) ([]streamspace.Permission, error) {
	own, _ := ownAccess(c, owner)
	var given []streamspace.Permission
	for _, p := range permissions {
		switch {
		case p != streamspace.PermissionView && !slices.Contains(wanted, p):
		case p == streamspace.PermissionAdmin:
			return nil, invalid("body.permissions", "cannot hold admin: that stays with the owner")
		case !slices.Contains(own.permissions, p):
			return nil, problem(streamspace.CodeForbidden, "You cannot give the permission "+string(p)+", which you do not have.")
		default:
			given = append(given, p)
		}
	}
	return given, nil
}

// label takes what a person typed beside a share; it may be empty.
func label(typed *string) (string, error) {
	if typed == nil || strings.TrimSpace(*typed) == "" {
		return "", nil
	}
	return cleanName("body.label", *typed)
}

// invited returns whom the request names; nil for a link.
func (a *API) invited(ctx context.Context, body CreateShareRequest, owner streamspace.UserID) (*streamspace.UserID, error) {
	var account identity.Account
	var err error
	location := "body.username"
	switch {
	case body.UserID != nil && body.Username != nil:
		return nil, invalid(location, "and userId name somebody twice")
	case body.UserID != nil:
		location = "body.userId"
		if _, err = streamspace.ParseUserID(string(*body.UserID)); err == nil {
			account, err = a.Identity.Account(ctx, *body.UserID)
		} else {
			err = store.ErrNotFound
		}
	case body.Username != nil:
		account, err = a.Identity.AccountByName(ctx, *body.Username)
	default:
		return nil, nil
	}
	switch {
	case errors.Is(err, store.ErrNotFound) || err == nil && account.Disabled:
		return nil, invalid(location, "names nobody who could be invited")
	case err != nil:
		return nil, err
	case account.ID == owner:
		return nil, invalid(location, "names the owner of the session")
	}
	return &account.ID, nil
}

const sharesCursor = "shares"

func (a *API) listShares(ctx context.Context, c caller, in *listSharesInput) (*shareListOutput, error) {
	row, err := a.session(ctx, c, in.SessionPath)
	if err != nil {
		return nil, err
	}
	before, err := decodeCursor(sharesCursor, in.Cursor)
	if err != nil {
		return nil, err
	}
	rows, err := a.Store.SharesOf(ctx, store.SharesOfParams{SessionID: row.Session.ID, Now: a.Now(), Before: before, Max: int32(in.Limit + 1)})
	if err != nil {
		return nil, store.Classify(err)
	}
	rows, next := page(rows, in.Limit, sharesCursor, func(r store.SharesOfRow) string { return string(r.Share.ID) })
	out := &shareListOutput{Body: ShareList{Items: make([]Share, len(rows)), NextCursor: next}}
	for n, r := range rows {
		out.Body.Items[n] = shareBody(store.ShareWithNamesRow(r))
	}
	return out, nil
}

func (a *API) updateShare(ctx context.Context, c caller, in *updateShareInput) (*shareOutput, error) {
	row, id, err := a.share(ctx, c, in.SharePath)
	if err != nil {
		return nil, err
	}
	now := a.Now()
	change, detail, err := shareChange(c, row.Session.OwnerID, in.Body, now)
	if err != nil {
		return nil, err
	}
	share, narrowed, err := a.Store.ChangeShare(ctx, row.Session.ID, id, now, change)
	if err != nil {
		return nil, missing("share", err)
	}
	if narrowed {
		if err := a.enforce(ctx, store.ShareChange{Share: share.ID, Narrowed: share.NarrowedAt}); err != nil {
			return nil, err
		}
	}
	a.auditShare(ctx, c, "share.update", share, detail)
	body, err := a.shareBody(ctx, share.ID)
	if err != nil {
		return nil, err
	}
	return &shareOutput{Body: body}, nil
}

// shareChange checks the request and returns what it does to a share.
func shareChange(c caller, owner streamspace.UserID, body UpdateShareRequest, now time.Time) (func(*store.Share), map[string]any, error) {
	detail := map[string]any{}
	var given []streamspace.Permission
	var err error
	if len(body.Permissions) > 0 {
		if given, err = sharedPermissions(c, owner, body.Permissions); err != nil {
			return nil, nil, err
		}
		detail["permissions"] = given
	}
	text, err := label(body.Label)
	if err != nil {
		return nil, nil, err
	}
	var expires *time.Time
	if seconds := body.ExpiresInSeconds; seconds != nil {
		life := time.Duration(*seconds) * time.Second
		if life != 0 && life < leastShareLife {
			return nil, nil, invalid("body.expiresInSeconds", fmt.Sprintf("is less than %d and not 0", int(leastShareLife.Seconds())))
		}
		if life != 0 {
			at := now.Add(life)
			expires = &at
		}
		detail["expiresAt"] = expires
	}
	return func(share *store.Share) {
		if given != nil {
			share.Permissions = given
		}
		if body.Label != nil {
			share.Label = text
		}
		if body.ExpiresInSeconds != nil {
			share.ExpiresAt = expires
		}
	}, detail, nil
}

func (a *API) revokeShare(ctx context.Context, c caller, in *SharePath) (*none, error) {
	row, id, err := a.share(ctx, c, *in)
	if err != nil {
		return nil, err
	}
	share, err := a.Store.RevokeShare(ctx, row.Session.ID, id, a.Now())
	if err != nil {
		return nil, missing("share", err)
	}
	a.auditShare(ctx, c, "share.revoke", share, map[string]any{})
	return nil, a.enforce(ctx, store.ShareChange{Share: share.ID, Ended: store.ShareRevoked})
}

// share reads the session that the path names, if the caller may share it, and
// checks the form of the share's id.
func (a *API) share(ctx context.Context, c caller, path SharePath) (store.SessionWithOwnerRow, streamspace.ShareID, error) {
	row, err := a.session(ctx, c, path.SessionPath)
	if err != nil {
		return row, "", err
	}
	id, err := streamspace.ParseShareID(path.Share)
	if err != nil {
		return row, "", notFound("share")
	}
	return row, id, nil
}

func (a *API) shareBody(ctx context.Context, id streamspace.ShareID) (Share, error) {
	row, err := a.Store.ShareWithNames(ctx, id)
	if err != nil {
		return Share{}, missing("share", store.Classify(err))
	}
	return shareBody(row), nil
}

func shareBody(row store.ShareWithNamesRow) Share {
	s := row.Share
	body := Share{
		ID: s.ID, SessionID: s.SessionID, Kind: "link", Label: s.Label, Permissions: s.Permissions,
		CreatedBy: SessionOwner{ID: s.CreatedBy, Username: row.Creator}, CreatedAt: wireTime(s.CreatedAt),
		ExpiresAt: optionalTime(s.ExpiresAt), LastUsedAt: optionalTime(s.LastUsedAt), Uses: s.Uses,
	}
	if s.UserID != nil && row.Invited != nil {
		body.Kind, body.User = "user", &SessionOwner{ID: *s.UserID, Username: *row.Invited}
	}
	if s.Origin != nil {
		body.Kind, body.Origin = "embed", *s.Origin
	}
	return body
}

// auditShare notes what was done to a share, with its session and whom it is for.
func (a *API) auditShare(ctx context.Context, c caller, action string, share store.Share, detail map[string]any) {
	detail["session"] = share.SessionID
	if share.UserID != nil {
		detail["user"] = *share.UserID
	}
	a.Identity.Audit(ctx, c.Principal, identity.Entry{Action: action, Subject: string(share.ID), Outcome: identity.OutcomeOK, Detail: detail})
}
