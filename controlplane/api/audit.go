package api

import "net/http"

type auditInput struct {
	PageInput
	Action string `query:"action" maxLength:"64" doc:"Only this action, e.g. login.create."`
}

type auditOutput struct{ Body AuditList }

func (a *API) auditRoutes() {
	adminOnly(a, route{id: "listAudit", method: http.MethodGet, path: "/audit", tag: "audit",
		summary: "List who did what, newest first"}, priv[auditInput, auditOutput])
}
