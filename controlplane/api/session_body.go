package api

import (
	"context"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/lifecycle"
	"github.com/streamspace/streamspace/controlplane/store"
)

// sessionBody is a session as the API shows it: the row, what the catalog
// calls its template, what the broker knows of its viewers, and what the
// caller may do there.
func (a *API) sessionBody(ctx context.Context, row store.Session, owner string, given access) Session {
	viewers := a.observe(ctx, &row)
	body := Session{
		ID: row.ID, Name: row.Name, Template: row.Template, TemplateDisplayName: row.Template,
		Owner: SessionOwner{ID: row.OwnerID, Username: owner}, DesiredState: row.DesiredState, State: row.State,
		Step: row.Step, Reason: row.Reason, CreatedAt: wireTime(row.CreatedAt), StateChangedAt: wireTime(row.StateChangedAt),
		StartedAt: optionalTime(row.StartedAt), LastActiveAt: optionalTime(row.LastActiveAt),
		IdleTimeoutSeconds: int(row.IdleTimeoutSeconds), Viewers: viewers, HomeID: row.HomeID,
		Permissions: given.permissions, SharedBy: given.sharedBy(), ThumbnailAt: a.thumbnailAt(ctx, row),
	}
	if t, ok := a.Catalog.Get(row.Template); ok { // it may have been removed since
		body.TemplateDisplayName, body.Icon = t.DisplayName, t.Icon
	}
	if at, sleeps := lifecycle.HibernatesAt(row); sleeps {
		body.HibernatesAt = optionalTime(&at)
	}
	return body
}

// thumbnailAt returns when the session's picture was taken. As with viewers,
// it is not worth an error.
func (a *API) thumbnailAt(ctx context.Context, row store.Session) *time.Time {
	if row.State == streamspace.StateStopped {
		return nil
	}
	taken, err := a.Broker.ThumbnailTaken(ctx, row.ID)
	if err != nil && ctx.Err() == nil {
		a.Logger.Warn("broker does not tell of a session's picture", "error", err, "session", row.ID)
	}
	return optionalTime(&taken)
}

// observe brings the row's last activity up to date and counts its viewers.
// Neither is worth an error: without the broker a session has no viewers.
func (a *API) observe(ctx context.Context, row *store.Session) int {
	if row.State == streamspace.StateStopped {
		return 0
	}
	viewers, err := a.Broker.Viewers(ctx, row.ID)
	if err == nil && row.State == streamspace.StateRunning {
		touched, touchErr := a.Broker.LastTouch(ctx, row.ID)
		if now := a.Now(); touched.After(now) { // a gateway's clock may be ahead
			touched = now
		}
		if touchErr == nil && (row.LastActiveAt == nil || touched.After(*row.LastActiveAt)) && !touched.IsZero() {
			row.LastActiveAt = &touched
		}
		err = touchErr
	}
	if err != nil && ctx.Err() == nil {
		a.Logger.Warn("broker does not tell a session's viewers", "error", err, "session", row.ID)
	}
	return len(viewers)
}
