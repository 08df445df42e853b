package attempt_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/cloud"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/page/attempt"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/page/record"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/progress"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/synth"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/walkthrough"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

const canary = "4111111111111111"

// system is a running one, in which an order has been placed with the canary and paid.
type system struct {
	*cloud.Cloud
	recorder *record.Recorder
	log      *kit.Buffer
	token    string
}

var shared system

func TestMain(m *testing.M) {
	code, err := withSystem(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func withSystem(use func() int) (code int, err error) {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "attempt-test-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	a, err := kit.Synthesize(ctx, dir, os.Stderr)
	if err != nil {
		return 1, err
	}
	shared = system{recorder: record.New(), log: &kit.Buffer{}}
	shared.Cloud, err = cloud.Deploy(ctx, cloud.Options{
		Assembly: a, Account: synth.Account, Region: synth.Region,
		Log: io.MultiWriter(shared.log, shared.recorder), Watcher: shared.recorder.Watcher(),
	})
	if err != nil {
		return 1, err
	}
	defer shared.Close()
	w := walkthrough.Walk{
		System: walkthrough.System{
			Cognito: shared.Clients.Cognito, DynamoDB: shared.Clients.DynamoDB,
			Outputs: shared.Outputs, Tables: shared.Tables, Code: shared.Code,
		},
		Order: "1", Card: canary, Print: progress.New(io.Discard),
	}
	if _, err := w.SignIn(ctx); err != nil {
		return 1, err
	}
	if err := w.Pay(ctx); err != nil {
		return 1, err
	}
	row, err := shared.Clients.DynamoDB.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: new(walkthrough.OrderTable),
		Key:       map[string]types.AttributeValue{"CustomerOrder": &types.AttributeValueMemberS{Value: "1"}},
	})
	if err != nil {
		return 1, err
	}
	shared.token = row.Item["CreditCard"].(*types.AttributeValueMemberS).Value
	return use(), nil
}

func printed(t *testing.T, r attempt.Report) string {
	t.Helper()
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestReadAs_OnlyPaybillGetsTheCard(t *testing.T) {
	lab := attempt.New(shared.Cloud, shared.recorder)
	for _, reader := range attempt.Readers() {
		r, err := lab.ReadAs(t.Context(), reader.ID, shared.token)
		if err != nil {
			t.Fatalf("%s: %v", reader.ID, err)
		}
		text := printed(t, r)
		if r.Stopped != (reader.ID != "paybill") {
			t.Errorf("%s", text)
		}
		if got := strings.Contains(text, "************1111"); got != (reader.ID == "paybill") {
			t.Errorf("%s sees the mask: %v", reader.ID, got)
		}
		if strings.Contains(text, canary) {
			t.Errorf("%s: the report holds the card", reader.ID)
		}
		if last := r.Steps[len(r.Steps)-1]; r.Stopped && (last.Kind != attempt.Denied || last.Policy == "") {
			t.Errorf("%s is not stopped by a policy: %s", reader.ID, text)
		}
		t.Log(text)
	}
}

// A row that is gone, or that an administrator wrote, is no fault of the local system.
func TestReadAs_SaysThatThereIsNothingToRead(t *testing.T) {
	lab := attempt.New(shared.Cloud, shared.recorder)
	_, err := shared.Clients.DynamoDB.PutItem(t.Context(), &dynamodb.PutItemInput{
		TableName: new(walkthrough.VaultTable), Item: map[string]types.AttributeValue{
			"Hash_Key":        &types.AttributeValueMemberS{Value: "junk"},
			"Account_Id":      &types.AttributeValueMemberS{Value: shared.Outputs["AccountId"]},
			"CandidateString": &types.AttributeValueMemberS{Value: canary},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for token, want := range map[string]string{"junk": "no envelope", "gone": "no such row"} {
		r, err := lab.ReadAs(t.Context(), "thief", token)
		if err != nil || !strings.Contains(r.Verdict, want) || r.Title != "Thief with the table" || !r.Broken {
			t.Errorf("%s: %+v, %v", token, r, err)
		}
	}
}

// Details that are about a field begin with "must". The others are sentences of their own.
func TestAttack_ShowsWholeSentences(t *testing.T) {
	lab := attempt.New(shared.Cloud, shared.recorder)
	for id, want := range map[string]string{
		"foreign": "403 binding-mismatch: binding.context must be the context that the token was made with",
		"revoked": "410 token-revoked: the token was revoked",
	} {
		r, err := lab.Attack(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Steps[len(r.Steps)-1].Result; got != want {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
	}
}

func TestAttack_IsStopped(t *testing.T) {
	lab := attempt.New(shared.Cloud, shared.recorder)
	for _, a := range attempt.Attacks() {
		t.Run(a.ID, func(t *testing.T) {
			r, err := lab.Attack(t.Context(), a.ID)
			if err != nil {
				t.Fatalf("%v\n%s", err, shared.log)
			}
			if !r.Stopped {
				t.Errorf("not stopped")
			}
			for _, token := range r.Tokens {
				if !strings.Contains(printed(t, attempt.Report{Steps: r.Steps}), "token "+token) {
					t.Errorf("no step made %s", token)
				}
			}
			if len(r.Tokens) == 0 && a.ID != "purpose" { // which gets no token
				t.Error("the report has no token that the attack made")
			}
			t.Log(printed(t, r))
		})
	}
}
