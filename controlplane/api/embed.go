package api

import (
	"context"
	"net/url"
	"strings"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/store"
)

// embedder returns the origin of the site that the link is for, written as
// browsers do (RFC 6454 section 6.1), or nil.
func embedder(body CreateShareRequest, user *streamspace.UserID) (*string, error) {
	const location = "body.origin"
	if body.Origin == nil {
		return nil, nil
	}
	if user != nil {
		return nil, invalid(location, "is for links, and a user is named")
	}
	u, err := url.Parse(strings.TrimSuffix(*body.Origin, "/"))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" ||
		strings.ContainsAny(u.Host, " ;,'\"*") {
		return nil, invalid(location, "is not of the form https://host[:port]")
	}
	host := strings.ToLower(u.Host)
	if port := u.Port(); port == map[string]string{"https": "443", "http": "80"}[u.Scheme] && port != "" {
		host = strings.TrimSuffix(host, ":"+port)
	}
	origin := u.Scheme + "://" + host
	return &origin, nil
}

// embedOrigin is the origin of the site that the share is for, empty for none.
func embedOrigin(share store.Share) string {
	if share.Origin == nil {
		return ""
	}
	return *share.Origin
}

// EmbedOrigins are the sites whose pages may show the session in a frame. When
// they cannot be read there are none.
func (a *API) EmbedOrigins(ctx context.Context, session string) []string {
	id, err := streamspace.ParseSessionID(session)
	if err != nil {
		return nil
	}
	rows, err := a.Store.EmbedOrigins(ctx, store.EmbedOriginsParams{SessionID: id, Now: a.Now()})
	if err != nil {
		a.Logger.Warn("sites that embed a session are not known", "session_id", id, "error", err)
		return nil
	}
	origins := make([]string, 0, len(rows))
	for _, origin := range rows {
		if origin != nil {
			origins = append(origins, *origin)
		}
	}
	return origins
}
