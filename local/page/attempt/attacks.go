package attempt

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/walkthrough"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

// Attack is something that a compromised function could try.
type Attack struct {
	ID, Title string
	What      string // in one sentence
	// Promise is the start of the sentence of docs/threat-model.md that says what stops it.
	Promise string
	attack  func(*trial)
	// stopped is the verdict if the last step was not carried out; "" for the usual one.
	stopped string
}

// Attacks are all attacks.
func Attacks() []Attack {
	return []Attack{
		{"move", "Move a row to another token",
			"The order function overwrites the row of one token with the row of another, to have another card charged.",
			"Nobody but the maker of a `uuid` token can put other data behind it", (*trial).move, ""},
		{"flip", "Flip one bit of an envelope",
			"Somebody who may write the table changes one bit of an envelope.",
			"An envelope that was altered, truncated or combined", (*trial).flip, ""},
		{"revoked", "Put back a revoked row",
			"The token was revoked and its row deleted. The order function puts its copy of the row back.",
			"A row that is put back after its token was revoked", (*trial).revoked, ""},
		{"replay", "Replay a token for one use",
			"The token may be used once. After the use, the order function puts the row back as it was.",
			"Spent uses do not come back", (*trial).replay, ""},
		{"foreign", "Use a token in another order",
			"The order function writes Alice's token into the order of Mallory, to have Alice's card charged for it.",
			"If it writes a token into another order", (*trial).foreign, ""},
		{"purpose", "Call with the wrong purpose",
			"Functions ask for tokens and for data keys of a purpose that their grants do not name.",
			"A purpose narrows what a function can read", (*trial).purpose, ""},
		{"decrypt", "Decrypt as the order function",
			"Code in the order function goes around the extension, and calls KMS and DynamoDB itself.",
			"It cannot read a card back", (*trial).decryptAsOrder, ""},
		{"outside", "Use stolen credentials elsewhere",
			"The paybill function's credentials leave the VPC, and are used on another machine.",
			"Its credentials are refused outside the VPC", (*trial).outside,
			"Stopped: outside the VPC, the credentials get neither the row nor the data key."},
	}
}

// Attack carries an attack out.
func (l *Lab) Attack(ctx context.Context, id string) (Report, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range Attacks() {
		if a.ID != id {
			continue
		}
		t := &trial{Lab: l, ctx: ctx}
		a.attack(t)
		if t.err != nil {
			return Report{}, t.err
		}
		r := Report{Title: a.Title, Steps: t.steps, Tokens: t.tokens, Verdict: "Nothing stopped this attack."}
		if last := t.steps[len(t.steps)-1]; last.Kind != OK {
			r.Stopped, r.Verdict = true, cmp.Or(a.stopped, "Stopped: no card was released.")
		}
		return r, nil
	}
	return Report{}, errors.New("there is no such attack")
}

// make has the order function make a token of the sample card, and returns the token with its row.
func (t *trial) make(did string, in client.TokenizeInput) (token string, row map[string]types.AttributeValue) {
	if t.err != nil {
		return "", nil
	}
	in.Data = client.NewSecret(walkthrough.SampleCard)
	role, err := t.system.RoleOf(orderFunction)
	if t.err = err; err != nil {
		return "", nil
	}
	t.step(orderName, role, did, func() (string, error) {
		x, err := t.tokenizer(t.ctx, orderFunction)
		if err != nil {
			return "", err
		}
		out, err := x.Tokenize(t.ctx, in)
		if err != nil {
			return "", err
		}
		token = out.Token
		t.tokens = append(t.tokens, token)
		row, err = t.row(t.ctx, token)
		return "token " + token, err
	})
	return token, row
}

// putAs writes a row of the vault as the order function's role may.
func (t *trial) putAs(did string, row map[string]types.AttributeValue) {
	if t.err != nil {
		return
	}
	a, err := t.as("compromised order function", orderFunction)
	if t.err = err; err != nil {
		return
	}
	t.step(a.name, a.principal, did, func() (string, error) { return a.put(t.ctx, row) })
}

func (t *trial) read(token string, binding map[string]string) {
	t.detokenize(asksForCard, paybillName, paybillFunction, token, binding, client.Masked)
}

func (t *trial) move() {
	_, theirs := t.make("makes a token for one customer's card", client.TokenizeInput{})
	mine, row := t.make("makes a token for another customer's card", client.TokenizeInput{})
	moved := maps.Clone(theirs)
	maps.Copy(moved, t.key(mine))
	if row == nil {
		return
	}
	t.putAs("writes the first row under the second token", moved)
	t.read(mine, nil)
}

func (t *trial) flip() {
	token, row := t.make("makes a token", client.TokenizeInput{})
	if row == nil {
		return
	}
	altered := maps.Clone(row)
	message := append([]byte(nil), sealedIn(row)...)
	message[len(message)-1] ^= 1 // of the last frame's tag, behind the ciphertext
	altered["CandidateString"] = &types.AttributeValueMemberB{Value: message}
	t.putAs("writes the row with one bit of the envelope changed", altered)
	t.read(token, nil)
}

func (t *trial) revoked() {
	token, row := t.make("makes a token, and keeps a copy of the row", client.TokenizeInput{})
	if row == nil {
		return
	}
	t.step("security team", "", "revokes the token: puts a tombstone and deletes the row, which no function of the sample may",
		func() (string, error) { return "revoked", t.revoke(token) })
	t.putAs("puts its copy of the row back", row)
	t.read(token, nil)
}

// revoke does what the extension does for a function that has the revoke grant.
func (l *Lab) revoke(token string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	db := l.system.Clients.DynamoDB
	_, err := db.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: new(walkthrough.StateTable),
		Item: map[string]types.AttributeValue{
			"State_Key": text("gone#" + token), "Account_Id": text(l.system.Outputs["AccountId"]),
			"RevokedAt": &types.AttributeValueMemberN{Value: strconv.FormatInt(time.Now().Unix(), 10)},
		},
	})
	if err != nil {
		return err
	}
	_, err = db.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: new(walkthrough.VaultTable), Key: l.key(token)})
	return err
}

func (t *trial) replay() {
	token, row := t.make("makes a token for one use", client.TokenizeInput{MaxUses: 1})
	if row == nil {
		return
	}
	t.read(token, nil)
	t.putAs("puts the row back as it was before the use", row)
	t.read(token, nil)
}

func (t *trial) foreign() {
	token, row := t.make("makes a token that is bound to order 1 of Alice", client.TokenizeInput{
		Context: map[string]string{"order": "1", "user": "alice"},
	})
	if row == nil {
		return
	}
	t.detokenize("finds this token in order 2 of Mallory, and asks its extension for the card of that order",
		paybillName, paybillFunction, token, map[string]string{"order": "2", "user": "mallory"}, client.Masked)
}

func (t *trial) purpose() {
	t.make("asks for a token for refunds", client.TokenizeInput{Purpose: "refund"})
	if t.err != nil {
		return
	}
	sealed := map[string]string{
		"table": walkthrough.VaultTable, "account_id": t.system.Outputs["AccountId"],
		"ref": "00000000000000000000000000000000", "purpose": "refund",
	}
	made, err := t.system.Clients.KMS.GenerateDataKey(t.ctx, &kms.GenerateDataKeyInput{
		KeyId: new(t.system.Outputs["KMSKeyID"]), KeySpec: "AES_256", EncryptionContext: sealed,
	})
	if t.err = err; err != nil {
		return
	}
	a, err := t.as(paybillName, paybillFunction)
	if t.err = err; err != nil {
		return
	}
	t.step(a.name, a.principal, "asks KMS for a data key that was made for refunds", func() (string, error) {
		return a.decrypt(t.ctx, Envelope{Context: sealed, Key: *made.KeyId, DataKey: made.CiphertextBlob})
	})
}

func (t *trial) decryptAsOrder() {
	token, row := t.make("makes a token", client.TokenizeInput{})
	if row == nil {
		return
	}
	envelope, err := ParseEnvelope(sealedIn(row))
	if t.err = err; err != nil {
		return
	}
	a, err := t.as("compromised order function", orderFunction)
	if t.err = err; err != nil {
		return
	}
	t.goAround(a, target{token: token, envelope: envelope})
}

func (t *trial) outside() {
	token, row := t.make("makes a token", client.TokenizeInput{})
	if row == nil {
		return
	}
	envelope, err := ParseEnvelope(sealedIn(row))
	if t.err = err; err != nil {
		return
	}
	inside, err := t.as(paybillName+", in its VPC", paybillFunction)
	if t.err = err; err != nil {
		return
	}
	config, err := t.system.ActAsFromOutside(paybillFunction)
	if t.err = err; err != nil {
		return
	}
	t.goAround(inside, target{token: token, envelope: envelope})
	t.goAround(newActor("the same credentials, elsewhere", inside.principal, config),
		target{token: token, envelope: envelope})
}
