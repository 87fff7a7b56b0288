-- +goose Up

CREATE TABLE users (
    id            text PRIMARY KEY,
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

CREATE TABLE sign_in_throttle (
    key             text PRIMARY KEY,       -- user:<name> or addr:<ip>
    failures        integer NOT NULL,
    last_failure_at timestamptz NOT NULL,
    blocked_until   timestamptz NOT NULL
);

CREATE TABLE sessions (
    id                   text PRIMARY KEY,
    owner_id             text NOT NULL REFERENCES users,
    template             text NOT NULL,
    name                 text NOT NULL,
    home_id              text NOT NULL,
    desired_state        text NOT NULL CHECK (desired_state IN ('running', 'hibernated', 'stopped')),
    state                text NOT NULL CHECK (state IN ('pending', 'starting', 'running', 'hibernating', 'hibernated', 'waking', 'stopping', 'stopped', 'failed')),
    epoch                bigint NOT NULL DEFAULT 0, -- grows with every start of the desktop
    step                 text NOT NULL DEFAULT '',  -- what is being done now, for people
    reason               text NOT NULL DEFAULT '',  -- why it is in this state, for people
    restarts             integer NOT NULL DEFAULT 0, -- unasked ends since it last ran well
    retry_at             timestamptz,
    idle_timeout_seconds integer NOT NULL CHECK (idle_timeout_seconds >= 0), -- 0: never
    created_at           timestamptz NOT NULL,
    updated_at           timestamptz NOT NULL,
    state_changed_at     timestamptz NOT NULL,
    started_at           timestamptz,
    last_active_at       timestamptz,
    stopped_at           timestamptz
);
CREATE INDEX sessions_owner ON sessions (owner_id, id DESC);
CREATE INDEX sessions_live ON sessions (id) WHERE state <> 'stopped';

-- A home outlives the session that uses it; no two live sessions share one.
CREATE TABLE homes (
    id           text PRIMARY KEY,
    owner_id     text NOT NULL REFERENCES users,
    template     text NOT NULL,
    index        integer NOT NULL GENERATED ALWAYS AS IDENTITY UNIQUE, -- the Unix user id comes from it: never used again
    session_id   text UNIQUE REFERENCES sessions,
    created_at   timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL
);
CREATE INDEX homes_owner ON homes (owner_id, template, last_used_at DESC);

-- The outbox: written in the transaction of the change it tells. A reader
-- takes rows in id order whose transaction is older than every running one,
-- since ids are given out before commits and would otherwise be passed over.
CREATE TABLE events (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    type       text NOT NULL,
    subject    text NOT NULL,
    owner_id   text,                        -- whom it concerns; NULL: administrators only
    payload    jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    xid        xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX events_created ON events (created_at);

-- +goose StatementBegin
CREATE FUNCTION notify_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('events', '');
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER events_notify AFTER INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION notify_events();

CREATE TABLE event_cursors (
    consumer text PRIMARY KEY,
    last_id  bigint NOT NULL
);

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
    detail      jsonb NOT NULL
);
CREATE INDEX audit_action ON audit (action, id DESC);

-- +goose Down
DROP TABLE audit, event_cursors, events, homes, sessions, sign_in_throttle, api_keys, logins, setup_tokens, users;
DROP FUNCTION notify_events();
