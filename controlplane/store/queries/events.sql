-- name: InsertEvent :one
INSERT INTO events (type, subject, owner_id, payload) VALUES (@type, @subject, @owner_id, @payload) RETURNING id;

-- name: EventsAfter :many
-- Only what no running transaction can still slip in before.
SELECT id, type, subject, owner_id, payload, created_at FROM events
WHERE id > @after AND xid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY id LIMIT @max;

-- name: LastEventID :one
SELECT coalesce(max(id), 0)::bigint FROM events WHERE xid < pg_snapshot_xmin(pg_current_snapshot());

-- name: FirstEventID :one
SELECT coalesce(min(id), 0)::bigint FROM events;

-- name: EventCursor :one
SELECT last_id FROM event_cursors WHERE consumer = $1;

-- name: SetEventCursor :exec
INSERT INTO event_cursors (consumer, last_id) VALUES (@consumer, @last_id)
ON CONFLICT (consumer) DO UPDATE SET last_id = greatest(event_cursors.last_id, excluded.last_id);

-- name: DeleteEventsBefore :execrows
DELETE FROM events WHERE id IN (SELECT e.id FROM events e WHERE e.created_at < @before ORDER BY e.id LIMIT @max);

-- name: DeleteExpiredLogins :execrows
DELETE FROM logins WHERE expires_at < @now;

-- name: DeleteExpiredSetupTokens :execrows
DELETE FROM setup_tokens WHERE expires_at < @now;

-- name: DeleteOldThrottles :execrows
DELETE FROM sign_in_throttle WHERE last_failure_at < @before AND blocked_until < @before;

-- name: InsertAudit :exec
INSERT INTO audit (at, actor_id, actor_name, action, subject, outcome, remote_addr, request_id, detail)
VALUES (@at, @actor_id, @actor_name, @action, @subject, @outcome, @remote_addr, @request_id, @detail);

-- name: AuditBefore :many
-- Newest first; before 0: from the newest. action empty: every action.
SELECT * FROM audit WHERE (@before::bigint = 0 OR id < @before::bigint) AND (@action::text = '' OR action = @action::text)
ORDER BY id DESC LIMIT @max;

-- name: NewestEventID :one
-- Also of events that are not yet safe to read.
SELECT coalesce(max(id), 0)::bigint FROM events;
