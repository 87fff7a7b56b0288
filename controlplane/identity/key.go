package identity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/controlplane/store"
)

// maxAPIKeys bounds the keys of one account.
const maxAPIKeys = 50

// CreateAPIKey makes a key that lasts for life, or for good when life is zero.
// The returned text is the only copy there will ever be.
func (i *Identity) CreateAPIKey(ctx context.Context, p Principal, name string, life time.Duration) (store.APIKey, string, error) {
	count, err := i.store.CountAPIKeys(ctx, p.ID)
	if err != nil {
		return store.APIKey{}, "", fmt.Errorf("counting keys of %s: %w", p.ID, store.Classify(err))
	}
	if count >= maxAPIKeys {
		return store.APIKey{}, "", ErrTooManyKeys
	}
	secret := newToken()
	key := KeyPrefix + secret
	hash, _ := hashKey(key)
	now := i.now()
	params := store.InsertAPIKeyParams{
		ID: streamspace.NewAPIKeyID(), UserID: p.ID, Name: name, SecretHash: hash,
		Hint: KeyPrefix + secret[:2] + "…" + secret[len(secret)-4:], CreatedAt: now,
	}
	if life > 0 {
		expires := now.Add(life)
		params.ExpiresAt = &expires
	}
	row, err := i.store.InsertAPIKey(ctx, params)
	if err != nil {
		return store.APIKey{}, "", fmt.Errorf("writing a key of %s: %w", p.ID, store.Classify(err))
	}
	i.Audit(ctx, p, Entry{Action: "api_key.create", Subject: string(row.ID), Outcome: OutcomeOK, Detail: map[string]any{"name": name}})
	return row, key, nil
}

// ByAPIKey returns who the key belongs to.
func (i *Identity) ByAPIKey(ctx context.Context, v Visitor, key string) (Principal, error) {
	hash, ok := hashKey(key)
	if !ok {
		return Principal{}, ErrUnauthenticated
	}
	now := i.now()
	row, err := i.store.APIKeyBySecret(ctx, store.APIKeyBySecretParams{SecretHash: hash, Now: now})
	if err = store.Classify(err); errors.Is(err, store.ErrNotFound) {
		return Principal{}, ErrUnauthenticated
	}
	if err != nil {
		return Principal{}, fmt.Errorf("reading an API key: %w", err)
	}
	if row.APIKey.LastUsedAt == nil || now.Sub(*row.APIKey.LastUsedAt) >= seenEvery {
		if err := i.store.UseAPIKey(ctx, store.UseAPIKeyParams{ID: row.APIKey.ID, Now: &now}); err != nil {
			return Principal{}, fmt.Errorf("noting the use of key %s: %w", row.APIKey.ID, store.Classify(err))
		}
	}
	p := Principal{Account: AccountOf(row.User), Visitor: v, Key: row.APIKey.ID}
	if row.APIKey.ExpiresAt != nil {
		p.ExpiresAt = *row.APIKey.ExpiresAt
	}
	return p, nil
}

// APIKeys lists the principal's keys, the newest first.
func (i *Identity) APIKeys(ctx context.Context, p Principal) ([]store.APIKey, error) {
	keys, err := i.store.APIKeysByUser(ctx, p.ID)
	if err != nil {
		return nil, fmt.Errorf("listing keys of %s: %w", p.ID, store.Classify(err))
	}
	return keys, nil
}

// DeleteAPIKey ends one of the principal's keys at once, or returns store.ErrNotFound.
func (i *Identity) DeleteAPIKey(ctx context.Context, p Principal, id streamspace.APIKeyID) error {
	if err := i.store.EndAPIKey(ctx, p.ID, id); err != nil {
		return fmt.Errorf("ending key %s: %w", id, err)
	}
	i.Audit(ctx, p, Entry{Action: "api_key.delete", Subject: string(id), Outcome: OutcomeOK})
	return nil
}
