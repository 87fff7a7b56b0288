package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
)

const (
	// glanceRate is how often one session's gateway is asked for a newer
	// picture, however many dashboards are open: that is how often it makes one.
	glanceRate  = 0.2 // a second
	glanceBurst = 1
)

type thumbnailInput struct {
	SessionPath
	IfNoneMatch     string `header:"If-None-Match" maxLength:"1024" doc:"The ETag of the picture that the client has."`
	IfModifiedSince string `header:"If-Modified-Since" maxLength:"64" doc:"Counts where there is no If-None-Match."`
}

type thumbnailOutput struct {
	Status       int
	ContentType  string    `header:"Content-Type"`
	CacheControl string    `header:"Cache-Control"`
	ETag         string    `header:"ETag"`
	LastModified time.Time `header:"Last-Modified"`
	Body         []byte
}

func (a *API) thumbnailRoutes() {
	const path = "/sessions/{id}/thumbnail"
	signedIn(a, route{id: "getThumbnail", method: http.MethodGet, path: path, tag: "sessions",
		summary: "Return a small picture of a session",
		description: "A JPEG of at most 320 by 200 pixels, some seconds old; thumbnailAt of the session says when it was taken. " +
			"Asking also lets a newer one be made, so an open dashboard stays fresh. 404 while there is none. Answers 304 when the client has it."}, a.getThumbnail)
	response := a.huma.OpenAPI().Paths[path].Get.Responses["200"]
	response.Description = "OK: the picture"
	response.Content = map[string]*huma.MediaType{"image/jpeg": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}
}

func (a *API) getThumbnail(ctx context.Context, c caller, in *thumbnailInput) (*thumbnailOutput, error) {
	row, given, err := a.visibleSession(ctx, c, in.SessionPath)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(given.permissions, streamspace.PermissionView) {
		return nil, notFound("session")
	}
	if row.Session.State == streamspace.StateRunning && a.glances.Take(ctx, string(row.Session.ID)) == 0 {
		if err := a.Broker.Glance(ctx, row.Session.ID); err != nil {
			a.Logger.Warn("broker does not pass a glance on", "error", err, "session", row.Session.ID)
		}
	}
	thumbnail, err := a.Broker.Thumbnail(ctx, row.Session.ID)
	if errors.Is(err, broker.ErrNoThumbnail) {
		return nil, problem(streamspace.CodeNotFound, "There is no picture of this session yet.")
	}
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(thumbnail.JPEG)
	out := &thumbnailOutput{
		Status: http.StatusOK, ContentType: "image/jpeg",
		CacheControl: "private, no-cache", // kept by the browser, asked for again each time
		ETag:         `"` + hex.EncodeToString(sum[:12]) + `"`, LastModified: thumbnail.Taken.UTC(),
	}
	if known(in, out) {
		out.Status = http.StatusNotModified
		return out, nil
	}
	out.Body = thumbnail.JPEG
	return out, nil
}

// known tells whether the client has the picture (RFC 9110 section 13.2.2).
func known(in *thumbnailInput, out *thumbnailOutput) bool {
	if in.IfNoneMatch != "" {
		return in.IfNoneMatch == "*" || slices.ContainsFunc(strings.Split(in.IfNoneMatch, ","), func(tag string) bool {
			return strings.TrimPrefix(strings.TrimSpace(tag), "W/") == out.ETag
		})
	}
	since, err := http.ParseTime(in.IfModifiedSince) // what is no date is ignored (section 13.1.3)
	return err == nil && !out.LastModified.Truncate(time.Second).After(since)
}
