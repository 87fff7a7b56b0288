package api

import (
	"testing"
	"time"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
)

func TestThumbnails(t *testing.T) {
	w := newWorld(t)
	admin := w.admin()
	ada, grace, eve := admin.newUser("ada", streamspace.RoleUser), admin.newUser("grace", streamspace.RoleUser), admin.newUser("eve", streamspace.RoleUser)
	session := ada.start("terminal")
	ada.invite(session, grace, view)
	path := "/sessions/" + string(session.ID) + "/thumbnail"
	glances, err := w.broker.Subscribe(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	defer glances.Close()
	ada.do("GET", path, nil).fails(404, streamspace.CodeNotFound)
	w.becomes(session.ID, streamspace.StateRunning)
	for _, c := range []*client{ada, grace, admin} { // three dashboards, one wish
		c.do("GET", path, nil).fails(404, streamspace.CodeNotFound)
	}
	eve.do("GET", path, nil).fails(404, streamspace.CodeNotFound)
	if event, err := glances.Next(t.Context()); err != nil || event.Kind != broker.EventGlance || event.Session != session.ID {
		t.Errorf("the gateways are told %+v, %v", event, err)
	}
	hers, _ := ada.watch(0)
	taken := w.clock.now().Add(-time.Second)
	picture := broker.Thumbnail{JPEG: []byte("\xff\xd8 a picture \xff\xd9"), Taken: taken, Width: 320, Height: 200}
	if err := w.broker.PutThumbnail(t.Context(), session.ID, picture, time.Hour); err != nil {
		t.Fatal(err)
	}
	if event, err := glances.Next(t.Context()); err != nil || event.Kind != broker.EventThumbnail {
		t.Errorf("after one glance came %+v, %v", event, err)
	}
	event := hers.until(func(e Event) bool { return e.Session != nil && e.Session.ThumbnailAt != nil })
	if !event.Session.ThumbnailAt.Equal(taken) {
		t.Errorf("told %+v", event.Session)
	}
	w.clock.add(time.Minute)
	got := grace.do("GET", path, nil).into(200, nil)
	h := got.header
	if string(got.body) != string(picture.JPEG) || h.Get("Content-Type") != "image/jpeg" || h.Get("ETag") == "" ||
		h.Get("Last-Modified") != taken.Format("Mon, 02 Jan 2006 15:04:05 GMT") || h.Get("Cache-Control") != "private, no-cache" || h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("got %q with %v", got.body, h)
	}
	if event, err := glances.Next(t.Context()); err != nil || event.Kind != broker.EventGlance {
		t.Errorf("the gateways are told %+v, %v", event, err)
	}
	for _, c := range []struct {
		header, value string
		status        int
	}{
		{"If-None-Match", h.Get("ETag"), 304}, {"If-None-Match", `"x", W/` + h.Get("ETag"), 304}, {"If-None-Match", "*", 304}, {"If-None-Match", `"x"`, 200},
		{"If-Modified-Since", h.Get("Last-Modified"), 304}, {"If-Modified-Since", "Mon, 02 Jan 2006 15:04:05 GMT", 200}, {"If-Modified-Since", "yesterday", 200},
	} {
		one := w.client().signIn("ada", userPassword)
		one.header.Set(c.header, c.value)
		a := one.do("GET", path, nil)
		if a.status != c.status || (c.status == 304) != (len(a.body) == 0) || a.header.Get("ETag") != h.Get("ETag") {
			t.Errorf("%s: %s answers %d with %d bytes", c.header, c.value, a.status, len(a.body))
		}
	}
}
