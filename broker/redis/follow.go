package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	client "github.com/redis/go-redis/v9"

	"github.com/streamspace/streamspace/broker"
)

// Events go by pub/sub and not by streams. Nobody needs yesterday's: whoever
// misses one reads the state again, which is always there, while a stream would
// have to be kept, cut and read apart by each of a hundred gateways. What
// pub/sub lacks, that a reader knows what it missed, is made up for by a
// count in each message, and by treating every new connection as a loss.

const (
	// quiet is for how long nothing may come before the connection is tried
	// with a ping, which has as long to be answered.
	quiet = 3 * time.Second
	// firstConnect and lastConnect bound the growing pause before a connection
	// for events is tried again.
	firstConnect, lastConnect = 50 * time.Millisecond, 2 * time.Second
)

// follow keeps a connection for events until ctx ends.
func (b *Broker) follow(ctx context.Context) {
	var since time.Time // when events ended; zero before they came
	pause := firstConnect
	for ctx.Err() == nil {
		err := b.receive(ctx, func() {
			pause = firstConnect
			if !since.IsZero() {
				b.log.Info("broker's events come again", "away_ms", time.Since(since).Milliseconds())
			}
		})
		if b.events.disconnect(); ctx.Err() != nil {
			return
		}
		if pause == firstConnect {
			since = time.Now()
		}
		b.log.Debug("broker's events ended", "error", err)
		if !wait(ctx, jitter(pause)) {
			return
		}
		pause = min(2*pause, lastConnect)
	}
}

// receive connects, says that it has, and hands on events until the connection
// or ctx ends.
func (b *Broker) receive(ctx context.Context, connected func()) error {
	channels := make([]string, len(b.kinds))
	for i, kind := range b.kinds {
		channels[i] = b.keys.channel(kind)
	}
	dial, cancel := context.WithTimeout(ctx, b.timeout)
	defer cancel()
	conn := b.client.Subscribe(dial, channels...) // an error comes with the first Receive
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()

	for range channels {
		if _, err := conn.ReceiveTimeout(ctx, b.timeout); err != nil {
			return fmt.Errorf("subscribing: %w", err)
		}
	}
	b.events.connect()
	connected()
	for pinged := false; ; {
		received, err := conn.ReceiveTimeout(ctx, quiet)
		var slow net.Error
		switch {
		case errors.As(err, &slow) && slow.Timeout() && !pinged:
			pinged = true
			if err := conn.Ping(ctx); err != nil {
				return fmt.Errorf("trying the connection: %w", err)
			}
			continue
		case err != nil:
			return fmt.Errorf("receiving: %w", err)
		}
		pinged = false
		switch received := received.(type) {
		case *client.Subscription:
			b.events.gap() // the library has connected again
		case *client.Message:
			kind := broker.EventKind(strings.TrimPrefix(received.Channel, b.keys.channels()))
			m, err := decodeEvent(kind, received.Payload)
			if err != nil {
				b.log.Warn("event could not be read", "kind", kind, "error", err)
				b.events.gap()
				continue
			}
			b.events.deliver(m)
		}
	}
}

// wait pauses, or returns false when ctx ends first.
func wait(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
