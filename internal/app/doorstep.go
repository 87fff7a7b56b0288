package app

import (
	"container/list"
	"context"
	"net"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// maxWaiting is how many connections may be open that have no request under way: new
// ones, such as say little and slowly, and those kept for the next request. With two
// descriptors for each of 9,000 viewers it fits a limit of 20,000.
const maxWaiting = 1024

// doorstep is where connections wait until they have made a request. When it is
// full, who has waited longest makes room: a flood of connections that say nothing
// pushes itself out, and somebody who has something to say gets by.
type doorstep struct {
	most int // immutable

	mu      sync.Mutex
	waiting *list.List // guarded by mu; of net.Conn, the one that came first in front
	places  map[net.Conn]*list.Element
	pushed  int // guarded by mu; how many had to make room
}

func newDoorstep(most int) *doorstep {
	return &doorstep{most: most, waiting: list.New(), places: make(map[net.Conn]*list.Element)}
}

type connKey struct{}

// counter counts those who had to make room.
func (d *doorstep) counter() prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "streamspace_listener_pushed_out_total", Help: "Connections without a request that were closed because there were too many of them.",
	}, func() float64 {
		d.mu.Lock()
		defer d.mu.Unlock()
		return float64(d.pushed)
	})
}

// guard has the server's connections wait here.
func (d *doorstep) guard(server *http.Server) {
	handler := server.Handler
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, ok := r.Context().Value(connKey{}).(net.Conn); ok {
			d.leave(conn) // its request is complete, but for a body
		}
		handler.ServeHTTP(w, r)
	})
	server.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, conn)
	}
	server.ConnState = func(conn net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew, http.StateIdle:
			d.wait(conn)
		case http.StateHijacked, http.StateClosed:
			d.leave(conn)
		}
	}
}

func (d *doorstep) wait(conn net.Conn) {
	d.mu.Lock()
	var first net.Conn
	if d.places[conn] == nil {
		d.places[conn] = d.waiting.PushBack(conn)
		if d.waiting.Len() > d.most {
			first = d.remove(d.waiting.Front().Value.(net.Conn))
			d.pushed++
		}
	}
	d.mu.Unlock()
	if first != nil {
		first.Close() // its server notices; StateClosed comes from there
	}
}

func (d *doorstep) leave(conn net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.remove(conn)
}

// remove needs mu.
func (d *doorstep) remove(conn net.Conn) net.Conn {
	if place := d.places[conn]; place != nil {
		d.waiting.Remove(place)
		delete(d.places, conn)
	}
	return conn
}
