package redis

import (
	"context"
	"fmt"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
)

// PutThumbnail keeps the picture for ttl, unless one taken later is there.
func (b *Broker) PutThumbnail(ctx context.Context, session streamspace.SessionID, thumbnail broker.Thumbnail, ttl time.Duration) error {
	if n := len(thumbnail.JPEG); n > broker.MaxThumbnail {
		return fmt.Errorf("keeping a picture of %s: it has %d bytes, more than %d", session, n, broker.MaxThumbnail)
	}
	_, err := b.run(ctx, "put_thumbnail", b.scripts.picture, b.telling(session, "picture"),
		b.about(broker.Event{Session: session, At: thumbnail.Taken}, instant(thumbnail.Taken), thumbnail.JPEG, thumbnail.Width, thumbnail.Height, milliseconds(ttl))...)
	return err
}

// stored is a picture as it is in Redis.
type stored struct {
	Taken  int64  `redis:"taken"`
	JPEG   []byte `redis:"jpeg"`
	Width  int    `redis:"width"`
	Height int    `redis:"height"`
}

// Thumbnail returns the picture.
func (b *Broker) Thumbnail(ctx context.Context, session streamspace.SessionID) (broker.Thumbnail, error) {
	var s stored
	err := b.call(ctx, "thumbnail", func(ctx context.Context) error {
		return b.client.HMGet(ctx, b.keys.of(session, "picture"), "taken", "jpeg", "width", "height").Scan(&s)
	})
	if err != nil {
		return broker.Thumbnail{}, err
	}
	if s.Taken == 0 {
		return broker.Thumbnail{}, broker.ErrNoThumbnail
	}
	return broker.Thumbnail{JPEG: s.JPEG, Taken: time.Unix(0, s.Taken), Width: s.Width, Height: s.Height}, nil
}

// ThumbnailTaken returns when the picture was taken, or the zero time.
func (b *Broker) ThumbnailTaken(ctx context.Context, session streamspace.SessionID) (time.Time, error) {
	var nanoseconds int64
	err := b.call(ctx, "thumbnail_taken", func(ctx context.Context) (err error) {
		nanoseconds, err = b.client.HGet(ctx, b.keys.of(session, "picture"), "taken").Int64()
		return err
	})
	if err != nil || nanoseconds == 0 {
		return time.Time{}, err
	}
	return time.Unix(0, nanoseconds), nil
}

// Glance tells gateways that somebody would like a newer picture.
func (b *Broker) Glance(ctx context.Context, session streamspace.SessionID) error {
	return b.say(ctx, "glance", broker.Event{Kind: broker.EventGlance, Session: session})
}
