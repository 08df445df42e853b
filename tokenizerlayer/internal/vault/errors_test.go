package vault_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/fakeaws"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/sensitive"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/token"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/vault"
)

func TestParseData_NamesTheFieldThatIsWrong(t *testing.T) {
	for _, tt := range []struct {
		kind       api.Type
		data, want string
	}{
		{api.TypeCard, "4111111111111112", "data"}, {"", "", "data"}, {api.TypeText, "", "data"},
		{api.TypeText, "\xff", "data"},
		{api.TypeText, ";4111111111111111=29121010000000000000?", "data"}, {"number", "4111111111111111", "type"},
	} {
		_, err := vault.ParseData(tt.kind, sensitive.New(tt.data))
		wantKind(t, err, failure.Invalid)
		if e, _ := errors.AsType[*failure.Error](err); e == nil || e.Field != tt.want {
			t.Errorf("%s: error = %v, want one about %s", tt.kind, err, tt.want)
		}
	}
}

// nth makes the n-th call of an operation fail.
func nth(n int, operation string) func(string) error {
	return func(called string) error {
		if called == operation {
			if n--; n == 0 {
				return fakeaws.Exception("InternalFailure")
			}
		}
		return nil
	}
}

// A handle that cannot be read may exist: another token must not be made in its place.
func TestCreate_AHandleThatCannotBeReadIsNotTakenForNone(t *testing.T) {
	f := newVault(t)
	first := f.create(t, visa, deterministic(""))
	f.store.Fail = nth(2, "GetItem") // after the fingerprint
	_, err := f.Create(t.Context(), vault.Create{Data: cardData(t, visa), Deterministic: true})
	wantKind(t, err, failure.Unavailable)
	f.store.Fail = nil
	if again := f.create(t, visa, deterministic("")); again.Token != first.Token || f.rows() != 1 {
		t.Error("another token was made")
	}
}

// A token that exists takes another data key. If KMS does not give it, that is said.
func TestCreate_TellsThatThereIsNoDataKeyForAnotherDraw(t *testing.T) {
	seed := token.NewSeed()
	f := newVault(t, func(c *vault.Config) { c.NewSeed = fixedSeeds(seed, seed, token.NewSeed()) })
	f.create(t, visa)
	f.kms.Fail = nth(2, "GenerateDataKey")
	_, err := f.Create(t.Context(), vault.Create{Data: cardData(t, visa), Deterministic: true})
	wantKind(t, err, failure.Unavailable)
}

// Pauses grow: a dozen rounds take a second or two, not a moment, and end before the operation's limit.
func TestCreate_ConflictsArePausedForLongerAndLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newVault(t)
		defer f.Close()
		f.store.Fail = func(operation string) error {
			if operation == "TransactWriteItems" {
				return fakeaws.Cancelled("TransactionConflict")
			}
			return nil
		}
		start := time.Now()
		_, err := f.Create(t.Context(), vault.Create{Data: cardData(t, visa), Deterministic: true})
		wantKind(t, err, failure.InFlight)
		if took := time.Since(start); took < 200*time.Millisecond || took > 3500*time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}

func TestRevoke_RefusesMalformedTokensBeforeTheStoreIsAsked(t *testing.T) {
	f := newVault(t)
	f.store.Fail = func(string) error { t.Error("the store was asked"); return nil }
	for _, tok := range []string{"", "x", visa} {
		_, err := f.Revoke(t.Context(), tok)
		wantKind(t, err, failure.Invalid)
	}
}

// The time is in UTC and in whole seconds, whatever the clock's are.
func TestRevoke_TellsTheEndOfBackupsInWholeSeconds(t *testing.T) {
	at := time.Date(2026, 1, 2, 5, 4, 5, 999, time.FixedZone("", 2*60*60))
	f := newVault(t, func(c *vault.Config) { c.Now = func() time.Time { return at } })
	revoked, err := f.Revoke(t.Context(), f.create(t, visa).Token)
	if want := time.Date(2026, 2, 6, 3, 4, 5, 0, time.UTC); err != nil || revoked.InBackupsUntil != want {
		t.Errorf("%v, %v", revoked.InBackupsUntil, err)
	}
}

func TestVault_WarmFetchesADataKeyForEachPurpose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newVault(t, func(c *vault.Config) { c.KeysAhead, c.Purposes = 4, []string{"", "refund"} })
		defer f.Close()
		f.Warm()
		synctest.Wait()
		if s := f.Keys(); s.Fetched != 2 || s.Used != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestNew_BothSidesOfTheKeysAhead(t *testing.T) {
	for n, ok := range map[int]bool{-1: false, 0: true, api.MaxKeysAhead: true, api.MaxKeysAhead + 1: false} {
		_, err := vault.New(vault.Config{
			TokenKeys: []vault.Key{{Version: "1", ARN: fakeaws.KeyARN}}, Table: table, State: state, AccountID: account,
			KMS: &fakeaws.KMS{}, Store: &fakeaws.Tables{}, KeysAhead: n,
		})
		if (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "KeysAhead ") {
			t.Errorf("%d: %v", n, err)
		}
	}
}

func TestLive_IsWhatCouldBeDetokenizedNow(t *testing.T) {
	f := newVault(t)
	for _, tt := range []struct {
		name   string
		change func(*vault.Create)
		uses   int
		later  time.Duration
		want   bool
	}{
		{"without limits", uses(0), 3, 1000 * time.Hour, true},
		{"not used", uses(1), 0, 0, true},
		{"used up", uses(1), 1, 0, false},
		{"a use is left", uses(2), 1, 0, true},
		{"in time", ttl(time.Hour), 0, time.Hour - time.Second, true},
		{"expired", ttl(time.Hour), 0, time.Hour, false},
	} {
		token := f.create(t, visa, tt.change).Token
		for range tt.uses {
			if _, err := f.detokenize(t, token); err != nil {
				t.Fatal(err)
			}
		}
		f.clock.advance(tt.later)
		if live, _, err := f.Live(t.Context(), read(token)); live != tt.want || err != nil {
			t.Errorf("%s: live %v, %v", tt.name, live, err)
		}
	}
}
