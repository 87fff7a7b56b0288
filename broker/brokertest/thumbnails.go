package brokertest

import (
	"bytes"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
)

var thumbnails = []test{
	{"NoneAtFirst", func(t *testing.T, b *bench) {
		b.pictured(streamspace.NewSessionID(), nil)
	}},
	{"PutIsSeenEverywhere", func(t *testing.T, b *bench) {
		session, want := streamspace.NewSessionID(), b.thumbnail(0)
		b.must(b.on(0).PutThumbnail(b.ctx, session, want, long))
		b.pictured(session, &want)
		b.pictured(streamspace.NewSessionID(), nil)
	}},
	{"NewestWins", func(t *testing.T, b *bench) {
		session, old, newer := streamspace.NewSessionID(), b.thumbnail(0), b.thumbnail(time.Second)
		events := b.subscribe(b.on(1), 10)
		b.must(b.on(0).PutThumbnail(b.ctx, session, old, long))
		b.must(b.on(1).PutThumbnail(b.ctx, session, newer, long))
		b.must(b.on(0).PutThumbnail(b.ctx, session, old, long)) // late, and no error
		b.pictured(session, &newer)
		for _, told := range []broker.Thumbnail{old, newer} {
			b.expect(events, broker.Event{Kind: broker.EventThumbnail, Session: session, At: told.Taken})
		}
		b.must(b.on(0).Want(b.ctx, session))
		b.expect(events, broker.Event{Kind: broker.EventWant, Session: session})
	}},
	{"NewestOfManyWins", func(t *testing.T, b *bench) {
		session, newest := streamspace.NewSessionID(), b.thumbnail(0)
		var group sync.WaitGroup
		for i := range claimants {
			thumbnail := newest
			thumbnail.Taken = newest.Taken.Add(-time.Duration(i) * time.Millisecond)
			group.Go(func() {
				if err := b.on(i).PutThumbnail(b.ctx, session, thumbnail, long); err != nil {
					t.Errorf("putting a picture: %v", err)
				}
			})
		}
		group.Wait()
		for i := range b.Handles {
			got, err := b.on(i).Thumbnail(b.ctx, session)
			b.must(err)
			if !got.Taken.Equal(newest.Taken) {
				t.Fatalf("handle %d: the picture is of %s, want %s", i, got.Taken, newest.Taken)
			}
		}
	}},
	{"KeptAsLongAsAsked", func(t *testing.T, b *bench) {
		session, brief, want := streamspace.NewSessionID(), streamspace.NewSessionID(), b.thumbnail(0)
		b.must(b.on(0).PutThumbnail(b.ctx, session, want, short))
		b.must(b.on(1).PutThumbnail(b.ctx, session, want, long)) // the same again prolongs
		b.must(b.on(0).PutThumbnail(b.ctx, brief, want, short))
		b.Pass(short)
		b.eventually("the picture is forgotten", func() bool {
			_, err := b.on(1).Thumbnail(b.ctx, brief)
			if err != nil && !errors.Is(err, broker.ErrNoThumbnail) {
				t.Fatal(err)
			}
			return err != nil
		})
		b.pictured(brief, nil)
		b.pictured(session, &want)
	}},
	{"Bounded", func(t *testing.T, b *bench) {
		session, thumbnail := streamspace.NewSessionID(), b.thumbnail(0)
		thumbnail.JPEG = make([]byte, broker.MaxThumbnail+1)
		if err := b.on(0).PutThumbnail(b.ctx, session, thumbnail, long); err == nil {
			t.Fatal("a picture that is too large was kept")
		}
		b.pictured(session, nil)
		thumbnail.JPEG = thumbnail.JPEG[:broker.MaxThumbnail]
		b.must(b.on(0).PutThumbnail(b.ctx, session, thumbnail, long))
		b.pictured(session, &thumbnail)
	}},
	{"GlanceIsTold", func(t *testing.T, b *bench) {
		session := streamspace.NewSessionID()
		events := b.subscribe(b.on(1), 10)
		b.must(b.on(0).Glance(b.ctx, session))
		b.expect(events, broker.Event{Kind: broker.EventGlance, Session: session})
	}},
}

// thumbnail makes a picture that was taken an hour ago, and after. Nothing
// reads it, and its bytes are of every value.
func (b *bench) thumbnail(after time.Duration) broker.Thumbnail {
	jpeg := make([]byte, 1000)
	for i := range jpeg {
		jpeg[i] = byte(i)
	}
	return broker.Thumbnail{JPEG: jpeg, Taken: b.Now().Add(after - time.Hour).Truncate(time.Second), Width: 320, Height: 200}
}

// pictured compares what is known of the session's picture; nil: nothing.
func (b *bench) pictured(session streamspace.SessionID, want *broker.Thumbnail) {
	b.Helper()
	for i := range b.Handles {
		got, err := b.on(i).Thumbnail(b.ctx, session)
		taken, takenErr := b.on(i).ThumbnailTaken(b.ctx, session)
		b.must(takenErr)
		switch {
		case want == nil:
			if !errors.Is(err, broker.ErrNoThumbnail) || !taken.IsZero() {
				b.Fatalf("handle %d: got a picture of %s and error %v, want ErrNoThumbnail", i, taken, err)
			}
		case err != nil:
			b.Fatalf("handle %d: %v", i, err)
		case !bytes.Equal(got.JPEG, want.JPEG) || !got.Taken.Equal(want.Taken) || got.Width != want.Width || got.Height != want.Height || !taken.Equal(want.Taken):
			b.Fatalf("handle %d: got a picture of %d bytes, %d by %d, of %s and %s; want %d bytes, %d by %d, of %s", i,
				len(got.JPEG), got.Width, got.Height, got.Taken, taken, len(want.JPEG), want.Width, want.Height, want.Taken)
		}
	}
}
