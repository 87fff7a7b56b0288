-- +goose Up

-- A link may be for a page of another site that shows the desktop in a frame:
-- then only pages of that origin may.
ALTER TABLE shares ADD COLUMN origin text CHECK (origin IS NULL OR token_hash IS NOT NULL);
CREATE INDEX shares_embedded ON shares (session_id) WHERE revoked_at IS NULL AND origin IS NOT NULL;

-- +goose Down
ALTER TABLE shares DROP COLUMN origin;
