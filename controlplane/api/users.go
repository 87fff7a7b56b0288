package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/controlplane/identity"
	"github.com/streamspace/streamspace/controlplane/store"
	"github.com/streamspace/streamspace/gateway/ticket"
)

// PageParams are what every list that comes in pages takes. They are exported
// because huma reads embedded fields of exported types only.
type PageParams struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"Most items on the page."`
	Cursor string `query:"cursor" maxLength:"128" doc:"The nextCursor of the page before."`
}

type userListOutput struct{ Body UserList }

type createUserInput struct{ Body CreateUserRequest }

type createUserOutput struct{ Body CreatedUser }

// UserPath names one account.
type UserPath struct {
	ID string `path:"id" doc:"The user's id (usr_…)."`
}

type updateUserInput struct {
	UserPath
	Body UpdateUserRequest
}

type setupLinkOutput struct{ Body SetupLink }

func (a *API) userRoutes() {
	const tag = "users"
	adminOnly(a, route{id: "listUsers", method: http.MethodGet, path: "/users", tag: tag,
		summary: "List all accounts, oldest first"}, a.listUsers)
	adminOnly(a, route{id: "createUser", method: http.MethodPost, path: "/users", tag: tag,
		summary: "Make an account", status: http.StatusCreated,
		description: "Without a password the answer has a one-time link with which the person sets their own.",
		codes:       []streamspace.Code{streamspace.CodeConflict}}, a.createUser)
	adminOnly(a, route{id: "getUser", method: http.MethodGet, path: "/users/{id}", tag: tag,
		summary: "Return an account"}, a.getUser)
	adminOnly(a, route{id: "updateUser", method: http.MethodPatch, path: "/users/{id}", tag: tag,
		summary:     "Change an account",
		description: "Disabling ends the account's logins, sockets and streams at once. The last active administrator stays one.",
		codes:       []streamspace.Code{streamspace.CodeConflict}}, a.updateUser)
	adminOnly(a, route{id: "deleteUser", method: http.MethodDelete, path: "/users/{id}", tag: tag,
		summary: "Delete an account with its homes", status: http.StatusNoContent,
		description: "Its sessions are stopped first; when that takes too long the answer is 503 and the account is left disabled: delete it again. Nobody deletes themselves or the last administrator.",
		codes:       []streamspace.Code{streamspace.CodeConflict}}, a.deleteUser)
	adminOnly(a, route{id: "createSetupLink", method: http.MethodPost, path: "/users/{id}/setup-link", tag: tag,
		summary: "Make a one-time link with which the account sets its password"}, a.createSetupLink)
}

const usersCursor = "users"

func (a *API) listUsers(ctx context.Context, _ caller, in *PageParams) (*userListOutput, error) {
	after, err := decodeCursor(usersCursor, in.Cursor)
	if err != nil {
		return nil, err
	}
	accounts, err := a.Identity.Accounts(ctx, streamspace.UserID(after), in.Limit+1)
	if err != nil {
		return nil, err
	}
	accounts, next := page(accounts, in.Limit, usersCursor, func(u identity.Account) string { return string(u.ID) })
	out := &userListOutput{Body: UserList{Items: make([]User, len(accounts)), NextCursor: next}}
	for n, account := range accounts {
		out.Body.Items[n] = userBody(account)
	}
	return out, nil
}

func (a *API) createUser(ctx context.Context, c caller, in *createUserInput) (*createUserOutput, error) {
	name, err := displayName(in.Body.DisplayName, "")
	if err != nil {
		return nil, err
	}
	wanted := identity.NewAccount{Username: in.Body.Username, Role: in.Body.Role, Password: in.Body.Password}
	if name != nil {
		wanted.DisplayName = *name
	}
	account, link, err := a.Identity.CreateAccount(ctx, c.Principal, wanted)
	if errors.Is(err, store.ErrConflict) {
		return nil, problem(streamspace.CodeConflict, "This username is taken.")
	}
	if err != nil {
		return nil, err
	}
	out := &createUserOutput{Body: CreatedUser{User: userBody(account)}}
	if link != nil {
		out.Body.SetupURL = link.URL(a.base(c.visit).String())
	}
	return out, nil
}

// account reads the account that the path names.
func (a *API) account(ctx context.Context, path UserPath) (identity.Account, error) {
	id, err := streamspace.ParseUserID(path.ID)
	if err != nil {
		return identity.Account{}, notFound("user")
	}
	account, err := a.Identity.Account(ctx, id)
	return account, missing("user", err)
}

func (a *API) getUser(ctx context.Context, _ caller, in *UserPath) (*userOutput, error) {
	account, err := a.account(ctx, *in)
	if err != nil {
		return nil, err
	}
	return &userOutput{Body: userBody(account)}, nil
}

func (a *API) updateUser(ctx context.Context, c caller, in *updateUserInput) (*userOutput, error) {
	before, err := a.account(ctx, in.UserPath)
	if err != nil {
		return nil, err
	}
	name, err := displayName(in.Body.DisplayName, before.Username)
	if err != nil {
		return nil, err
	}
	change := identity.AccountChange{DisplayName: name, Role: in.Body.Role, Disabled: in.Body.Disabled}
	account, err := a.Identity.ChangeAccount(ctx, c.Principal, before.ID, change)
	if err != nil {
		return nil, missing("user", err)
	}
	demoted := before.Role == streamspace.RoleAdmin && account.Role != streamspace.RoleAdmin
	if account.Disabled || demoted { // a former administrator may be watching others
		if err := a.revokeStreams(ctx, account.ID); err != nil {
			return nil, err
		}
	}
	return &userOutput{Body: userBody(account)}, nil
}

// revokeStreams closes every stream of the user and voids their tickets.
func (a *API) revokeStreams(ctx context.Context, user streamspace.UserID) error {
	return a.Broker.Revoke(ctx, broker.Revocation{User: user, Before: a.Now(), Code: streamspace.CodeAccessRevoked}, revocationKeep)
}

// revocationKeep outlives every ticket that was made before, with clocks apart.
const revocationKeep = ticket.Keep

const (
	// stopWait is how long deleting an account waits for its desktops to end.
	stopWait = 30 * time.Second
	// stopPoll is how often it looks.
	stopPoll = 50 * time.Millisecond
)

func (a *API) deleteUser(ctx context.Context, c caller, in *UserPath) (*none, error) {
	account, err := a.account(ctx, *in)
	if err != nil {
		return nil, err
	}
	// Disabled first: from here on nobody starts another session.
	yes := true
	if account.ID == c.ID {
		return nil, identity.ErrSelf
	}
	if _, err := a.Identity.ChangeAccount(ctx, c.Principal, account.ID, identity.AccountChange{Disabled: &yes}); err != nil {
		return nil, missing("user", err)
	}
	if err := a.revokeStreams(ctx, account.ID); err != nil {
		return nil, err
	}
	if err := a.stopSessionsOf(ctx, c, account.ID); err != nil {
		return nil, err
	}
	homes, err := a.Identity.DeleteAccount(ctx, c.Principal, account.ID)
	if err != nil {
		return nil, missing("user", err)
	}
	for _, home := range homes {
		a.removeHome(ctx, c, home)
	}
	return nil, nil
}

// stopSessionsOf asks every session of the user to stop and waits until all
// have.
func (a *API) stopSessionsOf(ctx context.Context, c caller, user streamspace.UserID) error {
	ids, err := a.Store.UnstoppedSessionsOf(ctx, user)
	if err != nil {
		return store.Classify(err)
	}
	for _, id := range ids {
		if _, err := a.stop(ctx, c, id); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, stopWait)
	defer cancel()
	tick := time.NewTicker(stopPoll)
	defer tick.Stop()
	for {
		live, err := a.Store.CountLiveSessions(ctx, user)
		if err == nil && live == 0 {
			return nil
		}
		if err != nil && ctx.Err() == nil {
			return store.Classify(err)
		}
		select {
		case <-ctx.Done():
			p := problem(streamspace.CodeUnavailable, "The account is disabled, but its sessions are still stopping. Delete it again in a moment.")
			p.retryAfter = retryUnavailable
			return p
		case <-tick.C:
		}
	}
}

func (a *API) createSetupLink(ctx context.Context, c caller, in *UserPath) (*setupLinkOutput, error) {
	account, err := a.account(ctx, *in)
	if err != nil {
		return nil, err
	}
	link, err := a.Identity.CreateSetupLink(ctx, c.Principal, account.ID)
	if err != nil {
		return nil, missing("user", err)
	}
	return &setupLinkOutput{Body: SetupLink{SetupURL: link.URL(a.base(c.visit).String()), ExpiresAt: wireTime(link.ExpiresAt)}}, nil
}
