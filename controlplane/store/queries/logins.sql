-- name: InsertLogin :exec
INSERT INTO logins (id, token_hash, user_id, created_at, last_seen_at, expires_at, user_agent, remote_addr)
VALUES (@id, @token_hash, @user_id, @now, @now, @expires_at, @user_agent, @remote_addr);

-- name: LoginByToken :one
SELECT sqlc.embed(logins), sqlc.embed(users) FROM logins JOIN users ON users.id = logins.user_id
WHERE logins.token_hash = @token_hash AND logins.expires_at > @now AND users.disabled_at IS NULL;

-- name: LoginAlive :one
SELECT EXISTS (SELECT 1 FROM logins JOIN users ON users.id = logins.user_id
WHERE logins.id = @id AND logins.expires_at > @now AND users.disabled_at IS NULL);

-- name: LoginsByUser :many
SELECT * FROM logins WHERE user_id = @user_id AND expires_at > @now ORDER BY last_seen_at DESC LIMIT 100;

-- name: SeeLogin :exec
UPDATE logins SET last_seen_at = @now, expires_at = @expires_at WHERE id = @id;

-- name: DeleteLogin :execrows
DELETE FROM logins WHERE id = @id AND user_id = @user_id;

-- name: DeleteLoginsBut :exec
DELETE FROM logins WHERE user_id = @user_id AND id <> @keep;

-- name: InsertAPIKey :one
INSERT INTO api_keys (id, user_id, name, secret_hash, hint, created_at, expires_at)
VALUES (@id, @user_id, @name, @secret_hash, @hint, @created_at, @expires_at) RETURNING *;

-- name: APIKeyBySecret :one
SELECT sqlc.embed(api_keys), sqlc.embed(users) FROM api_keys JOIN users ON users.id = api_keys.user_id
WHERE api_keys.secret_hash = @secret_hash AND (api_keys.expires_at IS NULL OR api_keys.expires_at > @now::timestamptz) AND users.disabled_at IS NULL;

-- name: APIKeysByUser :many
SELECT * FROM api_keys WHERE user_id = $1 ORDER BY id DESC LIMIT 1000;

-- name: CountAPIKeys :one
SELECT count(*) FROM api_keys WHERE user_id = $1;

-- name: UseAPIKey :exec
UPDATE api_keys SET last_used_at = @now WHERE id = @id;

-- name: DeleteAPIKey :execrows
DELETE FROM api_keys WHERE id = @id AND user_id = @user_id;

-- name: ResetThrottle :exec
DELETE FROM sign_in_throttle WHERE key = $1;
