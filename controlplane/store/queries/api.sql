-- name: SessionWithOwner :one
SELECT sqlc.embed(sessions), users.username FROM sessions JOIN users ON users.id = sessions.owner_id WHERE sessions.id = @id;

-- name: UnstoppedSessionsOf :many
SELECT id FROM sessions WHERE owner_id = @owner_id AND state <> 'stopped' ORDER BY id;
