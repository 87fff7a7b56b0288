package redis_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"testing"
	"time"

	client "github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/broker/brokertest"
	"github.com/streamspace/streamspace/broker/redis"
	"github.com/streamspace/streamspace/broker/redis/redistest"
)

// shared is the server of all tests that do it no harm.
var shared *redistest.Server

func TestMain(m *testing.M) {
	server, err := redistest.New()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	shared = server
	goleak.VerifyTestMain(cleanup{m, server.Close})
}

type cleanup struct {
	m     *testing.M
	after func()
}

func (c cleanup) Run() int {
	defer c.after()
	return c.m.Run()
}

var prefixes atomic.Uint64

// start returns a broker that runs until the test ends.
func start(t testing.TB, options redis.Options) *redis.Broker {
	t.Helper()
	b, err := redis.New(options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("running the broker: %v", err)
		}
	})
	return b
}

// apart returns the options with keys that no other test uses.
func apart(options redis.Options) redis.Options {
	options.Prefix = fmt.Sprintf("test-%d", prefixes.Add(1))
	options.Timeout = 10 * time.Second // nothing here is about speed, and the machine may be busy
	return options
}

func conformance(t *testing.T, options redis.Options) { conformanceWith(t, options, options) }

// conformanceWith runs the suite; plain is how the servers can be emptied.
func conformanceWith(t *testing.T, options, plain redis.Options) {
	brokertest.Run(t, func(t *testing.T) brokertest.Harness {
		own := apart(options)
		own.Log = slog.New(slog.DiscardHandler)
		return brokertest.Harness{
			Handles: []broker.Broker{start(t, own), start(t, own)}, Now: time.Now, Pass: time.Sleep,
			Forget: func() { empty(t, plain, own.Prefix) },
		}
	})
}

// empty deletes every key with the prefix: to those who use it, Redis was emptied.
func empty(t *testing.T, options redis.Options, prefix string) {
	t.Helper()
	ctx := context.Background()
	for _, address := range options.Addresses {
		c := client.NewClient(&client.Options{Addr: address})
		defer c.Close()
		names, err := c.Keys(ctx, prefix+":*").Result()
		for _, name := range names {
			if err == nil {
				err = c.Del(ctx, name).Err()
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	conformance(t, redis.Options{Addresses: []string{shared.Address}})
}
