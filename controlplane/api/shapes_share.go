package api

import (
	"time"

	"github.com/streamspace/streamspace"
)

// Share lets somebody else into a session: one user, or whoever has a link.
type Share struct {
	ID          streamspace.ShareID      `json:"id" example:"shr_01jd4z6wq3v7k2m9n8p5r4t6ya"`
	SessionID   streamspace.SessionID    `json:"sessionId" example:"ses_01jd4z6wq3v7k2m9n8p5r4t6ya"`
	Kind        string                   `json:"kind" enum:"user,link,embed" doc:"user: the one named by user is invited. link: whoever has the link gets in. embed: a link for pages of the origin, which show it in a frame."`
	Origin      string                   `json:"origin,omitempty" doc:"Of the site that may show the session in a frame; with embed." example:"https://app.example.org"`
	User        *SessionOwner            `json:"user,omitempty" doc:"Who is invited; absent for links."`
	Label       string                   `json:"label" doc:"What the sharer wrote beside it; may be empty." example:"Thursday's review"`
	Permissions []streamspace.Permission `json:"permissions" nullable:"false" doc:"What it gives; always with view, never with admin."`
	CreatedBy   SessionOwner             `json:"createdBy"`
	CreatedAt   time.Time                `json:"createdAt"`
	ExpiresAt   *time.Time               `json:"expiresAt,omitempty" doc:"When it runs out and its viewers are sent away; absent when it lasts as long as the session."`
	LastUsedAt  *time.Time               `json:"lastUsedAt,omitempty" doc:"When somebody last got in by it; absent before the first time."`
	Uses        int64                    `json:"uses" doc:"How often a way in was given; a reconnection counts too."`
}

// NewShare is a share right after it was made.
type NewShare struct {
	Share
	URL string `json:"url,omitempty" format:"uri" doc:"The link, for links; with embed, what the frame shows. It is shown only here: StreamSpace keeps a hash." example:"https://desktops.example.org/join#token=3q2-7wabcdefghijklmnopqrstuvwxyz0123456789AB"`
}

// ShareList is one page of a session's shares, newest first.
type ShareList struct {
	Items      []Share `json:"items" nullable:"false"`
	NextCursor string  `json:"nextCursor,omitempty" doc:"Where the next page starts; absent on the last one."`
}

// CreateShareRequest invites a user, or makes a link when it names none.
type CreateShareRequest struct {
	UserID           *streamspace.UserID      `json:"userId,omitempty" minLength:"1" maxLength:"64" doc:"Whom to invite; or name them by username. Neither: a link is made."`
	Username         *string                  `json:"username,omitempty" minLength:"1" maxLength:"64" example:"grace"`
	Origin           *string                  `json:"origin,omitempty" minLength:"1" maxLength:"255" doc:"Makes a link that pages of this origin show in a frame. Not with a user." example:"https://app.example.org"`
	Label            *string                  `json:"label,omitempty" maxLength:"64" doc:"For telling shares apart." example:"Thursday's review"`
	Permissions      []streamspace.Permission `json:"permissions" nullable:"false" minItems:"1" maxItems:"7" doc:"What to give: at most what the caller has, and not admin. view is always part of it."`
	ExpiresInSeconds *int                     `json:"expiresInSeconds,omitempty" minimum:"60" maximum:"31536000" doc:"Absent: it lasts as long as the session." example:"3600"`
}

// UpdateShareRequest changes a share. What is absent stays.
type UpdateShareRequest struct {
	Label            *string                  `json:"label,omitempty" maxLength:"64"`
	Permissions      []streamspace.Permission `json:"permissions,omitempty" nullable:"false" minItems:"1" maxItems:"7" doc:"What it gives from now on. When something is taken away, its viewers are disconnected and get the new permissions when they come back; what is added counts from the next connection."`
	ExpiresInSeconds *int                     `json:"expiresInSeconds,omitempty" minimum:"0" maximum:"31536000" doc:"Counted from now, at least 60; 0 means as long as the session lasts." example:"3600"`
}

// JoinRequest is what a guest brings.
type JoinRequest struct {
	Token string  `json:"token" minLength:"1" maxLength:"128" doc:"What follows #token= in the link."`
	Name  *string `json:"name,omitempty" maxLength:"64" doc:"What others are shown; at most 64 bytes. Absent or empty: Guest." example:"Grace"`
}

// Joined is a guest's way into a session, good for one use within a minute.
type Joined struct {
	Session        JoinedSession            `json:"session"`
	Name           string                   `json:"name" doc:"What others are shown." example:"Grace"`
	Permissions    []streamspace.Permission `json:"permissions" nullable:"false"`
	URL            string                   `json:"url" format:"uri" doc:"Complete, as of a Connection. It holds the ticket: do not log it."`
	Ticket         string                   `json:"ticket"`
	ExpiresAt      time.Time                `json:"expiresAt" doc:"Of the ticket."`
	EmbedOrigin    string                   `json:"embedOrigin,omitempty" doc:"The origin whose pages may show it in a frame; with links that are for that."`
	ShareExpiresAt *time.Time               `json:"shareExpiresAt,omitempty" doc:"When the link runs out and the guest is sent away; absent when it lasts as long as the session."`
}

// JoinedSession is what a guest is told of the session.
type JoinedSession struct {
	ID                  streamspace.SessionID `json:"id" example:"ses_01jd4z6wq3v7k2m9n8p5r4t6ya"`
	Name                string                `json:"name"`
	TemplateDisplayName string                `json:"templateDisplayName" example:"Terminal"`
	Icon                string                `json:"icon" example:"terminal"`
	State               streamspace.State     `json:"state"`
	OwnerName           string                `json:"ownerName" doc:"What the owner of the session is called." example:"Ada Lovelace"`
}
