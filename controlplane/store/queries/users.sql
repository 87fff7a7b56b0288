-- name: InsertUser :one
INSERT INTO users (id, username, display_name, role, password_hash, created_at, updated_at)
VALUES (@id, @username, @display_name, @role, @password_hash, @now, @now) RETURNING *;

-- name: UserByID :one
SELECT * FROM users WHERE id = $1;

-- name: UserByName :one
SELECT * FROM users WHERE username = lower(@username);

-- name: Users :many
SELECT * FROM users WHERE id > @after ORDER BY id LIMIT @max;

-- name: CountUsers :one
SELECT count(*) FROM users;

-- name: CountActiveAdmins :one
SELECT count(*) FROM users WHERE role = 'admin' AND disabled_at IS NULL;

-- name: LockAdmins :many
SELECT id FROM users WHERE role = 'admin' AND disabled_at IS NULL ORDER BY id FOR UPDATE;

-- name: AnyAdminHasPassword :one
SELECT EXISTS (SELECT 1 FROM users WHERE role = 'admin' AND password_hash IS NOT NULL);

-- name: UpdateUser :one
-- What is NULL, or empty for the role, stays.
UPDATE users SET
    display_name = coalesce(sqlc.narg('display_name'), display_name),
    role = CASE WHEN role <> @role AND @role <> '' THEN @role ELSE role END,
    disabled_at = CASE WHEN sqlc.narg('disabled')::boolean IS NULL THEN disabled_at
                       WHEN sqlc.narg('disabled')::boolean THEN coalesce(disabled_at, @now) END,
    updated_at = @now
WHERE id = @id RETURNING *;

-- name: SetPasswordHash :one
UPDATE users SET password_hash = @password_hash, updated_at = @now WHERE id = @id RETURNING *;

-- name: SetLastLogin :exec
UPDATE users SET last_login_at = @now WHERE id = @id;

-- name: DeleteUserRow :execrows
DELETE FROM users WHERE id = $1;

-- name: InsertSetupToken :exec
INSERT INTO setup_tokens (token_hash, user_id, created_at, expires_at) VALUES (@token_hash, @user_id, @created_at, @expires_at);

-- name: ConsumeSetupToken :one
DELETE FROM setup_tokens WHERE token_hash = @token_hash AND expires_at > @now RETURNING user_id;

-- name: DeleteSetupTokens :exec
DELETE FROM setup_tokens WHERE user_id = $1;

-- name: LockUser :one
SELECT * FROM users WHERE id = $1 FOR UPDATE;
