package vault_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/fakeaws"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/pan"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/sensitive"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/token"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/vault"
)

const (
	table   = "CreditCardTokenizerTable"
	index   = "CreditCardTokenizerIndex"
	account = "123456789012"
	visa    = "4111111111111111"
)

type fixture struct {
	*vault.Vault
	kms   *fakeaws.KMS
	store *fakeaws.Tables
	clock *clock
	keys  []vault.FingerprintKey
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

func newVault(t testing.TB, change ...func(*vault.Config)) fixture {
	t.Helper()
	f := fixture{kms: &fakeaws.KMS{}, store: &fakeaws.Tables{}, clock: &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}}
	c := vault.Config{
		KeyARN: fakeaws.KeyARN, Table: table, Index: index, AccountID: account, KMS: f.kms, Store: f.store, Now: f.clock.Now,
		FingerprintKeys: []vault.FingerprintKey{{Version: "1", ARN: fakeaws.FingerprintARN}},
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
	opened, err := f.Detokenize(t.Context(), token, "")
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

func TestTokenIsARandomUUIDAndTheRowHoldsCiphertext(t *testing.T) {
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
		if strings.Contains(fmt.Sprintf("%s", value), visa) {
			t.Errorf("attribute %s holds the card", name)
		}
	}
	if len(names) != 4 {
		t.Errorf("attributes = %v", names)
	}
	if m := row["CandidateString"].(*types.AttributeValueMemberB).Value; bytes.Contains(m, []byte(visa)) || !bytes.HasPrefix(m, []byte{2, 4, 0x78}) {
		t.Error("CandidateString is not an envelope")
	}
}

func TestDetokenizeReturnsTheDigits(t *testing.T) {
	v := newVault(t)
	got, err := v.detokenize(t, tokenize(t, v, "4111-1111-1111-1111"))
	if err != nil || got != visa {
		t.Fatalf("error = %v", err)
	}
}

func TestATakenTokenIsReplacedAndNeverOverwritten(t *testing.T) {
	tokens := []string{
		"00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002",
	}
	v := newVault(t, func(c *vault.Config) {
		c.NewToken = func(token.Format, pan.Number) (string, error) {
			next := tokens[0]
			tokens = tokens[1:]
			return next, nil
		}
	})
	first := tokenize(t, v, visa)
	second := tokenize(t, v, "0000-0000-0000-0000")
	if first == second || v.rows() != 2 {
		t.Fatalf("%d rows", v.rows())
	}
	if got, err := v.detokenize(t, first); err != nil || got != visa {
		t.Errorf("the first card was overwritten: %v", err)
	}
}

// twice repeats every put, as the SDK does after a lost answer.
type twice struct{ *fakeaws.Tables }

func (s twice) PutItem(ctx context.Context, in *dynamodb.PutItemInput, o ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	if _, err := s.Tables.PutItem(ctx, in, o...); err != nil {
		return nil, err
	}
	return s.Tables.PutItem(ctx, in, o...)
}

func TestARepeatedPutOfTheSameRowSucceeds(t *testing.T) {
	draws := 0
	v := newVault(t, func(c *vault.Config) {
		c.Store = twice{c.Store.(*fakeaws.Tables)}
		c.NewToken = func(token.Format, pan.Number) (string, error) { draws++; return uuid.NewString(), nil }
	})
	tokenize(t, v, visa)
	if v.rows() != 1 || draws != 1 {
		t.Errorf("%d rows after %d draws", v.rows(), draws)
	}
}

func TestEndlessCollisionsEndInAnError(t *testing.T) {
	v := newVault(t, func(c *vault.Config) {
		c.NewToken = func(token.Format, pan.Number) (string, error) { return "00000000-0000-4000-8000-000000000001", nil }
	})
	tokenize(t, v, visa)
	_, err := v.Create(t.Context(), vault.Create{Data: cardData(t, visa)})
	wantKind(t, err, failure.Internal)
}

func TestSealedRowIsWhatTokenizeWouldStore(t *testing.T) {
	v := newVault(t)
	created, row, err := v.Seal(t.Context(), vault.Create{Data: cardData(t, visa)})
	if err != nil {
		t.Fatal(err)
	}
	if v.rows() != 0 {
		t.Fatal("Seal stored something")
	}
	if diff := cmp.Diff("attribute_not_exists(Hash_Key)", row.ConditionExpression); diff != "" || row.TableName != table {
		t.Error(row.TableName, diff)
	}
	if *row.Item["Hash_Key"].S != created.Token || *row.Item["Account_Id"].S != account || *row.Item["Format"].N != "2" || len(row.Item) != 4 {
		t.Errorf("the row is wrong")
	}
}

func TestARowMovedToAnotherTokenDoesNotOpen(t *testing.T) {
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

func TestAlteredRowsDoNotOpen(t *testing.T) {
	for name, alter := range map[string]func(map[string]types.AttributeValue){
		"a flipped bit": func(r map[string]types.AttributeValue) {
			m := bytes.Clone(r["CandidateString"].(*types.AttributeValueMemberB).Value)
			m[len(m)-1] ^= 1
			r["CandidateString"] = &types.AttributeValueMemberB{Value: m}
		},
		"no message": func(r map[string]types.AttributeValue) { delete(r, "CandidateString") },
		"a string for message": func(r map[string]types.AttributeValue) {
			r["CandidateString"] = &types.AttributeValueMemberS{Value: "x"}
		},
		"no format":      func(r map[string]types.AttributeValue) { delete(r, "Format") },
		"another format": func(r map[string]types.AttributeValue) { r["Format"] = &types.AttributeValueMemberN{Value: "9"} },
		"a huge message": func(r map[string]types.AttributeValue) {
			r["CandidateString"] = &types.AttributeValueMemberB{Value: make([]byte, 1<<20)}
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

func TestAnotherAccountsTokenLooksUnknown(t *testing.T) {
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

func TestMalformedTokensAreRefusedBeforeTheStore(t *testing.T) {
	v := newVault(t)
	v.store.Fail = func(string) error { t.Error("the store was asked"); return nil }
	for _, token := range []string{"", visa, "x", "0000", strings.Repeat("a", 36), "00000000-0000-4000-8000-00000000000G", "00000000-0000-4000-8000-00000000000A"} {
		_, err := v.detokenize(t, token)
		wantKind(t, err, failure.Invalid)
	}
}

func TestUpstreamTrouble(t *testing.T) {
	apiError := func(code string) func(string) error {
		return func(string) error { return &smithy.GenericAPIError{Code: code, Message: "upstream text " + visa} }
	}
	for name, tt := range map[string]struct {
		kms, store func(string) error
		kind       error
	}{
		"kms denies":         {kms: apiError("AccessDeniedException"), kind: failure.Denied},
		"kms throttles":      {kms: apiError("ThrottlingException"), kind: failure.Unavailable},
		"kms is away":        {kms: func(string) error { return errors.New("dial: upstream text") }, kind: failure.Unavailable},
		"kms speaks oddly":   {kms: apiError("<html>" + visa), kind: failure.Unavailable},
		"store denies":       {store: apiError("AccessDeniedException"), kind: failure.Denied},
		"store is away":      {store: func(string) error { return context.DeadlineExceeded }, kind: failure.Unavailable},
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

func TestACallEndsWithItsContext(t *testing.T) {
	v := newVault(t)
	token := tokenize(t, v, visa)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := v.Detokenize(ctx, token, "")
	wantKind(t, err, failure.Unavailable)
}

func TestNew_NamesEveryFieldThatIsWrong(t *testing.T) {
	_, err := vault.New(vault.Config{KeyARN: "alias/x", Table: "t"})
	for _, want := range []string{"KeyARN ", "Table ", "FingerprintKeys ", "AccountID ", "KMS and Store "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %s", err, want)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
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
