package api

import (
	"time"

	"github.com/streamspace/streamspace"
)

// User is an account as the API shows it.
type User struct {
	ID          streamspace.UserID `json:"id" example:"usr_01jd4z6wq3v7k2m9n8p5r4t6ya"`
	Username    string             `json:"username" doc:"What they sign in with; unique without regard to case." example:"ada"`
	DisplayName string             `json:"displayName" doc:"What others see; the username when they chose none." example:"Ada Lovelace"`
	Role        streamspace.Role   `json:"role"`
	Disabled    bool               `json:"disabled" doc:"Whether sign-in is refused."`
	CreatedAt   time.Time          `json:"createdAt"`
	LastLoginAt *time.Time         `json:"lastLoginAt,omitempty" doc:"Absent before the first sign-in."`
}

// Login is the answer to a sign-in: who, and what the browser has to send back.
type Login struct {
	User      User      `json:"user"`
	CSRFToken string    `json:"csrfToken" doc:"Send it as X-CSRF-Token with every POST, PATCH, PUT and DELETE. Empty for API keys, which need none."`
	ExpiresAt time.Time `json:"expiresAt" doc:"When the login ends unless it is used before; API keys without an expiry say the year 9999."`
}

// LoginRequest is a username with its password.
type LoginRequest struct {
	Username string `json:"username" minLength:"1" maxLength:"64"`
	Password string `json:"password" format:"password" minLength:"1" maxLength:"256"`
}

// SetupStatus says whether the first administrator still has to be set up.
type SetupStatus struct {
	Required bool `json:"required" doc:"True while no administrator has a password yet."`
}

// SetupRequest sets the password of the account that a one-time link is for.
type SetupRequest struct {
	Token    string `json:"token" doc:"What follows #token= in the link." minLength:"1" maxLength:"128"`
	Password string `json:"password" format:"password" minLength:"10" maxLength:"256"`
}

// LoginSession is one browser in which the caller is signed in.
type LoginSession struct {
	ID         streamspace.LoginID `json:"id" example:"lgn_01jd4z6wq3v7k2m9n8p5r4t6ya"`
	Current    bool                `json:"current" doc:"Whether this request came from it."`
	CreatedAt  time.Time           `json:"createdAt"`
	LastSeenAt time.Time           `json:"lastSeenAt"`
	ExpiresAt  time.Time           `json:"expiresAt"`
	UserAgent  string              `json:"userAgent"`
	RemoteAddr string              `json:"remoteAddr"`
}

// LoginSessionList is all browsers in which the caller is signed in.
type LoginSessionList struct {
	Items []LoginSession `json:"items" nullable:"false"`
}

// UpdateMeRequest is what a person may change about their own account.
type UpdateMeRequest struct {
	DisplayName *string `json:"displayName,omitempty" maxLength:"128"`
}

// ChangePasswordRequest replaces the caller's password.
type ChangePasswordRequest struct {
	CurrentPassword string `json:"currentPassword" format:"password" minLength:"1" maxLength:"256"`
	NewPassword     string `json:"newPassword" format:"password" minLength:"10" maxLength:"256"`
}

// APIKey is a key for programs, without the key itself.
type APIKey struct {
	ID         streamspace.APIKeyID `json:"id" example:"key_01jd4z6wq3v7k2m9n8p5r4t6ya"`
	Name       string               `json:"name"`
	Hint       string               `json:"hint" doc:"The key's first and last characters." example:"ssk_Ab…xyz9"`
	CreatedAt  time.Time            `json:"createdAt"`
	ExpiresAt  *time.Time           `json:"expiresAt,omitempty" doc:"Absent when it does not expire."`
	LastUsedAt *time.Time           `json:"lastUsedAt,omitempty" doc:"To the minute; absent before the first use."`
}

// NewAPIKey is a key right after it was made.
type NewAPIKey struct {
	APIKey
	Key string `json:"key" doc:"The key. It is shown only here."`
}

// APIKeyList is all keys of the caller.
type APIKeyList struct {
	Items []APIKey `json:"items" nullable:"false"`
}

// CreateAPIKeyRequest asks for a new key.
type CreateAPIKeyRequest struct {
	Name          string `json:"name" minLength:"1" maxLength:"64"`
	ExpiresInDays *int   `json:"expiresInDays,omitempty" minimum:"1" maximum:"3650" doc:"Absent: it does not expire."`
}

// UserList is one page of accounts.
type UserList struct {
	Items      []User `json:"items" nullable:"false"`
	NextCursor string `json:"nextCursor,omitempty" doc:"Where the next page starts; absent on the last one."`
}

// CreateUserRequest makes an account.
type CreateUserRequest struct {
	Username    string           `json:"username" minLength:"1" maxLength:"63" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]*$" patternDescription:"letters, digits and . _ -, beginning with a letter or digit" doc:"Kept in lower case."`
	DisplayName *string          `json:"displayName,omitempty" maxLength:"128"`
	Role        streamspace.Role `json:"role"`
	Password    *string          `json:"password,omitempty" format:"password" minLength:"10" maxLength:"256" doc:"Absent: the answer has a one-time link with which they set their own."`
}

// CreatedUser is a new account.
type CreatedUser struct {
	User     User   `json:"user"`
	SetupURL string `json:"setupUrl,omitempty" format:"uri" doc:"One-time link with which they set their password, when none was given. It is shown only here."`
}

// UpdateUserRequest is what an administrator may change about an account.
type UpdateUserRequest struct {
	DisplayName *string           `json:"displayName,omitempty" maxLength:"128"`
	Role        *streamspace.Role `json:"role,omitempty"`
	Disabled    *bool             `json:"disabled,omitempty" doc:"True ends their logins and streams at once."`
}

// SetupLink is a one-time link with which somebody sets their password.
type SetupLink struct {
	SetupURL  string    `json:"setupUrl" format:"uri" doc:"It is shown only here. Earlier links of the account no longer work."`
	ExpiresAt time.Time `json:"expiresAt"`
}
