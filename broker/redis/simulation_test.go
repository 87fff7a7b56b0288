package redis

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	client "github.com/redis/go-redis/v9"

	"github.com/streamspace/streamspace"
	"github.com/streamspace/streamspace/broker"
	"github.com/streamspace/streamspace/broker/redis/redistest"
)

// The claim protocol as a simulation. The scripts are the real ones and run in
// a real Redis, the gateways' side is this package's own code; the clocks, the
// network and what happens to everybody are made up from a seed.
//
// The invariant:
//
//  1. No two gateways ever act on the desktop under the same epoch.
//  2. What Redis grants anew is above all that was ever granted, also by a
//     Redis that was emptied or replaced since.
//  3. Redis takes nothing under an epoch below one that it remembers.
//  4. While Redis forgets nothing, nobody acts under an epoch after somebody
//     has acted under a higher one: there is one owner at any time.
//  5. When all is well again, the desktop soon has an owner.
//
// What is assumed: clocks run at most three thousandths apart and are not
// set; a Redis that takes over has a clock that is behind the old one's by less
// than the take-over takes.

var (
	simSeeds = flag.Int("seeds", 20, "how many seeds the simulation of claims runs")
	simSeed  = flag.Uint64("seed", 0, "run the simulation of claims with this seed only")
)

const (
	simTTL      = 3 * time.Second
	simTimeout  = 2 * time.Second
	simLength   = time.Minute
	simGateways = 4
	simClock    = "simulated-clock"
)

// flaw is how a broken protocol differs.
type flaw struct {
	hold        func(lua string) string // breaks the script
	fromAnswer  bool                    // counts the lease from when the answer came
	untilToldOf bool                    // acts until it is told that it lost the claim
	calm        bool                    // Redis forgets nothing in this run
}

// broken lists protocols that look as if they would do.
var broken = map[string]flaw{
	"the lease is counted from the answer":       {fromAnswer: true, calm: true},
	"the holder goes on until it is told":        {untilToldOf: true, calm: true},
	"epochs are counted, and not above the time": {hold: swap("math.max(now, tonumber(epoch) + 1, tonumber(mine) + 1)", "tonumber(epoch) + 1")},
	"a renewal is not asked for its epoch":       {hold: swap("live and holder == gateway and", "want == 'renew' or live and holder == gateway and"), calm: true},
	"who vouches is believed whatever is known":  {hold: swap("vouched and newer(mine, epoch)", "vouched and mine ~= epoch")},
	"a claim after a release keeps its epoch":    {hold: swap("want == 'claim' or", "want ~= 'renew' or"), calm: true},
	"an heir takes it from whoever has it":       {hold: swap("epoch ~= ARGV[8]", "ARGV[8] == '0'"), calm: true},
	"the lease is shorter in Redis":              {hold: swap("tonumber(ARGV[2])", "tonumber(ARGV[2]) * 0.9"), calm: true},
}

func swap(old, new string) func(string) string {
	return func(lua string) string {
		if !strings.Contains(lua, old) {
			panic("hold.lua has no " + old)
		}
		return strings.Replace(lua, old, new, 1)
	}
}

func TestClaimsUnderSimulation(t *testing.T) {
	t.Parallel()
	conn := redistest.Start(t).Client(t)
	run := func(seed uint64) {
		for _, calm := range []bool{true, false} {
			w := newWorld(t, conn, seed, flaw{calm: calm})
			if wrong := w.run(); wrong != nil {
				t.Errorf("seed %d (calm %t): %v\n%s", seed, calm, wrong, w.log())
			}
		}
	}
	if *simSeed != 0 {
		run(*simSeed)
		return
	}
	first := rand.Uint64N(1 << 32)
	t.Logf("seeds %d to %d; run one again with -seed", first, first+uint64(*simSeeds)-1)
	for seed := first; seed < first+uint64(*simSeeds) && !t.Failed(); seed++ {
		run(seed)
	}
}

// A simulation that finds nothing proves something only if it finds what is there.
func TestSimulationFindsBrokenProtocols(t *testing.T) {
	t.Parallel()
	conn := redistest.Start(t).Client(t)
	for name, flaw := range broken {
		t.Run(name, func(t *testing.T) {
			for seed := uint64(1); seed <= 200; seed++ {
				if wrong := newWorld(t, conn, seed, flaw).run(); wrong != nil {
					t.Logf("seed %d: %v", seed, wrong)
					return
				}
			}
			t.Fatal("200 seeds found nothing wrong with it")
		})
	}
}

// world is one run. Everything in it happens in the order of the true time.
type world struct {
	*testing.T
	flaw    flaw
	rng     *rand.Rand
	conn    *client.Client
	scripts *scripts
	keys    keys
	session streamspace.SessionID
	now     time.Duration // the true time
	queue   happenings
	wrong   error
	lines   []string
	calm    bool // nothing more goes wrong

	// Redis
	clock   clock
	asleep  time.Duration // it does nothing until then
	server  int           // which one it is; what was on its way to another is lost
	history []snapshot    // what it remembered, newest last

	gateways []*simGateway
	dead     map[streamspace.GatewayID]bool // their processes have ended

	granted map[uint64]streamspace.GatewayID
	highest uint64 // ever granted
	acted   uint64 // highest epoch that anybody acted under
}

// clock is somebody's time as a function of the true one.
type clock struct {
	offset time.Duration
	rate   float64
}

func (c clock) at(now time.Duration) time.Time {
	start := time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)
	return start.Add(c.offset + time.Duration(float64(now)*c.rate))
}

type snapshot struct {
	at    time.Duration
	claim map[string]string
}

// simGateway is a gateway as far as claims go: one call at a time, and it acts
// whenever it thinks that it may.
type simGateway struct {
	id     streamspace.GatewayID
	broker *Broker
	clock  clock
	claim  broker.Claim // valid if its Epoch is not 0
	from   broker.Claim // of one that has died, as this one was told; valid if its Epoch is not 0
	calls  int          // the latest call; answers to earlier ones come too late
	busy   bool
	paused time.Duration // does nothing until then
	cut    time.Duration // is not connected until then
}

type happening struct {
	at time.Duration
	n  int // keeps the order of what happens at once
	do func()
}

type happenings []happening

func (h happenings) Len() int { return len(h) }
func (h happenings) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(h[i].at, h[j].at), cmp.Compare(h[i].n, h[j].n)) < 0
}
func (h happenings) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *happenings) Push(x any)   { *h = append(*h, x.(happening)) }
func (h *happenings) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

func newWorld(t *testing.T, conn *client.Client, seed uint64, f flaw) *world {
	w := &world{
		T: t, flaw: f, rng: rand.New(rand.NewPCG(seed, 5)), conn: conn,
		scripts: newScripts("local function clock() return tonumber(redis.call('GET', '" + simClock + "')) end\n"),
		keys:    keys{fmt.Sprintf("simulation-%d", seed)}, session: streamspace.NewSessionID(),
		granted: make(map[uint64]streamspace.GatewayID), dead: make(map[streamspace.GatewayID]bool),
	}
	if f.hold != nil {
		w.scripts.hold = client.NewScript("local function clock() return tonumber(redis.call('GET', '" + simClock + "')) end\n" + prelude + f.hold(holdLua))
	}
	w.clock = w.someClock(300 * time.Millisecond)
	w.history = []snapshot{{}}
	for range simGateways {
		g := &simGateway{clock: w.someClock(time.Hour)}
		w.gateways = append(w.gateways, g)
		w.boot(g)
		w.after(w.upTo(time.Second), func() { w.live(g) })
		w.after(w.upTo(time.Second), func() { w.act(g) })
	}
	w.after(w.upTo(5*time.Second), w.misfortune)
	return w
}

func (w *world) upTo(d time.Duration) time.Duration { return time.Duration(w.rng.Int64N(int64(d))) }

func (w *world) someClock(apart time.Duration) clock {
	return clock{w.upTo(2*apart) - apart, 1 + (w.rng.Float64()-0.5)*0.003}
}

// after has do happen that much later.
func (w *world) after(d time.Duration, do func()) {
	heap.Push(&w.queue, happening{w.now + d, len(w.lines) + w.queue.Len(), do})
}

func (w *world) note(format string, args ...any) {
	w.lines = append(w.lines, fmt.Sprintf("%8.3f ", w.now.Seconds())+fmt.Sprintf(format, args...))
}

func (w *world) log() string {
	return strings.Join(w.lines[max(0, len(w.lines)-40):], "\n")
}

func (w *world) fail(format string, args ...any) {
	if w.wrong == nil {
		w.wrong = fmt.Errorf(format, args...)
		w.note("%v", w.wrong)
	}
}

// run lets a minute go by with misfortunes, and then as much without.
func (w *world) run() error {
	for len(w.queue) > 0 && w.wrong == nil && w.now < 2*simLength {
		next := heap.Pop(&w.queue).(happening)
		w.now = next.at
		next.do()
		if !w.calm && w.now > simLength {
			w.calm, w.acted = true, 0
			w.note("all is well from here")
		}
	}
	if w.wrong == nil && w.acted == 0 {
		w.fail("nobody owned the desktop after all was well again")
	}
	w.conn.Del(context.Background(), w.keys.of(w.session, "claim"))
	return w.wrong
}

// boot makes the gateway a new process.
func (w *world) boot(g *simGateway) {
	w.dead[g.id] = true
	g.id, g.claim, g.from, g.busy = streamspace.NewGatewayID(), broker.Claim{}, broker.Claim{}, false
	g.calls++
	g.broker = &Broker{scripts: w.scripts, keys: w.keys, now: func() time.Time { return g.clock.at(w.now) }}
}

// live is what a gateway does now and then: claim, renew, give up.
func (w *world) live(g *simGateway) {
	w.after(simTTL/6+w.upTo(simTTL/3), func() { w.live(g) })
	if g.busy || w.now < g.paused {
		return
	}
	switch {
	case g.claim.Epoch == 0:
		r := g.broker.request(w.session, g.id, simTTL)
		r.heir = g.from.Epoch
		w.call(g, r)
	case w.rng.IntN(20) == 0:
		claim := g.claim
		g.claim = broker.Claim{}
		g.broker.leases.release(claim, g.broker.now())
		w.deliver(g, func() {
			w.inRedis(func(p client.Pipeliner) *client.Cmd {
				return w.scripts.release.Eval(context.Background(), p, []string{w.keys.of(w.session, "claim")}, string(claim.Gateway), strconv.FormatUint(claim.Epoch, 10))
			})
		})
	default:
		w.call(g, g.broker.renewal(g.claim, simTTL))
	}
}

// call sends a request and takes the answer, if it comes in time.
func (w *world) call(g *simGateway, r request) {
	g.calls++
	g.busy = true
	call := g.calls
	w.deliver(g, func() {
		answer := w.inRedis(func(p client.Pipeliner) *client.Cmd {
			return w.scripts.hold.Eval(context.Background(), p, r.keys(w.keys), r.arguments()...)
		})
		w.checkAnswer(r, answer)
		w.deliver(g, func() { w.whenAwake(g, func() { w.answered(g, call, r, answer) }) })
	})
	w.after(simTimeout, func() {
		w.whenAwake(g, func() {
			if g.calls == call {
				g.calls++
				g.busy = false
			}
		})
	})
}

func (w *world) answered(g *simGateway, call int, r request, answer *client.Cmd) {
	if g.calls != call {
		return
	}
	g.busy = false
	claim, err := g.broker.granted(r, answer)
	switch {
	case err == nil:
		g.claim = claim
		if w.flaw.fromAnswer {
			g.claim.Expires = g.broker.now().Add(simTTL)
		}
	case errors.Is(err, broker.ErrStaleClaim):
		g.claim = broker.Claim{}
	case errors.Is(err, broker.ErrClaimed):
		if w.dead[claim.Gateway] {
			g.from = claim // and by the time that it acts on it, another may have inherited
		}
	default:
		w.fail("an answer that could not be read: %v", err)
	}
}

// act uses the desktop, if the gateway thinks that it is its.
func (w *world) act(g *simGateway) {
	w.after(w.upTo(40*time.Millisecond), func() { w.act(g) })
	if w.now < g.paused || g.claim.Epoch == 0 {
		return
	}
	if !w.flaw.untilToldOf && !g.claim.Held(g.broker.now()) {
		return
	}
	epoch := g.claim.Epoch
	if owner := w.granted[epoch]; owner != g.id {
		w.fail("%s acts under epoch %d, which is %s's", g.id, epoch, owner)
	}
	if w.flaw.calm && epoch < w.acted {
		w.fail("%s acts under epoch %d after somebody has under %d", g.id, epoch, w.acted)
	}
	w.acted = max(w.acted, epoch)
}

// whenAwake has the gateway do something as soon as it is not paused.
func (w *world) whenAwake(g *simGateway, do func()) {
	if w.now < g.paused {
		w.after(g.paused-w.now, func() { w.whenAwake(g, do) })
		return
	}
	do()
}

// deliver carries something between a gateway and Redis: soon, late, or not.
func (w *world) deliver(g *simGateway, do func()) {
	delay := time.Millisecond + w.upTo(20*time.Millisecond)
	if !w.calm {
		switch w.rng.IntN(20) {
		case 0:
			return
		case 1, 2:
			delay += w.upTo(4 * time.Second)
		}
	}
	server := w.server
	w.after(delay, func() { w.arrive(g, server, do) })
}

func (w *world) arrive(g *simGateway, server int, do func()) {
	blocked := max(g.cut, w.asleep) - w.now
	switch {
	case server != w.server: // the connection went with the server
	case blocked > 0: // what was sent waits in the network or before the process
		w.after(blocked+w.upTo(10*time.Millisecond), func() { w.arrive(g, server, do) })
	default:
		do()
	}
}

// inRedis runs something at the server's present time, and takes down what is
// remembered after it.
func (w *world) inRedis(do func(client.Pipeliner) *client.Cmd) *client.Cmd {
	ctx := context.Background()
	var answer *client.Cmd
	var claim *client.MapStringStringCmd
	_, err := w.conn.Pipelined(ctx, func(p client.Pipeliner) error {
		p.Set(ctx, simClock, w.clock.at(w.now).UnixMicro(), 0)
		answer = do(p)
		claim = p.HGetAll(ctx, w.keys.of(w.session, "claim"))
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
	w.history = append(w.history, snapshot{w.now, claim.Val()})
	return answer
}

// remembered is the highest epoch that Redis knew before what it did last.
func (w *world) remembered() uint64 {
	epoch, _ := strconv.ParseUint(w.history[max(0, len(w.history)-2)].claim["e"], 10, 64)
	return epoch
}

func (w *world) checkAnswer(r request, answer *client.Cmd) {
	fields, err := answer.Slice()
	if err != nil {
		w.Fatal(err)
	}
	if fields[0] != "held" {
		w.note("%s by %s under %d: %v", r.want, r.claim.Gateway, r.claim.Epoch, fields)
		return
	}
	w.note("%s by %s under %d (vouched %t, heir of %d): %v", r.want, r.claim.Gateway, r.claim.Epoch, r.vouched, r.heir, fields)
	epoch, _ := strconv.ParseUint(fields[2].(string), 10, 64)
	if known := w.remembered(); epoch < known {
		w.fail("Redis took something under epoch %d and remembered %d", epoch, known)
	}
	owner, before := w.granted[epoch]
	switch {
	case before && owner != r.claim.Gateway:
		w.fail("epoch %d was %s's and is granted to %s", epoch, owner, r.claim.Gateway)
	case !before && epoch <= w.highest:
		w.fail("epoch %d is granted after %d", epoch, w.highest)
	case !before:
		w.granted[epoch] = r.claim.Gateway
		w.highest = epoch
	}
}

// misfortune happens every few seconds.
func (w *world) misfortune() {
	if w.calm {
		return
	}
	w.after(w.upTo(4*time.Second), w.misfortune)
	g := w.gateways[w.rng.IntN(len(w.gateways))]
	switch w.rng.IntN(12) {
	case 0, 1, 2:
		g.paused = w.now + w.upTo(2*simTTL)
		w.note("%s is paused until %s", g.id, g.paused)
	case 3, 4, 5:
		g.cut = w.now + w.upTo(3*simTTL)
		w.note("%s is cut off until %s", g.id, g.cut)
	case 6:
		w.note("%s crashes", g.id)
		w.boot(g)
	case 7, 8:
		w.asleep = w.now + w.upTo(2*simTTL)
		w.note("Redis is paused until %s", w.asleep)
	case 9, 10:
		if !w.flaw.calm {
			w.note("Redis is emptied")
			w.remember(nil)
		}
	case 11:
		if !w.flaw.calm {
			w.failover()
		}
	}
}

// failover replaces the server by one that lacks up to a second's writes, and
// whose clock is another.
func (w *world) failover() {
	since := w.now - w.upTo(time.Second)
	at := len(w.history) - 1
	for at > 0 && w.history[at].at > since {
		at--
	}
	w.server++
	w.asleep = max(w.asleep, w.now) + time.Second + w.upTo(simTTL)
	w.clock = clock{w.upTo(600*time.Millisecond) - 300*time.Millisecond, w.clock.rate}
	w.note("another Redis takes over at %s, as of %s", w.asleep, w.history[at].at)
	w.remember(maps.Clone(w.history[at].claim))
}

// remember makes that what Redis knows.
func (w *world) remember(claim map[string]string) {
	ctx := context.Background()
	key := w.keys.of(w.session, "claim")
	w.conn.Del(ctx, key)
	if len(claim) > 0 {
		if err := w.conn.HSet(ctx, key, claim).Err(); err != nil {
			w.Fatal(err)
		}
	}
	w.history = append(w.history, snapshot{w.now, claim})
}
