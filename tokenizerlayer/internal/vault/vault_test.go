package vault_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/attribute"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/dynamoapi"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/fakeaws"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/pan"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/sensitive"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/token"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/vault"
)

const (
	table   = "CreditCardTokenizerTable"
	state   = "CreditCardTokenizerState"
	index   = "CreditCardTokenizerIndex"
	account = "123456789012"
	visa    = "4111111111111111"
)

type fixture struct {
	*vault.Vault
	kms   *fakeaws.KMS
	store *fakeaws.Tables
	clock *clock
	keys  []vault.Key
}

// clock is a clock that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }

func (c *clock) advance(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.now = c.now.Add(d) }

func (f fixture) row(token string) fakeaws.Row { return f.store.MustRow(table, token, account) }
func (f fixture) rows() int                    { return len(f.store.Rows(table)) }
func (f fixture) indexRows() int               { return len(f.store.Rows(index)) }

// use is the state's row of a token's uses.
func (f fixture) use(purpose, token string) fakeaws.Row {
	return f.store.MustRow(state, "use#"+purpose+"#"+token, account)
}

func newVault(t testing.TB, change ...func(*vault.Config)) fixture {
	t.Helper()
	f := fixture{kms: &fakeaws.KMS{}, store: &fakeaws.Tables{},
		clock: &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}}
	c := vault.Config{
		TokenKeys:       []vault.Key{{Version: "1", ARN: fakeaws.KeyARN}},
		FingerprintKeys: []vault.Key{{Version: "1", ARN: fakeaws.FingerprintARN}},
		Table:           table, State: state, Index: index, AccountID: account, Actor: "function", KMS: f.kms,
		Store: f.store,
		Now:   f.clock.Now,
	}
	for _, ch := range change {
		ch(&c)
	}
	v, err := vault.New(c)
	if err != nil {
		t.Fatal(err)
	}
	f.Vault, f.keys = v, c.FingerprintKeys
	return f
}

func cardData(t testing.TB, s string) vault.Data {
	t.Helper()
	d, err := vault.ParseData(api.TypeCard, sensitive.New(s))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func textData(t testing.TB, s string) vault.Data {
	t.Helper()
	d, err := vault.ParseData(api.TypeText, sensitive.New(s))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// create makes a token of a card, with what change asks for.
func (f fixture) create(t testing.TB, s string, change ...func(*vault.Create)) vault.Created {
	t.Helper()
	c := vault.Create{Data: cardData(t, s)}
	for _, ch := range change {
		ch(&c)
	}
	created, err := f.Create(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return created
}

func tokenize(t testing.TB, v fixture, s string) string {
	t.Helper()
	return v.create(t, s).Token
}

// detokenize returns the data of a token.
func (f fixture) detokenize(t testing.TB, token string) (string, error) {
	t.Helper()
	opened, err := f.Detokenize(t.Context(), attempt(token, ""))
	return opened.Data.Reveal(), err
}

// wantKind checks the kind of an error, and that neither card nor upstream text is in it.
func wantKind(t *testing.T, err, kind error) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("error = %v, want %v", err, kind)
	}
	if err != nil && (strings.Contains(err.Error(), visa) || strings.Contains(err.Error(), "upstream text")) {
		t.Errorf("the error tells too much: %v", err)
	}
}

func ttl(d time.Duration) func(*vault.Create)   { return func(c *vault.Create) { c.TTL = d } }
func uses(n int64) func(*vault.Create)          { return func(c *vault.Create) { c.MaxUses = n } }
func purpose(p string) func(*vault.Create)      { return func(c *vault.Create) { c.Purpose = p } }
func format(f token.Format) func(*vault.Create) { return func(c *vault.Create) { c.Format = f } }
func idempotent(key string) func(*vault.Create) {
	return func(c *vault.Create) { c.IdempotencyKey = key }
}
func metadata(m map[string]string) func(*vault.Create) {
	return func(c *vault.Create) { c.Metadata = m }
}
func deterministic(scope string) func(*vault.Create) {
	return func(c *vault.Create) { c.Deterministic, c.Scope = true, scope }
}

// simultaneously runs do n times at once.
func simultaneously(n int, do func()) {
	var wg sync.WaitGroup
	gate := make(chan struct{})
	for range n {
		wg.Go(func() { <-gate; do() })
	}
	close(gate)
	wg.Wait()
}

// meeting is a store whose first readers wait for each other, each with what it has read: however few processors there
// are, all of them decide by what was there before any of them wrote.
type meeting struct {
	*fakeaws.Tables
	come atomic.Int64
	all  chan struct{}
	size int64
}

// meet makes the next size readers of f's tables meet.
func (f fixture) meet(t testing.TB, size int64) fixture {
	t.Helper()
	other := newVault(t, func(c *vault.Config) {
		c.KMS, c.Now, c.FingerprintKeys = f.kms, f.clock.Now, f.keys
		c.Store = &meeting{Tables: f.store, all: make(chan struct{}), size: size}
		c.Timeout = time.Minute // under the race detector, with few processors
	})
	other.kms, other.store, other.clock = f.kms, f.store, f.clock
	return other
}

func (m *meeting) GetItem(ctx context.Context, in dynamoapi.GetItemInput) (fakeaws.Row, error) {
	out, err := m.Tables.GetItem(ctx, in)
	n := m.come.Add(1)
	if n == m.size {
		close(m.all)
	}
	if n <= m.size {
		select {
		case <-m.all:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return out, err
}

func boundTo(context map[string]string) func(*vault.Create) {
	return func(c *vault.Create) { c.Context = context }
}

func read(token string) vault.Read { return vault.Read{Token: token} }

// attempt is a request to detokenize; name may be empty.
func attempt(token, name string) vault.Detokenize {
	return vault.Detokenize{Read: read(token), Attempt: name}
}

// fixedSeeds is a source of seeds that gives these, and then panics.
func fixedSeeds(seeds ...token.Seed) func() token.Seed {
	return func() token.Seed {
		next := seeds[0]
		seeds = seeds[1:]
		return next
	}
}

func TestNew_NamesEveryFieldThatIsWrong(t *testing.T) {
	_, err := vault.New(vault.Config{TokenKeys: []vault.Key{{Version: "1", ARN: "alias/x"}}, Table: "t", Index: "x"})
	for _, want := range []string{"TokenKeys ", "Table ", "State ", "Index ", "FingerprintKeys ", "AccountID ",
		"KMS and Store "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %s", err, want)
		}
	}
}

func cardNumber(t testing.TB, s string) pan.Number {
	t.Helper()
	n, err := pan.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// textOf, numberOf and bytesOf are the value of an attribute, which has to be of that type.
func textOf(v attribute.Value) string   { return must(v.Text()) }
func numberOf(v attribute.Value) string { return must(v.Number()) }
func bytesOf(v attribute.Value) []byte  { return must(v.Bytes()) }

func must[T any](v T, ok bool) T {
	if !ok {
		panic("an attribute of another type")
	}
	return v
}
