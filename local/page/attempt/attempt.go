// Package attempt tries to read a card as somebody, and attacks the running system as a compromised function would.
// Each attempt is real: it makes calls with that role's credentials, and tells what answered.
//
//	lab := attempt.New(system, recorder)
//	report, err := lab.ReadAs(ctx, "developer", token)
//	report, err = lab.Attack(ctx, "flip")
package attempt

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/cloud"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/mask"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/page/record"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/walkthrough"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

// Report is what became of an attempt.
type Report struct {
	Title string
	Steps []Step
	// Verdict says in one sentence how it ended.
	Verdict string
	// Stopped tells whether something stopped it.
	Stopped bool
	// Broken tells that it could not be made, or not to its end.
	Broken bool
	// Tokens are those that an attack made for itself.
	Tokens []string
}

// Kind is how a step ended.
type Kind string

// The kinds of steps.
const (
	OK      Kind = "ok"      // it was carried out
	Denied  Kind = "denied"  // policies do not allow it
	Refused Kind = "refused" // the extension refuses it
)

// Step is one thing that was tried.
type Step struct {
	Who, Did string
	Result   string // of what answered, in its words
	Policy   string // what the policies lack, or the statement that denies the call
	Kind     Kind
}

// The functions of the sample, by the starts of their names, and the people of the page.
const (
	orderFunction   = "AppStack-Order"
	paybillFunction = "AppStack-Paybill"

	orderName   = "order function"
	paybillName = "paybill function"
)

// Lab makes attempts, one after the other.
type Lab struct {
	system   *cloud.Cloud
	recorder *record.Recorder

	mu         sync.Mutex
	tokenizers map[string]*client.Client // of extensions, by the function's start
}

// New returns a Lab for a system that the recorder watches.
func New(system *cloud.Cloud, recorder *record.Recorder) *Lab {
	return &Lab{system: system, recorder: recorder, tokenizers: map[string]*client.Client{}}
}

// tokenizer returns a client of an extension that runs with a function's role and settings. It runs until the system is
// closed.
func (l *Lab) tokenizer(ctx context.Context, function string) (*client.Client, error) {
	if known := l.tokenizers[function]; known != nil {
		return known, nil
	}
	x, err := l.system.StartExtension(ctx, function, nil)
	if err != nil {
		return nil, err
	}
	c, err := client.New(client.Config{Port: x.Port, SessionToken: x.SessionToken})
	if err != nil {
		x.Stop()
		return nil, err
	}
	l.tokenizers[function] = c
	return c, nil
}

// actor calls the services with somebody's permissions.
type actor struct {
	name, principal string
	tables          *dynamodb.Client
	keys            *kms.Client
}

func newActor(name, principal string, config aws.Config) actor {
	config.AppID = record.Agent
	return actor{name, principal, dynamodb.NewFromConfig(config), kms.NewFromConfig(config)}
}

// as acts as a function does, in its own VPC.
func (l *Lab) as(name, function string) (actor, error) {
	config, err := l.system.ActAs(function)
	if err != nil {
		return actor{}, err
	}
	role, err := l.system.RoleOf(function)
	return newActor(name, role, config), err
}

// trial collects the steps of an attempt. After the first error that is none of the answers that an attempt is about,
// it does nothing more.
type trial struct {
	*Lab
	ctx    context.Context
	steps  []Step
	tokens []string
	err    error
}

// step tries something, and returns whether it was carried out. Do returns in words what it got.
func (t *trial) step(who, principal, did string, do func() (string, error)) bool {
	if t.err != nil {
		return false
	}
	before := t.recorder.Seq()
	result, err := do()
	s := Step{Who: who, Did: did, Result: result, Kind: OK}
	if err != nil {
		s.Kind, s.Result = describe(err)
		if s.Kind == "" {
			t.err = fmt.Errorf("%s: %s: %w", who, did, err)
			return false
		}
		s.Policy = t.recorder.DeniedSince(before, principal)
	}
	t.steps = append(t.steps, s)
	return err == nil
}

// describe tells apart what policies and the extension refuse, in words without values of the request. Any other error
// has no kind.
func describe(err error) (Kind, string) {
	if e, ok := errors.AsType[*client.Error](err); ok && e.Status < 500 || errors.Is(err, client.ErrIntegrity) {
		text := fmt.Sprintf("%d %s", e.Status, e.Code)
		switch {
		case strings.HasPrefix(e.Detail, "must "): // a sentence about the field
			text += ": " + e.Field + " " + e.Detail
		case e.Detail != "":
			text += ": " + e.Detail
		}
		if errors.Is(err, client.ErrDenied) {
			return Denied, mask.Visible(mask.Cards(text))
		}
		return Refused, mask.Visible(mask.Cards(text))
	}
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		switch e.ErrorCode() {
		case "AccessDeniedException", "UnrecognizedClientException":
			return Denied, e.ErrorCode()
		}
	}
	return "", ""
}

// key is a row's in the vault.
func (l *Lab) key(token string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"Hash_Key": text(token), "Account_Id": text(l.system.Outputs["AccountId"])}
}

var errNoRow = errors.New("the vault has no row of this token")

// row reads a row of the vault with an administrator's permissions: as it was when its maker had it.
func (l *Lab) row(ctx context.Context, token string) (map[string]types.AttributeValue, error) {
	out, err := l.system.Clients.DynamoDB.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: new(walkthrough.VaultTable), Key: l.key(token), ConsistentRead: new(true),
	})
	if err != nil {
		return nil, err
	}
	if len(out.Item) == 0 {
		return nil, errNoRow
	}
	return out.Item, nil
}

func (a actor) getRow(ctx context.Context, key map[string]types.AttributeValue) (string, error) {
	out, err := a.tables.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: new(walkthrough.VaultTable), Key: key, ConsistentRead: new(true),
	})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d bytes of ciphertext", len(sealedIn(out.Item))), nil
}

func (a actor) put(ctx context.Context, item map[string]types.AttributeValue) (string, error) {
	_, err := a.tables.PutItem(ctx, &dynamodb.PutItemInput{TableName: new(walkthrough.VaultTable), Item: item})
	return "the table takes it: IAM cannot tell an insert from an overwrite", err
}

// decrypt asks KMS for the data key of an envelope, as the envelope names it.
func (a actor) decrypt(ctx context.Context, e Envelope) (string, error) {
	_, err := a.keys.Decrypt(ctx, &kms.DecryptInput{
		KeyId: &e.Key, CiphertextBlob: e.DataKey, EncryptionContext: e.Context,
	})
	return "KMS gives the data key, which opens the envelope", err
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func textOf(v types.AttributeValue) string {
	if s, ok := v.(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}

// sealedIn is the envelope of a vault's row; nil if it has none.
func sealedIn(row map[string]types.AttributeValue) []byte {
	if b, ok := row["CandidateString"].(*types.AttributeValueMemberB); ok {
		return b.Value
	}
	return nil
}
