package memory_test

import (
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/broker/brokertest"
	"github.com/streamspace/streamspace/broker/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time // guarded by mu
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func TestConformance(t *testing.T) {
	t.Parallel()
	brokertest.Run(t, func(t *testing.T) brokertest.Harness {
		c := &clock{now: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)}
		b := memory.New(c.Now)
		return brokertest.Harness{Handles: []broker.Broker{b, b}, Now: c.Now, Pass: c.Pass}
	})
}

// The suite must hold in real time too: that is how a broker behind a network runs it.
func TestConformanceInRealTime(t *testing.T) {
	t.Parallel()
	brokertest.Run(t, func(t *testing.T) brokertest.Harness {
		b := memory.New(time.Now)
		return brokertest.Harness{Handles: []broker.Broker{b, b}, Now: time.Now, Pass: time.Sleep}
	})
}
