package redis

import (
	"context"
	"crypto/rand"
	"strings"
	"time"

	client "github.com/redis/go-redis/v9"
)

// probeEvery is how often Redis is asked whether it is there and still
// remembers: an outage is noticed and over within about as long.
const probeEvery = time.Second

// lives are the marks of the buckets, which change when one was emptied.
type lives [buckets]string

// watch notices when Redis goes and comes, and when it forgot, until ctx ends.
// It closes first when it has heard of Redis for the first time.
func (b *Broker) watch(ctx context.Context, first chan<- struct{}) {
	var known lives
	var away time.Time // since when; zero while it is there
	b.metrics.up.Set(1)
	for {
		seen, err := b.probe(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && away.IsZero():
			away = time.Now()
			b.metrics.up.Set(0)
			b.log.Warn("Redis does not answer", "error", err)
		case err == nil:
			forgot := known.differ(seen)
			if known == (lives{}) {
				b.warnOfEviction(ctx)
				close(first)
			}
			known = seen
			if !away.IsZero() {
				b.metrics.up.Set(1)
				b.log.Info("Redis answers again", "away_ms", time.Since(away).Milliseconds())
			}
			if forgot {
				b.log.Warn("Redis lost what it knew")
			}
			// A server that was away may have come back without its last writes,
			// or have been replaced by one that never had them.
			if forgot || !away.IsZero() {
				b.restore(ctx)
			}
			away = time.Time{}
		}
		if !wait(ctx, jitter(probeEvery)) {
			return
		}
	}
}

// warnOfEviction says so if Redis may throw away what it was told when its memory
// is full: claims are not a cache. A user who may not ask is not told.
func (b *Broker) warnOfEviction(ctx context.Context) {
	var info string
	err := b.call(ctx, "info", func(ctx context.Context) (err error) {
		info, err = b.client.Info(ctx, "memory").Result()
		return err
	})
	if err != nil || strings.Contains(info, "maxmemory:0\r\n") || strings.Contains(info, "maxmemory_policy:noeviction\r\n") {
		return
	}
	b.log.Warn("Redis may evict claims and routes when its memory is full; set maxmemory-policy to noeviction")
}

// differ tells whether a mark that was known is another now.
func (l lives) differ(seen lives) bool {
	for i := range l {
		if l[i] != "" && l[i] != seen[i] {
			return true
		}
	}
	return false
}

// restore says again what this process alone knows, and has its users do so.
func (b *Broker) restore(ctx context.Context) {
	b.metrics.resets.Inc()
	now := b.now()
	for _, made := range b.revoked.current(now) {
		if err := b.revoke(ctx, made.Revocation, made.until.Sub(now)); err != nil {
			break // away again: the next return repeats all of it
		}
	}
	b.events.reset()
}

// probe reads every bucket's mark, and sets those that are missing.
func (b *Broker) probe(ctx context.Context) (seen lives, err error) {
	err = b.call(ctx, "probe", func(ctx context.Context) error {
		if seen, err = b.readLives(ctx); err != nil {
			return err
		}
		missing := false
		_, err := b.client.Pipelined(ctx, func(p client.Pipeliner) error {
			for i, mark := range seen {
				if mark == "" {
					missing = true
					p.SetNX(ctx, b.keys.life(i), rand.Text(), 0)
				}
			}
			return nil
		})
		if err == nil && missing {
			seen, err = b.readLives(ctx)
		}
		return err
	})
	return seen, err
}

func (b *Broker) readLives(ctx context.Context) (seen lives, err error) {
	if !b.cluster { // one command rather than many
		names := make([]string, buckets)
		for i := range names {
			names[i] = b.keys.life(i)
		}
		values, err := b.client.MGet(ctx, names...).Result()
		for i, value := range values {
			seen[i], _ = value.(string)
		}
		return seen, err
	}
	var marks [buckets]*client.StringCmd
	_, err = b.client.Pipelined(ctx, func(p client.Pipeliner) error {
		for i := range marks {
			marks[i] = p.Get(ctx, b.keys.life(i))
		}
		return nil
	})
	if err == client.Nil {
		err = nil
	}
	for i, mark := range marks {
		seen[i] = mark.Val()
		if failed := mark.Err(); failed != nil && failed != client.Nil {
			err = failed
		}
	}
	return seen, err
}
