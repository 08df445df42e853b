package keypool_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/envelope"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/keypool"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/token"
)

const latency = 6 * time.Millisecond // of a call of KMS

var errKMS = errors.New("KMS refuses")

// kms answers after a while, and keeps what it has answered, to see what becomes of it.
type kms struct {
	mu      sync.Mutex
	calls   int
	answers []*answer
	before  func(ctx context.Context, call int) error
	// frozen is how far the wall clock is ahead of the bubble's.
	frozen time.Duration
}

type answer struct {
	entry *keypool.Entry
	asked time.Time
}

func (k *kms) now() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return time.Now().Round(0).Add(k.frozen)
}

// when makes each call of KMS run before, which can fail or hold it.
func (k *kms) when(before func(ctx context.Context, call int) error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.before = before
}

// settle waits until everything that was asked is answered, or is held.
func settle() {
	time.Sleep(latency)
	synctest.Wait()
}

// freeze lets the wall clock go on while nothing runs.
func (k *kms) freeze(d time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.frozen += d
}

func (k *kms) fetch(ctx context.Context, purpose string) (*keypool.Entry, error) {
	asked := k.now()
	k.mu.Lock()
	k.calls++
	call, before := k.calls, k.before
	k.mu.Unlock()
	select {
	case <-time.After(latency):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if before != nil {
		if err := before(ctx, call); err != nil {
			return nil, err
		}
	}
	e := &keypool.Entry{Seed: token.NewSeed(), Key: envelope.DataKey{Plaintext: []byte(fmt.Sprintf("key %-28d", call))}}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.answers = append(k.answers, &answer{e, asked})
	return e, nil
}

func (k *kms) asked() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.calls
}

// secrets counts the entries that still hold their seed or key.
func (k *kms) secrets() (n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, a := range k.answers {
		if a.entry.Seed != (token.Seed{}) || !bytes.Equal(a.entry.Key.Plaintext, make([]byte, 32)) {
			n++
		}
	}
	return n
}

// inBubble runs a test with a pool of its own, in time that passes when everybody waits. At the end the pool is closed,
// and has to have wiped everything that was not taken; the test wipes the rest.
func inBubble(t *testing.T, size int, purposes []string, test func(*testing.T, *keypool.Pool, *kms)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		k := &kms{}
		p := keypool.New(keypool.Config{Fetch: k.fetch, Purposes: purposes, Size: size, Now: k.now})
		test(t, p, k)
		p.Close()
		if n := k.secrets(); n != 0 {
			t.Errorf("%d entries were not wiped", n)
		}
		if s := p.Stats(); s.Fetched != s.Used+s.Unused || s.Fetched+s.Failed != int64(k.asked()) {
			t.Errorf("the counts do not add up: %+v, and KMS was asked %d times", s, k.asked())
		}
	})
}

var unbound = []string{""}

// take takes and wipes an entry, and returns how long that took.
func take(t *testing.T, p *keypool.Pool, purpose string) time.Duration {
	t.Helper()
	start := time.Now()
	e, err := p.Take(t.Context(), purpose)
	if err != nil {
		t.Fatal(err)
	}
	e.Wipe()
	return time.Since(start)
}

func TestPool_AWarmPoolDoesNotWait(t *testing.T) {
	inBubble(t, 64, []string{"", "a", "b"}, func(t *testing.T, p *keypool.Pool, k *kms) {
		p.Warm()
		settle()
		if n := k.asked(); n != 3 {
			t.Errorf("Warm asked KMS %d times for 3 purposes", n)
		}
		for i := range 100 {
			for _, purpose := range []string{"", "a", "b"} {
				if d := take(t, p, purpose); d != 0 {
					t.Errorf("request %d for %q waited %v", i, purpose, d)
				}
			}
			settle()
		}
		if s := p.Stats(); s.Waited != 0 || s.Fetched != 303 {
			t.Errorf("%+v", s)
		}
	})
}

func TestPool_ARequestThatComesTooEarlyTakesTheEntryOnItsWay(t *testing.T) {
	inBubble(t, 64, unbound, func(t *testing.T, p *keypool.Pool, _ *kms) {
		p.Warm()
		time.Sleep(latency / 2)
		if d := take(t, p, ""); d != latency/2 {
			t.Errorf("it waited %v", d)
		}
	})
}

// Eight clients that come at the same moment, again and again, soon find eight entries, and KMS is asked once for each.
func TestPool_GrowsWithConcurrencyAndShrinksWithWaste(t *testing.T) {
	inBubble(t, 64, unbound, func(t *testing.T, p *keypool.Pool, k *kms) {
		round := func() {
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() { take(t, p, "") })
			}
			wg.Wait()
			time.Sleep(4 * time.Millisecond) // the put
		}
		for range 20 {
			round()
		}
		before, asked := p.Stats(), k.asked()
		for range 100 {
			round()
		}
		after := p.Stats()
		if after.Waited != before.Waited {
			t.Errorf("%d of 800 requests waited for KMS", after.Waited-before.Waited)
		}
		if n := k.asked() - asked; n > 808 {
			t.Errorf("KMS was asked %d times for 800 entries", n)
		}
		// A pause, in which nobody asks KMS for anything, and then one request a minute.
		asked = k.asked()
		time.Sleep(time.Hour)
		if n := k.asked() - asked; n != 0 || k.secrets() != 0 {
			t.Errorf("in an hour without requests KMS was asked %d times, and %d entries are left", n, k.secrets())
		}
		for range 60 {
			take(t, p, "")
			time.Sleep(time.Minute)
		}
		if n := k.asked() - asked; n > 64 {
			t.Errorf("KMS was asked %d times for 60 entries, one a minute", n)
		}
	})
}

func TestPool_FetchesNothingAheadWhereRequestsAreRare(t *testing.T) {
	inBubble(t, 64, unbound, func(t *testing.T, p *keypool.Pool, k *kms) {
		for range 10 {
			take(t, p, "")
			time.Sleep(keypool.MaxAge + time.Minute)
		}
		if n := k.asked(); n > 11 {
			t.Errorf("KMS was asked %d times for 10 entries", n)
		}
	})
}

// However slow or broken the calls ahead are, a request waits for its own at most.
func TestPool_ARefillNeitherDelaysNorFailsARequest(t *testing.T) {
	for name, refill := range map[string]func(context.Context) error{
		"stuck":  func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"failed": func(context.Context) error { return errKMS },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 64, unbound, func(t *testing.T, p *keypool.Pool, k *kms) {
				k.when(func(ctx context.Context, call int) error {
					if call == 1 { // Warm's
						return refill(ctx)
					}
					return nil
				})
				p.Warm()
				time.Sleep(time.Second)
				for range 3 {
					if d := take(t, p, ""); d > latency {
						t.Errorf("a request waited %v", d)
					}
				}
				time.Sleep(4 * time.Second)
				if s := p.Stats(); s.Failed != 1 {
					t.Errorf("a call of KMS has no end: %+v", s)
				}
			})
		})
	}
}

// While KMS refuses, each request asks it once and is told so, and nobody else asks. When it answers again, the pool
// fills.
func TestPool_AnOutageIsNotMadeWorse(t *testing.T) {
	inBubble(t, 64, unbound, func(t *testing.T, p *keypool.Pool, k *kms) {
		down := true
		k.when(func(context.Context, int) error {
			if down {
				return errKMS
			}
			return nil
		})
		p.Warm()
		time.Sleep(time.Second)
		for range 10 {
			if _, err := p.Take(t.Context(), ""); !errors.Is(err, errKMS) {
				t.Errorf("error %v", err)
			}
		}
		if n := k.asked(); n != 11 {
			t.Errorf("KMS was asked %d times in an outage with 10 requests", n)
		}
		down = false
		take(t, p, "")
		settle()
		take(t, p, "")
		settle()
		if d := take(t, p, ""); d != 0 {
			t.Errorf("after the outage a request waited %v", d)
		}
	})
}

// What a freeze has interrupted is given up at the first request afterwards, and what is older than its limit by wall
// clock is not used.
func TestPool_AFreezeEndsWhatWasThere(t *testing.T) {
	inBubble(t, 64, unbound, func(t *testing.T, p *keypool.Pool, k *kms) {
		cancelled := false
		k.when(func(ctx context.Context, call int) error {
			if call == 2 { // the refill after the first request
				<-ctx.Done()
				cancelled = true
				return ctx.Err()
			}
			return nil
		})
		p.Warm()
		settle()
		take(t, p, "")
		settle()
		k.freeze(time.Minute)
		if d := take(t, p, ""); d != latency {
			t.Errorf("the request after the freeze waited %v", d)
		}
		synctest.Wait()
		if !cancelled {
			t.Error("the refill before the freeze goes on")
		}
		time.Sleep(time.Second)
		if s := p.Stats(); s.Fetched != 4 || s.Failed != 1 {
			// Warm's, the request's, and two for the shelf, which then aims at two
			t.Errorf("%+v", s)
		}
		k.freeze(keypool.MaxAge - 2*time.Second)
		if d := take(t, p, ""); d != 0 {
			t.Errorf("an entry that is young enough was not used: the request waited %v", d)
		}
		time.Sleep(time.Second)
		secrets := k.secrets()
		k.freeze(keypool.MaxAge)
		if d := take(t, p, ""); d != latency || secrets == 0 {
			t.Errorf("an entry that is too old was used: the request waited %v, with %d entries there", d, secrets)
		}
	})
}

// A request whose own answer is held up by a freeze does not get what is too old by then.
func TestPool_AnAnswerThatComesTooLateIsAskedForAgain(t *testing.T) {
	inBubble(t, 64, unbound, func(t *testing.T, p *keypool.Pool, k *kms) {
		p.Warm()
		settle()
		var once sync.Once
		k.when(func(context.Context, int) error {
			once.Do(func() { k.freeze(keypool.MaxAge - latency) }) // it is too old to the moment
			return nil
		})
		take(t, p, "")
		if d := take(t, p, ""); d != 2*latency {
			t.Errorf("it waited %v", d)
		}
	})
}

func TestPool_TheRequestsOwnContextEndsItsWait(t *testing.T) {
	inBubble(t, 64, unbound, func(t *testing.T, p *keypool.Pool, k *kms) {
		p.Warm()
		settle()
		take(t, p, "")
		settle()
		take(t, p, "")
		k.when(func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		for {
			e, err := p.Take(ctx, "")
			if err != nil {
				if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
					t.Errorf("%v after %v", err, time.Since(start))
				}
				return
			}
			e.Wipe()
		}
	})
}

func TestPool_WithoutSizeEachTakeAsksKMS(t *testing.T) {
	inBubble(t, 0, unbound, func(t *testing.T, p *keypool.Pool, k *kms) {
		p.Warm()
		for i := range 5 {
			if d := take(t, p, ""); d != latency || k.asked() != i+1 {
				t.Errorf("request %d waited %v, and KMS was asked %d times", i, d, k.asked())
			}
		}
	})
}

// A purpose that nobody has announced gets a shelf when KMS has answered for it, and there is an end to shelves.
func TestPool_LearnsPurposesUpToALimit(t *testing.T) {
	inBubble(t, 64, nil, func(t *testing.T, p *keypool.Pool, k *kms) {
		p.Warm()
		k.when(func(context.Context, int) error { return errKMS })
		if _, err := p.Take(t.Context(), "forbidden"); !errors.Is(err, errKMS) || k.asked() != 1 {
			t.Errorf("error %v, %d calls", err, k.asked())
		}
		k.when(nil)
		for i := range keypool.MaxShelves + 2 {
			purpose := fmt.Sprint("p", i)
			take(t, p, purpose)
			settle()
			if d := take(t, p, purpose); (d == 0) != (i < keypool.MaxShelves) {
				t.Errorf("purpose %d: the second request waited %v", i, d)
			}
		}
	})
}

func TestPool_AnEntryThatWasNotUsedCanBeReturned(t *testing.T) {
	inBubble(t, 64, unbound, func(t *testing.T, p *keypool.Pool, k *kms) {
		p.Warm()
		settle()
		first, err := p.Take(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		settle() // now there is another, which is younger
		p.Return("", first)
		if again, err := p.Take(t.Context(), ""); err != nil || again != first {
			t.Errorf("another entry came: %v", err)
		}
		k.freeze(keypool.MaxAge)
		p.Return("", first)
		if s := p.Stats(); s.Unused != 1 || s.Used != 0 {
			t.Errorf("an entry that is too old was kept: %+v", s)
		}
	})
}

func TestPool_CloseWipesAndTakeStillWorks(t *testing.T) {
	inBubble(t, 64, unbound, func(t *testing.T, p *keypool.Pool, k *kms) {
		p.Warm()
		settle()
		take(t, p, "") // whose refill is under way
		p.Close()
		if n := k.secrets(); n != 0 {
			t.Errorf("%d entries are left", n)
		}
		if d := take(t, p, ""); d != latency {
			t.Errorf("it waited %v", d)
		}
		p.Warm()
		p.Close()
	})
}

// 64 clients at once, with a KMS that fails now and then, freezes, and a shutdown in the middle: no entry is handed out
// twice, none is handed out too old, and at the end all are wiped (see inBubble).
func TestPool_UnderLoadWithFaultsFreezesAndShutdown(t *testing.T) {
	inBubble(t, 32, []string{"", "a"}, func(t *testing.T, p *keypool.Pool, k *kms) {
		k.when(func(_ context.Context, call int) error {
			if call%7 == 0 {
				return errKMS
			}
			return nil
		})
		p.Warm()
		var mu sync.Mutex // guards taken
		taken := map[*keypool.Entry]bool{}
		var wg sync.WaitGroup
		for client := range 64 {
			wg.Go(func() {
				for i := range 100 {
					e, err := p.Take(t.Context(), []string{"", "a"}[i%2])
					if err != nil {
						continue
					}
					mu.Lock()
					if taken[e] {
						t.Error("an entry was handed out twice")
					}
					taken[e] = true
					mu.Unlock()
					if e.Seed == (token.Seed{}) || bytes.Equal(e.Key.Plaintext, make([]byte, 32)) {
						t.Error("an entry was wiped before its use")
					}
					if d := k.age(e); d >= keypool.MaxAge {
						t.Errorf("an entry is %v old", d)
					}
					e.Wipe()
					time.Sleep(time.Duration(client%5+1) * time.Millisecond)
					if client == 0 && i%10 == 9 {
						k.freeze(keypool.MaxAge / 2)
					}
				}
			})
		}
		wg.Go(func() { time.Sleep(500 * time.Millisecond); p.Close() })
		wg.Wait()
		if len(taken) < 64*50 {
			t.Errorf("only %d entries were handed out", len(taken))
		}
	})
}

// age is how old an entry is by wall clock.
func (k *kms) age(e *keypool.Entry) time.Duration {
	now := k.now()
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, a := range k.answers {
		if a.entry == e {
			return now.Sub(a.asked)
		}
	}
	return -1
}

func TestPool_CountsARequestThatAskedKMSItself(t *testing.T) {
	inBubble(t, 0, nil, func(t *testing.T, p *keypool.Pool, _ *kms) {
		take(t, p, "")
		if s := p.Stats(); s != (keypool.Stats{Fetched: 1, Used: 1, Waited: 1}) {
			t.Errorf("%+v", s)
		}
	})
}

// The freeze that a slow first answer looks like does not end what was begun after it.
func TestPool_ASlowFirstAnswerIsNoFreeze(t *testing.T) {
	inBubble(t, 64, nil, func(t *testing.T, p *keypool.Pool, k *kms) {
		k.when(func(_ context.Context, call int) error {
			if call == 1 {
				time.Sleep(5 * time.Second)
			}
			return nil
		})
		take(t, p, "")
		take(t, p, "")
		settle()
		if s := p.Stats(); s.Failed != 0 {
			t.Errorf("the refill was given up: %+v", s)
		}
	})
}

// What is returned is kept beside what has come in its place, up to twice the size.
func TestPool_KeepsTwiceItsSizeForAWhile(t *testing.T) {
	inBubble(t, 1, unbound, func(t *testing.T, p *keypool.Pool, _ *kms) {
		p.Warm()
		settle()
		var taken []*keypool.Entry
		for range 3 {
			e, err := p.Take(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			taken = append(taken, e)
			settle()
		}
		for i, e := range taken { // one is there
			p.Return("", e)
			if s := p.Stats(); s.Unused != int64(max(0, i)) {
				t.Errorf("%d returned: %+v", i+1, s)
			}
		}
	})
}

// An entry is too old from the very moment on.
func TestPool_AnEntryIsTooOldAtItsMaximumAge(t *testing.T) {
	inBubble(t, 64, unbound, func(t *testing.T, p *keypool.Pool, k *kms) {
		p.Warm()
		settle()
		e, err := p.Take(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		k.freeze(keypool.MaxAge - latency)
		p.Return("", e)
		if s := p.Stats(); s.Unused != 1 {
			t.Errorf("it was kept: %+v", s)
		}
	})
}

// The sweeper comes back for entries that are fetched after a time without any.
func TestPool_WipesWhatNobodyTakesEachTime(t *testing.T) {
	inBubble(t, 64, unbound, func(t *testing.T, p *keypool.Pool, k *kms) {
		p.Warm()
		for range 3 {
			time.Sleep(keypool.MaxAge + time.Second)
			if n := k.secrets(); n != 0 {
				t.Errorf("%d entries are left", n)
			}
			take(t, p, "")
			take(t, p, "")
			settle()
			if k.secrets() == 0 {
				t.Error("nothing was fetched")
			}
		}
		time.Sleep(keypool.MaxAge + time.Second)
		if n := k.secrets(); n != 0 {
			t.Errorf("%d entries are left", n)
		}
	})
}

// The least that a shelf aims at is one: after a pause the first request makes it two.
func TestPool_AimsAtOneAtLeast(t *testing.T) {
	inBubble(t, 64, unbound, func(t *testing.T, p *keypool.Pool, _ *kms) {
		p.Warm()
		settle()
		take(t, p, "")
		settle() // what has come in its place is too old when the next request comes, which is not rare yet
		time.Sleep(keypool.MaxAge - latency)
		before := p.Stats().Fetched
		take(t, p, "")
		settle()
		if n := p.Stats().Fetched - before; n != 3 { // its own, and two for the shelf
			t.Errorf("%d were fetched", n)
		}
	})
}

func TestDocumentation_TellsTheLimitsOfThePool(t *testing.T) {
	page, err := os.ReadFile("../../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, sentence := range []string{
		fmt.Sprintf("key for each purpose, for at most %d purposes", keypool.MaxShelves),
		fmt.Sprintf("A data key is used once, within %.0f minutes by wall clock", keypool.MaxAge.Minutes()),
	} {
		if !strings.Contains(string(page), sentence) {
			t.Errorf("the page does not say: %s", sentence)
		}
	}
}
