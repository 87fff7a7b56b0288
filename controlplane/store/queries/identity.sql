-- name: EnsureThrottles :exec
-- In key order, as LockThrottles: two sign-ins never wait for each other crosswise.
INSERT INTO sign_in_throttle (key, failures, last_failure_at, blocked_until)
SELECT k, 0, @now, @now FROM unnest(@keys::text[]) AS k ORDER BY k
ON CONFLICT (key) DO NOTHING;

-- name: LockThrottles :many
SELECT * FROM sign_in_throttle WHERE key = ANY(@keys::text[]) ORDER BY key FOR UPDATE;

-- name: SetThrottle :exec
UPDATE sign_in_throttle SET failures = @failures, last_failure_at = @now, blocked_until = @blocked_until WHERE key = @key;

-- name: ForgiveThrottle :exec
-- One attempt turned out well: it is taken back.
UPDATE sign_in_throttle SET failures = greatest(failures - 1, 0), blocked_until = least(blocked_until, @now::timestamptz) WHERE key = @key;

-- name: SetupTokenUser :one
SELECT users.* FROM setup_tokens JOIN users ON users.id = setup_tokens.user_id
WHERE setup_tokens.token_hash = @token_hash AND setup_tokens.expires_at > @now AND users.disabled_at IS NULL;

-- name: TrimLogins :exec
-- Keeps the newest of a user's logins.
DELETE FROM logins WHERE id IN (
    SELECT l.id FROM logins l WHERE l.user_id = @user_id ORDER BY l.last_seen_at DESC, l.id DESC OFFSET @keep);

-- name: APIKeyAlive :one
SELECT EXISTS (SELECT 1 FROM api_keys JOIN users ON users.id = api_keys.user_id
WHERE api_keys.id = @id AND (api_keys.expires_at IS NULL OR api_keys.expires_at > @now::timestamptz) AND users.disabled_at IS NULL);

-- name: ReplacePasswordHash :exec
-- The same password under newer parameters, unless it was changed meanwhile.
UPDATE users SET password_hash = @new_hash::text WHERE id = @id AND password_hash = @old_hash::text;
