package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/identity"
	"github.com/streamspace/streamspace/controlplane/store"
)

type userOutput struct{ Body User }

type updateMeInput struct{ Body UpdateMeRequest }

type changePasswordInput struct{ Body ChangePasswordRequest }

type apiKeyListOutput struct{ Body APIKeyList }

type createAPIKeyInput struct{ Body CreateAPIKeyRequest }

type createAPIKeyOutput struct{ Body NewAPIKey }

type apiKeyIDInput struct {
	ID string `path:"id" doc:"The key's id (key_…)."`
}

func (a *API) accountRoutes() {
	const tag = "account"
	signedIn(a, route{id: "getMe", method: http.MethodGet, path: "/me", tag: tag,
		summary: "Return the caller's account"}, a.getMe)
	signedIn(a, route{id: "updateMe", method: http.MethodPatch, path: "/me", tag: tag,
		summary: "Change the caller's account"}, a.updateMe)
	signedIn(a, route{id: "changePassword", method: http.MethodPost, path: "/me/password", tag: tag,
		summary: "Change the caller's password", status: http.StatusNoContent,
		description: "Ends all other logins of the caller. A wrong current password counts as a failed sign-in.",
		codes:       []streamspace.Code{streamspace.CodeForbidden}}, a.changePassword)
	signedIn(a, route{id: "listAPIKeys", method: http.MethodGet, path: "/api-keys", tag: tag,
		summary: "List the caller's API keys"}, a.listAPIKeys)
	signedIn(a, route{id: "createAPIKey", method: http.MethodPost, path: "/api-keys", tag: tag,
		summary: "Make an API key", status: http.StatusCreated,
		description: "Needs a browser login: a key makes no further keys, or one that leaks could outlive its expiry.",
		codes:       []streamspace.Code{streamspace.CodeConflict, streamspace.CodeForbidden}}, a.createAPIKey)
	signedIn(a, route{id: "deleteAPIKey", method: http.MethodDelete, path: "/api-keys/{id}", tag: tag,
		summary: "Delete an API key", status: http.StatusNoContent}, a.deleteAPIKey)
}

func userBody(u identity.Account) User {
	return User{
		ID: u.ID, Username: u.Username, DisplayName: u.DisplayName, Role: u.Role, Disabled: u.Disabled,
		CreatedAt: wireTime(u.CreatedAt), LastLoginAt: optionalTime(u.LastLoginAt),
	}
}

func (a *API) getMe(_ context.Context, c caller, _ *none) (*userOutput, error) {
	return &userOutput{Body: userBody(c.Account)}, nil
}

func (a *API) updateMe(ctx context.Context, c caller, in *updateMeInput) (*userOutput, error) {
	name, err := displayName(in.Body.DisplayName, c.Username)
	if err != nil {
		return nil, err
	}
	account, err := a.Identity.ChangeAccount(ctx, c.Principal, c.ID, identity.AccountChange{DisplayName: name})
	if err != nil {
		return nil, err
	}
	return &userOutput{Body: userBody(account)}, nil
}

func (a *API) changePassword(ctx context.Context, c caller, in *changePasswordInput) (*none, error) {
	err := a.Identity.ChangePassword(ctx, c.Principal, in.Body.CurrentPassword, in.Body.NewPassword)
	var policy *identity.PolicyError
	if errors.As(err, &policy) {
		return nil, badPassword("body.newPassword", policy)
	}
	return nil, err
}

func keyBody(k store.APIKey) APIKey {
	return APIKey{
		ID: k.ID, Name: k.Name, Hint: k.Hint, CreatedAt: wireTime(k.CreatedAt),
		ExpiresAt: optionalTime(k.ExpiresAt), LastUsedAt: optionalTime(k.LastUsedAt),
	}
}

func (a *API) listAPIKeys(ctx context.Context, c caller, _ *none) (*apiKeyListOutput, error) {
	keys, err := a.Identity.APIKeys(ctx, c.Principal)
	if err != nil {
		return nil, err
	}
	out := &apiKeyListOutput{Body: APIKeyList{Items: make([]APIKey, len(keys))}}
	for n, k := range keys {
		out.Body.Items[n] = keyBody(k)
	}
	return out, nil
}

func (a *API) createAPIKey(ctx context.Context, c caller, in *createAPIKeyInput) (*createAPIKeyOutput, error) {
	if c.Login == "" {
		return nil, problem(streamspace.CodeForbidden, "An API key makes no further keys: sign in with a password.")
	}
	name, err := cleanName("body.name", in.Body.Name)
	if err != nil {
		return nil, err
	}
	var life time.Duration
	if in.Body.ExpiresInDays != nil {
		life = time.Duration(*in.Body.ExpiresInDays) * 24 * time.Hour
	}
	row, key, err := a.Identity.CreateAPIKey(ctx, c.Principal, name, life)
	if err != nil {
		return nil, err
	}
	return &createAPIKeyOutput{Body: NewAPIKey{APIKey: keyBody(row), Key: key}}, nil
}

func (a *API) deleteAPIKey(ctx context.Context, c caller, in *apiKeyIDInput) (*none, error) {
	if !isCursorKey(in.ID) { // an id that Postgres would not even read
		return nil, notFound("API key")
	}
	return nil, missing("API key", a.Identity.DeleteAPIKey(ctx, c.Principal, streamspace.APIKeyID(in.ID)))
}
