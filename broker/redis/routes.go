package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
)

// routeKeep is how long a route is kept that is neither published again nor
// whose desktop is claimed: what a control plane lost sight of does not stay
// for ever. One that is missed is wanted, and then published again.
const routeKeep = 24 * time.Hour

// Publish makes the route known, unless a later start of the desktop is known.
// The same route again is kept longer, and not told again.
func (b *Broker) Publish(ctx context.Context, route broker.Route) error {
	if strings.Contains(route.Address, "\n") {
		return fmt.Errorf("publishing the route of %s: its address %q has a line feed", route.Session, route.Address)
	}
	epoch := strconv.FormatUint(route.Epoch, 10)
	value := epoch + "\n" + route.Address + "\n" + string(route.Secret)
	_, err := b.run(ctx, "publish", b.scripts.publish, b.telling(route.Session, "route"),
		b.about(broker.Event{Session: route.Session}, epoch, value, routeKeep.Milliseconds())...)
	return err
}

// Withdraw removes the route, unless it is of a later start than epoch.
func (b *Broker) Withdraw(ctx context.Context, session streamspace.SessionID, epoch uint64) error {
	_, err := b.run(ctx, "withdraw", b.scripts.withdraw, b.telling(session, "route"),
		b.about(broker.Event{Session: session}, strconv.FormatUint(epoch, 10))...)
	return err
}

// Route returns the route to the session's desktop.
func (b *Broker) Route(ctx context.Context, session streamspace.SessionID) (broker.Route, error) {
	var value string
	err := b.call(ctx, "route", func(ctx context.Context) (err error) {
		value, err = b.client.Get(ctx, b.keys.of(session, "route")).Result()
		return err
	})
	if err != nil {
		return broker.Route{}, err
	}
	if value == "" {
		return broker.Route{}, broker.ErrNoRoute
	}
	number, rest, _ := strings.Cut(value, "\n")
	address, secret, _ := strings.Cut(rest, "\n")
	epoch, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return broker.Route{}, fmt.Errorf("reading the route of %s: %w", session, err)
	}
	route := broker.Route{Session: session, Address: address, Epoch: epoch}
	if secret != "" {
		route.Secret = []byte(secret)
	}
	return route, nil
}

// Want tells the control plane that a viewer waits for the session.
func (b *Broker) Want(ctx context.Context, session streamspace.SessionID) error {
	return b.say(ctx, "want", broker.Event{Kind: broker.EventWant, Session: session})
}

// say publishes an event that goes with no change.
func (b *Broker) say(ctx context.Context, name string, event broker.Event) error {
	_, err := b.run(ctx, name, b.scripts.tell, b.telling(event.Session), b.about(event, string(event.Kind))...)
	return err
}

// telling lists the keys of a script that tells of a session: the counter of
// its bucket's events, and what it changes.
func (b *Broker) telling(session streamspace.SessionID, what ...string) []string {
	keys := make([]string, 1, 1+len(what))
	keys[0] = b.keys.told(bucketOf(string(session)))
	for _, w := range what {
		keys = append(keys, b.keys.of(session, w))
	}
	return keys
}

// about lists the arguments of a script that tells of a session: what every
// such script needs, and its own.
func (b *Broker) about(event broker.Event, more ...any) []any {
	return append([]any{b.keys.channels(), bucketOf(string(event.Session)), encodeEvent(event)}, more...)
}
