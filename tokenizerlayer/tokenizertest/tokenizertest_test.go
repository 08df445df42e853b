package tokenizertest_test

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/tokenizertest"
)

const card = "4111111111111111"

func tokenize(t *testing.T, c *client.Client, in client.TokenizeInput) client.TokenizeOutput {
	t.Helper()
	in.Data = client.NewSecret(card)
	out, err := c.Tokenize(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func seal(t *testing.T, c *client.Client) client.SealOutput {
	t.Helper()
	out, err := c.Seal(t.Context(), client.SealInput{Data: client.NewSecret(card)})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func live(t *testing.T, c *client.Client, token string) bool {
	t.Helper()
	out, err := c.Validate(t.Context(), client.ValidateInput{Token: token})
	if err != nil {
		t.Fatal(err)
	}
	return out.Live
}

func TestStart_ServesEveryOperation(t *testing.T) {
	tok := tokenizertest.Start(t)
	if _, err := tok.Client.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	in := client.TokenizeInput{Deterministic: true, Metadata: map[string]string{"a": "b"}}
	first, again := tokenize(t, tok.Client, in), tokenize(t, tok.Client, in)
	if first.Token != again.Token {
		t.Error("the index does not work")
	}
	out, err := tok.Client.Metadata(t.Context(), client.MetadataInput{Token: first.Token})
	if diff := cmp.Diff(in.Metadata, out.Metadata); err != nil || diff != "" {
		t.Errorf("%v, metadata (-want +got):\n%s", err, diff)
	}
	if _, err := tok.Client.Revoke(t.Context(), client.RevokeInput{Token: first.Token}); err != nil ||
		live(t, tok.Client, first.Token) {
		t.Errorf("revoke: %v", err)
	}
}

func TestStart_KeepsTokenizersApart(t *testing.T) {
	one, other := tokenizertest.Start(t), tokenizertest.Start(t)
	if token := tokenize(t, one.Client, client.TokenizeInput{}).Token; live(t, other.Client, token) {
		t.Error("the other tokenizer has the token")
	}
}

func TestStart_ClosesWhenTheTestEnds(t *testing.T) {
	var tok *tokenizertest.Tokenizer
	t.Run("inner", func(t *testing.T) { tok = tokenizertest.Start(t) })
	if _, err := tok.Client.Ping(t.Context()); !errors.Is(err, client.ErrUnavailable) {
		t.Errorf("after the test: %v", err)
	}
}

func TestTokenizer_SetenvIsForFromEnvironment(t *testing.T) {
	tok := tokenizertest.Start(t)
	tok.Setenv(t)
	c, err := client.FromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	if !live(t, c, tokenize(t, tok.Client, client.TokenizeInput{}).Token) {
		t.Error("the client is for another tokenizer")
	}
}

// own is an item of the caller's own table.
func own() types.TransactWriteItem {
	return types.TransactWriteItem{Put: &types.Put{
		TableName: new("CustomerOrderTable"),
		Item:      map[string]types.AttributeValue{"CustomerOrder": &types.AttributeValueMemberS{Value: "1"}},
	}}
}

func TestTokenizer_CommitStoresTheRowsOfSeal(t *testing.T) {
	tok := tokenizertest.Start(t)
	first, second := seal(t, tok.Client), seal(t, tok.Client)
	if err := tok.Commit(own()); err != nil {
		t.Errorf("no row of the vault: %v", err)
	}
	if err := tok.Commit(own(), first.Put, second.Put); err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{first.Token, second.Token} {
		out, err := tok.Client.Detokenize(t.Context(),
			client.DetokenizeInput{Token: token, Redaction: client.PlainText})
		if err != nil || out.Data.Reveal() != card {
			t.Errorf("detokenize: %v", err)
		}
	}
}

func TestTokenizer_CommitFailsAsDynamoDBDoes(t *testing.T) {
	tok := tokenizertest.Start(t)
	taken, free := seal(t, tok.Client), seal(t, tok.Client)
	if err := tok.Commit(taken.Put); err != nil {
		t.Fatal(err)
	}
	err := tok.Commit(free.Put, own(), taken.Put)
	cancelled, ok := errors.AsType[*types.TransactionCanceledException](err)
	if !ok {
		t.Fatalf("error %v", err)
	}
	var codes []string
	for _, reason := range cancelled.CancellationReasons {
		codes = append(codes, *reason.Code)
	}
	if diff := cmp.Diff([]string{"None", "None", "ConditionalCheckFailed"}, codes); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
	if live(t, tok.Client, free.Token) {
		t.Error("a part of the transaction was carried out")
	}
}

func TestTokenizer_CommitInsistsOnTheCondition(t *testing.T) {
	tok := tokenizertest.Start(t)
	for name, condition := range map[string]*string{"none": nil, "another": new("attribute_exists(Hash_Key)")} {
		t.Run(name, func(t *testing.T) {
			sealed := seal(t, tok.Client)
			sealed.Put.Put.ConditionExpression = condition
			if err := tok.Commit(sealed.Put); err == nil || live(t, tok.Client, sealed.Token) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestTokenizer_AdvanceExpiresTokens(t *testing.T) {
	tok := tokenizertest.Start(t)
	made := tokenize(t, tok.Client, client.TokenizeInput{TTL: time.Hour})
	if left := time.Until(made.ExpiresAt); left < 59*time.Minute || left > time.Hour {
		t.Errorf("the token lives for %v", left)
	}
	tok.Advance(59 * time.Minute)
	if !live(t, tok.Client, made.Token) {
		t.Error("expired too early")
	}
	tok.Advance(time.Minute)
	if live(t, tok.Client, made.Token) {
		t.Error("not expired")
	}
}

func TestTokenizer_FailMakesEveryCallFail(t *testing.T) {
	tok := tokenizertest.Start(t)
	c, ctx := tok.Client, t.Context()
	calls := map[string]func() error{
		"tokenize": func() error {
			_, err := c.Tokenize(ctx, client.TokenizeInput{Data: client.NewSecret(card)})
			return err
		},
		"seal": func() error {
			_, err := c.Seal(ctx, client.SealInput{Data: client.NewSecret(card)})
			return err
		},
		"detokenize": func() error { _, err := c.Detokenize(ctx, client.DetokenizeInput{}); return err },
		"validate":   func() error { _, err := c.Validate(ctx, client.ValidateInput{}); return err },
		"metadata":   func() error { _, err := c.Metadata(ctx, client.MetadataInput{}); return err },
		"revoke":     func() error { _, err := c.Revoke(ctx, client.RevokeInput{}); return err },
		"ping":       func() error { _, err := c.Ping(ctx); return err },
	}
	for _, kind := range failure.Kinds() {
		tok.Fail(kind)
		for name, do := range calls {
			err := do()
			e, ok := errors.AsType[*client.Error](err)
			if !ok || !errors.Is(err, kind) || e.Code != kind.Code || e.Status != kind.Status {
				t.Errorf("%s, %v: %v", name, kind, err)
			}
			if waits := kind == failure.InFlight || kind == failure.RateLimited; (e.RetryAfter > 0) != waits {
				t.Errorf("%s, %v: try again after %v", name, kind, e.RetryAfter)
			}
		}
	}
	tok.Fail(nil)
	tokenize(t, c, client.TokenizeInput{})
}

func TestTokenizer_FailRefusesOtherErrors(t *testing.T) {
	tok := tokenizertest.Start(t)
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	tok.Fail(context.Canceled)
}

func TestTokenizer_LogHasALineForEachCall(t *testing.T) {
	tok := tokenizertest.Start(t)
	const calls = 50
	var all sync.WaitGroup
	for range calls {
		all.Go(func() {
			text := client.NewSecret(strings.Repeat("x", 4096))
			if _, err := tok.Client.Seal(t.Context(), client.SealInput{Data: text, Type: client.TypeText}); err != nil {
				t.Error(err)
			}
			if !strings.Contains(tok.Log(), `"operation":"seal"`) { // while other calls are recorded
				t.Error("the log lacks a call that was answered")
			}
		})
	}
	all.Wait()
	log := tok.Log()
	if lines := strings.Count(log, "\n"); lines != calls || strings.Count(log, `"operation":"seal"`) != calls {
		t.Errorf("%d lines of %d calls", lines, calls)
	}
	if strings.Contains(log, "xxxx") {
		t.Error("the data is logged")
	}
}

// Users' tests must not have to compile the CDK.
func TestPackage_DoesNotImportTheCDK(t *testing.T) {
	deps, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(deps), "tokenizerlayer/client") || strings.Contains(string(deps), "jsii") {
		t.Errorf("imports:\n%s", deps)
	}
}
