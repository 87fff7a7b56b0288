package identity

import (
	"context"
	"encoding/json"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/store"
)

// Outcome is how an audited action went.
type Outcome string

const (
	OutcomeOK     Outcome = "ok"
	OutcomeDenied Outcome = "denied"
	OutcomeError  Outcome = "error"
)

// Entry is one line of the audit trail, beside who did it.
type Entry struct {
	Action  string // noun.verb
	Subject string // id of what it was done to
	Outcome Outcome
	Detail  map[string]any // never a secret
}

// nobody is the actor's name when no account is known. The name that was typed
// is not kept: people type passwords into the wrong field.
const nobody = "unknown"

// auditTimeout bounds how long an answer waits for its audit row.
const auditTimeout = 5 * time.Second

// Audit writes what the principal did. The action has happened already, so a
// row that cannot be written is an error in the log, not in the answer.
func (i *Identity) Audit(ctx context.Context, p Principal, e Entry) {
	i.audit(ctx, p.Visitor, &p.ID, p.Username, e)
}

func (i *Identity) audit(ctx context.Context, v Visitor, id *streamspace.UserID, name string, e Entry) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditTimeout)
	defer cancel()
	if e.Detail == nil {
		e.Detail = map[string]any{}
	}
	detail, err := json.Marshal(e.Detail)
	if err == nil {
		err = i.store.InsertAudit(ctx, store.InsertAuditParams{
			At: i.now(), ActorID: id, ActorName: name, Action: e.Action, Subject: e.Subject,
			Outcome: string(e.Outcome), RemoteAddr: v.RemoteAddr, RequestID: v.RequestID, Detail: detail,
		})
	}
	if err != nil {
		i.log.Error("audit row not written", "error", err, "action", e.Action, "subject", e.Subject, "outcome", string(e.Outcome), "request_id", v.RequestID)
	}
}
