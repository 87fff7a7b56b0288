package wan

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLinkDelaysAndNeverReorders(t *testing.T) {
	t.Parallel()
	l := newLink(Path{Delay: 25 * time.Millisecond, BitsPerSecond: 8_000_000, QueueBytes: 1 << 20})
	// 1,000 bytes at 8 Mbit/s take one millisecond.
	at, _ := l.admit(0, 1000)
	if at != 26*time.Millisecond {
		t.Errorf("a packet comes out at %v, want 26ms", at)
	}
	next, _ := l.admit(0, 1000)
	if next != 27*time.Millisecond {
		t.Errorf("the one behind it comes out at %v, want 27ms", next)
	}
	later, _ := l.admit(time.Second, 1000)
	if later != 1026*time.Millisecond {
		t.Errorf("one on an idle line comes out at %v, want 1.026s", later)
	}
}

func TestLinkDropsWhatItsQueueCannotHold(t *testing.T) {
	t.Parallel()
	l := newLink(Path{BitsPerSecond: 8_000_000, QueueBytes: 10_000})
	taken := 0
	for range 50 {
		if _, fate := l.admit(0, 1000); fate == forwarded {
			taken++
		}
	}
	if taken != 10 {
		t.Errorf("a queue of 10,000 bytes took %d packets of 1,000", taken)
	}
	if _, fate := l.admit(5*time.Millisecond, 1000); fate != forwarded {
		t.Error("after half the queue was sent there is still no room")
	}
}

func TestLinkLosesItsShareAndTheSameOnesAgain(t *testing.T) {
	t.Parallel()
	const packets, loss = 100_000, 0.01
	run := func(seed uint64) (fates []fate, missing int) {
		l := newLink(Path{Loss: loss, Seed: seed})
		for range packets {
			_, fate := l.admit(0, 1500)
			fates = append(fates, fate)
			if fate == lost {
				missing++
			}
		}
		return fates, missing
	}
	first, missing := run(7)
	// Five standard deviations of a binomial distribution.
	if slack := 5 * math.Sqrt(packets*loss*(1-loss)); math.Abs(float64(missing)-packets*loss) > slack {
		t.Errorf("%d of %d packets were lost, want %v ± %.0f", missing, packets, packets*loss, slack)
	}
	again, _ := run(7)
	for i := range first {
		if first[i] != again[i] {
			t.Fatalf("packet %d had another fate with the same seed", i)
		}
	}
}

// network runs a line until the test ends, or skips without the rights.
func network(t *testing.T, path Path) *Network {
	t.Helper()
	n, err := New(Both(path))
	if errors.Is(err, ErrRights) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("network: %v", err)
		}
		n.Close()
	})
	return n
}

// pair opens one TCP connection over the line.
func pair(t *testing.T, n *Network) (near, far net.Conn) {
	t.Helper()
	listener, err := n.Far.Listen("tcp", n.Far.Address+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	near, err = n.Near.Dial(ctx, "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err = listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	for _, conn := range []net.Conn{near, far} {
		conn.SetDeadline(time.Now().Add(2 * time.Minute))
		t.Cleanup(func() { conn.Close() })
	}
	return near, far
}

func TestRoundTripTakesTwiceTheDelay(t *testing.T) {
	t.Parallel()
	const delay = 25 * time.Millisecond
	near, far := pair(t, network(t, Path{Delay: delay}))
	echoed := make(chan struct{})
	go func() {
		defer close(echoed)
		io.Copy(far, far)
	}()
	defer func() { near.Close(); <-echoed }()
	best := time.Hour
	var one [1]byte
	// A busy machine delays some, and in the end not all.
	for deadline := time.Now().Add(time.Minute); best > 2*delay+20*time.Millisecond && time.Now().Before(deadline); {
		start := time.Now()
		if _, err := near.Write(one[:]); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(near, one[:]); err != nil {
			t.Fatal(err)
		}
		best = min(best, time.Since(start))
	}
	if best < 2*delay || best > 2*delay+20*time.Millisecond {
		t.Errorf("the fastest round trip took %v, want %v to 20ms more", best, 2*delay)
	}
}

func TestBottleneckKeepsItsRate(t *testing.T) {
	t.Parallel()
	n := network(t, Path{BitsPerSecond: 10_000_000})
	near, far := pair(t, n)
	const bytes = 1 << 20 // 0.84 s at 10 Mbit/s
	sent := make(chan error, 1)
	go func() {
		_, err := far.Write(make([]byte, bytes))
		sent <- err
	}()
	start := time.Now()
	if _, err := io.CopyN(io.Discard, near, bytes); err != nil {
		t.Fatal(err)
	}
	rate := bytes * 8 / time.Since(start).Seconds()
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	// A busy machine may be slower, never faster.
	if rate > 10_000_000 {
		t.Errorf("%.1f Mbit/s came through a bottleneck of 10", rate/1e6)
	}
	if counts := n.ToNear(); counts.Forwarded == 0 || counts.Lost != 0 {
		t.Errorf("the line counts %+v", counts)
	}
}

func TestLossIsRepairedByTCPAndCounted(t *testing.T) {
	t.Parallel()
	n := network(t, Path{Delay: time.Millisecond, Loss: 0.05, Seed: 3})
	near, far := pair(t, n)
	const bytes = 1 << 20
	sent := make(chan error, 1)
	go func() {
		_, err := far.Write(make([]byte, bytes))
		sent <- err
	}()
	if _, err := io.CopyN(io.Discard, near, bytes); err != nil {
		t.Fatal(err)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	counts := n.ToNear()
	share := float64(counts.Lost) / float64(counts.Lost+counts.Forwarded)
	if share < 0.02 || share > 0.09 {
		t.Errorf("the line lost %.1f %% of %+v, want about 5 %%", 100*share, counts)
	}
}
