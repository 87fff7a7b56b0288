package redis

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	client "github.com/redis/go-redis/v9"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
)

// touchKeep is how long a session's last touch is remembered. The control
// plane writes activity down within seconds; this only has to outlast a
// database that is away for a night.
const touchKeep = 24 * time.Hour

// Join records the viewer for ttl.
func (b *Broker) Join(ctx context.Context, viewer broker.Viewer, ttl time.Duration) error {
	keys, arguments, err := b.joining(viewer, ttl)
	if err != nil {
		return err
	}
	_, err = b.runBatched(ctx, "join", b.scripts.join, keys, arguments...)
	return err
}

func (b *Broker) joining(viewer broker.Viewer, ttl time.Duration) (keys []string, arguments []any, err error) {
	text, err := json.Marshal(viewer)
	if err != nil {
		return nil, nil, fmt.Errorf("writing down viewer %s: %w", viewer.ID, err)
	}
	return b.telling(viewer.Session, "ends", "viewers"),
		b.about(broker.Event{Session: viewer.Session}, string(viewer.ID), string(text), milliseconds(ttl)), nil
}

// Leave forgets the viewer.
func (b *Broker) Leave(ctx context.Context, viewer broker.Viewer) error {
	_, err := b.run(ctx, "leave", b.scripts.leave, b.telling(viewer.Session, "ends", "viewers"),
		b.about(broker.Event{Session: viewer.Session}, string(viewer.ID))...)
	return err
}

// Viewers lists who watches the session, the longest watching first.
func (b *Broker) Viewers(ctx context.Context, session streamspace.SessionID) ([]broker.Viewer, error) {
	answer, err := b.run(ctx, "viewers", b.scripts.viewers, b.telling(session, "ends", "viewers"),
		b.about(broker.Event{Session: session})...)
	if err != nil {
		return nil, err
	}
	viewers, err := decodeAll[broker.Viewer](answer)
	if err != nil {
		return nil, fmt.Errorf("reading the viewers of %s: %w", session, err)
	}
	slices.SortFunc(viewers, func(a, b broker.Viewer) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID))
	})
	return viewers, nil
}

// Touch records input from a person, unless later input is known.
func (b *Broker) Touch(ctx context.Context, session streamspace.SessionID, at time.Time) error {
	_, err := b.runBatched(ctx, "touch", b.scripts.touch, b.telling(session, "touch"),
		b.about(broker.Event{Session: session, At: at}, instant(at), touchKeep.Milliseconds())...)
	return err
}

// LastTouch returns the latest touch, or the zero time.
func (b *Broker) LastTouch(ctx context.Context, session streamspace.SessionID) (time.Time, error) {
	var nanoseconds int64
	err := b.call(ctx, "last_touch", func(ctx context.Context) (err error) {
		nanoseconds, err = b.client.Get(ctx, b.keys.of(session, "touch")).Int64()
		return err
	})
	if err != nil || nanoseconds == 0 {
		return time.Time{}, err
	}
	return time.Unix(0, nanoseconds), nil
}

// Announce records the gateway for ttl.
func (b *Broker) Announce(ctx context.Context, node broker.Node, ttl time.Duration) error {
	text, err := json.Marshal(node)
	if err != nil {
		return fmt.Errorf("writing down gateway %s: %w", node.Gateway, err)
	}
	_, err = b.run(ctx, "announce", b.scripts.announce, b.keys.nodes(), string(node.Gateway), string(text), milliseconds(ttl))
	return err
}

// Retire takes the gateway off the list.
func (b *Broker) Retire(ctx context.Context, gateway streamspace.GatewayID) error {
	_, err := b.run(ctx, "announce", b.scripts.announce, b.keys.nodes(), string(gateway), "", 0)
	return err
}

// Nodes lists the live gateways by id.
func (b *Broker) Nodes(ctx context.Context) ([]broker.Node, error) {
	answer, err := b.run(ctx, "nodes", b.scripts.nodes, b.keys.nodes())
	if err != nil {
		return nil, err
	}
	nodes, err := decodeAll[broker.Node](answer)
	if err != nil {
		return nil, fmt.Errorf("reading the list of gateways: %w", err)
	}
	slices.SortFunc(nodes, func(a, b broker.Node) int { return cmp.Compare(a.Gateway, b.Gateway) })
	return nodes, nil
}

// decodeAll reads a list of JSON texts.
func decodeAll[T any](answer *client.Cmd) ([]T, error) {
	texts, err := answer.StringSlice()
	if err != nil {
		return nil, err
	}
	values := make([]T, len(texts))
	for i, text := range texts {
		if err := json.Unmarshal([]byte(text), &values[i]); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// milliseconds is a lifetime as scripts take it. Redis knows none shorter than
// one, and takes zero for an error.
func milliseconds(d time.Duration) int64 { return max(d.Milliseconds(), 1) }

// instant is a time as scripts compare it. None before 1970 is ever meant.
func instant(t time.Time) string {
	if t.Unix() < 0 {
		return "0"
	}
	return strconv.FormatInt(t.UnixNano(), 10)
}
