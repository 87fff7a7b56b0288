-- A share stands while it is neither revoked nor expired: every query below
-- that lets somebody in says so again, since the sweeper may be late.

-- name: LockUsersShared :many
-- Their rights cannot change meanwhile. In the order of ids, as everywhere.
SELECT * FROM users WHERE id = ANY(@ids::text[]) ORDER BY id FOR SHARE;

-- name: InsertShare :one
INSERT INTO shares (id, session_id, created_by, user_id, token_hash, origin, label, permissions, created_at, expires_at)
VALUES (@id, @session_id, @created_by, @user_id, @token_hash, @origin, @label, @permissions, @now, @expires_at) RETURNING *;

-- name: CountShares :one
SELECT count(*) FROM shares WHERE session_id = @session_id AND revoked_at IS NULL;

-- name: ShareForUpdate :one
SELECT * FROM shares WHERE id = @id AND session_id = @session_id AND revoked_at IS NULL
  AND (expires_at IS NULL OR expires_at > @now::timestamptz) FOR UPDATE;

-- name: UpdateShare :one
UPDATE shares SET label = @label, permissions = @permissions, narrowed_at = @narrowed_at, expires_at = @expires_at
WHERE id = @id RETURNING *;

-- name: SharesOf :many
-- Those of a session that stand, newest first.
SELECT sqlc.embed(shares), creators.username AS creator, invited.username AS invited
FROM shares JOIN users creators ON creators.id = shares.created_by LEFT JOIN users invited ON invited.id = shares.user_id
WHERE shares.session_id = @session_id AND shares.revoked_at IS NULL AND (shares.expires_at IS NULL OR shares.expires_at > @now::timestamptz)
  AND (@before::text = '' OR shares.id < @before::text)
ORDER BY shares.id DESC LIMIT @max;

-- name: EmbedOrigins :many
-- The sites that may show the session in a frame.
SELECT DISTINCT origin FROM shares WHERE session_id = @session_id AND origin IS NOT NULL AND revoked_at IS NULL
  AND (expires_at IS NULL OR expires_at > @now::timestamptz) ORDER BY origin;

-- name: ShareWithNames :one
SELECT sqlc.embed(shares), creators.username AS creator, invited.username AS invited
FROM shares JOIN users creators ON creators.id = shares.created_by LEFT JOIN users invited ON invited.id = shares.user_id
WHERE shares.id = @id;

-- name: ShareFor :one
-- What lets the user into the session.
SELECT sqlc.embed(shares), creators.username AS creator
FROM shares JOIN users creators ON creators.id = shares.created_by
WHERE shares.session_id = @session_id AND shares.user_id = @user_id::text AND shares.revoked_at IS NULL
  AND (shares.expires_at IS NULL OR shares.expires_at > @now::timestamptz);

-- name: SharedSessions :many
-- What others share with the user, newest first. states empty: all but stopped ones.
SELECT sqlc.embed(sessions), users.username, sqlc.embed(shares), creators.username AS creator
FROM shares JOIN sessions ON sessions.id = shares.session_id JOIN users ON users.id = sessions.owner_id
JOIN users creators ON creators.id = shares.created_by
WHERE shares.user_id = @user_id::text AND shares.revoked_at IS NULL AND (shares.expires_at IS NULL OR shares.expires_at > @now::timestamptz)
  AND CASE WHEN cardinality(@states::text[]) = 0 THEN sessions.state <> 'stopped' ELSE sessions.state = ANY(@states::text[]) END
  AND (@before::text = '' OR sessions.id < @before::text)
ORDER BY sessions.id DESC LIMIT @max;

-- name: SharedSessionIDs :many
SELECT session_id FROM shares WHERE user_id = @user_id::text AND revoked_at IS NULL LIMIT 10000;

-- name: UseShare :one
-- Locks the row: whoever ends the share does so before, and nothing is
-- returned, or after, and knows that there may be a ticket.
UPDATE shares SET uses = uses + 1, last_used_at = greatest(last_used_at, @now::timestamptz)
WHERE shares.id = @id AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > @now::timestamptz)
  AND EXISTS (SELECT 1 FROM users WHERE users.id = shares.created_by AND users.disabled_at IS NULL) RETURNING *;

-- name: ShareByToken :one
SELECT * FROM shares WHERE token_hash = @token_hash AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > @now::timestamptz);

-- name: EndShare :one
UPDATE shares SET revoked_at = @now::timestamptz WHERE id = @id AND session_id = @session_id AND revoked_at IS NULL RETURNING *;

-- name: EndInvitation :many
-- The one that has run out, before the user is invited again.
UPDATE shares SET revoked_at = @now::timestamptz
WHERE session_id = @session_id AND user_id = @user_id::text AND revoked_at IS NULL AND expires_at <= @now::timestamptz RETURNING *;

-- name: EndSharesOfSession :many
UPDATE shares SET revoked_at = @now::timestamptz WHERE session_id = @session_id AND revoked_at IS NULL RETURNING *;

-- name: EndSharesOfUser :many
-- Those that the user made and those that let the user in.
UPDATE shares SET revoked_at = @now::timestamptz
WHERE (created_by = @user_id::text OR user_id = @user_id::text) AND revoked_at IS NULL RETURNING *;

-- name: EndForeignSharesBy :many
-- Those that the user made of others' sessions, as only administrators do.
UPDATE shares SET revoked_at = @now::timestamptz
WHERE created_by = @user_id::text AND revoked_at IS NULL
  AND EXISTS (SELECT 1 FROM sessions WHERE sessions.id = shares.session_id AND sessions.owner_id <> @user_id::text) RETURNING *;

-- name: EndExpiredShares :many
-- Several processes may sweep at once: each takes what the others have not.
UPDATE shares SET revoked_at = @now::timestamptz WHERE id IN (
    SELECT s.id FROM shares s WHERE s.revoked_at IS NULL AND s.expires_at <= @now::timestamptz
    ORDER BY s.expires_at LIMIT @max FOR UPDATE SKIP LOCKED) RETURNING *;

-- name: NextShareExpiry :one
-- The zero time when nothing runs out.
SELECT coalesce(min(expires_at), '0001-01-01 00:00:00+00')::timestamptz AS expires_at FROM shares WHERE revoked_at IS NULL AND expires_at IS NOT NULL;

-- name: DeleteSharesBefore :execrows
DELETE FROM shares WHERE id IN (SELECT s.id FROM shares s WHERE s.revoked_at < @before::timestamptz LIMIT @max);

-- name: SharesEndedSince :many
SELECT id FROM shares WHERE revoked_at >= @since::timestamptz ORDER BY revoked_at DESC LIMIT 10000;
