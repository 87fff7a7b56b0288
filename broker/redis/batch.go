package redis

import (
	"context"
	"slices"
	"sync"
	"time"

	client "github.com/redis/go-redis/v9"
)

// What gateways repeat, they repeat in rounds: all claims at once, all viewers
// at once. Calls that come while others are on their way go together in one
// pipeline, which costs Redis half of what they would one by one. A call that
// comes alone waits for nothing.
const (
	// mostTogether bounds a pipeline: some milliseconds of Redis's time.
	mostTogether = 100
	// mostPipelines is how many may be on their way: one keeps Redis busy, two
	// more are being written and read.
	mostPipelines = 3
)

// batch brings calls together. It has no goroutine of its own: the first caller
// of a pipeline carries the others, and hands on to the first of those that
// came meanwhile.
type batch struct {
	mu      sync.Mutex
	waiting []*batched // guarded by mu; bounded by the callers, who wait
	busy    int        // guarded by mu; pipelines on their way
}

// batched is one call.
type batched struct {
	script    *client.Script
	keys      []string
	arguments []any

	turn   chan []*batched // gets the calls to carry, its own first, if it is to carry
	done   chan struct{}   // closed when answer is there
	answer *client.Cmd
}

// runBatched is run for calls that come in rounds.
func (b *Broker) runBatched(ctx context.Context, name string, s *client.Script, keys []string, arguments ...any) (*client.Cmd, error) {
	var answer *client.Cmd
	err := b.call(ctx, name, func(ctx context.Context) error {
		one := &batched{script: s, keys: keys, arguments: arguments, turn: make(chan []*batched, 1), done: make(chan struct{})}
		if err := b.batch.do(ctx, one, b.client, b.timeout); err != nil {
			return err
		}
		answer = one.answer
		return answer.Err()
	})
	return answer, err
}

// do has the call carried, by its own goroutine or another's.
func (q *batch) do(ctx context.Context, one *batched, c client.UniversalClient, timeout time.Duration) error {
	q.mu.Lock()
	if q.busy < mostPipelines {
		q.busy++
		one.turn <- []*batched{one}
	} else {
		q.waiting = append(q.waiting, one)
	}
	q.mu.Unlock()
	select {
	case together := <-one.turn:
		q.carry(ctx, together, c, timeout)
		return nil
	case <-one.done:
		return nil
	case <-ctx.Done():
	}
	q.mu.Lock()
	q.waiting = slices.DeleteFunc(q.waiting, func(other *batched) bool { return other == one })
	q.mu.Unlock()
	select {
	case together := <-one.turn: // others rely on it
		q.carry(ctx, together, c, timeout)
		return nil
	default:
		return ctx.Err()
	}
}

// carry runs the calls and hands on. The end of the carrier's context is not
// that of the others.
func (q *batch) carry(ctx context.Context, together []*batched, c client.UniversalClient, timeout time.Duration) {
	if len(together) > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), timeout)
		defer cancel()
	}
	runTogether(ctx, together, c)
	for _, one := range together {
		close(one.done)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.waiting), mostTogether)
	if n == 0 {
		q.busy--
		return
	}
	next := slices.Clone(q.waiting[:n])
	q.waiting = slices.Delete(q.waiting, 0, n)
	next[0].turn <- next
}

func runTogether(ctx context.Context, together []*batched, c client.UniversalClient) {
	if len(together) == 1 {
		one := together[0]
		one.answer = one.script.Run(ctx, c, one.keys, one.arguments...)
		return
	}
	// What the pipeline returns is one of the answers' errors.
	_, _ = c.Pipelined(ctx, func(p client.Pipeliner) error {
		for _, one := range together {
			one.answer = one.script.EvalSha(ctx, p, one.keys, one.arguments...)
		}
		return nil
	})
	for _, one := range together {
		if client.HasErrorPrefix(one.answer.Err(), "NOSCRIPT") { // Redis has been started since
			one.answer = one.script.Run(ctx, c, one.keys, one.arguments...)
		}
	}
}
