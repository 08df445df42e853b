package vault_test

import (
	"errors"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/dynamoserver"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/fakeaws"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/vault"
)

// tables are the vault's tables on another implementation of DynamoDB than the tests' own, over HTTP: the vault's
// conditions and updates are expressions there, not names that a fake knows.
type tables struct {
	*dynamodb.Client // the tests' own
	store            vault.Store
	t                *testing.T
	clock            *clock
	kms              *fakeaws.KMS
}

func newTables(t *testing.T) tables {
	t.Helper()
	w := tables{t: t, clock: &clock{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}, kms: &fakeaws.KMS{}}
	server := httptest.NewServer(
		dynamoserver.New(dynamoserver.Config{AccountID: account, Region: "us-east-1", Now: w.clock.Now}))
	t.Cleanup(server.Close)
	w.Client, w.store = newDynamoDB(server.URL, "AKID"), newStore(t, server.URL, "AKID")
	createTables(t, w.Client)
	return w
}

// createTables makes the vault's tables.
func createTables(t *testing.T, client *dynamodb.Client) {
	t.Helper()
	for name, keys := range map[string][]string{table: {"Hash_Key", "Account_Id"}, state: {"State_Key", "Account_Id"},
		index: {"Index_Key"}} {
		in := &dynamodb.CreateTableInput{TableName: &name, BillingMode: types.BillingModePayPerRequest}
		for i, key := range keys {
			in.AttributeDefinitions = append(in.AttributeDefinitions,
				types.AttributeDefinition{AttributeName: &key, AttributeType: types.ScalarAttributeTypeS})
			in.KeySchema = append(in.KeySchema,
				types.KeySchemaElement{AttributeName: &key,
					KeyType: []types.KeyType{types.KeyTypeHash, types.KeyTypeRange}[i]})
		}
		if _, err := client.CreateTable(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
}

func (w tables) vault(keys ...vault.Key) fixture {
	w.t.Helper()
	return newVault(w.t, func(c *vault.Config) {
		c.KMS, c.Store, c.Now, c.FingerprintKeys, c.Timeout = w.kms, w.store, w.clock.Now, keys, time.Minute
	})
}

func (w tables) count(name string) int {
	w.t.Helper()
	out, err := w.Scan(w.t.Context(), &dynamodb.ScanInput{TableName: &name})
	if err != nil {
		w.t.Fatal(err)
	}
	return len(out.Items)
}

func TestDynamoDB_IndexAcrossARotationAndARevocation(t *testing.T) {
	w := newTables(t)
	old, both, after := w.vault(firstKey), w.vault(secondKey, firstKey), w.vault(secondKey)
	revoked := old.create(t, visa, deterministic("s")).Token
	if got := both.create(t, visa, deterministic("s")); got.Token != revoked || !got.Deduplicated ||
		after.create(t, visa, deterministic("s")).Token != revoked {
		t.Error("the rotated key does not find the token")
	}
	after.revoke(t, revoked)
	if w.count(index) != 0 {
		t.Errorf("%d rows of the index are left", w.count(index))
	}
	var mu sync.Mutex
	seen := map[string]int{}
	simultaneously(20, func() {
		created, err := after.Create(t.Context(),
			vault.Create{Data: cardData(t, visa), Deterministic: true, Scope: "s"})
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		seen[created.Token]++
	})
	if len(seen) != 1 || seen[revoked] != 0 || w.count(table) != 1 {
		t.Errorf("%d tokens, the revoked one %d times; %d rows", len(seen), seen[revoked], w.count(table))
	}
}

func TestDynamoDB_AFingerprintThatLeadsNowhereIsReplaced(t *testing.T) {
	w := newTables(t)
	v := w.vault(firstKey)
	created := v.create(t, visa, deterministic("s"))
	row, err := w.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: new(table), Key: sdkRow{
		"Hash_Key":   &types.AttributeValueMemberS{Value: created.Token},
		"Account_Id": &types.AttributeValueMemberS{Value: account},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.DeleteItem(t.Context(),
		&dynamodb.DeleteItemInput{TableName: new(index), Key: sdkRow{"Index_Key": row.Item["IndexKeys"]}}); err != nil {
		t.Fatal(err)
	}
	fresh := v.create(t, visa, deterministic("s"))
	if fresh.Token == created.Token || fresh.Deduplicated ||
		v.create(t, visa, deterministic("s")).Token != fresh.Token {
		t.Error("not replaced")
	}
}

func TestDynamoDB_IdempotentRequestsWithinTheDayAndAfterIt(t *testing.T) {
	w := newTables(t)
	old, both := w.vault(firstKey), w.vault(secondKey, firstKey)
	once := both.create(t, visa, idempotent("k")).Token
	if old.create(t, visa, idempotent("k")).Token != once {
		t.Error("another token for the same request")
	}
	if _, err := both.Create(t.Context(),
		vault.Create{Data: cardData(t, visa), IdempotencyKey: "k", MaxUses: 1}); !errors.Is(err, failure.KeyReused) {
		t.Errorf("another request: %v", err)
	}
	w.clock.advance(24 * time.Hour)
	if old.create(t, visa, idempotent("k")).Token == once {
		t.Error("the same token after a day")
	}
	both.revoke(t, once) // whose request's key is another token's now
	if again := old.create(t, visa, idempotent("k")).Token; again == once || w.count(table) != 1 {
		t.Errorf("%d rows", w.count(table))
	}
}

func TestDynamoDB_CountsUsesByAttempts(t *testing.T) {
	w := newTables(t)
	v := w.vault(firstKey)
	limited := v.create(t, visa, uses(2)).Token
	for _, step := range []struct {
		attempt string
		want    error
		uses    int64
	}{{"a", nil, 1}, {"a", nil, 1}, {"b", nil, 2}, {"b", nil, 2}, {"a", failure.UsedUp, 2}, {"", failure.UsedUp, 2}} {
		_, err := v.Detokenize(t.Context(), attempt(limited, step.attempt))
		m, metadataErr := v.Metadata(t.Context(), read(limited))
		if !errors.Is(err, step.want) || metadataErr != nil || m.Uses != step.uses {
			t.Errorf("attempt %q: %v; %d uses, %v", step.attempt, err, m.Uses, metadataErr)
		}
	}
	w.clock.advance(15 * time.Minute)
	_, err := v.Detokenize(t.Context(), attempt(limited, "b"))
	wantKind(t, err, failure.UsedUp)
	again := v.create(t, visa, uses(2)).Token
	for want := range int64(2) { // an attempt's name may be used again later, and counts again
		if _, err := v.Detokenize(t.Context(), attempt(again, "a")); err != nil {
			t.Error(err)
		}
		if m, err := v.Metadata(t.Context(), read(again)); err != nil || m.Uses != want+1 {
			t.Errorf("%d uses, %v", m.Uses, err)
		}
		w.clock.advance(15 * time.Minute)
	}
	v.revoke(t, again)
	_, err = v.Detokenize(t.Context(), attempt(again, "a"))
	wantKind(t, err, failure.Revoked)
}

func TestDynamoDB_ANegativeCountIsTampering(t *testing.T) {
	w := newTables(t)
	v := w.vault(firstKey)
	created := v.create(t, visa, uses(1))
	if _, err := w.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: new(state), Item: sdkRow{
		"State_Key":  &types.AttributeValueMemberS{Value: "use##" + created.Token},
		"Account_Id": &types.AttributeValueMemberS{Value: account},
		"Uses":       &types.AttributeValueMemberN{Value: "-1000000"},
	}}); err != nil {
		t.Fatal(err)
	}
	_, err := v.detokenize(t, created.Token)
	wantKind(t, err, failure.Integrity)
}

func TestDynamoDB_OneOf50SimultaneousUsesSucceeds(t *testing.T) {
	w := newTables(t)
	v := w.vault(firstKey)
	created := v.create(t, visa, uses(1))
	var mu sync.Mutex
	read := 0
	simultaneously(50, func() {
		_, err := v.Detokenize(t.Context(), attempt(created.Token, ""))
		if err != nil && !errors.Is(err, failure.UsedUp) {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			read++
		}
	})
	if read != 1 {
		t.Errorf("%d reads", read)
	}
}
