package api

import (
	"time"

	"github.com/streamspace/streamspace"
)

// Template is a desktop that can be started.
type Template struct {
	Name               string              `json:"name" example:"terminal"`
	DisplayName        string              `json:"displayName" example:"Terminal"`
	Description        string              `json:"description"`
	Category           string              `json:"category" example:"System"`
	Icon               string              `json:"icon" doc:"Name of an icon the web UI ships." example:"terminal"`
	Tags               []string            `json:"tags" nullable:"false"`
	Installed          bool                `json:"installed" doc:"Whether its program is on this machine."`
	Missing            []string            `json:"missing" nullable:"false" doc:"Programs that were not found."`
	InstallCommand     string              `json:"installCommand,omitempty" doc:"What to type on the server to install them."`
	IdleTimeoutSeconds int                 `json:"idleTimeoutSeconds" doc:"Sessions hibernate after this long without input; 0 means never."`
	Network            streamspace.Network `json:"network"`
	Resources          TemplateResources   `json:"resources"`
}

// TemplateResources bound one desktop of a template.
type TemplateResources struct {
	MemoryBytes int64   `json:"memoryBytes" doc:"0 means the runtime's default."`
	CPUs        float64 `json:"cpus" doc:"0 means no limit."`
	Processes   int     `json:"processes" doc:"0 means the runtime's default."`
}

// TemplateList is the whole catalog.
type TemplateList struct {
	Items []Template `json:"items" nullable:"false"`
}

// Session is one desktop of one person.
type Session struct {
	ID                  streamspace.SessionID    `json:"id" example:"ses_01jd4z6wq3v7k2m9n8p5r4t6ya"`
	Name                string                   `json:"name" doc:"What its owner calls it; the template's name by default."`
	Template            string                   `json:"template"`
	TemplateDisplayName string                   `json:"templateDisplayName"`
	Icon                string                   `json:"icon"`
	Owner               SessionOwner             `json:"owner"`
	DesiredState        streamspace.DesiredState `json:"desiredState"`
	State               streamspace.State        `json:"state"`
	Step                string                   `json:"step,omitempty" doc:"While starting or waking: what is being done now, for people."`
	Reason              string                   `json:"reason,omitempty" doc:"Why it failed or stopped, for people."`
	CreatedAt           time.Time                `json:"createdAt"`
	StateChangedAt      time.Time                `json:"stateChangedAt"`
	StartedAt           *time.Time               `json:"startedAt,omitempty" doc:"When the present desktop came up."`
	LastActiveAt        *time.Time               `json:"lastActiveAt,omitempty" doc:"When somebody last used keyboard or pointer."`
	IdleTimeoutSeconds  int                      `json:"idleTimeoutSeconds" doc:"0 means never."`
	HibernatesAt        *time.Time               `json:"hibernatesAt,omitempty" doc:"When it goes to sleep if nobody touches it; present while running with an idle timeout."`
	Viewers             int                      `json:"viewers" doc:"How many connections watch it now."`
	HomeID              streamspace.HomeID       `json:"homeId" example:"hom_01jd4z6wq3v7k2m9n8p5r4t6ya"`
	Permissions         []streamspace.Permission `json:"permissions" nullable:"false" doc:"What the caller may do in it, or ask for: all for its owner."`
	SharedBy            *SessionOwner            `json:"sharedBy,omitempty" doc:"Who shares it with the caller; absent for one's own and for administrators."`
	ThumbnailAt         *time.Time               `json:"thumbnailAt,omitempty" doc:"When the picture behind /thumbnail was taken; absent while there is none."`
}

// SessionOwner is whose a session is.
type SessionOwner struct {
	ID       streamspace.UserID `json:"id"`
	Username string             `json:"username"`
}

// SessionList is one page of sessions, newest first.
type SessionList struct {
	Items      []Session `json:"items" nullable:"false"`
	NextCursor string    `json:"nextCursor,omitempty" doc:"Where the next page starts; absent on the last one."`
}

// CreateSessionRequest starts a desktop.
type CreateSessionRequest struct {
	Template           string  `json:"template" minLength:"1" maxLength:"64"`
	Name               *string `json:"name,omitempty" minLength:"1" maxLength:"64"`
	IdleTimeoutSeconds *int    `json:"idleTimeoutSeconds,omitempty" minimum:"0" maximum:"31536000" doc:"0 means never; absent means the template's."`
	Home               *string `json:"home,omitempty" pattern:"^(new|hom_[0-9a-hjkmnp-tv-z]{26})$" patternDescription:"new or a home's id" doc:"Absent: the free home of this template that was used last, or a new one."`
}

// UpdateSessionRequest changes a session.
type UpdateSessionRequest struct {
	Name               *string                   `json:"name,omitempty" minLength:"1" maxLength:"64"`
	DesiredState       *streamspace.DesiredState `json:"desiredState,omitempty" doc:"running wakes or revives it, hibernated puts it to sleep. To stop it, delete it."`
	IdleTimeoutSeconds *int                      `json:"idleTimeoutSeconds,omitempty" minimum:"0" maximum:"31536000" doc:"0 means never."`
}

// ConnectRequest asks for a way into a session.
type ConnectRequest struct {
	Transport   string                   `json:"transport,omitempty" enum:"websocket" doc:"Absent: websocket."`
	Permissions []streamspace.Permission `json:"permissions,omitempty" nullable:"false" minItems:"1" maxItems:"7" doc:"A subset of what the caller may have. Absent: all of it for the owner and for who is invited, view for an administrator."`
}

// Connection is a way into a session, good for one use within a minute.
type Connection struct {
	URL       string      `json:"url" format:"uri" doc:"Complete: any client of RFB over WebSocket connects with it and nothing else. It holds the ticket: do not log it."`
	Ticket    string      `json:"ticket"`
	ExpiresAt time.Time   `json:"expiresAt"`
	ICE       []ICEServer `json:"iceServers,omitempty" nullable:"false" doc:"For transports that need them."`
}

// ICEServer is a STUN or TURN server as RTCPeerConnection takes it.
type ICEServer struct {
	URLs       []string `json:"urls" nullable:"false"`
	Username   string   `json:"username,omitempty"`
	Credential string   `json:"credential,omitempty"`
}

// Home is a persistent home folder.
type Home struct {
	ID         streamspace.HomeID    `json:"id"`
	Template   string                `json:"template"`
	CreatedAt  time.Time             `json:"createdAt"`
	LastUsedAt time.Time             `json:"lastUsedAt"`
	SessionID  streamspace.SessionID `json:"sessionId,omitempty" doc:"The session it is attached to; absent when it is free."`
}

// HomeList is all homes of the caller.
type HomeList struct {
	Items []Home `json:"items" nullable:"false"`
}

// Event is one text frame of the events socket.
type Event struct {
	ID      int64     `json:"id" minimum:"0" doc:"Grows with every event. Reconnect with ?after=<the last one seen>."`
	Type    EventType `json:"type"`
	At      time.Time `json:"at"`
	Session *Session  `json:"session,omitempty" doc:"The session as it is now; with session.created, session.updated and session.shared."`
	Subject string    `json:"subject,omitempty" doc:"The id of what changed, of the session with session.…; absent in hello and resync."`
}

// EventType is what an event tells.
type EventType string

const (
	EventHello          EventType = "hello"           // first frame; its id is where the socket starts
	EventSessionCreated EventType = "session.created" // a session was made
	EventSessionUpdated EventType = "session.updated" // anything about a session changed
	EventSessionDeleted EventType = "session.deleted" // a session can no longer be seen

	EventSessionShared   EventType = "session.shared"   // another's session is shared with the user, or with other permissions than before
	EventSessionUnshared EventType = "session.unshared" // and no longer
	EventSessionShares   EventType = "session.shares"   // the list of a session's shares changed; its owner and administrators

	EventUserCreated EventType = "user.created" // an account was made; administrators only
	EventUserUpdated EventType = "user.updated" // an account changed; its user and administrators
	EventUserDeleted EventType = "user.deleted" // an account was deleted; administrators only
	EventResync      EventType = "resync"       // events were lost: read everything again
)

// AuditEntry is one thing that somebody did or tried.
type AuditEntry struct {
	ID         int64          `json:"id"`
	At         time.Time      `json:"at"`
	Actor      AuditActor     `json:"actor"`
	Action     string         `json:"action" example:"login.create"`
	Subject    string         `json:"subject" doc:"The id or name of what it was done to."`
	Outcome    string         `json:"outcome" enum:"ok,denied,error"`
	RemoteAddr string         `json:"remoteAddr"`
	RequestID  string         `json:"requestId"`
	Detail     map[string]any `json:"detail" doc:"Further facts, by action."`
}

// AuditActor is who did it.
type AuditActor struct {
	ID   streamspace.UserID `json:"id,omitempty" doc:"Absent when nobody was signed in."`
	Name string             `json:"name"`
}

// AuditList is one page of the audit trail, newest first.
type AuditList struct {
	Items      []AuditEntry `json:"items" nullable:"false"`
	NextCursor string       `json:"nextCursor,omitempty" doc:"Where the next page starts; absent on the last one."`
}

// Version says what is running.
type Version struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
}
