package keypool

import (
	"context"
	"slices"
	"time"
)

// shelf has the entries of one purpose. The pool's mutex guards it.
type shelf struct {
	purpose string
	entries []*Entry  // the oldest first
	waiting []*waiter // requests that found no entry, in the order in which they came
	target  int       // how many entries there should be, those on their way included
	coming  int       // calls of KMS on their way for the shelf
	used    time.Time // the last Take, or when the shelf was made
	busy    bool      // requests come often enough to fetch ahead for them
	refused bool      // the last call of KMS failed: until one succeeds, only requests make another
}

// waiter is a request that waits for an entry. Each channel takes one value without a receiver.
type waiter struct {
	entry  chan *Entry
	failed chan error // what its own call of KMS said
}

// addShelf makes the shelf of a purpose, and returns nil if there is one, or if there can be no more.
func (p *Pool) addShelf(purpose string) *shelf {
	if p.size == 0 || p.life.Err() != nil || p.shelves[purpose] != nil || len(p.shelves) == MaxShelves {
		return nil
	}
	s := &shelf{purpose: purpose, target: 1, used: p.now(), busy: true}
	p.shelves[purpose] = s
	return s
}

func (s *shelf) pop() *Entry {
	if len(s.entries) == 0 {
		return nil
	}
	e := s.entries[0]
	s.entries = slices.Delete(s.entries, 0, 1) // which leaves no pointer to it behind
	return e
}

func (s *shelf) forget(w *waiter) {
	if i := slices.Index(s.waiting, w); i >= 0 {
		s.waiting = slices.Delete(s.waiting, i, i+1)
	}
}

// refill fetches what is missing on a shelf.
func (p *Pool) refill(s *shelf) {
	for s.busy && !s.refused && len(s.entries)+s.coming < s.target {
		s.coming++
		p.start(p.refills.ctx, s, nil)
	}
}

// start calls KMS for a waiter or, if owner is nil, for the shelf. Whoever holds p.mu calls it.
func (p *Pool) start(ctx context.Context, s *shelf, owner *waiter) {
	asked, group := p.now(), p.refills
	p.fetches.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, fetchLimit)
		defer cancel()
		e, err := p.fetch(ctx, s.purpose)
		p.mu.Lock()
		defer p.mu.Unlock()
		if owner == nil && group == p.refills {
			s.coming--
		}
		s.refused = err != nil
		if err != nil {
			p.stats.Failed++
			if owner != nil {
				owner.failed <- err
			}
			return
		}
		p.stats.Fetched++
		e.asked = asked
		p.deliver(s, owner, e)
	})
}

// deliver hands an entry to its owner; if the owner waits no more, to whoever has waited longest; if nobody waits, to
// the shelf.
func (p *Pool) deliver(s *shelf, owner *waiter, e *Entry) {
	to := owner
	if !slices.Contains(s.waiting, to) {
		to = nil
		if len(s.waiting) > 0 {
			to = s.waiting[0]
		}
	}
	tooOld := age(p.now(), e.asked) >= MaxAge
	switch {
	case tooOld && to == owner && to != nil: // a freeze came between question and answer
		p.waste(e)
		p.start(p.life, s, owner)
	case tooOld, to == nil && (p.life.Err() != nil || len(s.entries) >= 2*p.size):
		p.waste(e)
	case to != nil:
		s.forget(to)
		p.stats.Used, p.stats.Waited = p.stats.Used+1, p.stats.Waited+1
		to.entry <- e
	default:
		s.entries = append(s.entries, e)
		p.sweepLater()
	}
}

// dropOld wipes the entries of a shelf that are too old. As many were too many.
func (p *Pool) dropOld(s *shelf, now time.Time) {
	for len(s.entries) > 0 && age(now, s.entries[0].asked) >= MaxAge {
		p.waste(s.pop())
		s.target = max(1, s.target-1)
	}
}

func (p *Pool) waste(e *Entry) {
	e.Wipe()
	p.stats.Unused++
}

// sweepLater has the sweeper run when the oldest entry gets too old.
func (p *Pool) sweepLater() {
	if p.sweeper == nil {
		p.sweeper = time.AfterFunc(MaxAge, p.sweep)
	}
}

// sweep wipes the entries that are too old, and comes back for the others.
func (p *Pool) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.life.Err() != nil {
		return
	}
	now, next := p.now(), time.Duration(-1)
	for _, s := range p.shelves {
		p.dropOld(s, now)
		if len(s.entries) > 0 {
			if left := MaxAge - age(now, s.entries[0].asked); next < 0 || left < next {
				next = left
			}
		}
	}
	p.sweeper = nil
	if next >= 0 {
		p.sweeper = time.AfterFunc(next, p.sweep)
	}
}

// age is the time from then to now, by the wall clock or the monotonic one, whichever tells more: the monotonic clock
// may stand still while an environment is frozen, and the wall clock can be set back.
func age(now, then time.Time) time.Duration {
	return max(now.Sub(then), now.Round(0).Sub(then.Round(0)))
}
