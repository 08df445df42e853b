package vault_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/fakeaws"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/pan"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/token"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/vault"
)

// Shorthands for what tests ask of a token.
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

// meeting is a store whose first readers wait for each other, each with what it has read: however few processors there are, all of
// them decide by what was there before any of them wrote.
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

func (m *meeting) GetItem(ctx context.Context, in *dynamodb.GetItemInput, o ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	out, err := m.Tables.GetItem(ctx, in, o...)
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

func TestACardTokenLooksLikeTheCardAndOpens(t *testing.T) {
	v := newVault(t)
	got := v.create(t, visa, format(token.Card)).Token
	if _, err := pan.Parse(got); err == nil || len(got) != len(visa) || !strings.HasSuffix(got, "1111") {
		t.Errorf("a card, or not like it: error %v", err)
	}
	if data, err := v.detokenize(t, got); err != nil || data != visa {
		t.Errorf("error = %v", err)
	}
}

func TestATakenCardTokenIsDrawnAgain(t *testing.T) {
	drawn := []string{"5000000000001111", "5000000000001111", "5000000000001111", "6000000000001111"}
	v := newVault(t, func(c *vault.Config) {
		c.NewToken = func(token.Format, pan.Number) (string, error) { next := drawn[0]; drawn = drawn[1:]; return next, nil }
	})
	first := v.create(t, visa, format(token.Card)).Token
	second := v.create(t, "4012888888881881", format(token.Card), idempotent("k")).Token
	if first == second || v.rows() != 2 {
		t.Errorf("%d rows", v.rows())
	}
	if data, err := v.detokenize(t, first); err != nil || data != visa {
		t.Errorf("the first was overwritten: %v", err)
	}
}

func TestATokenExpiresByTheClockAndBySealedTime(t *testing.T) {
	v := newVault(t)
	created := v.create(t, visa, ttl(time.Minute))
	if want := v.clock.Now().Add(time.Minute); !created.ExpiresAt.Equal(want) {
		t.Errorf("expires at %v, want %v", created.ExpiresAt, want)
	}
	if got := v.row(created.Token)["ExpiresAt"].(*types.AttributeValueMemberN).Value; got != "1767323105" {
		t.Errorf("TTL attribute %s", got)
	}
	v.clock.advance(time.Minute - time.Second)
	if _, err := v.detokenize(t, created.Token); err != nil {
		t.Errorf("before its end: %v", err)
	}
	// Somebody who may write to the table puts the end off: the envelope knows better.
	v.row(created.Token)["ExpiresAt"] = &types.AttributeValueMemberN{Value: "99999999999"}
	v.clock.advance(time.Second)
	_, err := v.detokenize(t, created.Token)
	wantKind(t, err, failure.Expired)
	_, err = v.Metadata(t.Context(), created.Token)
	wantKind(t, err, failure.Expired)
	if live, err := v.Live(t.Context(), created.Token); live || err != nil {
		t.Errorf("live = %v, %v", live, err)
	}
}

func TestOf200SimultaneousDetokenizesOfAOneTimeTokenOneSucceeds(t *testing.T) {
	v := newVault(t)
	created := v.create(t, visa, uses(1))
	v = v.meet(t, 200)
	var mu sync.Mutex
	counts := map[error]int{}
	simultaneously(200, func() {
		opened, err := v.Detokenize(t.Context(), created.Token, "")
		if err == nil && opened.Data.Reveal() != visa {
			t.Error("another card")
		}
		e, _ := errors.AsType[*failure.Error](err)
		mu.Lock()
		defer mu.Unlock()
		if e == nil {
			counts[nil]++
		} else {
			counts[e.Kind]++
		}
	})
	if counts[nil] != 1 || counts[failure.UsedUp] != 199 {
		t.Errorf("outcomes: %v", counts)
	}
}

func TestATokenIsUsedAsOftenAsItMayBe(t *testing.T) {
	v := newVault(t)
	created := v.create(t, visa, uses(3))
	for range 3 {
		if live, err := v.Live(t.Context(), created.Token); !live || err != nil {
			t.Errorf("live = %v, %v", live, err)
		}
		if _, err := v.detokenize(t, created.Token); err != nil {
			t.Error(err)
		}
	}
	_, err := v.detokenize(t, created.Token)
	wantKind(t, err, failure.UsedUp)
	if live, err := v.Live(t.Context(), created.Token); live || err != nil {
		t.Errorf("live = %v, %v", live, err)
	}
	if m, err := v.Metadata(t.Context(), created.Token); err != nil || m.Uses != 3 || m.MaxUses != 3 {
		t.Errorf("metadata %+v, %v", m, err)
	}
}

func TestAOneTimeTokenWhoseDecryptFailsIsNotConsumed(t *testing.T) {
	v := newVault(t)
	created := v.create(t, visa, uses(1))
	v.kms.Fail = func(operation string) error {
		if operation == "Decrypt" {
			return errors.New("upstream text")
		}
		return nil
	}
	_, err := v.detokenize(t, created.Token)
	wantKind(t, err, failure.Unavailable)
	v.kms.Fail = nil
	if data, err := v.detokenize(t, created.Token); err != nil || data != visa {
		t.Errorf("after the failure: %v", err)
	}
}

func TestAnAttemptMayBeRepeatedForAQuarterOfAnHour(t *testing.T) {
	v := newVault(t)
	created := v.create(t, visa, uses(1))
	for range 3 {
		if _, err := v.Detokenize(t.Context(), created.Token, "attempt-1"); err != nil {
			t.Errorf("the attempt: %v", err)
		}
		_, err := v.Detokenize(t.Context(), created.Token, "attempt-2")
		wantKind(t, err, failure.UsedUp)
		v.clock.advance(7 * time.Minute)
	}
	_, err := v.Detokenize(t.Context(), created.Token, "attempt-1")
	wantKind(t, err, failure.UsedUp)
	if got := v.row(created.Token)["Uses"].(*types.AttributeValueMemberN).Value; got != "1" {
		t.Errorf("%s uses", got)
	}
}

// The SDK repeats an update whose answer got lost, and finds that the use is taken: by itself.
func TestALostAnswerOfTheCountIsNotAnothersUse(t *testing.T) {
	v := newVault(t, func(c *vault.Config) { c.Store = updateTwice{c.Store.(*fakeaws.Tables)} })
	created := v.create(t, visa, uses(1))
	if _, err := v.detokenize(t, created.Token); err != nil {
		t.Error(err)
	}
}

type updateTwice struct{ *fakeaws.Tables }

func (s updateTwice) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, o ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	if _, err := s.Tables.UpdateItem(ctx, in, o...); err != nil {
		return nil, err
	}
	return s.Tables.UpdateItem(ctx, in, o...)
}

func TestTheLimitOfUsesIsSealed(t *testing.T) {
	v := newVault(t)
	created := v.create(t, visa, uses(1))
	delete(v.row(created.Token), "Uses") // no counter: as if there were no limit
	_, err := v.detokenize(t, created.Token)
	wantKind(t, err, failure.UsedUp)
}

func TestOf200SimultaneousFirstUsesOfADeterministicValueAllGetOneToken(t *testing.T) {
	v := newVault(t).meet(t, 200)
	var mu sync.Mutex
	tokens := map[string]int{}
	firsts := 0
	simultaneously(200, func() {
		created, err := v.Create(t.Context(), vault.Create{Data: cardData(t, visa), Deterministic: true, Scope: "s"})
		if err != nil {
			t.Error(err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		tokens[created.Token]++
		if !created.Deduplicated {
			firsts++
		}
	})
	if len(tokens) != 1 || firsts != 1 || v.rows() != 1 || v.indexRows() != 1 {
		t.Errorf("%d tokens, %d firsts, %d rows, %d in the index", len(tokens), firsts, v.rows(), v.indexRows())
	}
}

func TestDeterministicTokensDifferWhereTheyMust(t *testing.T) {
	v := newVault(t)
	first := v.create(t, visa, deterministic("a"))
	again := v.create(t, "4111-1111 1111 1111", deterministic("a"))
	if again.Token != first.Token || !again.Deduplicated || first.Deduplicated {
		t.Errorf("first %v, again %v", first.Deduplicated, again.Deduplicated)
	}
	seen := map[string]bool{first.Token: true}
	for name, created := range map[string]vault.Created{
		"another scope":     v.create(t, visa, deterministic("b")),
		"no scope":          v.create(t, visa, deterministic("")),
		"another format":    v.create(t, visa, deterministic("a"), format(token.Card)),
		"another purpose":   v.create(t, visa, deterministic("a"), purpose("refund")),
		"another card":      v.create(t, "4012888888881881", deterministic("a")),
		"not deterministic": v.create(t, visa),
	} {
		if seen[created.Token] || created.Deduplicated {
			t.Errorf("%s: the same token", name)
		}
		seen[created.Token] = true
	}
	text, err := v.Create(t.Context(), vault.Create{Data: textData(t, visa), Deterministic: true, Scope: "a"})
	if err != nil || seen[text.Token] {
		t.Errorf("a text like the card: %v", err)
	}
}

func TestTheIndexHoldsNothingThatTellsTheData(t *testing.T) {
	v := newVault(t)
	v.create(t, visa, deterministic("a"), idempotent("k"))
	other := newVault(t) // another key: another fingerprint
	other.create(t, visa, deterministic("a"), idempotent("k"))
	marks := map[string]bool{}
	for _, row := range append(v.store.Rows(index), other.store.Rows(index)...) {
		encoded, err := json.Marshal(row)
		if err != nil {
			t.Fatal(err)
		}
		unkeyed := sha256.Sum256([]byte(visa))
		for _, secret := range []string{visa, "1111", string(unkeyed[:])} {
			if strings.Contains(string(encoded), secret) {
				t.Errorf("%q is in the index", secret)
			}
		}
		marks[row["Index_Key"].(*types.AttributeValueMemberS).Value] = true
	}
	if len(marks) != 3 { // two fingerprints; the idempotency key's row has one name in both
		t.Errorf("%d index keys", len(marks))
	}
}

func TestARotatedFingerprintKeyFindsOldTokens(t *testing.T) {
	old := newVault(t, func(c *vault.Config) {
		c.FingerprintKeys = []vault.FingerprintKey{{Version: "1", ARN: fakeaws.OldFingerprintARN}}
	})
	before := old.create(t, visa, deterministic("a"))
	both := newVault(t, func(c *vault.Config) {
		c.KMS, c.Store = old.kms, old.store
		c.FingerprintKeys = []vault.FingerprintKey{{Version: "2", ARN: fakeaws.FingerprintARN}, {Version: "1", ARN: fakeaws.OldFingerprintARN}}
	})
	if got, err := both.Create(t.Context(), vault.Create{Data: cardData(t, visa), Deterministic: true, Scope: "a"}); err != nil || got.Token != before.Token || !got.Deduplicated {
		t.Errorf("with both keys: %v", err)
	}
	// From then on the new key alone is enough.
	after := newVault(t, func(c *vault.Config) {
		c.KMS, c.Store = old.kms, old.store
		c.FingerprintKeys = []vault.FingerprintKey{{Version: "2", ARN: fakeaws.FingerprintARN}}
	})
	if got, err := after.Create(t.Context(), vault.Create{Data: cardData(t, visa), Deterministic: true, Scope: "a"}); err != nil || got.Token != before.Token {
		t.Errorf("with the new key: %v", err)
	}
	// While environments with the old key alone still run, a first use by a new one is theirs too.
	fresh, err := both.Create(t.Context(), vault.Create{Data: cardData(t, "4012888888881881"), Deterministic: true})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := old.Create(t.Context(), vault.Create{Data: cardData(t, "4012888888881881"), Deterministic: true}); err != nil || got.Token != fresh.Token {
		t.Errorf("an old environment: %v", err)
	}
}

func TestOf100IdenticalIdempotentCreatesOneMakesARow(t *testing.T) {
	v := newVault(t).meet(t, 100)
	var mu sync.Mutex
	tokens := map[string]bool{}
	simultaneously(100, func() {
		created, err := v.Create(t.Context(), vault.Create{Data: cardData(t, visa), TTL: time.Hour, IdempotencyKey: "order-1"})
		if err != nil {
			t.Error(err)
		}
		if want := v.clock.Now().Add(time.Hour); !created.ExpiresAt.Equal(want) {
			t.Errorf("expires at %v, want %v", created.ExpiresAt, want)
		}
		mu.Lock()
		defer mu.Unlock()
		tokens[created.Token] = true
	})
	if len(tokens) != 1 || v.rows() != 1 || v.indexRows() != 1 {
		t.Errorf("%d tokens, %d rows, %d in the index", len(tokens), v.rows(), v.indexRows())
	}
}

func TestAnIdempotencyKeyIsForOneRequestAndOneDay(t *testing.T) {
	v := newVault(t)
	base := vault.Create{Data: cardData(t, visa), IdempotencyKey: "k", Metadata: map[string]string{"a": "b"}}
	first, err := v.Create(t.Context(), base)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*vault.Create){
		"other data":     func(c *vault.Create) { c.Data = cardData(t, "4012888888881881") },
		"another type":   func(c *vault.Create) { c.Data = textData(t, visa) },
		"another format": format(token.Card),
		"a ttl":          ttl(time.Hour),
		"a limit":        uses(1),
		"a purpose":      purpose("refund"),
		"metadata":       metadata(map[string]string{"a": "c"}),
		"a scope":        deterministic("s"),
	} {
		c := base
		change(&c)
		_, err := v.Create(t.Context(), c)
		if !errors.Is(err, failure.KeyReused) {
			t.Errorf("%s: error = %v", name, err)
		}
	}
	if v.rows() != 1 {
		t.Errorf("%d rows", v.rows())
	}
	v.clock.advance(24*time.Hour - time.Second)
	if again, err := v.Create(t.Context(), base); err != nil || again.Token != first.Token {
		t.Errorf("within the day: %v", err)
	}
	v.clock.advance(time.Second)
	if later, err := v.Create(t.Context(), base); err != nil || later.Token == first.Token {
		t.Errorf("after the day: %v", err)
	}
}

func TestAnIdempotentDeterministicCreateIsBoth(t *testing.T) {
	v := newVault(t)
	first := v.create(t, visa, deterministic("s"))
	for range 2 { // the second time the idempotency key finds it
		if got := v.create(t, visa, deterministic("s"), idempotent("k")); got.Token != first.Token || !got.Deduplicated {
			t.Errorf("deduplicated = %v", got.Deduplicated)
		}
	}
	if v.rows() != 1 || v.indexRows() != 2 {
		t.Errorf("%d rows, %d in the index", v.rows(), v.indexRows())
	}
}

func TestEndlessConflictsAreARequestInFlight(t *testing.T) {
	v := newVault(t)
	code := "TransactionConflict"
	v.store.Fail = func(operation string) error {
		if operation == "TransactWriteItems" {
			return &types.TransactionCanceledException{CancellationReasons: []types.CancellationReason{{Code: &code}}}
		}
		return nil
	}
	_, err := v.Create(t.Context(), vault.Create{Data: cardData(t, visa), IdempotencyKey: "k"})
	if e, _ := errors.AsType[*failure.Error](err); e == nil || !errors.Is(err, failure.InFlight) || e.RetryAfter < time.Second {
		t.Errorf("error = %v", err)
	}
	if v.rows() != 0 {
		t.Errorf("%d rows", v.rows())
	}
}

func TestALostAnswerOfAnIdempotentCreateIsFoundByTheRepeat(t *testing.T) {
	v := newVault(t)
	v.store.LoseAnswer = func(operation string) error {
		if operation == "TransactWriteItems" {
			return errors.New("upstream text")
		}
		return nil
	}
	_, err := v.Create(t.Context(), vault.Create{Data: cardData(t, visa), IdempotencyKey: "k"})
	wantKind(t, err, failure.Unavailable)
	v.store.LoseAnswer = nil
	created := v.create(t, visa, idempotent("k"))
	if data, err := v.detokenize(t, created.Token); err != nil || data != visa || v.rows() != 1 {
		t.Errorf("%d rows, %v", v.rows(), err)
	}
}

func TestWithoutAnIndexWhatNeedsItIsNotConfigured(t *testing.T) {
	v := newVault(t, func(c *vault.Config) { c.Index = "" })
	for _, change := range []func(*vault.Create){deterministic(""), idempotent("k")} {
		c := vault.Create{Data: cardData(t, visa)}
		change(&c)
		_, err := v.Create(t.Context(), c)
		wantKind(t, err, failure.NotReady)
	}
	tokenize(t, v, visa)
}

func TestAPurposeIsPartOfTheEncryptionContext(t *testing.T) {
	v := newVault(t)
	created := v.create(t, visa, purpose("refund"))
	var asked map[string]string
	watched := newVault(t, func(c *vault.Config) { c.Store, c.KMS = v.store, watchedKMS{v.kms, &asked} })
	opened, err := watched.Detokenize(t.Context(), created.Token, "")
	if err != nil || opened.Purpose != "refund" || opened.Data.Reveal() != visa {
		t.Errorf("purpose %q, %v", opened.Purpose, err)
	}
	want := map[string]string{"table": table, "account_id": account, "hash_key": created.Token, "purpose": "refund"}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("KMS was asked with (-want +got):\n%s", diff)
	}
	// Somebody with a right to write takes the purpose away, or makes it another: the envelope does not open.
	for _, altered := range []types.AttributeValue{nil, &types.AttributeValueMemberS{Value: "charge"}} {
		if v.row(created.Token)["Purpose"] = altered; altered == nil {
			delete(v.row(created.Token), "Purpose")
		}
		_, err := v.detokenize(t, created.Token)
		wantKind(t, err, failure.Integrity)
	}
}

type watchedKMS struct {
	*fakeaws.KMS
	decrypted *map[string]string
}

func (k watchedKMS) Decrypt(ctx context.Context, in *kms.DecryptInput, o ...func(*kms.Options)) (*kms.DecryptOutput, error) {
	*k.decrypted = in.EncryptionContext
	return k.KMS.Decrypt(ctx, in, o...)
}

func TestMetadataIsSealedAndReturnedWithoutTheData(t *testing.T) {
	v := newVault(t)
	created := v.create(t, visa, metadata(map[string]string{"customer": "7", "note": "Zürich <b>"}), ttl(time.Hour), uses(2), purpose("p"))
	got, err := v.Metadata(t.Context(), created.Token)
	if err != nil {
		t.Fatal(err)
	}
	want := vault.Metadata{
		Type: api.TypeCard, Purpose: "p", Created: v.clock.Now(), Expires: v.clock.Now().Add(time.Hour), MaxUses: 2,
		Metadata: map[string]string{"customer": "7", "note": "Zürich <b>"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
	for name, value := range v.row(created.Token) {
		if encoded, _ := json.Marshal(value); strings.Contains(string(encoded), "customer") || strings.Contains(string(encoded), "rich") {
			t.Errorf("attribute %s shows the metadata", name)
		}
	}
}

func TestRevokeDeletesTheTokenAndItsFingerprint(t *testing.T) {
	v := newVault(t)
	created := v.create(t, visa, deterministic("s"))
	v.kms.Fail = func(string) error { t.Error("KMS was asked"); return nil }
	until, err := v.Revoke(t.Context(), created.Token)
	if err != nil || !until.Equal(v.clock.Now().Add(35*24*time.Hour)) {
		t.Fatalf("until %v, %v", until, err)
	}
	v.kms.Fail = nil
	if v.rows() != 0 || v.indexRows() != 0 {
		t.Errorf("%d rows, %d in the index", v.rows(), v.indexRows())
	}
	_, err = v.detokenize(t, created.Token)
	wantKind(t, err, failure.NotFound)
	_, err = v.Revoke(t.Context(), created.Token)
	wantKind(t, err, failure.NotFound)
	if again := v.create(t, visa, deterministic("s")); again.Token == created.Token || again.Deduplicated {
		t.Error("the revoked token lives on")
	}
}

func TestRevokeLeavesAnothersFingerprintAlone(t *testing.T) {
	v := newVault(t)
	mine, other := v.create(t, visa), v.create(t, visa, deterministic("s"))
	v.row(mine.Token)["IndexKeys"] = v.row(other.Token)["IndexKeys"] // attributes are not authenticated
	if _, err := v.Revoke(t.Context(), mine.Token); err != nil {
		t.Fatal(err)
	}
	if v.rows() != 1 || v.indexRows() != 1 {
		t.Errorf("%d rows, %d in the index", v.rows(), v.indexRows())
	}
}

func TestADamagedRowCanBeRevoked(t *testing.T) {
	v := newVault(t)
	created := v.create(t, visa)
	delete(v.row(created.Token), "CandidateString")
	if _, err := v.Revoke(t.Context(), created.Token); err != nil || v.rows() != 0 {
		t.Errorf("%d rows, %v", v.rows(), err)
	}
}

func TestATextComesBackAsItWas(t *testing.T) {
	v := newVault(t)
	for _, s := range []string{"DE89 3704 0044 0532 0130 00", "Zoë\nBahnhofstraße 1\t☃", strings.Repeat("é", 2048), "\x00\x7f", "  spaces  "} {
		created, err := v.Create(t.Context(), vault.Create{Data: textData(t, s)})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := v.detokenize(t, created.Token); err != nil || got != s {
			t.Errorf("%q came back as %q, %v", s, got, err)
		}
	}
}

func TestMasks(t *testing.T) {
	for _, tt := range []struct {
		data             vault.Data
		standard, longer string
	}{
		{cardData(t, visa), "************1111", "411111******1111"},
		{cardData(t, "378282246310005"), "***********0005", "378282*****0005"},
		{cardData(t, "30569309025904"), "**********5904", "**********5904"}, // 14 digits: the first six would be too much
		{textData(t, "DE89370400440532013000"), "********3000", "********3000"},
		{textData(t, "12345678"), "********78", "********78"},
		{textData(t, "abc"), "********", "********"},
		{textData(t, "ééééééééé"), "********éé", "********éé"},
	} {
		if got := tt.data.Masked(""); got != tt.standard {
			t.Errorf("mask %s, want %s", got, tt.standard)
		}
		if got := tt.data.Masked(api.LastFour); got != tt.standard {
			t.Errorf("mask %s, want %s", got, tt.standard)
		}
		if got := tt.data.Masked(api.FirstSixLastFour); got != tt.longer {
			t.Errorf("longer mask %s, want %s", got, tt.longer)
		}
	}
}

// fixtureKMS has the data key of testdata/row-format-1.json, which the release before format 2 wrote.
type fixtureKMS struct{ *fakeaws.KMS }

func (k fixtureKMS) Decrypt(ctx context.Context, in *kms.DecryptInput, o ...func(*kms.Options)) (*kms.DecryptOutput, error) {
	if string(in.CiphertextBlob) != "wrapped data key of row-format-1.json" {
		return k.KMS.Decrypt(ctx, in, o...)
	}
	key := sha256.Sum256([]byte("data key of row-format-1.json"))
	return &kms.DecryptOutput{KeyId: in.KeyId, Plaintext: key[:]}, nil
}

func TestARowOfTheFirstReleaseStillOpens(t *testing.T) {
	v := newVault(t, func(c *vault.Config) { c.KMS = fixtureKMS{c.KMS.(*fakeaws.KMS)} })
	content, err := os.ReadFile("testdata/row-format-1.json")
	if err != nil {
		t.Fatal(err)
	}
	var item api.Item
	if err := json.Unmarshal(content, &item); err != nil {
		t.Fatal(err)
	}
	if _, err := v.store.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: new(table), Item: item.DynamoDB()}); err != nil {
		t.Fatal(err)
	}
	tok := *item["Hash_Key"].S
	if got, err := v.detokenize(t, tok); err != nil || got != visa {
		t.Errorf("error = %v", err)
	}
	if m, err := v.Metadata(t.Context(), tok); err != nil || m.Type != api.TypeCard || !m.Created.IsZero() {
		t.Errorf("metadata %+v, %v", m, err)
	}
	// It cannot be taken for a row of the second format, whose payload says more.
	v.row(tok)["Format"] = &types.AttributeValueMemberN{Value: "2"}
	_, err = v.detokenize(t, tok)
	wantKind(t, err, failure.Integrity)
}

func TestBadRequestsNameTheField(t *testing.T) {
	v := newVault(t)
	v.store.Fail = func(string) error { t.Error("the store was asked"); return nil }
	v.kms.Fail = func(string) error { t.Error("KMS was asked"); return nil }
	many := map[string]string{}
	for i := range 17 {
		many[string(rune('a'+i))] = "x"
	}
	for field, changes := range map[string][]func(*vault.Create){
		"data":            {func(c *vault.Create) { c.Data = vault.Data{} }},
		"format":          {format("base64"), func(c *vault.Create) { c.Data, c.Format = textData(t, "x"), token.Card }},
		"ttl":             {ttl(-1), ttl(11 * 365 * 24 * time.Hour)},
		"max_uses":        {uses(-1), uses(1_000_001)},
		"binding.purpose": {purpose("Refund"), purpose(strings.Repeat("a", 65)), purpose("4111111111111111"), purpose("a b")},
		"deterministic": {
			func(c *vault.Create) { c.Deterministic, c.TTL = true, time.Hour }, func(c *vault.Create) { c.Deterministic, c.MaxUses = true, 1 },
		},
		"scope":           {func(c *vault.Create) { c.Scope = "s" }, deterministic("a b"), deterministic(visa)},
		"Idempotency-Key": {idempotent("a b"), idempotent(visa), idempotent(strings.Repeat("k", 129))},
		"metadata": {
			metadata(map[string]string{"note": visa}), metadata(map[string]string{"note": "4111 1111-1111 1111 thanks"}), metadata(map[string]string{"cvv": "1"}),
			metadata(map[string]string{"PIN": "1"}), metadata(map[string]string{"": "x"}), metadata(map[string]string{"a b": "x"}),
			metadata(map[string]string{"a": "\x00"}), metadata(map[string]string{"a": "\xff"}), metadata(map[string]string{"a": "\u202e"}), metadata(many),
			metadata(map[string]string{"a": strings.Repeat("x", 2048)}),
		},
	} {
		for i, change := range changes {
			c := vault.Create{Data: cardData(t, visa)}
			change(&c)
			_, err := v.Create(t.Context(), c)
			wantKind(t, err, failure.Invalid)
			if e, _ := errors.AsType[*failure.Error](err); e == nil || e.Field != field {
				t.Errorf("%s %d: error = %v", field, i, err)
			}
		}
	}
	for _, change := range []func(*vault.Create){deterministic(""), idempotent("k")} {
		c := vault.Create{Data: cardData(t, visa)}
		change(&c)
		_, _, err := v.Seal(t.Context(), c)
		if e, _ := errors.AsType[*failure.Error](err); e == nil || e.Field != "store" {
			t.Errorf("seal: %v", err)
		}
	}
	_, err := v.Detokenize(t.Context(), "00000000-0000-4000-8000-000000000000", visa)
	if e, _ := errors.AsType[*failure.Error](err); e == nil || e.Field != "attempt" {
		t.Errorf("attempt: %v", err)
	}
}

func TestATokenHashTellsTokensApartAndNotWhatTheyAre(t *testing.T) {
	v := newVault(t)
	a, err := v.TokenHash(t.Context(), "token-a")
	if err != nil {
		t.Fatal(err)
	}
	again, _ := v.TokenHash(t.Context(), "token-a")
	b, _ := v.TokenHash(t.Context(), "token-b")
	elsewhere := newVault(t, func(c *vault.Config) { c.KMS = v.kms })
	other, _ := elsewhere.TokenHash(t.Context(), "token-a")
	if len(a) != 32 || a != again || a == b || a != other {
		t.Errorf("hashes %s %s %s %s", a, again, b, other)
	}
	if none, err := v.TokenHash(t.Context(), ""); none != "" || err != nil {
		t.Errorf("%q, %v", none, err)
	}
	unkeyed := newVault(t)
	if different, _ := unkeyed.TokenHash(t.Context(), "token-a"); different == a {
		t.Error("the hash has no key")
	}
	unkeyed = newVault(t)
	unkeyed.kms.Fail = func(string) error { return errors.New("upstream text") }
	_, err = unkeyed.TokenHash(t.Context(), "x")
	wantKind(t, err, failure.Unavailable)
}
