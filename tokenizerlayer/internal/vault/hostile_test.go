package vault_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/fakeaws"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/vault"
)

// What somebody can do who may write to the tables and has no rights to the keys.

// Whatever was done to a row, revoking it leaves nothing in the index that leads to it: the next who asks for the same data would
// get a token that opens nothing.
func TestARevokedTokenIsNotFoundAgainWhateverItsRowLookedLike(t *testing.T) {
	for name, alter := range map[string]func(row, other map[string]types.AttributeValue){
		"another format": func(row, _ map[string]types.AttributeValue) { row["Format"] = &types.AttributeValueMemberN{Value: "9"} },
		"no message":     func(row, _ map[string]types.AttributeValue) { delete(row, "CandidateString") },
		"another's mark": func(row, other map[string]types.AttributeValue) {
			row["IndexKeys"] = &types.AttributeValueMemberS{Value: marks(other) + " " + marks(row)}
		},
		"a mark twice": func(row, _ map[string]types.AttributeValue) {
			row["IndexKeys"] = &types.AttributeValueMemberS{Value: marks(row) + " " + marks(row)}
		},
		"what is no mark": func(row, _ map[string]types.AttributeValue) {
			row["IndexKeys"] = &types.AttributeValueMemberS{Value: strings.Repeat("x", 3000) + " a b c d " + marks(row)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVault(t)
			mine, other := v.create(t, visa, deterministic("s")), v.create(t, "4012888888881881", deterministic("s"))
			alter(v.row(mine.Token), v.row(other.Token))
			if _, err := v.Revoke(t.Context(), mine.Token); err != nil {
				t.Fatal(err)
			}
			if v.rows() != 1 || v.indexRows() != 1 {
				t.Errorf("%d rows, %d in the index", v.rows(), v.indexRows())
			}
			if again := v.create(t, visa, deterministic("s")); again.Token == mine.Token || again.Deduplicated {
				t.Error("the revoked token is given out")
			}
			if got := v.create(t, "4012888888881881", deterministic("s")); got.Token != other.Token {
				t.Error("the other token is gone")
			}
		})
	}
}

func marks(row map[string]types.AttributeValue) string {
	return row["IndexKeys"].(*types.AttributeValueMemberS).Value
}

// A format says which payload the envelope must hold, so that nobody can make a row one of the first release, whose payload says
// nothing of limits.
func TestARowOfThisReleaseCannotBeTakenForOneOfTheFirst(t *testing.T) {
	v := newVault(t)
	created := v.create(t, visa, uses(1), ttl(time.Hour))
	v.row(created.Token)["Format"] = &types.AttributeValueMemberN{Value: "1"}
	_, err := v.detokenize(t, created.Token)
	wantKind(t, err, failure.Integrity)
}

// An attempt is recent for a quarter of an hour, not for ever because somebody, or a clock that was wrong, put it in the future.
func TestAnAttemptInTheFutureIsNotRecent(t *testing.T) {
	v := newVault(t)
	created := v.create(t, visa, uses(1))
	if _, err := v.Detokenize(t.Context(), created.Token, "a"); err != nil {
		t.Fatal(err)
	}
	v.row(created.Token)["LastAttemptAt"] = &types.AttributeValueMemberN{Value: "99999999999"}
	_, err := v.Detokenize(t.Context(), created.Token, "a")
	wantKind(t, err, failure.UsedUp)
}

// One attempt counts once, however often the SDK sends the update and however many of its calls meet.
func TestOneAttemptIsOneUse(t *testing.T) {
	v := newVault(t)
	created := v.create(t, visa, uses(3))
	v = v.meet(t, 50)
	simultaneously(50, func() {
		if _, err := v.Detokenize(t.Context(), created.Token, "a"); err != nil {
			t.Error(err)
		}
	})
	if m, err := v.Metadata(t.Context(), created.Token); err != nil || m.Uses != 1 {
		t.Errorf("%d uses, %v", m.Uses, err)
	}
	v.clock.advance(15 * time.Minute)
	for want := range int64(2) {
		if _, err := v.Detokenize(t.Context(), created.Token, "a"); err != nil {
			t.Error(err)
		}
		v.clock.advance(15 * time.Minute)
		if m, err := v.Metadata(t.Context(), created.Token); err != nil || m.Uses != want+2 {
			t.Errorf("%d uses, %v", m.Uses, err)
		}
	}
}

func TestARepeatedUpdateOfTheCountCountsOnce(t *testing.T) {
	v := newVault(t)
	twice := newVault(t, func(c *vault.Config) { c.KMS, c.Store, c.Now = v.kms, updateTwice{v.store}, v.clock.Now })
	created := v.create(t, visa, uses(3))
	if _, err := twice.detokenize(t, created.Token); err != nil {
		t.Error(err)
	}
	if m, err := v.Metadata(t.Context(), created.Token); err != nil || m.Uses != 1 {
		t.Errorf("%d uses, %v", m.Uses, err)
	}
}

// The longest that a request may carry, of characters that JSON writes in many bytes, fits into an envelope.
func TestTheLongestTextWithTheLargestMetadataIsSealed(t *testing.T) {
	for _, character := range []string{"x", "<", "\"", "\u2028", "é"} {
		v := newVault(t)
		text := strings.Repeat(character, api.MaxText/len(character))
		created, err := v.Create(t.Context(), vault.Create{
			Data: textData(t, text), MaxUses: 1, TTL: time.Hour, Purpose: "p",
			Metadata: map[string]string{"a": strings.Repeat(character, (api.MaxMetadataBytes-1)/len(character))},
		})
		if err != nil {
			t.Errorf("%q: %v", character, err)
			continue
		}
		if got, err := v.detokenize(t, created.Token); err != nil || got != text {
			t.Errorf("%q: %v", character, err)
		}
	}
}

// While KMS does not answer, those who wait for it wait together, not one behind the other.
func TestManyOperationsWithoutKMSEndInTimeTogether(t *testing.T) {
	v := newVault(t, func(c *vault.Config) { c.KMS, c.Timeout = silentKMS{c.KMS.(*fakeaws.KMS)}, 50*time.Millisecond })
	start := time.Now()
	simultaneously(100, func() {
		_, err := v.TokenHash(t.Context(), "x")
		wantKind(t, err, failure.Unavailable)
	})
	if took := time.Since(start); took > 2*time.Second { // one behind the other: 5 s
		t.Errorf("it took %v", took)
	}
}

// silentKMS never answers a GenerateMac.
type silentKMS struct{ *fakeaws.KMS }

func (k silentKMS) GenerateMac(ctx context.Context, _ *kms.GenerateMacInput, _ ...func(*kms.Options)) (*kms.GenerateMacOutput, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// Of those who revoke a token at the same time one is told that it did.
func TestATokenThatIsRevokedMeanwhileIsNotFound(t *testing.T) {
	v := newVault(t)
	created := v.create(t, visa, deterministic("s"))
	late := newVault(t, func(c *vault.Config) { c.KMS, c.Store, c.Now = v.kms, rowThatGoes{v.store, v.Vault}, v.clock.Now })
	_, err := late.Revoke(t.Context(), created.Token)
	wantKind(t, err, failure.NotFound)
}

// rowThatGoes gives a row, which is revoked before anything is done about it.
type rowThatGoes struct {
	*fakeaws.Tables
	other *vault.Vault
}

func (s rowThatGoes) GetItem(ctx context.Context, in *dynamodb.GetItemInput, o ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	out, err := s.Tables.GetItem(ctx, in, o...)
	if _, err := s.other.Revoke(ctx, in.Key["Hash_Key"].(*types.AttributeValueMemberS).Value); err != nil {
		return nil, err
	}
	return out, err
}

// A use is counted where the row is: one of a token that was revoked after it was read is none, and its data is not released.
func TestATokenOfLimitedUsesThatIsRevokedMeanwhileIsNotFound(t *testing.T) {
	v := newVault(t)
	created := v.create(t, visa, uses(2))
	late := newVault(t, func(c *vault.Config) {
		c.KMS, c.Store, c.Now = v.kms, &rowThatGoesOnce{rowThatGoes{v.store, v.Vault}, false}, v.clock.Now
	})
	_, err := late.detokenize(t, created.Token)
	wantKind(t, err, failure.NotFound)
	if v.rows() != 0 {
		t.Error("a row was made")
	}
}

type rowThatGoesOnce struct {
	rowThatGoes
	gone bool
}

func (s *rowThatGoesOnce) GetItem(ctx context.Context, in *dynamodb.GetItemInput, o ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	if s.gone {
		return s.Tables.GetItem(ctx, in, o...)
	}
	s.gone = true
	return s.rowThatGoes.GetItem(ctx, in, o...)
}
