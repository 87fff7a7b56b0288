-- +goose Up

-- Who else may enter a session: somebody with an account, or whoever has a
-- link. Making the table locks sessions and users against writing for the
-- moment it takes: there is no row yet that the references had to be checked for.
CREATE TABLE shares (
    id           text COLLATE "C" PRIMARY KEY,
    session_id   text NOT NULL REFERENCES sessions ON DELETE CASCADE,
    created_by   text NOT NULL REFERENCES users ON DELETE CASCADE,
    user_id      text REFERENCES users ON DELETE CASCADE, -- who is invited; NULL: whoever has the link
    token_hash   bytea UNIQUE,              -- SHA-256 of the link's token; NULL: no link
    label        text NOT NULL,
    permissions  text[] NOT NULL CHECK (cardinality(permissions) > 0 AND NOT 'admin' = ANY (permissions)),
    created_at   timestamptz NOT NULL,
    narrowed_at  timestamptz,               -- when permissions were last taken away: older tickets hold more
    expires_at   timestamptz,               -- NULL: with its session
    revoked_at   timestamptz,               -- when it ended, for whatever reason; final
    last_used_at timestamptz,
    uses         bigint NOT NULL DEFAULT 0, -- tickets that were made by it
    CHECK ((user_id IS NULL) = (token_hash IS NOT NULL))
);
CREATE INDEX shares_session ON shares (session_id, id DESC);
CREATE UNIQUE INDEX shares_invited ON shares (user_id, session_id) WHERE revoked_at IS NULL; -- one invitation at a time
CREATE INDEX shares_creator ON shares (created_by) WHERE revoked_at IS NULL;
CREATE INDEX shares_due ON shares (expires_at) WHERE revoked_at IS NULL AND expires_at IS NOT NULL;
CREATE INDEX shares_ended ON shares (revoked_at) WHERE revoked_at IS NOT NULL;

-- Whoever enforces the ends of shares (api/enforce.go) begins here, however
-- late it starts for the first time: no end goes by unheard.
INSERT INTO event_cursors (consumer, last_id) SELECT 'shares', coalesce(max(id), 0) FROM events;

-- +goose Down
DELETE FROM event_cursors WHERE consumer = 'shares';
DROP TABLE shares;
