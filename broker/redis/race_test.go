package redis_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/broker/redis"
)

// What went wrong in a broker of the same kind for video rooms (LiveKit), and
// must not here. Each test names the thread that told of it.

// fleet is several gateways, each with a connection of its own to one Redis.
func fleet(t *testing.T, n int) []*member {
	t.Helper()
	options := apart(redis.Options{Addresses: []string{shared.Address}})
	members := make([]*member, n)
	for i := range members {
		members[i] = &member{T: t, Broker: start(t, options), id: streamspace.NewGatewayID(), ctx: t.Context()}
	}
	return members
}

type member struct {
	*testing.T
	*redis.Broker
	id  streamspace.GatewayID
	ctx context.Context
}

func (m *member) must(err error) {
	m.Helper()
	if err != nil {
		m.Fatal(err)
	}
}

// owner does what a gateway does for a viewer: it joins, and finds out who has
// the desktop.
func (m *member) owner(session streamspace.SessionID, viewer broker.Viewer) (broker.Claim, error) {
	viewer.Gateway = m.id
	if err := m.Join(m.ctx, viewer, long); err != nil {
		return broker.Claim{}, err
	}
	claim, err := m.Claim(m.ctx, session, m.id, long)
	if errors.Is(err, broker.ErrClaimed) {
		err = nil
	}
	return claim, err
}

// PR 1645: a room was assigned by a read and then a write, so that viewers who
// came at once were split over two nodes.
func TestViewersWhoComeAtOnceMeet(t *testing.T) {
	t.Parallel()
	members := fleet(t, 5)
	for range 20 {
		session := streamspace.NewSessionID()
		var mu sync.Mutex
		owners := make(map[broker.Claim]int)
		var group sync.WaitGroup
		const viewers = 25
		for i := range viewers {
			group.Go(func() {
				claim, err := members[i%len(members)].owner(session, broker.Viewer{ID: streamspace.NewViewerID(), Session: session})
				if err != nil {
					t.Error(err)
				}
				claim.Expires = time.Time{}
				mu.Lock()
				defer mu.Unlock()
				owners[claim]++
			})
		}
		group.Wait()
		if len(owners) != 1 {
			t.Fatalf("%d viewers who came at once found %v", viewers, owners)
		}
		if all, err := members[0].Viewers(t.Context(), session); err != nil || len(all) != viewers {
			t.Fatalf("%d viewers are known and error %v, want %d", len(all), err, viewers)
		}
	}
}

// Issue 4316: a node on which nobody was left deleted what was shared, while
// hundreds watched elsewhere.
func TestWhoLeavesLastSomewhereTakesNothingFromOthers(t *testing.T) {
	t.Parallel()
	members := fleet(t, 2)
	here, there := members[0], members[1]
	session := streamspace.NewSessionID()
	route := broker.Route{Session: session, Address: "unix:/a", Epoch: 1}
	here.must(here.Publish(here.ctx, route))
	last := broker.Viewer{ID: streamspace.NewViewerID(), Session: session, Gateway: here.id}
	here.must(here.Join(here.ctx, last, long))
	stale, err := here.Claim(here.ctx, session, here.id, 100*time.Millisecond)
	here.must(err)

	stays := broker.Viewer{ID: streamspace.NewViewerID(), Session: session}
	var claim broker.Claim
	for claim.Gateway != there.id { // the first one's lease runs out without its noticing
		claim, err = there.owner(session, stays)
		there.must(err)
	}
	here.must(here.Leave(here.ctx, last))
	here.must(here.Release(here.ctx, stale))

	if viewers, err := there.Viewers(there.ctx, session); err != nil || len(viewers) != 1 || viewers[0].ID != stays.ID {
		t.Errorf("got viewers %v and error %v, want the one who stays", viewers, err)
	}
	if got, err := there.Route(there.ctx, session); err != nil || got.Epoch != route.Epoch {
		t.Errorf("got route %v and error %v", got, err)
	}
	if _, err := there.Renew(there.ctx, claim, long); err != nil {
		t.Errorf("the owner lost the desktop: %v", err)
	}
}

// PR 4373: who was told of a change and looked at once saw the state before it.
func TestWhatWasToldIsSeen(t *testing.T) {
	t.Parallel()
	members := fleet(t, 2)
	here, there := members[0], members[1]
	events, err := there.Subscribe(there.ctx, 1000)
	there.must(err)
	defer events.Close()
	for epoch := uint64(1); epoch <= 200; epoch++ {
		session := streamspace.NewSessionID()
		viewer := broker.Viewer{ID: streamspace.NewViewerID(), Session: session}
		here.must(here.Publish(here.ctx, broker.Route{Session: session, Epoch: epoch}))
		here.must(here.Join(here.ctx, viewer, long))
		for seen := 0; seen < 2; seen++ {
			event, err := events.Next(there.ctx)
			there.must(err)
			switch event.Kind {
			case broker.EventRoute:
				if route, err := there.Route(there.ctx, event.Session); err != nil || route.Epoch != event.Epoch {
					t.Fatalf("told of epoch %d, got %v and error %v", event.Epoch, route, err)
				}
			case broker.EventPresence:
				if viewers, err := there.Viewers(there.ctx, event.Session); err != nil || len(viewers) != 1 {
					t.Fatalf("told of a viewer, got %v and error %v", viewers, err)
				}
			}
		}
	}
}

// Issue 1943: a change of permissions that came by another node made a second
// room of the same name.
func TestChangedPermissionsMakeNoSecondDesktop(t *testing.T) {
	t.Parallel()
	members := fleet(t, 3)
	session := streamspace.NewSessionID()
	viewer := broker.Viewer{ID: streamspace.NewViewerID(), Session: session}
	first, err := members[0].owner(session, viewer)
	members[0].must(err)
	viewer.Permissions = []streamspace.Permission{streamspace.PermissionView, streamspace.PermissionControl}
	for _, m := range members {
		claim, err := m.owner(session, viewer)
		m.must(err)
		if claim.Gateway != first.Gateway || claim.Epoch != first.Epoch {
			t.Errorf("%s found %+v, want the owner's %+v", m.id, claim, first)
		}
	}
	viewers, err := members[1].Viewers(t.Context(), session)
	if err != nil || len(viewers) != 1 || !slices.Equal(viewers[0].Permissions, viewer.Permissions) || viewers[0].Gateway != members[2].id {
		t.Errorf("got viewers %+v and error %v, want one, as it came last", viewers, err)
	}
}

// Issue 3258: who joined by a node that was not the room's waited until it
// timed out. Here it is told at once whose the desktop is, and until when: a
// dead owner is waited for no longer than that.
func TestTheWrongGatewayIsToldAtOnce(t *testing.T) {
	t.Parallel()
	members := fleet(t, 2)
	dead, next := members[0], members[1]
	session := streamspace.NewSessionID()
	lost, err := dead.Claim(dead.ctx, session, dead.id, 500*time.Millisecond)
	dead.must(err)
	deadline := time.Now().Add(patience)
	for {
		claim, err := next.Claim(next.ctx, session, next.id, long)
		if err == nil {
			if claim.Epoch <= lost.Epoch || time.Now().Before(lost.Expires) {
				t.Fatalf("got %+v after %+v, %s before its end", claim, lost, time.Until(lost.Expires))
			}
			return
		}
		if !errors.Is(err, broker.ErrClaimed) || claim.Gateway != dead.id || claim.Expires.Sub(lost.Expires) > patience || time.Now().After(deadline) {
			t.Fatalf("got %+v and error %v, want the dead owner's claim and a wait that ends", claim, err)
		}
		select {
		case <-time.After(time.Until(claim.Expires)): // what it was told is what it waits
		case <-next.ctx.Done():
			t.Fatal(next.ctx.Err())
		}
	}
}
