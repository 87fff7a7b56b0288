package api

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/identity"
	"github.com/streamspace/streamspace/controlplane/store"
	"github.com/streamspace/streamspace/gateway/ticket"
)

// How often guests may come. A join is a few queries and a signature; a class
// behind one address comes at once, and again when the server is restarted.
const (
	joinRate  = 5 // a second, by address and by share
	joinBurst = 100
	// refusedJoinCost is what a refused join takes beside its own token: ten of
	// them use an address up, and then one passes every two seconds.
	refusedJoinCost = 9

	// unnamed is a guest who gave no name.
	unnamed = "Guest"
)

type joinInput struct{ Body JoinRequest }

type joinOutput struct{ Body Joined }

// joinSession lets a guest in. Whoever is not let in learns nothing of why.
func (a *API) joinSession(ctx context.Context, v visit, in *joinInput) (*joinOutput, error) {
	name, err := guestName(in.Body.Name)
	if err != nil {
		return nil, err
	}
	if wait := a.joinsByAddress.Take(ctx, identity.Network(v.RemoteAddr)); wait > 0 {
		a.metrics.joins.WithLabelValues("throttled").Inc()
		return nil, tooManyRequests(wait)
	}
	share, row, err := a.linked(ctx, v, in.Body.Token)
	if err != nil {
		return nil, err
	}
	owner, err := a.Store.UserByID(ctx, row.Session.OwnerID)
	if err != nil {
		return nil, store.Classify(err)
	}
	minted, claims, err := a.Tickets.Mint(ticket.Grant{
		Session: row.Session.ID, Share: share.ID, Name: name, Permissions: share.Permissions, After: narrowed(share),
		Origin: embedOrigin(share),
	})
	if err != nil {
		return nil, fmt.Errorf("making a guest's way into session %s: %w", row.Session.ID, err)
	}
	a.metrics.joins.WithLabelValues("ok").Inc()
	a.Identity.AuditGuest(ctx, v.Visitor, identity.Entry{Action: "share.join", Subject: string(share.ID), Outcome: identity.OutcomeOK,
		Detail: map[string]any{"session": row.Session.ID, "owner": row.Session.OwnerID, "viewer": claims.Viewer, "permissions": share.Permissions}})
	body := Joined{
		Session: JoinedSession{ID: row.Session.ID, Name: row.Session.Name, TemplateDisplayName: row.Session.Template, State: row.Session.State, OwnerName: owner.DisplayName},
		Name:    name, Permissions: share.Permissions, URL: a.streamURL(ctx, v, row.Session.ID, minted), Ticket: minted.Reveal(),
		EmbedOrigin: embedOrigin(share), ExpiresAt: wireTime(claims.Expires), ShareExpiresAt: optionalTime(share.ExpiresAt),
	}
	if t, ok := a.Catalog.Get(row.Session.Template); ok {
		body.Session.TemplateDisplayName, body.Session.Icon = t.DisplayName, t.Icon
	}
	return &joinOutput{Body: body}, nil
}

// linked returns the share that the token opens, counted as used, and its
// session.
func (a *API) linked(ctx context.Context, v visit, token string) (store.Share, store.SessionWithOwnerRow, error) {
	var row store.SessionWithOwnerRow
	hash, ok := identity.HashShareToken(token)
	if !ok {
		return store.Share{}, row, a.refuseJoin(ctx, v)
	}
	share, err := a.Store.ShareByToken(ctx, store.ShareByTokenParams{TokenHash: hash, Now: a.Now()})
	if errors.Is(err, store.ErrNotFound) {
		return store.Share{}, row, a.refuseJoin(ctx, v)
	}
	if err != nil {
		return store.Share{}, row, err
	}
	// The index has compared hashes, of which nobody can choose the beginning;
	// what lets in is compared whole all the same.
	if subtle.ConstantTimeCompare(share.TokenHash, hash) != 1 {
		return store.Share{}, row, a.refuseJoin(ctx, v)
	}
	if wait := a.joinsByShare.Take(ctx, string(share.ID)); wait > 0 {
		a.metrics.joins.WithLabelValues("throttled").Inc()
		return store.Share{}, row, tooManyRequests(wait)
	}
	if row, err = a.Store.SessionWithOwner(ctx, share.SessionID); err == nil {
		if ending(row.Session) {
			return store.Share{}, row, a.refuseJoin(ctx, v)
		}
		if err := connectable(row.Session); err != nil {
			return store.Share{}, row, err
		}
		share, err = a.Store.UseShare(ctx, store.UseShareParams{ID: share.ID, Now: a.Now()})
	}
	if errors.Is(err, store.ErrNotFound) { // ended meanwhile
		return store.Share{}, row, a.refuseJoin(ctx, v)
	}
	return share, row, err
}

// refuseJoin is the one answer to every link that does not let in.
func (a *API) refuseJoin(ctx context.Context, v visit) error {
	a.joinsByAddress.Spend(ctx, identity.Network(v.RemoteAddr), refusedJoinCost)
	a.metrics.joins.WithLabelValues("denied").Inc()
	a.Identity.AuditGuest(ctx, v.Visitor, identity.Entry{Action: "share.join", Outcome: identity.OutcomeDenied})
	return problem(streamspace.CodeNotFound, "This link is not valid, or no longer. Ask whoever gave it to you for a new one.")
}

// guestName takes the name that a guest typed.
func guestName(typed *string) (string, error) {
	if typed == nil || strings.TrimSpace(*typed) == "" {
		return unnamed, nil
	}
	name, err := cleanName("body.name", *typed)
	if err != nil {
		return "", err
	}
	if len(name) > ticket.MaxName {
		return "", invalid("body.name", fmt.Sprintf("is longer than %d bytes", ticket.MaxName))
	}
	return name, nil
}

// shownName is what other viewers are shown of an account.
func shownName(account identity.Account) string {
	name := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(account.DisplayName, ""))
	if name = strings.TrimSpace(name); name == "" {
		name = account.Username
	}
	for len(name) > ticket.MaxName { // whole characters only
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	return name
}
