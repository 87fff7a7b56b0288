-- name: InsertEvent :one
INSERT INTO events (type, subject, owner_id, payload) VALUES (@type, @subject, @owner_id, @payload) RETURNING id;

-- name: EventsBetween :many
-- In order of ids. Ids may be missing that are still to be committed.
SELECT * FROM events WHERE id > @after AND id <= @up_to ORDER BY id LIMIT @max;

-- name: EventBounds :one
-- The oldest and newest id that are there; 0 and 0: there never was one, since
-- the newest is never deleted.
SELECT coalesce(min(id), 0)::bigint AS oldest, coalesce(max(id), 0)::bigint AS newest FROM events;

-- name: EventWriters :many
-- The running transactions that may hold an event id nobody can see yet: each
-- holds ROW EXCLUSIVE on the table from before it draws one until its commit can be seen.
SELECT virtualtransaction::text FROM pg_catalog.pg_locks
WHERE locktype = 'relation' AND relation = 'events'::regclass AND mode = 'RowExclusiveLock' AND granted
  AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
  AND pid IS DISTINCT FROM pg_backend_pid();

-- name: EventCursor :one
SELECT last_id FROM event_cursors WHERE consumer = $1;

-- name: SetEventCursor :exec
INSERT INTO event_cursors (consumer, last_id) VALUES (@consumer, @last_id)
ON CONFLICT (consumer) DO UPDATE SET last_id = greatest(event_cursors.last_id, excluded.last_id);

-- name: ResetEventCursor :exec
-- Also backwards: the database went back to an earlier time.
UPDATE event_cursors SET last_id = @last_id WHERE consumer = @consumer;

-- name: DeleteEventsBefore :execrows
-- Never the newest, which tells how far the outbox has come.
DELETE FROM events WHERE id IN (
    SELECT e.id FROM events e WHERE e.created_at < @before AND e.id < (SELECT max(id) FROM events) ORDER BY e.id LIMIT @max);

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
