package api

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/store"
)

// access is what a caller may do in a session, and by what right.
type access struct {
	permissions []streamspace.Permission // all that may be asked for
	usual       []streamspace.Permission // what one gets without asking for anything in particular
	share       *store.Share             // what lets the caller in; nil: it is theirs, or they administer
	sharer      string                   // username of who made the share
}

// ownAccess is the access that needs no share: the owner's and
// administrators'. Owners get everything; administrators only look into
// others' sessions unless they ask for more.
func ownAccess(c caller, owner streamspace.UserID) (access, bool) {
	switch {
	case c.ID == owner:
		return access{permissions: streamspace.OwnerPermissions, usual: streamspace.OwnerPermissions}, true
	case c.Admin():
		return access{permissions: permissions, usual: []streamspace.Permission{streamspace.PermissionView}}, true
	}
	return access{}, false
}

func sharedAccess(share store.Share, sharer string) access {
	return access{permissions: share.Permissions, usual: share.Permissions, share: &share, sharer: sharer}
}

// accessTo returns the caller's access to the session. One who has none gets
// the answer for what does not exist.
func (a *API) accessTo(ctx context.Context, c caller, row store.Session) (access, error) {
	own, may := ownAccess(c, row.OwnerID)
	if c.ID == row.OwnerID {
		return own, nil
	}
	shared, err := a.Store.ShareFor(ctx, store.ShareForParams{SessionID: row.ID, UserID: string(c.ID), Now: a.Now()})
	switch {
	case err == nil:
		given := sharedAccess(shared.Share, shared.Creator)
		if may { // an administrator who is invited too
			given.permissions = own.permissions
		}
		return given, nil
	case !errors.Is(err, store.ErrNotFound):
		return access{}, err
	case may:
		return own, nil
	}
	return access{}, notFound("session")
}

// grant returns what is asked for, each once, or what one gets without asking.
func (x access) grant(wanted []streamspace.Permission) ([]streamspace.Permission, error) {
	if len(wanted) == 0 {
		return x.usual, nil
	}
	var granted []streamspace.Permission
	for _, p := range wanted {
		if !slices.Contains(x.permissions, p) {
			return nil, problem(streamspace.CodeForbidden, "You may not have the permission "+string(p)+" in this session.")
		}
		if !slices.Contains(granted, p) {
			granted = append(granted, p)
		}
	}
	return granted, nil
}

// covers tells whether the share gives all of wanted.
func covers(share store.Share, wanted []streamspace.Permission) bool {
	return !slices.ContainsFunc(wanted, func(p streamspace.Permission) bool { return !slices.Contains(share.Permissions, p) })
}

// narrowed is when permissions were last taken from the share; zero: never.
func narrowed(share store.Share) time.Time {
	if share.NarrowedAt == nil {
		return time.Time{}
	}
	return *share.NarrowedAt
}

// sharedBy is who made the share; nil without one.
func (x access) sharedBy() *SessionOwner {
	if x.share == nil {
		return nil
	}
	return &SessionOwner{ID: x.share.CreatedBy, Username: x.sharer}
}
