package memory

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
)

// PutThumbnail keeps the picture for ttl, unless a newer one is there.
func (b *Broker) PutThumbnail(_ context.Context, session streamspace.SessionID, thumbnail broker.Thumbnail, ttl time.Duration) error {
	if len(thumbnail.JPEG) > broker.MaxThumbnail {
		return fmt.Errorf("keeping a picture of %s: it has %d bytes, more than %d", session, len(thumbnail.JPEG), broker.MaxThumbnail)
	}
	thumbnail.JPEG = bytes.Clone(thumbnail.JPEG)
	now := b.lock()
	defer b.mu.Unlock()
	known, ok := b.thumbnails.get(session, now)
	if ok && thumbnail.Taken.Before(known.Taken) {
		return nil
	}
	b.thumbnails.put(session, thumbnail, now.Add(ttl))
	if !ok || thumbnail.Taken.After(known.Taken) {
		b.tell(broker.Event{Kind: broker.EventThumbnail, Session: session, At: thumbnail.Taken})
	}
	return nil
}

// Thumbnail returns the newest picture of the session.
func (b *Broker) Thumbnail(_ context.Context, session streamspace.SessionID) (broker.Thumbnail, error) {
	now := b.lock()
	defer b.mu.Unlock()
	thumbnail, ok := b.thumbnails.get(session, now)
	if !ok {
		return broker.Thumbnail{}, broker.ErrNoThumbnail
	}
	thumbnail.JPEG = bytes.Clone(thumbnail.JPEG)
	return thumbnail, nil
}

// ThumbnailTaken returns when the newest picture was taken, or the zero time.
func (b *Broker) ThumbnailTaken(_ context.Context, session streamspace.SessionID) (time.Time, error) {
	now := b.lock()
	defer b.mu.Unlock()
	thumbnail, _ := b.thumbnails.get(session, now)
	return thumbnail.Taken, nil
}

// Glance tells the gateways that a newer picture is wished for.
func (b *Broker) Glance(_ context.Context, session streamspace.SessionID) error {
	b.lock()
	defer b.mu.Unlock()
	b.tell(broker.Event{Kind: broker.EventGlance, Session: session})
	return nil
}
