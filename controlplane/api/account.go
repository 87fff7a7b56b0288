package api

import (
	"net/http"

	"github.com/streamspace/streamspace"
)

type userOutput struct{ Body User }

type updateMeInput struct{ Body UpdateMeRequest }

type changePasswordInput struct{ Body ChangePasswordRequest }

type apiKeyListOutput struct{ Body APIKeyList }

type createAPIKeyInput struct{ Body CreateAPIKeyRequest }

type createAPIKeyOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         NewAPIKey
}

type apiKeyIDInput struct {
	ID string `path:"id" doc:"The key's id (key_…)."`
}

func (a *API) accountRoutes() {
	const tag = "account"
	signedIn(a, route{id: "getMe", method: http.MethodGet, path: "/me", tag: tag,
		summary: "Return the caller's account"}, priv[none, userOutput])
	signedIn(a, route{id: "updateMe", method: http.MethodPatch, path: "/me", tag: tag,
		summary: "Change the caller's account"}, priv[updateMeInput, userOutput])
	signedIn(a, route{id: "changePassword", method: http.MethodPost, path: "/me/password", tag: tag,
		summary: "Change the caller's password", status: http.StatusNoContent,
		description: "Ends all other logins of the caller. A wrong current password counts as a failed sign-in.",
		codes:       []streamspace.Code{streamspace.CodeForbidden}}, priv[changePasswordInput, none])
	signedIn(a, route{id: "listAPIKeys", method: http.MethodGet, path: "/api-keys", tag: tag,
		summary: "List the caller's API keys"}, priv[none, apiKeyListOutput])
	signedIn(a, route{id: "createAPIKey", method: http.MethodPost, path: "/api-keys", tag: tag,
		summary: "Make an API key", status: http.StatusCreated,
		codes: []streamspace.Code{streamspace.CodeConflict}}, priv[createAPIKeyInput, createAPIKeyOutput])
	signedIn(a, route{id: "deleteAPIKey", method: http.MethodDelete, path: "/api-keys/{id}", tag: tag,
		summary: "Delete an API key", status: http.StatusNoContent}, priv[apiKeyIDInput, none])
}
