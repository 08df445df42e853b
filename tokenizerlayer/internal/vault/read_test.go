package vault_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/attribute"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/dynamoapi"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/fakeaws"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/vault"
)

func TestDetokenize_ReturnsTheDigits(t *testing.T) {
	v := newVault(t)
	got, err := v.detokenize(t, tokenize(t, v, "4111-1111-1111-1111"))
	if err != nil || got != visa {
		t.Fatalf("error = %v", err)
	}
}

func TestDetokenize_ARowMovedToAnotherTokenDoesNotOpen(t *testing.T) {
	v := newVault(t)
	mine, other := tokenize(t, v, visa), tokenize(t, v, "0000-0000-0000-0000")
	v.row(mine)["CandidateString"] = v.row(other)["CandidateString"]
	before := v.kms.Decrypts()
	_, err := v.detokenize(t, mine)
	wantKind(t, err, failure.Integrity)
	if v.kms.Decrypts() != before {
		t.Error("the key was unwrapped for a row that is not the token's")
	}
}

func TestDetokenize_AlteredRowsDoNotOpen(t *testing.T) {
	for name, alter := range map[string]func(fakeaws.Row){
		"a flipped bit": func(r fakeaws.Row) {
			m := bytes.Clone(bytesOf(r["CandidateString"]))
			m[len(m)-1] ^= 1
			r["CandidateString"] = attribute.B(m)
		},
		"no message": func(r fakeaws.Row) { delete(r, "CandidateString") },
		"a string for message": func(r fakeaws.Row) {
			r["CandidateString"] = attribute.S("x")
		},
		"no format":                 func(r fakeaws.Row) { delete(r, "Format") },
		"another format":            func(r fakeaws.Row) { r["Format"] = attribute.N("9") },
		"a message of another type": func(r fakeaws.Row) { r["CandidateString"] = attribute.Value{} },
		"a format of another type":  func(r fakeaws.Row) { r["Format"] = attribute.Value{} },
		"a purpose of another type": func(r fakeaws.Row) { r["Purpose"] = attribute.Value{} },
		"a ref of another type":     func(r fakeaws.Row) { r["Ref"] = attribute.Value{} },
		"a huge message": func(r fakeaws.Row) {
			r["CandidateString"] = attribute.B(make([]byte, 1<<20))
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVault(t)
			token := tokenize(t, v, visa)
			alter(v.row(token))
			_, err := v.detokenize(t, token)
			wantKind(t, err, failure.Integrity)
		})
	}
}

func TestDetokenize_AnotherAccountsTokenLooksUnknown(t *testing.T) {
	v := newVault(t)
	token := tokenize(t, v, visa)
	foreign := newVault(t, func(c *vault.Config) { c.AccountID, c.KMS, c.Store = "210987654321", v.kms, v.store })
	_, errForeign := foreign.detokenize(t, token)
	_, errUnknown := v.detokenize(t, "00000000-0000-4000-8000-000000000009")
	wantKind(t, errForeign, failure.NotFound)
	if diff := cmp.Diff(errUnknown.Error(), errForeign.Error()); diff != "" {
		t.Error(diff)
	}
}

func TestDetokenize_RefusesMalformedTokensBeforeTheStoreIsAsked(t *testing.T) {
	v := newVault(t)
	v.store.Fail = func(string) error { t.Error("the store was asked"); return nil }
	for _, token := range []string{"", visa, "x", "0000", strings.Repeat("a", 36),
		"00000000-0000-4000-8000-00000000000G"} {
		_, err := v.detokenize(t, token)
		wantKind(t, err, failure.Invalid)
	}
}

func TestDetokenize_EndsWithItsContext(t *testing.T) {
	v := newVault(t)
	token := tokenize(t, v, visa)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := v.Detokenize(ctx, attempt(token, ""))
	wantKind(t, err, failure.Unavailable)
}

func TestDetokenize_ATokenExpiresByTheClockAndBySealedTime(t *testing.T) {
	v := newVault(t)
	created := v.create(t, visa, ttl(time.Minute))
	if want := v.clock.Now().Add(time.Minute); !created.ExpiresAt.Equal(want) {
		t.Errorf("expires at %v, want %v", created.ExpiresAt, want)
	}
	if got := numberOf(v.row(created.Token)["ExpiresAt"]); got != "1767323105" {
		t.Errorf("TTL attribute %s", got)
	}
	v.clock.advance(time.Minute - time.Second)
	if _, err := v.detokenize(t, created.Token); err != nil {
		t.Errorf("before its end: %v", err)
	}
	// Somebody who may write to the table puts the end off: the envelope knows better.
	v.row(created.Token)["ExpiresAt"] = attribute.N("99999999999")
	v.clock.advance(time.Second)
	_, err := v.detokenize(t, created.Token)
	wantKind(t, err, failure.Expired)
	_, err = v.Metadata(t.Context(), read(created.Token))
	wantKind(t, err, failure.Expired)
	if live, _, err := v.Live(t.Context(), read(created.Token)); live || err != nil {
		t.Errorf("live = %v, %v", live, err)
	}
}

func TestDetokenize_OneOf200SimultaneousUsesOfAOneTimeTokenSucceeds(t *testing.T) {
	v := newVault(t)
	created := v.create(t, visa, uses(1))
	v = v.meet(t, 200)
	var mu sync.Mutex
	counts := map[error]int{}
	simultaneously(200, func() {
		opened, err := v.Detokenize(t.Context(), attempt(created.Token, ""))
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

func TestDetokenize_ATokenIsUsedAsOftenAsItMayBe(t *testing.T) {
	v := newVault(t)
	created := v.create(t, visa, uses(3))
	for range 3 {
		if live, _, err := v.Live(t.Context(), read(created.Token)); !live || err != nil {
			t.Errorf("live = %v, %v", live, err)
		}
		if _, err := v.detokenize(t, created.Token); err != nil {
			t.Error(err)
		}
	}
	_, err := v.detokenize(t, created.Token)
	wantKind(t, err, failure.UsedUp)
	if live, _, err := v.Live(t.Context(), read(created.Token)); live || err != nil {
		t.Errorf("live = %v, %v", live, err)
	}
	if m, err := v.Metadata(t.Context(), read(created.Token)); err != nil || m.Uses != 3 || m.MaxUses != 3 {
		t.Errorf("metadata %+v, %v", m, err)
	}
}

func TestDetokenize_AFailedDecryptConsumesNoUse(t *testing.T) {
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

func TestDetokenize_AnAttemptMayBeRepeatedForAQuarterOfAnHour(t *testing.T) {
	v := newVault(t)
	created := v.create(t, visa, uses(1))
	for range 3 {
		if _, err := v.Detokenize(t.Context(), attempt(created.Token, "attempt-1")); err != nil {
			t.Errorf("the attempt: %v", err)
		}
		_, err := v.Detokenize(t.Context(), attempt(created.Token, "attempt-2"))
		wantKind(t, err, failure.UsedUp)
		v.clock.advance(7 * time.Minute)
	}
	_, err := v.Detokenize(t.Context(), attempt(created.Token, "attempt-1"))
	wantKind(t, err, failure.UsedUp)
	if got := numberOf(v.use("", created.Token)["Uses"]); got != "1" {
		t.Errorf("%s uses", got)
	}
}

// The client repeats an update whose answer got lost, and finds that the use is taken: by itself.
func TestDetokenize_ALostAnswerOfTheCountIsNotAnothersUse(t *testing.T) {
	v := newVault(t, func(c *vault.Config) { c.Store = updateTwice{c.Store.(*fakeaws.Tables)} })
	created := v.create(t, visa, uses(1))
	if _, err := v.detokenize(t, created.Token); err != nil {
		t.Error(err)
	}
}

type updateTwice struct{ *fakeaws.Tables }

func (s updateTwice) UpdateItem(ctx context.Context, in dynamoapi.UpdateItemInput) error {
	if err := s.Tables.UpdateItem(ctx, in); err != nil {
		return err
	}
	return s.Tables.UpdateItem(ctx, in)
}

func TestDetokenize_APurposeIsPartOfTheEncryptionContext(t *testing.T) {
	v := newVault(t)
	created := v.create(t, visa, purpose("refund"))
	var asked map[string]string
	watched := newVault(t, func(c *vault.Config) { c.Store, c.KMS = v.store, watchedKMS{v.kms, &asked} })
	opened, err := watched.Detokenize(t.Context(), attempt(created.Token, ""))
	if err != nil || opened.Purpose != "refund" || opened.Data.Reveal() != visa {
		t.Errorf("purpose %q, %v", opened.Purpose, err)
	}
	want := map[string]string{"table": table, "account_id": account, "ref": created.Ref, "purpose": "refund"}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("KMS was asked with (-want +got):\n%s", diff)
	}
	// Somebody with a right to write takes the purpose away, or makes it another: the envelope does not open.
	for _, altered := range []attribute.Value{{}, attribute.S("charge")} {
		if v.row(created.Token)["Purpose"] = altered; altered.Equal(attribute.Value{}) {
			delete(v.row(created.Token), "Purpose")
		}
		_, err := v.detokenize(t, created.Token)
		wantKind(t, err, failure.Integrity)
	}
}

func TestMetadata_IsSealedAndReturnedWithoutTheData(t *testing.T) {
	v := newVault(t)
	created := v.create(t, visa, metadata(map[string]string{"customer": "7", "note": "Zürich <b>"}), ttl(time.Hour),
		uses(2), purpose("p"))
	got, err := v.Metadata(t.Context(), read(created.Token))
	if err != nil {
		t.Fatal(err)
	}
	want := vault.Metadata{
		About: vault.About{Ref: created.Ref, Type: api.TypeCard, Purpose: "p"}, Created: v.clock.Now(),
		Expires: v.clock.Now().Add(time.Hour), MaxUses: 2,
		Metadata: map[string]string{"customer": "7", "note": "Zürich <b>"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
	for name, value := range v.row(created.Token) {
		encoded := string(attribute.Item{name: value}.AppendJSON(nil))
		if strings.Contains(encoded, "customer") || strings.Contains(encoded, "rich") {
			t.Errorf("attribute %s shows the metadata", name)
		}
	}
}

func TestDetokenize_ATextComesBackAsItWas(t *testing.T) {
	v := newVault(t)
	for _, s := range []string{"DE89 3704 0044 0532 0130 00", "Zoë\nBahnhofstraße 1\t☃", strings.Repeat("é", 2048),
		"\x00\x7f", "  spaces  "} {
		created, err := v.Create(t.Context(), vault.Create{Data: textData(t, s)})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := v.detokenize(t, created.Token); err != nil || got != s {
			t.Errorf("%q came back as %q, %v", s, got, err)
		}
	}
}

func TestData_Masked(t *testing.T) {
	for _, tt := range []struct {
		data             vault.Data
		standard, longer string
	}{
		{cardData(t, visa), "************1111", "411111******1111"},
		{cardData(t, "378282246310005"), "***********0005", "378282*****0005"},
		// 14 digits: the first six would be too much
		{cardData(t, "30569309025904"), "**********5904", "**********5904"},
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

// An attempt is recent for a quarter of an hour, not for ever because somebody, or a clock that was wrong, put it in
// the future.
func TestDetokenize_AnAttemptInTheFutureIsNotRecent(t *testing.T) {
	v := newVault(t)
	created := v.create(t, visa, uses(1))
	if _, err := v.Detokenize(t.Context(), attempt(created.Token, "a")); err != nil {
		t.Fatal(err)
	}
	v.use("", created.Token)["LastAttemptAt"] = attribute.N("99999999999")
	_, err := v.Detokenize(t.Context(), attempt(created.Token, "a"))
	wantKind(t, err, failure.UsedUp)
}

// One attempt counts once, however often the client sends the update and however many of its calls meet.
func TestDetokenize_OneAttemptIsOneUse(t *testing.T) {
	v := newVault(t)
	created := v.create(t, visa, uses(3))
	v = v.meet(t, 50)
	simultaneously(50, func() {
		if _, err := v.Detokenize(t.Context(), attempt(created.Token, "a")); err != nil {
			t.Error(err)
		}
	})
	if m, err := v.Metadata(t.Context(), read(created.Token)); err != nil || m.Uses != 1 {
		t.Errorf("%d uses, %v", m.Uses, err)
	}
	v.clock.advance(15 * time.Minute)
	for want := range int64(2) {
		if _, err := v.Detokenize(t.Context(), attempt(created.Token, "a")); err != nil {
			t.Error(err)
		}
		v.clock.advance(15 * time.Minute)
		if m, err := v.Metadata(t.Context(), read(created.Token)); err != nil || m.Uses != want+2 {
			t.Errorf("%d uses, %v", m.Uses, err)
		}
	}
}

func TestDetokenize_ARepeatedUpdateOfTheCountCountsOnce(t *testing.T) {
	v := newVault(t)
	twice := newVault(t, func(c *vault.Config) { c.KMS, c.Store, c.Now = v.kms, updateTwice{v.store}, v.clock.Now })
	created := v.create(t, visa, uses(3))
	if _, err := twice.detokenize(t, created.Token); err != nil {
		t.Error(err)
	}
	if m, err := v.Metadata(t.Context(), read(created.Token)); err != nil || m.Uses != 1 {
		t.Errorf("%d uses, %v", m.Uses, err)
	}
}
