// Package keypool fetches data keys before they are needed, so that making a token does not wait for KMS.
//
// An [Entry] is a seed and the data key that KMS made for the seed's ref. Neither depends on the data, so KMS can be
// asked for them before the request comes. The pool keeps the entries of each purpose on a shelf of their own:
//
//	pool := keypool.New(keypool.Config{Fetch: askKMS, Purposes: []string{""}, Size: 64})
//	defer pool.Close()
//	entry, err := pool.Take(ctx, purpose)
//	defer entry.Wipe()
//
// # How many entries
//
// A shelf begins with one entry. Each time a request finds it empty, its target grows by one, up to [Config.Size]. Each
// entry that gets too old makes the target smaller by one. The pool replaces an entry as soon as it is taken, while its
// taker is still writing the token's row. Only requests make the pool fetch: without requests the shelves run empty, so
// a pause costs no more than the entries that were there.
//
// # What a request can rely on
//
// A request that finds its shelf empty asks KMS itself. It takes what comes first: its own answer, or an entry that was
// on its way. So a request never waits longer, and never fails more often, than it would without a pool.
//
// An entry is handed out once, and less than [MaxAge] after KMS was asked for it. The wall clock counts, so the time
// that an environment spends frozen does too. An entry that nobody takes is wiped when it gets too old, or when the
// pool is closed.
package keypool

import (
	"context"
	"sync"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/envelope"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/token"
)

const (
	// MaxAge is how old an entry may get. After a function has lost its right to tokenize, or TokenKey was disabled,
	// the function can still make tokens with the entries that it has, for that long.
	MaxAge = 5 * time.Minute
	// MaxShelves is for how many purposes the pool keeps entries. For more purposes, each token costs a call of KMS
	// that its request waits for.
	MaxShelves = 16
	// fetchLimit bounds a call of KMS.
	fetchLimit = 4 * time.Second
)

// Entry is what a token is made of, but for its data.
type Entry struct {
	Seed token.Seed
	Key  envelope.DataKey
	// asked is when KMS was asked for the key; zero for an entry that was not fetched by a shelf.
	asked time.Time
}

// Wipe clears what is secret. Whoever took an entry calls it after the use.
func (e *Entry) Wipe() {
	clear(e.Seed[:])
	clear(e.Key.Plaintext)
}

// Config describes a pool.
type Config struct {
	// Fetch asks KMS for one entry. It keeps no part of it.
	Fetch func(ctx context.Context, purpose string) (*Entry, error)
	// Purposes are those for which [Pool.Warm] fetches a first entry. Any other purpose gets its shelf when KMS has
	// answered for it once.
	Purposes []string
	// Size is the largest target of a shelf; 0 means that nothing is fetched ahead, so each Take asks KMS. Entries that
	// are returned, or whose request took another one, can make it twice as many for a while.
	Size int
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Pool is safe for concurrent use.
type Pool struct {
	fetch    func(ctx context.Context, purpose string) (*Entry, error)
	purposes []string
	size     int
	now      func() time.Time

	life    context.Context // ends when the pool is closed
	end     context.CancelFunc
	fetches sync.WaitGroup

	mu      sync.Mutex // guards what follows, and all shelves
	shelves map[string]*shelf
	refills *refills
	used    time.Time   // when a call of KMS may have been started last
	sweeper *time.Timer // wipes what nobody takes
	stats   Stats
}

// refills are the calls of KMS on their way for shelves. Those that a freeze has interrupted are given up together.
type refills struct {
	ctx    context.Context
	cancel context.CancelFunc
}

// Stats count entries since the start.
type Stats struct {
	Fetched int64 // KMS has answered
	Failed  int64 // KMS has refused, or has not answered
	Used    int64 // were handed out, and not returned
	Waited  int64 // of these, to a request that found its shelf empty and waited for KMS
	Unused  int64 // were wiped without a use: too old, given up, or left at the end
}

// New returns a pool. It has fetched nothing yet.
func New(c Config) *Pool {
	p := &Pool{fetch: c.Fetch, purposes: c.Purposes, size: c.Size, now: c.Now, shelves: map[string]*shelf{}}
	if p.now == nil {
		p.now = time.Now
	}
	p.used = p.now()
	p.life, p.end = context.WithCancel(context.Background())
	p.newRefills()
	return p
}

func (p *Pool) newRefills() {
	p.refills = &refills{}
	p.refills.ctx, p.refills.cancel = context.WithCancel(p.life)
}

// Warm starts to fetch the first entry of each purpose in [Config.Purposes], and does not wait for them.
func (p *Pool) Warm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used = p.now()
	for _, purpose := range p.purposes {
		if s := p.addShelf(purpose); s != nil {
			p.refill(s)
		}
	}
}

// Take returns an entry for a purpose, for one use. An error is that of Config.Fetch or of ctx.
func (p *Pool) Take(ctx context.Context, purpose string) (*Entry, error) {
	p.mu.Lock()
	now := p.now()
	p.giveUpFrozen(now)
	s := p.shelves[purpose]
	if s == nil || p.life.Err() != nil {
		p.mu.Unlock()
		return p.takeDirectly(ctx, purpose)
	}
	p.dropOld(s, now)
	// where requests are rarer, an entry would get too old before the next one comes
	s.busy = age(now, s.used) <= MaxAge
	s.used = now
	if e := s.pop(); e != nil {
		p.stats.Used++
		p.refill(s)
		p.mu.Unlock()
		return e, nil
	}
	s.target = min(s.target+1, p.size)
	w := &waiter{entry: make(chan *Entry, 1), failed: make(chan error, 1)}
	s.waiting = append(s.waiting, w)
	p.start(p.life, s, w)
	p.refill(s)
	p.mu.Unlock()
	return p.wait(ctx, s, w)
}

// giveUpFrozen cancels refills that a freeze has interrupted: without one, they would have ended within fetchLimit.
func (p *Pool) giveUpFrozen(now time.Time) {
	if age(now, p.used) > fetchLimit {
		p.refills.cancel()
		p.newRefills()
		for _, s := range p.shelves {
			s.coming = 0
		}
	}
	p.used = now
}

// takeDirectly asks KMS for this request only. If KMS answers, the purpose gets a shelf.
func (p *Pool) takeDirectly(ctx context.Context, purpose string) (*Entry, error) {
	e, err := p.fetch(ctx, purpose)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.stats.Failed++
		return nil, err
	}
	p.stats.Fetched, p.stats.Used, p.stats.Waited = p.stats.Fetched+1, p.stats.Used+1, p.stats.Waited+1
	if s := p.addShelf(purpose); s != nil {
		p.used = p.now()
		p.refill(s)
	}
	return e, nil
}

// wait returns the first entry that comes: from w's own call of KMS, or from one that was on its way.
func (p *Pool) wait(ctx context.Context, s *shelf, w *waiter) (*Entry, error) {
	var err error
	select {
	case e := <-w.entry:
		return e, nil
	case err = <-w.failed:
	case <-ctx.Done():
		err = ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s.forget(w)
	select {
	case e := <-w.entry: // it has come in the meantime
		return e, nil
	default:
		return nil, err
	}
}

// Return gives back an entry that was taken for a purpose and not used: nothing was sealed with it, and nobody was told
// its ref or its token.
func (p *Pool) Return(purpose string, e *Entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Used--
	s := p.shelves[purpose]
	if s == nil || p.life.Err() != nil || len(s.entries) >= 2*p.size || e.asked.IsZero() ||
		age(p.now(), e.asked) >= MaxAge {
		p.waste(e)
		return
	}
	s.entries = append([]*Entry{e}, s.entries...) // in front: it is older than the others
	p.sweepLater()
}

// Close wipes all entries, and waits for the calls of KMS that are on their way. Take works afterwards, as without a
// pool.
func (p *Pool) Close() {
	p.mu.Lock()
	p.end()
	for _, s := range p.shelves {
		for e := s.pop(); e != nil; e = s.pop() {
			p.waste(e)
		}
	}
	if p.sweeper != nil {
		p.sweeper.Stop()
	}
	p.mu.Unlock()
	p.fetches.Wait()
}

// Stats tells what has happened so far.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats
}
