package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/streamspace/streamspace/controlplane/store"
)

type auditInput struct {
	PageParams
	Action string `query:"action" maxLength:"64" pattern:"^[a-z_.]*$" doc:"Only this action, e.g. login.create."`
}

type auditOutput struct{ Body AuditList }

func (a *API) auditRoutes() {
	adminOnly(a, route{id: "listAudit", method: http.MethodGet, path: "/audit", tag: "audit",
		summary: "List who did what, newest first"}, a.listAudit)
}

const auditCursor = "audit"

func (a *API) listAudit(ctx context.Context, _ caller, in *auditInput) (*auditOutput, error) {
	key, err := decodeCursor(auditCursor, in.Cursor)
	if err != nil {
		return nil, err
	}
	var before int64
	if key != "" {
		if before, err = strconv.ParseInt(key, 10, 64); err != nil || before <= 0 {
			return nil, invalid("query.cursor", "is none that this list gave out")
		}
	}
	rows, err := a.Store.AuditBefore(ctx, store.AuditBeforeParams{Before: before, Action: in.Action, Max: int32(in.Limit + 1)})
	if err != nil {
		return nil, store.Classify(err)
	}
	rows, next := page(rows, in.Limit, auditCursor, func(r store.AuditEntry) string { return strconv.FormatInt(r.ID, 10) })
	out := &auditOutput{Body: AuditList{Items: make([]AuditEntry, len(rows)), NextCursor: next}}
	for n, row := range rows {
		if out.Body.Items[n], err = auditBody(row); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func auditBody(row store.AuditEntry) (AuditEntry, error) {
	body := AuditEntry{
		ID: row.ID, At: wireTime(row.At), Actor: AuditActor{Name: row.ActorName}, Action: row.Action, Subject: row.Subject,
		Outcome: row.Outcome, RemoteAddr: row.RemoteAddr, RequestID: row.RequestID,
	}
	if row.ActorID != nil {
		body.Actor.ID = *row.ActorID
	}
	return body, json.Unmarshal(row.Detail, &body.Detail)
}
