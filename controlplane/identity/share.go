package identity

import (
	"context"
	"fmt"
	"strings"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/store"
)

// joinPath is the web UI's page for guests. As with setup links, the token is
// in the fragment, which browsers keep from servers, proxies and their logs.
const joinPath = "/join#token="

// embedPath is the page for frames of other sites.
const embedPath = "/embed/"

// ShareLink lets in whoever has it, until it is withdrawn. It is shown once.
type ShareLink struct{ Token string }

// NewShareLink makes a link, and what is stored of it.
func NewShareLink() (link ShareLink, hash []byte) {
	link = ShareLink{Token: newToken()}
	hash, _ = hashToken(link.Token)
	return link, hash
}

// URL is what to open, on a base URL without a trailing slash.
func (l ShareLink) URL(base string) string { return strings.TrimSuffix(base, "/") + joinPath + l.Token }

// EmbedURL is what a page of another site shows in a frame.
func (l ShareLink) EmbedURL(base string, session streamspace.SessionID) string {
	return strings.TrimSuffix(base, "/") + embedPath + string(session) + "#token=" + l.Token
}

// HashShareToken returns what is stored of a link's token, or false for a
// string that cannot be one.
func HashShareToken(token string) ([]byte, bool) { return hashToken(token) }

// AccountByName returns the account of that name, or store.ErrNotFound.
func (i *Identity) AccountByName(ctx context.Context, typed string) (Account, error) {
	name, ok := normalizeUsername(typed)
	if !ok {
		return Account{}, store.ErrNotFound
	}
	user, err := i.store.UserByName(ctx, name)
	if err != nil {
		return Account{}, fmt.Errorf("reading account %s: %w", name, store.Classify(err))
	}
	return AccountOf(user), nil
}

// Names of actors that are no accounts.
const (
	guest  = "guest"  // came by a link; what they call themselves is not kept, since they may call themselves anything
	system = "system" // StreamSpace itself
)

// AuditGuest writes what somebody without an account did.
func (i *Identity) AuditGuest(ctx context.Context, v Visitor, e Entry) {
	i.audit(ctx, v, nil, guest, e)
}

// AuditSystem writes what came about by itself.
func (i *Identity) AuditSystem(ctx context.Context, e Entry) {
	i.audit(ctx, Visitor{}, nil, system, e)
}
