package brokertest

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
)

var presence = []test{
	{"NobodyAtFirst", func(t *testing.T, b *bench) {
		b.watching(streamspace.NewSessionID())
	}},
	{"JoinedIsSeenEverywhere", func(t *testing.T, b *bench) {
		want := b.viewer(streamspace.NewSessionID(), 0)
		b.must(b.on(0).Join(b.ctx, want, long))
		viewers, err := b.on(1).Viewers(b.ctx, want.Session)
		b.must(err)
		if len(viewers) != 1 {
			t.Fatalf("%d viewers, want one", len(viewers))
		}
		got := viewers[0]
		if got.ID != want.ID || got.User != want.User || got.Share != want.Share || got.Name != want.Name || got.Gateway != want.Gateway || got.Session != want.Session ||
			!got.Since.Equal(want.Since) || !slices.Equal(got.Permissions, want.Permissions) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
		b.watching(streamspace.NewSessionID())
	}},
	{"LongestWatchingFirst", func(t *testing.T, b *bench) {
		session := streamspace.NewSessionID()
		var viewers []broker.Viewer
		for i := range 5 {
			viewers = append(viewers, b.viewer(session, time.Duration(i)*time.Second))
		}
		same := viewers[4]
		same.ID = streamspace.NewViewerID()
		viewers = append(viewers, same)
		slices.SortFunc(viewers[4:], func(a, b broker.Viewer) int { // the same moment: by id
			if a.ID < b.ID {
				return -1
			}
			return 1
		})
		for i, n := range []int{3, 0, 5, 4, 1, 2} {
			b.must(b.on(i).Join(b.ctx, viewers[n], long))
		}
		b.watching(session, viewers...)
	}},
	{"JoinAgainIsNoSecondViewer", func(t *testing.T, b *bench) {
		viewer := b.viewer(streamspace.NewSessionID(), 0)
		b.must(b.on(0).Join(b.ctx, viewer, long))
		b.must(b.on(1).Join(b.ctx, viewer, long))
		b.watching(viewer.Session, viewer)
	}},
	{"Leave", func(t *testing.T, b *bench) {
		session := streamspace.NewSessionID()
		first, second := b.viewer(session, 0), b.viewer(session, time.Second)
		b.must(b.on(0).Join(b.ctx, first, long))
		b.must(b.on(1).Join(b.ctx, second, long))
		b.must(b.on(1).Leave(b.ctx, first))
		b.watching(session, second)
		b.must(b.on(0).Leave(b.ctx, first)) // again, and it is no error
		b.must(b.on(0).Leave(b.ctx, second))
		b.watching(session)
	}},
	{"GoneWithItsGateway", func(t *testing.T, b *bench) {
		session := streamspace.NewSessionID()
		stays, dies := b.viewer(session, 0), b.viewer(session, time.Second)
		b.must(b.on(0).Join(b.ctx, stays, short))
		b.must(b.on(0).Join(b.ctx, stays, long)) // prolonged
		b.must(b.on(1).Join(b.ctx, dies, short))
		b.Pass(short)
		b.eventually("the viewer is forgotten", func() bool {
			viewers, err := b.on(0).Viewers(b.ctx, session)
			b.must(err)
			return len(viewers) == 1
		})
		b.watching(session, stays)
	}},
	{"ChangesAreTold", func(t *testing.T, b *bench) {
		viewer := b.viewer(streamspace.NewSessionID(), 0)
		told := broker.Event{Kind: broker.EventPresence, Session: viewer.Session}
		events := b.subscribe(b.on(1), 10)
		b.must(b.on(0).Join(b.ctx, viewer, long))
		b.expect(events, told)
		b.must(b.on(0).Join(b.ctx, viewer, long)) // changes nothing
		b.must(b.on(0).Want(b.ctx, viewer.Session))
		b.expect(events, broker.Event{Kind: broker.EventWant, Session: viewer.Session})
		b.must(b.on(0).Leave(b.ctx, viewer))
		b.expect(events, told)
	}},
	{"NeverTouched", func(t *testing.T, b *bench) {
		b.lastTouch(streamspace.NewSessionID(), time.Time{})
	}},
	{"LatestTouchWins", func(t *testing.T, b *bench) {
		session, at := streamspace.NewSessionID(), b.Now().Truncate(time.Millisecond)
		events := b.subscribe(b.on(0), 10)
		b.must(b.on(0).Touch(b.ctx, session, at))
		b.must(b.on(1).Touch(b.ctx, session, at.Add(-time.Minute)))
		b.lastTouch(session, at)
		b.must(b.on(1).Touch(b.ctx, session, at.Add(time.Millisecond)))
		b.lastTouch(session, at.Add(time.Millisecond))
		b.expect(events, broker.Event{Kind: broker.EventTouch, Session: session, At: at})
		b.expect(events, broker.Event{Kind: broker.EventTouch, Session: session, At: at.Add(time.Millisecond)})
	}},
	{"LatestOfManyTouchesWins", func(t *testing.T, b *bench) {
		session, at := streamspace.NewSessionID(), b.Now().Truncate(time.Millisecond)
		var group sync.WaitGroup
		for i := range claimants {
			group.Go(func() {
				if err := b.on(i).Touch(b.ctx, session, at.Add(time.Duration(i)*time.Millisecond)); err != nil {
					t.Errorf("touching: %v", err)
				}
			})
		}
		group.Wait()
		b.lastTouch(session, at.Add((claimants-1)*time.Millisecond))
	}},
}

var fleet = []test{
	{"Retired", func(t *testing.T, b *bench) {
		gone, stays := broker.Node{Gateway: streamspace.NewGatewayID()}, broker.Node{Gateway: streamspace.NewGatewayID()}
		b.must(b.on(0).Announce(b.ctx, gone, long))
		b.must(b.on(1).Announce(b.ctx, stays, long))
		b.must(b.on(1).Retire(b.ctx, gone.Gateway))
		b.must(b.on(1).Retire(b.ctx, gone.Gateway)) // which is no error
		nodes, err := b.on(2).Nodes(b.ctx)
		b.must(err)
		there := map[streamspace.GatewayID]bool{}
		for _, n := range nodes {
			there[n.Gateway] = true
		}
		if there[gone.Gateway] || !there[stays.Gateway] {
			t.Errorf("the list is %v", nodes)
		}
	}},
	{"Announced", func(t *testing.T, b *bench) {
		node := broker.Node{Gateway: streamspace.NewGatewayID(), URL: "https://gw1.example.org", Region: "north", Viewers: 7}
		b.must(b.on(0).Announce(b.ctx, node, long))
		b.node(node.Gateway, &node)
		node.Viewers, node.Draining = 3, true
		b.must(b.on(1).Announce(b.ctx, node, long))
		b.node(node.Gateway, &node)
	}},
	{"ById", func(t *testing.T, b *bench) {
		for i := range 5 {
			b.must(b.on(i).Announce(b.ctx, broker.Node{Gateway: streamspace.NewGatewayID()}, long))
		}
		nodes, err := b.on(0).Nodes(b.ctx)
		b.must(err)
		if len(nodes) < 5 || !slices.IsSortedFunc(nodes, func(a, b broker.Node) int {
			if a.Gateway < b.Gateway {
				return -1
			}
			return 1
		}) {
			t.Fatalf("got %+v, want at least five in the order of their ids", nodes)
		}
	}},
	{"SilentIsGone", func(t *testing.T, b *bench) {
		alive, silent := broker.Node{Gateway: streamspace.NewGatewayID()}, broker.Node{Gateway: streamspace.NewGatewayID()}
		b.must(b.on(0).Announce(b.ctx, alive, short))
		b.must(b.on(0).Announce(b.ctx, alive, long)) // prolonged
		b.must(b.on(1).Announce(b.ctx, silent, short))
		b.Pass(short)
		b.eventually("the silent gateway is forgotten", func() bool {
			nodes, err := b.on(0).Nodes(b.ctx)
			b.must(err)
			return !slices.Contains(nodes, silent)
		})
		b.node(alive.Gateway, &alive)
	}},
}

// viewer makes one that has watched since an hour ago, and after.
func (b *bench) viewer(session streamspace.SessionID, after time.Duration) broker.Viewer {
	return broker.Viewer{
		ID: streamspace.NewViewerID(), Session: session, User: streamspace.NewUserID(), Gateway: streamspace.NewGatewayID(),
		Share: streamspace.NewShareID(), Name: "Zoë \"π\" O'Neill",
		Permissions: []streamspace.Permission{streamspace.PermissionView, streamspace.PermissionControl},
		Since:       b.Now().Add(after - time.Hour).Truncate(time.Millisecond),
	}
}

// watching compares who watches the session, in order.
func (b *bench) watching(session streamspace.SessionID, want ...broker.Viewer) {
	b.Helper()
	for i := range b.Handles {
		got, err := b.on(i).Viewers(b.ctx, session)
		b.must(err)
		if !slices.EqualFunc(got, want, func(a, b broker.Viewer) bool { return a.ID == b.ID }) {
			b.Fatalf("handle %d: got viewers %+v, want %+v", i, got, want)
		}
	}
}

func (b *bench) lastTouch(session streamspace.SessionID, want time.Time) {
	b.Helper()
	for i := range b.Handles {
		got, err := b.on(i).LastTouch(b.ctx, session)
		b.must(err)
		if !got.Equal(want) {
			b.Fatalf("handle %d: last touch is %s, want %s", i, got, want)
		}
	}
}

// node compares what is known of one gateway.
func (b *bench) node(id streamspace.GatewayID, want *broker.Node) {
	b.Helper()
	for i := range b.Handles {
		nodes, err := b.on(i).Nodes(b.ctx)
		b.must(err)
		at := slices.IndexFunc(nodes, func(n broker.Node) bool { return n.Gateway == id })
		if at < 0 || nodes[at] != *want {
			b.Fatalf("handle %d: got nodes %+v, want %+v among them", i, nodes, *want)
		}
	}
}
