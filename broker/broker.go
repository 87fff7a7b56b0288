// Package broker is where gateways and the control plane meet: who serves
// what, who watches, who may still enter, and who is waiting.
//
// The control plane publishes routes and listens for wants and activity; a
// gateway resolves routes, claims desktops and reports viewers. Neither knows
// the other's address. broker/memory serves one process, broker/redis a
// fleet; broker/brokertest is the suite that both must pass.
package broker

import (
	"context"
	"errors"
	"time"

	"github.com/streamspace/streamspace"
)

var (
	// ErrNoRoute says that no desktop is published for the session: it sleeps,
	// is still starting, or has ended.
	ErrNoRoute = errors.New("no route to the session's desktop")
	// ErrClaimed says that another gateway holds the desktop.
	ErrClaimed = errors.New("desktop is claimed by another gateway")
	// ErrStaleClaim says that the claim ran out or was taken over: its holder
	// must stop serving the desktop at once.
	ErrStaleClaim = errors.New("claim is stale")
	// ErrRedeemed says that a ticket was used before.
	ErrRedeemed = errors.New("ticket was used before")
	// ErrNoThumbnail says that there is no picture of the session, or none any more.
	ErrNoThumbnail = errors.New("no picture of the session")
	// ErrDropped is delivered in place of the events that a subscriber lost
	// because it read too slowly: whatever it derived from events must be read
	// again.
	ErrDropped = errors.New("events were dropped")
)

// Broker is the whole seam. A consumer declares the part it uses.
type Broker interface {
	Routes
	Claims
	Presence
	Admission
	Rates
	Thumbnails
	Fleet

	// Subscribe delivers every event published after it returned, until ctx
	// ends or Close. At most buffer events wait; when there are more, the
	// subscriber gets ErrDropped once and then the newer ones.
	Subscribe(ctx context.Context, buffer int) (Subscription, error)
}

// Route tells a gateway how to reach a session's desktop.
type Route struct {
	Session streamspace.SessionID
	Address string // "unix:/path", "tcp:host:port" or "tls:host:port" of an RFB server
	// Secret is what the desktop's end asks for: over TLS, PEM of a certificate
	// for this session, its key and the authority; else a password; nil where the
	// transport itself is private. Never logged.
	Secret []byte
	Epoch  uint64 // grows with every start of the desktop: a higher one replaces a lower one
}

// Routes is the table of reachable desktops, written by the control plane.
type Routes interface {
	// Publish makes the route known. A route with a lower epoch than the one
	// present changes nothing and is no error.
	Publish(ctx context.Context, route Route) error
	// Withdraw removes the route, if its epoch is not higher than epoch.
	Withdraw(ctx context.Context, session streamspace.SessionID, epoch uint64) error
	// Route returns the route or ErrNoRoute.
	Route(ctx context.Context, session streamspace.SessionID) (Route, error)
	// Want says that a viewer waits for a session without a route.
	Want(ctx context.Context, session streamspace.SessionID) error
}

// Claim is one gateway's exclusive hold of a desktop. Epoch is the fencing
// number: it grows with every claim of the session, and a holder with an old
// one has lost the desktop.
type Claim struct {
	Session streamspace.SessionID
	Gateway streamspace.GatewayID
	Epoch   uint64
	// Expires is the holder's own deadline, by its own clock: unless it renewed,
	// it has stopped by then, and nobody else gets the desktop before. Of
	// another's claim it is when asking again may help.
	Expires time.Time
}

// Held tells its holder whether the claim still runs, by both of the machine's
// clocks: the monotonic one stands still while a machine sleeps, the other can
// be set back. Whoever lost the broker acts no longer than this.
func (c Claim) Held(now time.Time) bool {
	return now.Before(c.Expires) && now.Round(0).Before(c.Expires.Round(0))
}

// Claims arbitrates which gateway talks to a desktop.
type Claims interface {
	// Claim takes the desktop for ttl, or returns the present holder's claim
	// and ErrClaimed. The holder's own repeated claim keeps its epoch.
	Claim(ctx context.Context, session streamspace.SessionID, gateway streamspace.GatewayID, ttl time.Duration) (Claim, error)
	// Inherit takes the desktop over from a gateway that is known to have died,
	// before its claim from runs out. Where that is not the present claim any more
	// it is as Claim. Whoever calls it must know: if the holder lives after all,
	// it learns of its loss when it renews.
	Inherit(ctx context.Context, from Claim, gateway streamspace.GatewayID, ttl time.Duration) (Claim, error)
	// Renew prolongs the claim by ttl from now, or returns ErrStaleClaim.
	Renew(ctx context.Context, claim Claim, ttl time.Duration) (Claim, error)
	// Release gives the claim up; releasing a stale claim is no error.
	Release(ctx context.Context, claim Claim) error
}

// Viewer is one connection watching a session.
type Viewer struct {
	ID          streamspace.ViewerID
	Session     streamspace.SessionID
	User        streamspace.UserID  // empty: a guest, who came by a link
	Share       streamspace.ShareID // what let the viewer in; empty: the session's owner, or an administrator
	Name        string              // what others are shown
	Gateway     streamspace.GatewayID
	Permissions []streamspace.Permission
	Since       time.Time
}

// Presence is who watches what and when somebody last did something.
type Presence interface {
	// Join records the viewer for ttl; calling it again prolongs.
	Join(ctx context.Context, viewer Viewer, ttl time.Duration) error
	Leave(ctx context.Context, viewer Viewer) error
	Viewers(ctx context.Context, session streamspace.SessionID) ([]Viewer, error)
	// Touch records input from a person at the given time. Times may arrive
	// out of order: the latest wins.
	Touch(ctx context.Context, session streamspace.SessionID, at time.Time) error
	// LastTouch returns the latest touch, or the zero time.
	LastTouch(ctx context.Context, session streamspace.SessionID) (time.Time, error)
}

// Revocation withdraws access. Whatever is set must match; a field left empty
// matches all, but at least one of Session, User, Viewer and Share is set.
// Tickets issued before Before are refused and open streams are closed with Code.
type Revocation struct {
	Session streamspace.SessionID
	User    streamspace.UserID
	Viewer  streamspace.ViewerID
	Share   streamspace.ShareID
	Before  time.Time
	Code    streamspace.Code
}

// Matches tells whether the revocation is aimed at the viewer. Whether it also
// came after the viewer's ticket is for the caller to see.
func (r Revocation) Matches(v Viewer) bool {
	return (r.Session == "" || r.Session == v.Session) && (r.User == "" || r.User == v.User) &&
		(r.Viewer == "" || r.Viewer == v.ID) && (r.Share == "" || r.Share == v.Share)
}

// Admission keeps tickets honest across gateways.
type Admission interface {
	// Redeem marks the ticket as used until its expiry, or returns ErrRedeemed.
	Redeem(ctx context.Context, ticket streamspace.TicketID, expires time.Time) error
	// Revoke publishes the revocation and keeps it for keep, which is at least
	// the longest life of a ticket.
	Revoke(ctx context.Context, revocation Revocation, keep time.Duration) error
	// Revoked returns the revocation that forbids the viewer's stream, opened
	// with a ticket issued at issued, if there is one. Of the viewer its ID,
	// Session, User and Share count.
	Revoked(ctx context.Context, viewer Viewer, issued time.Time) (Revocation, bool, error)
}

// Allowance is what somebody may do at all processes together: so much at once, and
// so much a second after that. All who name a key name the same numbers.
type Allowance struct {
	Key   string  // what, and whose: at most MaxAllowanceKey bytes
	Rate  float64 // a second
	Burst float64
}

// MaxAllowanceKey bounds a key in bytes: an address or an id, and a word before it.
const MaxAllowanceKey = 128

// Rates counts what processes let through together.
type Rates interface {
	// Spend takes n of the allowance and returns zero, or takes nothing and returns
	// how long there is nothing left. What is taken may be more than there is: the
	// next one waits for it.
	Spend(ctx context.Context, allowance Allowance, n float64) (wait time.Duration, err error)
}

// MaxThumbnail bounds a picture in bytes: a 320 by 200 JPEG has about 15 KiB,
// and every session may have one in memory.
const MaxThumbnail = 64 << 10

// Thumbnail is a small picture of a desktop.
type Thumbnail struct {
	JPEG   []byte
	Taken  time.Time // of the frame that it shows
	Width  int       // pixels
	Height int
}

// Thumbnails are the newest small pictures of sessions, made by gateways.
type Thumbnails interface {
	// PutThumbnail keeps the picture for ttl, if it was taken no earlier than
	// the one that is there, and tells it if it is newer; an older one changes
	// nothing and is no error. One with more than MaxThumbnail bytes is refused.
	PutThumbnail(ctx context.Context, session streamspace.SessionID, thumbnail Thumbnail, ttl time.Duration) error
	// Thumbnail returns the picture or ErrNoThumbnail.
	Thumbnail(ctx context.Context, session streamspace.SessionID) (Thumbnail, error)
	// ThumbnailTaken returns when the picture was taken, or the zero time.
	ThumbnailTaken(ctx context.Context, session streamspace.SessionID) (time.Time, error)
	// Glance says that somebody looks at the session from outside and would
	// like a picture newer than the one that is there.
	Glance(ctx context.Context, session streamspace.SessionID) error
}

// Node is one gateway and how busy it is.
type Node struct {
	Gateway  streamspace.GatewayID
	URL      string // base URL that clients may use, empty where they use the common one
	Region   string
	Link     string // host:port where other gateways reach it; empty where none do
	Key      string // public, by which others know it: its certificate's there, and of what it signs
	Streams  string // host:port where load balancers reach its streams; empty where none do
	Draining bool

	// How busy it is.
	Viewers  int
	Sessions int     // desktops with viewers
	Encoders int     // of them, those that are shared or shown as pictures
	Bytes    int64   // to viewers, a second, over the last interval
	CPU      float64 // cores, over the last interval
}

// Fleet is the list of live gateways.
type Fleet interface {
	// Announce records the node for ttl; calling it again prolongs.
	Announce(ctx context.Context, node Node, ttl time.Duration) error
	// Retire takes a node off the list that has ended, or was found dead.
	Retire(ctx context.Context, gateway streamspace.GatewayID) error
	Nodes(ctx context.Context) ([]Node, error)
}

// Event is one thing that happened on the broker. Kind says which of the other
// fields are set.
type Event struct {
	Kind       EventKind
	Session    streamspace.SessionID // route, withdrawn, want, touch, presence, thumbnail, glance
	Epoch      uint64                // route, withdrawn
	At         time.Time             // touch, thumbnail
	Revocation Revocation            // revocation
}

type EventKind string

const (
	EventRoute      EventKind = "route"      // a route was published
	EventWithdrawn  EventKind = "withdrawn"  // a route was withdrawn
	EventWant       EventKind = "want"       // a viewer waits for a session
	EventTouch      EventKind = "touch"      // somebody did something
	EventPresence   EventKind = "presence"   // the viewers of a session changed
	EventRevocation EventKind = "revocation" // access was withdrawn
	EventThumbnail  EventKind = "thumbnail"  // a newer picture was put, taken at At
	EventGlance     EventKind = "glance"     // somebody would like a newer picture
)

// Subscription is a stream of events for one reader.
type Subscription interface {
	// Next blocks for the next event. It returns ErrDropped once for any
	// number of lost events, and ctx's error or io.EOF at the end.
	Next(ctx context.Context) (Event, error)
	// Close ends the subscription; it may be called more than once.
	Close()
}
