-- name: InsertSession :one
INSERT INTO sessions (id, owner_id, template, name, home_id, desired_state, state, idle_timeout_seconds, created_at, updated_at, state_changed_at)
VALUES (@id, @owner_id, @template, @name, @home_id, 'running', 'pending', @idle_timeout_seconds, @now, @now, @now) RETURNING *;

-- name: SessionByID :one
SELECT * FROM sessions WHERE id = $1;

-- name: SessionForUpdate :one
SELECT * FROM sessions WHERE id = $1 FOR UPDATE;

-- name: LiveSessions :many
SELECT * FROM sessions WHERE state <> 'stopped' ORDER BY id;

-- name: Sessions :many
-- Newest first. owner NULL: everyone's. states empty: all but stopped ones.
SELECT sqlc.embed(sessions), users.username FROM sessions JOIN users ON users.id = sessions.owner_id
WHERE (sqlc.narg('owner')::text IS NULL OR sessions.owner_id = sqlc.narg('owner'))
  AND CASE WHEN cardinality(@states::text[]) = 0 THEN sessions.state <> 'stopped' ELSE sessions.state = ANY(@states::text[]) END
  AND (@before::text = '' OR sessions.id < @before::text)
ORDER BY sessions.id DESC LIMIT @max;

-- name: CountLiveSessions :one
SELECT count(*) FROM sessions WHERE owner_id = $1 AND state <> 'stopped';

-- name: UpdateSession :one
-- Everything that changes after creation, by whoever holds the row.
UPDATE sessions SET
    name = @name, desired_state = @desired_state, state = @state, epoch = @epoch, step = @step, reason = @reason,
    restarts = @restarts, retry_at = @retry_at, idle_timeout_seconds = @idle_timeout_seconds, updated_at = @updated_at,
    state_changed_at = @state_changed_at, started_at = @started_at, last_active_at = @last_active_at, stopped_at = @stopped_at
WHERE id = @id RETURNING *;

-- name: SetLastActive :exec
UPDATE sessions SET last_active_at = greatest(last_active_at, @at::timestamptz) WHERE id = @id;

-- name: DeleteSessionsOf :exec
DELETE FROM sessions WHERE owner_id = $1 AND state = 'stopped';

-- name: FreeHome :one
SELECT * FROM homes WHERE owner_id = @owner_id AND template = @template AND session_id IS NULL
ORDER BY last_used_at DESC, id LIMIT 1 FOR UPDATE SKIP LOCKED;

-- name: HomeForUpdate :one
SELECT * FROM homes WHERE id = @id AND owner_id = @owner_id FOR UPDATE;

-- name: HomeByID :one
SELECT * FROM homes WHERE id = $1;

-- name: InsertHome :one
INSERT INTO homes (id, owner_id, template, created_at, last_used_at) VALUES (@id, @owner_id, @template, @now, @now) RETURNING *;

-- name: AttachHome :exec
UPDATE homes SET session_id = @session_id, last_used_at = @now WHERE id = @id;

-- name: DetachHome :exec
UPDATE homes SET session_id = NULL, last_used_at = @now WHERE session_id = @session_id;

-- name: HomesByOwner :many
SELECT * FROM homes WHERE owner_id = $1 ORDER BY last_used_at DESC, id LIMIT 1000;

-- name: DeleteFreeHome :execrows
DELETE FROM homes WHERE id = @id AND owner_id = @owner_id AND session_id IS NULL;

-- name: DeleteHomesOf :many
DELETE FROM homes WHERE owner_id = $1 RETURNING id;
