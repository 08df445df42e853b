package vault_test

import (
	"encoding/hex"
	"maps"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/envelope"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/vault"
)

// Promise: a tokenizer that keeps a row, with all that the index has of it, cannot bring the token back after it was
// revoked.
func TestRole_ATokenizerCannotBringARevokedTokenBack(t *testing.T) {
	for name, with := range map[string]func(*vault.Create){
		"plain": func(*vault.Create) {}, "on its way": func(*vault.Create) {}, "deterministic": deterministic("s"),
		"repeatable": idempotent("k"), "of one use": uses(1),
	} {
		t.Run(name, func(t *testing.T) {
			s := newSystem(t)
			hostile, detokenizer := s.role("indexer"), s.role("detokenizer")
			made := hostile.create(t, visa, with, purpose("refund"))
			kept, _ := refusedPuts(t, hostile, made.Token)
			ofIndex := s.direct.scan(t, index) // the index role can read these, knowing card and names
			if name == "on its way" {
				s.direct.delete(t, table, vaultKey(made.Token)) // the put comes after the revocation
			}
			s.role("revoker").revoke(t, made.Token)
			for _, later := range []time.Duration{0, 400 * 24 * time.Hour} {
				s.clock.advance(later)
				hostile.put(t, table, kept)
				for _, row := range ofIndex {
					hostile.put(t, index, row)
				}
				decrypts := s.sent.count("Decrypt")
				opened, err := detokenizer.Detokenize(t.Context(), attempt(made.Token, ""))
				wantKind(t, err, failure.Revoked)
				if !opened.Returned || opened.Ref != made.Ref || opened.Data.Reveal() != "" ||
					s.sent.count("Decrypt") != decrypts {
					t.Errorf("after %v: %+v, and %d data keys", later, opened.About, s.sent.count("Decrypt")-decrypts)
				}
			}
		})
	}
}

func (r role) delete(t *testing.T, table string, key sdkRow) {
	t.Helper()
	if _, err := r.db.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &table, Key: key}); err != nil {
		t.Fatal(err)
	}
}

// Promise: a tokenizer that puts the row of a used-up token back brings no use back, whatever it writes into it.
func TestRole_ATokenizerCannotBringUsesBack(t *testing.T) {
	s := newSystem(t)
	hostile, detokenizer := s.role("tokenizer"), s.role("detokenizer")
	made := hostile.create(t, visa, uses(1), purpose("refund")).Token
	kept, _ := refusedPuts(t, hostile, made)
	if _, err := detokenizer.detokenize(t, made); err != nil {
		t.Fatal(err)
	}
	for name, alter := range map[string]func(sdkRow){
		"as it was": func(sdkRow) {}, "with a count": func(row sdkRow) {
			row["Uses"], row["LastAttempt"] = num("0"), str("")
		},
		"for another purpose": func(row sdkRow) { row["Purpose"] = str("charge") }, "for no purpose": func(row sdkRow) {
			delete(row, "Purpose")
		},
	} {
		row := maps.Clone(kept)
		alter(row)
		hostile.put(t, table, row)
		why := failure.UsedUp
		if textIn(row, "Purpose") != "refund" {
			why = failure.Integrity
		}
		checkKept(t, detokenizer, made, why, name)
	}
}

// stateItems are items of the state of a token.
func stateItems(token string) map[string]sdkRow {
	return map[string]sdkRow{
		"the tombstone": stateKey("gone#" + token), "uses for refund": stateKey("use#refund#" + token),
		"uses for charge":     stateKey("use#charge#" + token),
		"uses for no purpose": stateKey("use##" + token), "uses for refunds": stateKey("use#refunds#" + token),
		"uses for REFUND":        stateKey("use#REFUND#" + token),
		"uses without a purpose": stateKey("use#refund"), "no prefix": stateKey(token),
		"a longer prefix": stateKey("xgone#" + token), "a part of the prefix": stateKey("gone"),
	}
}

// Promise: a role that tokenizes neither reads nor writes the state, and does nothing with the vault but put rows.
func TestRole_ATokenizerDoesNotReachTheState(t *testing.T) {
	s := newSystem(t)
	for _, kind := range []string{"order", "tokenizer", "indexer"} {
		r := s.role(kind)
		for _, name := range []string{"the tombstone", "uses for refund", "uses for no purpose"} {
			wantOnly(t, kind+" on "+name, r.onItem(t, state, stateItems("t")[name]))
		}
		wantOnly(t, kind+" on the vault", r.onItem(t, table, vaultKey("t")), "PutItem", "Transact Put")
		if kind != "indexer" {
			wantOnly(t, kind+" on the index", r.onItem(t, index, indexKey("h#1")))
		}
	}
	if rows := len(s.direct.scan(t, state)); rows != 0 {
		t.Errorf("%d items of the state", rows)
	}
}

// Promise: a tombstone stays. Only a role that revokes may put one, nobody may change or delete it, and one that is put
// again, whatever it says then, still is one.
func TestRole_TombstonesStay(t *testing.T) {
	s := newSystem(t)
	made := s.role("tokenizer").create(t, visa, purpose("refund"))
	kept, _ := refusedPuts(t, s.role("tokenizer"), made.Token)
	s.role("revoker").revoke(t, made.Token)
	may := map[string][]string{"detokenizer": {"GetItem", "TransactGetItems"},
		"paybill": {"GetItem", "TransactGetItems"}, "revoker": {"PutItem", "Transact Put"}}
	for kind := range attackers {
		wantOnly(t, kind+" on a tombstone", s.role(kind).onItem(t, state, stateKey("gone#"+made.Token)), may[kind]...)
	}
	// The calls of onItem have just put one without a time and without a ref.
	if got := s.direct.get(t, state, stateKey("gone#"+made.Token)); len(got) != 2 {
		t.Errorf("the tombstone is %v", got)
	}
	s.role("tokenizer").put(t, table, kept)
	_, err := s.role("detokenizer").detokenize(t, made.Token)
	wantKind(t, err, failure.Revoked)
	for name, key := range stateItems(made.Token) {
		if name != "the tombstone" {
			wantOnly(t, "revoker on "+name, s.role("revoker").onItem(t, state, key))
		}
	}
}

// Promise: a role that revokes opens nothing and writes nothing but tombstones.
func TestRole_ARevokerOpensAndForgesNothing(t *testing.T) {
	s := newSystem(t)
	r, only := s.role("revoker"), []string{"DeleteItem", "GetItem", "Transact Delete", "TransactGetItems"}
	wantOnly(t, "on the vault", r.onItem(t, table, vaultKey("t")), only...)
	wantOnly(t, "on the index", r.onItem(t, index, indexKey("h#1")), only...)
	for _, purpose := range []string{"", "refund"} {
		wantOnly(t, "on TokenKey", r.onKey(t, s.keys["TokenKey"], boundFor(purpose)))
	}
	made := s.role("tokenizer").create(t, visa, purpose("refund"))
	_, err := r.detokenize(t, made.Token)
	wantKind(t, err, failure.Denied)
}

// Promise: a role that detokenizes counts uses of its own purposes only, writes nothing else into the state, and
// nothing at all into vault and index.
func TestRole_ADetokenizerCountsForItsPurposesOnly(t *testing.T) {
	s := newSystem(t)
	count := []string{"GetItem", "Transact Update", "TransactGetItems", "UpdateItem"}
	may := map[string]map[string][]string{
		"detokenizer": {"the tombstone": {"GetItem", "TransactGetItems"}, "uses for refund": count},
		"paybill":     {"the tombstone": {"GetItem", "TransactGetItems"}, "uses for no purpose": count},
	}
	for kind, items := range may {
		r := s.role(kind)
		for name, key := range stateItems("t") {
			wantOnly(t, kind+" on "+name, r.onItem(t, state, key), items[name]...)
		}
		wantOnly(t, kind+" on the vault", r.onItem(t, table, vaultKey("t")), "GetItem", "TransactGetItems")
		wantOnly(t, kind+" on the index", r.onItem(t, index, indexKey("h#1")))
	}
	r := s.role("detokenizer")
	for _, attribute := range []string{"Ref", "RevokedAt", "CandidateString", "uses", "Other"} {
		wantRefused(t, r.update(t, "use#refund#t", "SET "+attribute+" = :n", num("1")), "dynamodb:UpdateItem", byIAM)
		wantRefused(t, r.update(t, "use#refund#t", "SET Uses = :n REMOVE "+attribute, num("1")), "dynamodb:UpdateItem",
			byIAM)
	}
	// So it cannot burn a token of another purpose.
	charge := s.direct.create(t, visa, purpose("charge"), uses(1)).Token
	wantRefused(t, r.update(t, "use#charge#"+charge, "SET Uses = :n", num("1")), "dynamodb:UpdateItem", byIAM)
	if err := r.update(t, "use#refund#"+charge, "SET Uses = :n", num("1")); err != nil { // of no token
		t.Error(err)
	}
	if got, err := s.direct.detokenize(t, charge); err != nil || got != visa {
		t.Errorf("burned: %v", err)
	}
}

// update changes an item of the state by an expression that has one value, :n.
func (r role) update(t *testing.T, key, expression string, n types.AttributeValue) error {
	t.Helper()
	_, err := r.db.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
		TableName: new(state), Key: stateKey(key), UpdateExpression: &expression,
		ExpressionAttributeValues: sdkRow{":n": n},
	})
	return err
}

// Promise: a count that no counting leads to is an integrity error for everybody who reads the token, and no more uses.
func TestRole_ADetokenizersOwnNegativeCountOpensNothing(t *testing.T) {
	s := newSystem(t)
	hostile, honest := s.role("detokenizer"), s.roleAt("/tokenizer/detokenize/", "honest", "DetokenizeRefunds")
	for name, count := range map[string]types.AttributeValue{
		"-1000000": num("-1000000"), "-1": num("-1"), "one too many": num("4"), "1000000": num("1000000"),
		"huge":   num("99999999999999999999"),
		"a text": str("1"), "true": &types.AttributeValueMemberBOOL{Value: true},
		"nothing": &types.AttributeValueMemberNULL{Value: true},
	} {
		made := s.role("tokenizer").create(t, visa, purpose("refund"), uses(3)).Token
		if err := hostile.update(t, "use#refund#"+made, "SET Uses = :n", count); err != nil {
			t.Fatal(err)
		}
		why := failure.Integrity
		if _, number := count.(*types.AttributeValueMemberN); !number {
			// minidyn refuses to compare it; in DynamoDB the comparison does not hold, and it is read as below
			why = failure.Unavailable
		}
		for _, r := range []role{hostile, honest} {
			checkKept(t, r, made, why, "with the count "+name)
			_, err := r.Metadata(t.Context(), read(made))
			wantKind(t, err, failure.Integrity)
		}
	}
}

// Promise: an attempt is one function's, under one name, for one redaction: nobody else reads on it, and nobody sees
// more on it.
func TestRole_AnAttemptGivesNobodyElseAFreeRead(t *testing.T) {
	s := newSystem(t)
	a, b := s.roleAt("/tokenizer/detokenize/", "a", "DetokenizeRefunds"),
		s.roleAt("/tokenizer/detokenize/", "b", "DetokenizeRefunds")
	made := s.role("tokenizer").create(t, visa, purpose("refund"), uses(1)).Token
	counted := vault.Detokenize{Read: read(made), Attempt: "order-1", Redaction: "MASKED"}
	for range 2 { // the second is a's own repeat
		if _, err := a.Detokenize(t.Context(), counted); err != nil {
			t.Fatal(err)
		}
	}
	stored := textIn(b.get(t, state, stateKey("use#refund#"+made)), "LastAttempt")
	for name, tt := range map[string]struct {
		by                 role
		attempt, redaction string
	}{
		"another function": {b, "order-1", "MASKED"}, "more of it": {a, "order-1", "PLAIN_TEXT"},
		"another attempt": {a, "order-2", "MASKED"},
		"no name":         {a, "", "MASKED"}, "what the state shows": {b, stored, "MASKED"},
		"the same, by its function": {a, stored, "MASKED"},
	} {
		_, err := tt.by.Detokenize(t.Context(),
			vault.Detokenize{Read: read(made), Attempt: tt.attempt, Redaction: tt.redaction})
		if wantKind(t, err, failure.UsedUp); t.Failed() {
			t.Error(name)
		}
	}
	unnamed := s.role("tokenizer").create(t, visa, purpose("refund"), uses(1)).Token
	if _, err := a.detokenize(t, unnamed); err != nil {
		t.Fatal(err)
	}
	_, err := a.Detokenize(t.Context(),
		attempt(unnamed, textIn(b.get(t, state, stateKey("use#refund#"+unnamed)), "LastAttempt")))
	wantKind(t, err, failure.UsedUp)
}

// Limit, stated in the threat model: a role that detokenizes has the right to open what is for its purposes, and need
// not ask the extension. It reads around count and tombstone as long as there is a row, and can put counts back.
func TestRole_ADetokenizerReadsAroundTheStateByItsOwnCalls(t *testing.T) {
	s := newSystem(t)
	r := s.role("detokenizer")
	made := s.role("tokenizer").create(t, visa, purpose("refund"), uses(1))
	if _, err := r.detokenize(t, made.Token); err != nil {
		t.Fatal(err)
	}
	_, err := r.detokenize(t, made.Token)
	wantKind(t, err, failure.UsedUp)

	bound := envelope.Context{"table": table, "account_id": account, "ref": made.Ref, "purpose": "refund"}
	wrapped := wrappedKey(t, r.get(t, table, vaultKey(made.Token)), bound)
	if _, err := r.kms.Decrypt(t.Context(),
		&kms.DecryptInput{KeyId: &wrapped.Info, CiphertextBlob: wrapped.Ciphertext, EncryptionContext: bound}); err !=
		nil {
		t.Errorf("the data key of a used-up token: %v", err)
	}
	forged := hex.EncodeToString(digestOf("attempt", "detokenizer", "mine", "")[:16])
	if err := r.update(t, "use#refund#"+made.Token, "SET LastAttempt = :n", str(forged)); err != nil {
		t.Error(err)
	}
	if _, err := r.Detokenize(t.Context(), attempt(made.Token, "mine")); err != nil {
		t.Errorf("with an attempt of its own making: %v", err)
	}
	if err := r.update(t, "use#refund#"+made.Token, "SET Uses = :n", num("0")); err != nil {
		t.Error(err)
	}
	if got, err := r.detokenize(t, made.Token); err != nil || got != visa {
		t.Errorf("with a count of its own making: %v", err)
	}
}
