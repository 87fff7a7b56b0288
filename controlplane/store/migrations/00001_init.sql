-- +goose Up

-- Ids are the typed ones of the root package (usr_…, ses_…): they sort by creation
-- in byte order, so the columns that pages are cut by are of collation C.
CREATE TABLE users (
    id            text COLLATE "C" PRIMARY KEY,
    username      text NOT NULL CHECK (username ~ '^[a-z0-9][a-z0-9._-]{0,62}$'), -- kept in lower case, so unique without case
    display_name  text NOT NULL,
    role          text NOT NULL CHECK (role IN ('admin', 'user')),
    password_hash text,                     -- argon2id in PHC form; NULL until one is set
    disabled_at   timestamptz,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    last_login_at timestamptz,
    UNIQUE (username)
);

-- One-time links for setting a password. Only the SHA-256 of the token is kept.
CREATE TABLE setup_tokens (
    token_hash bytea PRIMARY KEY,
    user_id    text NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX setup_tokens_user ON setup_tokens (user_id);

-- Browser sign-ins (cookie sessions). Deleting the row signs out.
CREATE TABLE logins (
    id           text PRIMARY KEY,
    token_hash   bytea NOT NULL UNIQUE,
    user_id      text NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at   timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    user_agent   text NOT NULL,
    remote_addr  text NOT NULL
);
CREATE INDEX logins_user ON logins (user_id);

CREATE TABLE api_keys (
    id           text PRIMARY KEY,
    user_id      text NOT NULL REFERENCES users ON DELETE CASCADE,
    name         text NOT NULL,
    secret_hash  bytea NOT NULL UNIQUE,
    hint         text NOT NULL,             -- the key's last characters, for telling keys apart
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz,
    last_used_at timestamptz
);
CREATE INDEX api_keys_user ON api_keys (user_id);

-- Failed sign-ins by account and by address.
CREATE TABLE sign_in_throttle (
    key             text PRIMARY KEY,       -- user:<name> or addr:<ip>
    failures        integer NOT NULL CHECK (failures >= 0), -- since they were last forgotten
    last_failure_at timestamptz NOT NULL,
    blocked_until   timestamptz NOT NULL    -- no attempt is looked at before
);

-- One desktop session, live or past. Past ones stay until their owner goes.
CREATE TABLE sessions (
    id                   text COLLATE "C" PRIMARY KEY,
    owner_id             text NOT NULL REFERENCES users,
    template             text NOT NULL CHECK (template <> ''),
    name                 text NOT NULL,
    home_id              text NOT NULL,             -- no reference: a past session stays when its home goes
    desired_state        text NOT NULL CHECK (desired_state IN ('running', 'hibernated', 'stopped')),
    state                text NOT NULL CHECK (state IN ('pending', 'starting', 'running', 'hibernating', 'hibernated', 'waking', 'stopping', 'stopped', 'failed')),
    epoch                bigint NOT NULL DEFAULT 0 CHECK (epoch >= 0), -- grows with every start of the desktop
    step                 text NOT NULL DEFAULT '',  -- what is being done now, for people
    reason               text NOT NULL DEFAULT '',  -- why it is in this state, for people
    restarts             integer NOT NULL DEFAULT 0 CHECK (restarts >= 0), -- unasked ends since it last ran well
    retry_at             timestamptz,               -- when the next try of a failed start is due
    idle_timeout_seconds integer NOT NULL CHECK (idle_timeout_seconds >= 0), -- 0: never
    created_at           timestamptz NOT NULL,
    updated_at           timestamptz NOT NULL,
    state_changed_at     timestamptz NOT NULL,
    started_at           timestamptz,               -- of the current epoch
    last_active_at       timestamptz,               -- last real input of a viewer
    stopped_at           timestamptz,
    CHECK ((state = 'stopped') = (stopped_at IS NOT NULL))
);
CREATE INDEX sessions_owner ON sessions (owner_id, id DESC);
CREATE INDEX sessions_live ON sessions (id) WHERE state <> 'stopped';

-- A home outlives the session that uses it; no two live sessions share one.
CREATE TABLE homes (
    id           text PRIMARY KEY,
    owner_id     text NOT NULL REFERENCES users,
    template     text NOT NULL CHECK (template <> ''),
    index        integer NOT NULL GENERATED ALWAYS AS IDENTITY UNIQUE, -- the Unix user id comes from it: never used again
    session_id   text UNIQUE REFERENCES sessions,
    created_at   timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL
);
CREATE INDEX homes_owner ON homes (owner_id, template, last_used_at DESC);

-- The outbox: written in the transaction of the change it tells. Ids are given
-- out before commits, so a missing id is either rolled back or still to come:
-- a reader goes past it only when every transaction that held ROW EXCLUSIVE on
-- this table, which INSERT takes before it draws the id, has ended (outbox.go).
-- For two changes of one row the order of ids is the order of the changes,
-- since the event is written while the row is locked; the order of transaction
-- ids would not be.
CREATE TABLE events (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    type       text NOT NULL CHECK (type <> ''),
    subject    text NOT NULL,               -- the id of what changed
    owner_id   text,                        -- whom it concerns; NULL: administrators only
    payload    jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now() -- when the transaction began
);
CREATE INDEX events_created ON events (created_at);

-- +goose StatementBegin
CREATE FUNCTION notify_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('events', '');
    RETURN NULL;
END $$;
-- +goose StatementEnd
-- No payload: equal notifications of one transaction become one, and a listener
-- that was away reads the table anyway.
CREATE TRIGGER events_notify AFTER INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION notify_events();

-- How far each durable consumer has come.
CREATE TABLE event_cursors (
    consumer text PRIMARY KEY,
    last_id  bigint NOT NULL CHECK (last_id >= 0) -- everything up to it has been handled
);

-- Who did what. Rows are only ever added.
CREATE TABLE audit (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL,
    actor_id    text,                       -- no reference: it stays when the account goes
    actor_name  text NOT NULL,
    action      text NOT NULL,
    subject     text NOT NULL,
    outcome     text NOT NULL CHECK (outcome IN ('ok', 'denied', 'error')),
    remote_addr text NOT NULL,
    request_id  text NOT NULL,
    detail      jsonb NOT NULL              -- what else is worth knowing; never a secret
);
CREATE INDEX audit_action ON audit (action, id DESC);

-- +goose Down
DROP TABLE audit, event_cursors, events, homes, sessions, sign_in_throttle, api_keys, logins, setup_tokens, users;
DROP FUNCTION notify_events();
