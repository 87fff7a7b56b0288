package api

import (
	"net/http"

	"github.com/streamspace/streamspace"
)

// PageInput is embedded by every list that comes in pages.
type PageInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"Most items on the page."`
	Cursor string `query:"cursor" maxLength:"128" doc:"The nextCursor of the page before."`
}

type userListOutput struct{ Body UserList }

type createUserInput struct{ Body CreateUserRequest }

type createUserOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         CreatedUser
}

// UserPath names one account.
type UserPath struct {
	ID string `path:"id" doc:"The user's id (usr_…)."`
}

type updateUserInput struct {
	UserPath
	Body UpdateUserRequest
}

type setupLinkOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         SetupLink
}

func (a *API) userRoutes() {
	const tag = "users"
	adminOnly(a, route{id: "listUsers", method: http.MethodGet, path: "/users", tag: tag,
		summary: "List all accounts, newest first"}, priv[PageInput, userListOutput])
	adminOnly(a, route{id: "createUser", method: http.MethodPost, path: "/users", tag: tag,
		summary: "Make an account", status: http.StatusCreated,
		description: "Without a password the answer has a one-time link with which the person sets their own.",
		codes:       []streamspace.Code{streamspace.CodeConflict}}, priv[createUserInput, createUserOutput])
	adminOnly(a, route{id: "getUser", method: http.MethodGet, path: "/users/{id}", tag: tag,
		summary: "Return an account"}, priv[UserPath, userOutput])
	adminOnly(a, route{id: "updateUser", method: http.MethodPatch, path: "/users/{id}", tag: tag,
		summary:     "Change an account",
		description: "Disabling ends the account's logins, sockets and streams at once. The last administrator who can sign in stays one.",
		codes:       []streamspace.Code{streamspace.CodeConflict}}, priv[updateUserInput, userOutput])
	adminOnly(a, route{id: "deleteUser", method: http.MethodDelete, path: "/users/{id}", tag: tag,
		summary: "Delete an account", status: http.StatusNoContent,
		description: "Its sessions are stopped first. Nobody deletes themselves or the last administrator.",
		codes:       []streamspace.Code{streamspace.CodeConflict}}, priv[UserPath, none])
	adminOnly(a, route{id: "createSetupLink", method: http.MethodPost, path: "/users/{id}/setup-link", tag: tag,
		summary: "Make a one-time link with which the account sets its password"}, priv[UserPath, setupLinkOutput])
}
