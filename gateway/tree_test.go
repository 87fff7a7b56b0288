package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"image"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/broker/memory"
	"github.com/streamspace/streamspace/gateway"
	"github.com/streamspace/streamspace/gateway/ticket"
	"github.com/streamspace/streamspace/rfb"
	"github.com/streamspace/streamspace/rfb/picture/picturetest"
)

// newFleet is several gateways at one broker, that serve through each other.
func newFleet(t *testing.T, count int) []*house {
	t.Helper()
	return newFleetAt(t, count, memory.New(time.Now), ticket.NewKey(), func(*gateway.Options) {})
}

func newFleetAt(t *testing.T, count int, at *memory.Broker, key ticket.Key, change func(*gateway.Options)) []*house {
	t.Helper()
	fleet := make([]*house, count)
	for i := range fleet {
		fleet[i] = newHouseAt(t, at, key, func(options *gateway.Options) {
			change(options)
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			options.Link.Listener = listener
		})
	}
	return fleet
}

// unsteady is a broker that a gateway can be cut off from.
type unsteady struct {
	*memory.Broker
	cut    atomic.Bool
	claims atomic.Int32 // how often it was asked for a desktop
}

func (u *unsteady) away() error {
	if u.cut.Load() {
		return broker.ErrUnavailable
	}
	return nil
}

func (u *unsteady) Claim(ctx context.Context, session streamspace.SessionID, id streamspace.GatewayID, ttl time.Duration) (broker.Claim, error) {
	u.claims.Add(1)
	if err := u.away(); err != nil {
		return broker.Claim{}, err
	}
	return u.Broker.Claim(ctx, session, id, ttl)
}

func (u *unsteady) Renew(ctx context.Context, claim broker.Claim, ttl time.Duration) (broker.Claim, error) {
	if err := u.away(); err != nil {
		return broker.Claim{}, err
	}
	return u.Broker.Renew(ctx, claim, ttl)
}

func (u *unsteady) Route(ctx context.Context, session streamspace.SessionID) (broker.Route, error) {
	if err := u.away(); err != nil {
		return broker.Route{}, err
	}
	return u.Broker.Route(ctx, session)
}

func (u *unsteady) Nodes(ctx context.Context) ([]broker.Node, error) {
	if err := u.away(); err != nil {
		return nil, err
	}
	return u.Broker.Nodes(ctx)
}

// A broker that is away for all ends nothing, however long. One that is away for
// one gateway ends what that holds, before another can take it.
func TestBrokerAway(t *testing.T) {
	t.Parallel()
	const claim = 12 * time.Second
	d := newDisplay(t)
	at, key := memory.New(time.Now), ticket.NewKey()
	var ways []*unsteady
	fleet := newFleetAt(t, 2, at, key, func(options *gateway.Options) {
		way := &unsteady{Broker: at}
		ways = append(ways, way)
		options.Broker, options.Timing.Claim, options.URL = way, claim, fmt.Sprintf("https://gw%d.example/", len(ways))
	})
	session := streamspace.NewSessionID()
	fleet[0].publish(session, d.address, 1)
	eventually(t, "the two to know each other", func() bool {
		m := fleet[0].member(session, true)
		defer m.conn.Close()
		back := m.told("how to come back", func(text map[string]any) bool { return text["type"] == "resume" })
		at, _ := back["at"].([]any)
		return len(at) == 1 && at[0] == "wss://gw2.example/stream/v1/"+string(session)
	})
	m := fleet[0].member(session, true)
	m.Shows(d.draw(t))

	ways[0].cut.Store(true)
	ways[1].cut.Store(true)
	time.Sleep(2 * claim) // the outage itself
	m.Shows(d.draw(t))
	ways[0].cut.Store(false)
	ways[1].cut.Store(false)
	eventually(t, "the desktop to be claimed again", func() bool {
		_, err := at.Claim(context.Background(), session, streamspace.NewGatewayID(), time.Nanosecond)
		return errors.Is(err, broker.ErrClaimed)
	})
	m.Shows(d.draw(t))

	ways[0].cut.Store(true)
	m.ended(gateway.StatusTryAgain)
	other := fleet[1].member(session, true)
	other.Shows(d.draw(t))
	eventually(t, "the first to let go", func() bool { return d.open.Load() == 1 })
}

// total waits until somebody has been told that so many are here.
func (m *member) total(want int) {
	m.viewer.t.Helper()
	m.told(fmt.Sprintf("that %d are here", want), func(text map[string]any) bool {
		return text["type"] == "viewers" && text["total"] == float64(want)
	})
}

// Viewers of one desktop at two gateways are one company and one connection to the
// desktop, and the desktop goes to the gateway where somebody is left.
func TestServedThroughAnother(t *testing.T) {
	t.Parallel()
	d := newDisplay(t)
	fleet := newFleet(t, 2)
	a, b := fleet[0], fleet[1]
	session := streamspace.NewSessionID()
	a.publish(session, d.address, 1)
	is := func(x, y int, held uint16) {
		t.Helper()
		eventually(t, fmt.Sprintf("the pointer at %d,%d and %#x held down", x, y, held), func() bool {
			at, down := d.Pointer(t)
			return at == image.Pt(x, y) && down == held
		})
	}
	point := func(m *member, x, y, buttons uint16) {
		m.Send(rfb.AppendPointerEvent(nil, rfb.PointerEvent{X: x, Y: y, Buttons: buttons}))
	}

	owner := a.member(session, true)
	owner.Shows(d.draw(t))
	owner.mode("relay")
	guest := b.member(session, true, streamspace.PermissionView, streamspace.PermissionControl)
	p := d.draw(t)
	guest.Shows(p)
	owner.Shows(p)
	owner.total(2)
	guest.total(2)
	owner.mode("hub")
	d.connections(t, 1)

	// Free control goes to whoever acts first, also there.
	point(guest, 50, 60, 1)
	is(50, 60, picturetest.HeldButton)
	guest.holder(guest.id)
	owner.holder(guest.id)
	point(owner, 200, 200, 0)
	guest.told("where the owner points", func(text map[string]any) bool {
		return text["type"] == "cursor" && text["viewer"] == string(owner.id) && text["x"] == 200.0
	})
	point(guest, 55, 60, 1)
	is(55, 60, picturetest.HeldButton)
	owner.told("where the guest points", func(text map[string]any) bool {
		return text["type"] == "cursor" && text["viewer"] == string(guest.id) && text["x"] == 55.0
	})
	guest.tell("control.take", "")
	if refused := guest.told("a refusal", func(text map[string]any) bool { return text["type"] == "refused" }); refused["code"] != "forbidden" {
		t.Errorf("refused %v", refused)
	}

	// Whoever loses control lets go.
	owner.tell("control.take", "")
	owner.holder(owner.id)
	guest.holder(owner.id)
	is(55, 60, 0)
	point(guest, 70, 70, 1)
	point(owner, 80, 80, 0)
	is(80, 80, 0)
	owner.tell("control.give", guest.id)
	guest.holder(guest.id)
	point(guest, 90, 90, 0)
	is(90, 90, 0)

	// Another at the second gateway shares what comes there.
	watcher := b.member(session, true, streamspace.PermissionView)
	watcher.total(3)
	p = d.draw(t)
	watcher.Shows(p)
	guest.Shows(p)
	owner.Shows(p)
	if hubs := b.metric("hubs"); hubs != 1 {
		t.Errorf("%v hubs at the second gateway", hubs)
	}
	d.connections(t, 1)

	// The owner's gateway has nobody left: the other takes the desktop, and its
	// viewers keep their streams, and control.
	owner.conn.Close()
	guest.total(2)
	eventually(t, "the desktop to be given up", func() bool { return a.metric("desktops") == 0 })
	p = d.draw(t)
	guest.Shows(p)
	watcher.Shows(p)
	d.connections(t, 1)
	point(guest, 33, 44, 0)
	is(33, 44, 0)
	watcher.conn.Close()
	guest.mode("relay")
	guest.Shows(d.draw(t))
	point(guest, 34, 44, 0)
	is(34, 44, 0)
}

// drain drains the gateway, in time.
func (h *house) drain(in time.Duration) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), in)
	defer cancel()
	if err := h.gateway.Drain(ctx); err != nil {
		h.t.Errorf("draining: %v", err)
	}
}

// A gateway that drains gives its desktops to those who are served through it.
func TestOwnerDrains(t *testing.T) {
	t.Parallel()
	d := newDisplay(t)
	fleet := newFleet(t, 3)
	session := streamspace.NewSessionID()
	fleet[0].publish(session, d.address, 1)
	var all []*member
	for _, h := range fleet {
		m := h.member(session, true)
		m.Shows(d.draw(t))
		all = append(all, m)
	}
	all[0].total(3)
	all[2].total(3)
	d.connections(t, 1)
	fleet[0].drain(patience)
	all[0].ended(gateway.StatusRestart)
	p := d.draw(t)
	all[1].Shows(p)
	all[2].Shows(p)
	all[1].total(2)
	all[2].total(2)
	d.connections(t, 1)
}

// Other gateways come through one that drains until its own viewers have left, and
// no more once it lets go of a desktop: it ends in time.
func TestManyDesktopsDrain(t *testing.T) {
	t.Parallel()
	d := newDisplay(t)
	fleet := newFleet(t, 3)
	var all []*member
	for range 3 {
		session := streamspace.NewSessionID()
		fleet[0].publish(session, d.address, 1)
		for _, h := range fleet {
			m := h.member(session, true)
			m.Shows(d.draw(t))
			all = append(all, m)
		}
	}
	fleet[0].drain(patience / 4)
	if n := fleet[0].metric("admitted_total"); n != 3*3 {
		t.Errorf("3 viewers and 6 branches were let in %v times", n)
	}
	p := d.draw(t)
	for i, m := range all {
		if i%len(fleet) != 0 {
			m.Shows(p)
		}
	}
	d.connections(t, 3)
}

// A desktop is held by a gateway that nobody knows: its line in the list has run
// out, or is not there yet. Who comes waits, and is served once the claim ends.
func TestHeldByAStranger(t *testing.T) {
	t.Parallel()
	d := newDisplay(t)
	way := &unsteady{Broker: memory.New(time.Now)}
	fleet := newFleetAt(t, 1, way.Broker, ticket.NewKey(), func(options *gateway.Options) { options.Broker = way })
	session := streamspace.NewSessionID()
	claim, err := way.Broker.Claim(t.Context(), session, streamspace.NewGatewayID(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	fleet[0].publish(session, d.address, 1)
	released := make(chan error, 1)
	go func() {
		for way.claims.Load() < 2 && t.Context().Err() == nil { // it has asked again
			time.Sleep(time.Millisecond)
		}
		released <- way.Release(context.WithoutCancel(t.Context()), claim)
	}()
	m := fleet[0].member(session, true)
	m.Shows(d.draw(t))
	if err := <-released; err != nil {
		t.Error(err)
	}
}
