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
	"github.com/google/uuid"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/dynamoapi"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/fakeaws"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/kmsapi"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/pan"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/token"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/vault"
)

func TestCreate_ARowHoldsCiphertextUnderARandomUUID(t *testing.T) {
	v := newVault(t)
	a, b := tokenize(t, v, visa), tokenize(t, v, visa)
	if a == b {
		t.Error("the same card got the same token")
	}
	if u, err := uuid.Parse(a); err != nil || u.Version() != 4 {
		t.Errorf("token is no version 4 UUID: %v", err)
	}
	row := v.row(a)
	var names []string
	for name, value := range row {
		names = append(names, name)
		text, _ := value.Text()
		number, _ := value.Number()
		binary, _ := value.Bytes()
		if strings.Contains(text+number+string(binary), visa) {
			t.Errorf("attribute %s holds the card", name)
		}
	}
	if len(names) != 5 {
		t.Errorf("attributes = %v", names)
	}
	if m := bytesOf(row["CandidateString"]); bytes.Contains(m, []byte(visa)) ||
		!bytes.HasPrefix(m, []byte{2, 4, 0x78}) {
		t.Error("CandidateString is not an envelope")
	}
}

func TestCreate_ACardTokenLooksLikeTheCardAndOpens(t *testing.T) {
	v := newVault(t)
	got := v.create(t, visa, format(token.Card)).Token
	if _, err := pan.Parse(got); err == nil || len(got) != len(visa) || !strings.HasSuffix(got, "1111") {
		t.Errorf("a card, or not like it: error %v", err)
	}
	if data, err := v.detokenize(t, got); err != nil || data != visa {
		t.Errorf("error = %v", err)
	}
}

func TestCreate_DrawsAnotherTokenIfOneExists(t *testing.T) {
	first, second := token.NewSeed(), token.NewSeed()
	v := newVault(t, func(c *vault.Config) { c.NewSeed = fixedSeeds(first, first, first, second) })
	a := v.create(t, visa, format(token.Card)).Token
	// the same last four: the same token from the same seed
	b := v.create(t, "4024444444441111", format(token.Card)).Token
	if a != first.Token(token.Card, cardNumber(t, visa)) || b != second.Token(token.Card, cardNumber(t, visa)) ||
		v.rows() != 2 {
		t.Fatalf("tokens %s and %s, %d rows", a, b, v.rows())
	}
	if got, err := v.detokenize(t, a); err != nil || got != visa {
		t.Errorf("the first card was overwritten: %v", err)
	}
}

func TestCreate_DrawsAnotherTokenIfOneExistsWithTheIndexToo(t *testing.T) {
	first, second := token.NewSeed(), token.NewSeed()
	v := newVault(t, func(c *vault.Config) { c.NewSeed = fixedSeeds(first, first, second) })
	a, b := v.create(t, visa).Token, v.create(t, visa, idempotent("k")).Token
	if a == b || v.rows() != 2 || b != second.Token(token.UUID, cardNumber(t, visa)) {
		t.Errorf("tokens %s and %s, %d rows", a, b, v.rows())
	}
}

func TestCreate_ARepeatedPutOfTheSameRowSucceeds(t *testing.T) {
	draws := 0
	v := newVault(t, func(c *vault.Config) {
		c.Store = twice{c.Store.(*fakeaws.Tables)}
		c.NewSeed = func() token.Seed { draws++; return token.NewSeed() }
	})
	tokenize(t, v, visa)
	if v.rows() != 1 || draws != 1 {
		t.Errorf("%d rows after %d draws", v.rows(), draws)
	}
}

// twice repeats every put, as the client does after a lost answer.
type twice struct{ *fakeaws.Tables }

func (s twice) PutItem(ctx context.Context, in dynamoapi.PutItemInput) error {
	if err := s.Tables.PutItem(ctx, in); err != nil {
		return err
	}
	return s.Tables.PutItem(ctx, in)
}

func TestCreate_EndlessCollisionsEndInAnError(t *testing.T) {
	seed := token.NewSeed()
	v := newVault(t, func(c *vault.Config) { c.NewSeed = func() token.Seed { return seed } })
	tokenize(t, v, visa)
	_, err := v.Create(t.Context(), vault.Create{Data: cardData(t, visa)})
	wantKind(t, err, failure.Internal)
}

func TestSeal_ReturnsTheRowThatCreateWouldStore(t *testing.T) {
	v := newVault(t)
	created, row, err := v.Seal(t.Context(), vault.Create{Data: cardData(t, visa)})
	if err != nil {
		t.Fatal(err)
	}
	if v.rows() != 0 {
		t.Fatal("Seal stored something")
	}
	if diff := cmp.Diff("attribute_not_exists(Hash_Key)", row.ConditionExpression); diff != "" ||
		row.TableName != table {
		t.Error(row.TableName, diff)
	}
	if textOf(row.Item["Hash_Key"]) != created.Token || textOf(row.Item["Account_Id"]) != account ||
		numberOf(row.Item["Format"]) != "3" || textOf(row.Item["Ref"]) != created.Ref || len(row.Item) != 5 {
		t.Errorf("the row is wrong")
	}
}

// A data key comes from the current version of TokenKey, and from no other key, whoever answers.
func TestCreate_RefusesADataKeyOfAnotherKey(t *testing.T) {
	for name, answer := range map[string]string{"another key": fakeaws.OldKeyARN, "an alias": "alias/token",
		"none": ""} {
		t.Run(name, func(t *testing.T) {
			v := newVault(t, func(c *vault.Config) { c.KMS = renamingKMS{c.KMS.(*fakeaws.KMS), answer} })
			_, err := v.Create(t.Context(), vault.Create{Data: cardData(t, visa)})
			wantKind(t, err, failure.Unavailable)
			if v.rows() != 0 {
				t.Errorf("%d rows", v.rows())
			}
		})
	}
}

// renamingKMS answers with data keys of its own, in the name of another key.
type renamingKMS struct {
	*fakeaws.KMS
	name string
}

func (k renamingKMS) GenerateDataKey(ctx context.Context,
	in kmsapi.GenerateDataKeyInput) (kmsapi.GenerateDataKeyOutput, error) {
	out, err := k.KMS.GenerateDataKey(ctx, in)
	if err == nil {
		out.KeyID = k.name
	}
	return out, err
}

// A data key has 256 bits, whoever answers.
func TestVault_RefusesADataKeyOfAnotherSize(t *testing.T) {
	sound := newVault(t)
	token := tokenize(t, sound, visa)
	for _, size := range []int{0, 16, 31, 33, 64} {
		v := newVault(t, func(c *vault.Config) { c.KMS, c.Store = resizingKMS{sound.kms, size}, sound.store })
		_, err := v.Create(t.Context(), vault.Create{Data: cardData(t, visa)})
		wantKind(t, err, failure.Unavailable)
		_, err = v.detokenize(t, token)
		wantKind(t, err, failure.Integrity)
	}
	if sound.rows() != 1 {
		t.Errorf("%d rows", sound.rows())
	}
}

// resizingKMS answers with data keys of another size.
type resizingKMS struct {
	*fakeaws.KMS
	size int
}

func (k resizingKMS) GenerateDataKey(ctx context.Context,
	in kmsapi.GenerateDataKeyInput) (kmsapi.GenerateDataKeyOutput, error) {
	out, err := k.KMS.GenerateDataKey(ctx, in)
	out.Plaintext = make([]byte, k.size)
	return out, err
}

func (k resizingKMS) Decrypt(ctx context.Context, in kmsapi.DecryptInput) (kmsapi.DecryptOutput, error) {
	out, err := k.KMS.Decrypt(ctx, in)
	out.Plaintext = make([]byte, k.size)
	return out, err
}

// The encryption context, which CloudTrail records, names the token by its ref and does not tell it.
func TestCreate_TheTokenIsNotInTheEncryptionContext(t *testing.T) {
	var asked map[string]string
	v := newVault(t, func(c *vault.Config) { c.KMS = watchedKMS{c.KMS.(*fakeaws.KMS), &asked} })
	created := v.create(t, visa, purpose("refund"))
	want := map[string]string{"table": table, "account_id": account, "ref": created.Ref, "purpose": "refund"}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("KMS was asked with (-want +got):\n%s", diff)
	}
	if !token.IsRef(created.Ref) || strings.Contains(created.Ref, strings.ReplaceAll(created.Token, "-", "")[:12]) {
		t.Errorf("ref %s of token %s", created.Ref, created.Token)
	}
}

type watchedKMS struct {
	*fakeaws.KMS
	asked *map[string]string
}

func (k watchedKMS) GenerateDataKey(ctx context.Context,
	in kmsapi.GenerateDataKeyInput) (kmsapi.GenerateDataKeyOutput, error) {
	*k.asked = in.EncryptionContext
	return k.KMS.GenerateDataKey(ctx, in)
}

func (k watchedKMS) Decrypt(ctx context.Context, in kmsapi.DecryptInput) (kmsapi.DecryptOutput, error) {
	*k.asked = in.EncryptionContext
	return k.KMS.Decrypt(ctx, in)
}

func TestCreate_NamesTheFieldThatIsWrong(t *testing.T) {
	v := newVault(t)
	v.store.Fail = func(string) error { t.Error("the store was asked"); return nil }
	v.kms.Fail = func(string) error { t.Error("KMS was asked"); return nil }
	many := map[string]string{}
	for i := range 17 {
		many[string(rune('a'+i))] = "x"
	}
	for field, changes := range map[string][]func(*vault.Create){
		"data": {func(c *vault.Create) { c.Data = vault.Data{} }},
		"format": {format("base64"), func(c *vault.Create) {
			c.Data, c.Format = textData(t, "x"), token.Card
		}},
		"ttl":      {ttl(-1), ttl(11 * 365 * 24 * time.Hour)},
		"max_uses": {uses(-1), uses(1_000_001)},
		"binding.purpose": {purpose("Refund"), purpose(strings.Repeat("a", 65)), purpose("4111111111111111"),
			purpose("a b")},
		"deterministic": {
			func(c *vault.Create) { c.Deterministic, c.TTL = true, time.Hour }, func(c *vault.Create) {
				c.Deterministic, c.MaxUses = true, 1
			},
			func(c *vault.Create) { c.Deterministic, c.IdempotencyKey = true, "k" },
		},
		"scope":           {func(c *vault.Create) { c.Scope = "s" }, deterministic("a b"), deterministic(visa)},
		"Idempotency-Key": {idempotent("a b"), idempotent(visa), idempotent(strings.Repeat("k", 129))},
		"binding.context": {
			boundTo(map[string]string{"order": visa}), boundTo(map[string]string{"cvv": "1"}),
			boundTo(map[string]string{"": "x"}),
			boundTo(map[string]string{"a": "\x00"}), boundTo(map[string]string{"a": strings.Repeat("x", 1024)}),
			boundTo(map[string]string{"a": "", "b": "", "c": "", "d": "", "e": "", "f": "", "g": "", "h": "", "i": ""}),
		},
		"metadata": {
			metadata(map[string]string{"note": visa}),
			metadata(map[string]string{"note": "4111 1111-1111 1111 thanks"}), metadata(map[string]string{"cvv": "1"}),
			metadata(map[string]string{"PIN": "1"}), metadata(map[string]string{"": "x"}),
			metadata(map[string]string{"a b": "x"}),
			metadata(map[string]string{"a": "\x00"}), metadata(map[string]string{"a": "\xff"}),
			metadata(map[string]string{"a": "\u202e"}), metadata(many),
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
	_, err := v.Detokenize(t.Context(), attempt("00000000-0000-4000-8000-000000000000", visa))
	if e, _ := errors.AsType[*failure.Error](err); e == nil || e.Field != "attempt" {
		t.Errorf("attempt: %v", err)
	}
}

// The longest that a request may carry, of characters that JSON writes in many bytes, fits into an envelope.
func TestCreate_SealsTheLongestTextWithTheLargestMetadataAndContext(t *testing.T) {
	for _, character := range []string{"x", "<", "\"", "\u2028", "é"} {
		v := newVault(t)
		text := strings.Repeat(character, api.MaxText/len(character))
		created, err := v.Create(t.Context(), vault.Create{
			Data: textData(t, text), MaxUses: 1, TTL: time.Hour, Purpose: "p",
			Metadata: map[string]string{"a": strings.Repeat(character, (api.MaxMetadataBytes-1)/len(character))},
			Context:  map[string]string{"a": strings.Repeat(character, (api.MaxContextBytes-1)/len(character))},
		})
		if err != nil {
			t.Errorf("%q: %v", character, err)
			continue
		}
		in := attempt(created.Token, "")
		in.Context = map[string]string{"a": strings.Repeat(character, (api.MaxContextBytes-1)/len(character))}
		if got, err := v.Detokenize(t.Context(), in); err != nil || got.Data.Reveal() != text {
			t.Errorf("%q: %v", character, err)
		}
	}
}

func TestVault_IsSafeForConcurrentUse(t *testing.T) {
	v := newVault(t)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			created, err := v.Create(t.Context(), vault.Create{Data: cardData(t, visa)})
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := v.detokenize(t, created.Token); err != nil || got != visa {
				t.Error("detokenize:", err)
			}
		})
	}
	wg.Wait()
	if v.rows() != 20 {
		t.Errorf("%d rows", v.rows())
	}
}

func TestVault_NamesUpstreamTroubleWithoutItsText(t *testing.T) {
	apiError := func(code string) func(string) error {
		return func(string) error { return fakeaws.Exception(code) }
	}
	for name, tt := range map[string]struct {
		kms, store func(string) error
		kind       error
	}{
		"kms denies":    {kms: apiError("AccessDeniedException"), kind: failure.Denied},
		"kms throttles": {kms: apiError("ThrottlingException"), kind: failure.Unavailable},
		"kms is away": {kms: func(string) error { return errors.New("dial: upstream text") },
			kind: failure.Unavailable},
		"kms speaks oddly": {kms: apiError("<html>" + visa), kind: failure.Unavailable},
		"store denies":     {store: apiError("AccessDeniedException"), kind: failure.Denied},
		"store is away": {store: func(string) error { return context.DeadlineExceeded },
			kind: failure.Unavailable},
		"store has no table": {store: apiError("ResourceNotFoundException"), kind: failure.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVault(t)
			token := tokenize(t, v, visa)
			v.kms.Fail, v.store.Fail = tt.kms, tt.store
			_, err := v.Create(t.Context(), vault.Create{Data: cardData(t, visa)})
			wantKind(t, err, tt.kind)
			_, err = v.detokenize(t, token)
			wantKind(t, err, tt.kind)
			if v.rows() != 1 {
				t.Errorf("%d rows", v.rows())
			}
		})
	}
}
