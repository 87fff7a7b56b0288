package redis

import (
	"slices"
	"strings"
	"testing"
)

func TestParseURL(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]Options{
		"redis://localhost":                          {Addresses: []string{"localhost:6379"}},
		"redis://ada:s%20p@10.0.0.1:7000/3":          {Addresses: []string{"10.0.0.1:7000"}, Username: "ada", Password: "s p", Database: 3},
		"redis://[::1]/2":                            {Addresses: []string{"[::1]:6379"}, Database: 2},
		"redis+sentinel://:x@a,b:1/mymaster/4":       {Addresses: []string{"a:26379", "b:1"}, Password: "x", Sentinel: Sentinel{Master: "mymaster"}, Database: 4},
		"redis+cluster://a:1,b:2,c:3?prefix=desks":   {Addresses: []string{"a:1", "b:2", "c:3"}, Cluster: true, Prefix: "desks"},
		"redis+unix:///run/redis/redis.sock?db=1":    {Addresses: []string{"/run/redis/redis.sock"}, Database: 1},
		"redis+sentinel://a/m?sentinel_user=watcher": {Addresses: []string{"a:26379"}, Sentinel: Sentinel{Master: "m", Username: "watcher"}},
		"redis://ada:p@ss@h/":                        {Addresses: []string{"h:6379"}, Username: "ada", Password: "p@ss"},
	} {
		got, err := ParseURL(line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if !slices.Equal(got.Addresses, want.Addresses) || got.Username != want.Username || got.Password != want.Password ||
			got.Database != want.Database || got.Cluster != want.Cluster || got.Sentinel != want.Sentinel || got.Prefix != want.Prefix || got.TLS != nil {
			t.Errorf("%s: %+v, want %+v", line, got, want)
		}
	}
	secure, err := ParseURL("rediss://h:1?server_name=redis.example")
	if err != nil || secure.TLS == nil || secure.TLS.ServerName != "redis.example" {
		t.Errorf("rediss: %+v, %v", secure.TLS, err)
	}
	for _, line := range []string{
		"localhost:6379", "http://h", "redis://", "redis://:hunter2@h/x", "redis+sentinel://:hunter2@h", "redis+cluster://h/3",
		"redis://:hunter2@h,g", "redis://h?ca=/x", "redis://h?colour=red", "rediss://:hunter2@h?ca=/does/not/exist", "redis://:hun%ter2@h",
	} {
		if _, err := ParseURL(line); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error %v", line, err)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	f.Add("redis+sentinel://a:b@h:1,g/m/2?prefix=x")
	f.Fuzz(func(t *testing.T, line string) {
		o, err := ParseURL(line)
		if err == nil && len(o.Addresses) == 0 {
			t.Errorf("%q has no address and no error", line)
		}
	})
}
