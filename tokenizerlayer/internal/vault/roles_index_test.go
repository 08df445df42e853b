package vault_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/envelope"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/pan"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/token"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/vault"
)

// digestOf is what KMS makes MACs of. Everybody can compute it who guesses the parts.
func digestOf(parts ...string) []byte {
	h := sha256.New()
	for _, part := range parts {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write([]byte(part))
	}
	return h.Sum(nil)
}

// mac makes a MAC as the vault writes it.
func (r role) mac(t *testing.T, key string, parts ...string) (string, error) {
	t.Helper()
	out, err := r.kms.GenerateMac(t.Context(), &kms.GenerateMacInput{
		KeyId: &key, MacAlgorithm: kmstypes.MacAlgorithmSpecHmacSha256, Message: digestOf(parts...),
	})
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(out.Mac), nil
}

// try looks for a card among the deterministic tokens, with raw calls. It returns the token, or "".
func (r role) try(t *testing.T, key, scope string, format token.Format, purpose, card string) string {
	t.Helper()
	mac, err := r.mac(t, key, "fingerprint", account, table, scope, "card", string(format), purpose, card)
	if err != nil {
		t.Fatal(err)
	}
	fingerprint := r.get(t, index, indexKey("fp#1#"+mac))
	if fingerprint == nil {
		return ""
	}
	return textIn(r.get(t, index, indexKey(textIn(fingerprint, "Handle"))), "Hash_Key")
}

func textIn(row sdkRow, name string) string {
	s, _ := row[name].(*types.AttributeValueMemberS)
	if s == nil {
		return ""
	}
	return s.Value
}

// Promise: nobody but a role with the index grant, below the index path, makes a MAC, whatever IAM says beside the
// grants.
func TestRole_OnlyTheIndexGrantMakesMACs(t *testing.T) {
	s := newSystem(t)
	key := s.keys["FingerprintKey"]
	for kind := range attackers {
		r, may := s.role(kind), []string(nil)
		if kind == "indexer" {
			may = []string{"GenerateMac"}
		}
		wantOnly(t, kind, r.onKey(t, key, nil), may...)
		s.allow(r, "kms:*", key)
		wantOnly(t, kind+" with kms:*", r.onKey(t, key, nil), may...)
		if kind == "indexer" {
			continue
		}
		_, err := r.mac(t, key, "x")
		wantRefused(t, err, "kms:GenerateMac", byKeysDenial)
		inside := s.roleAt("/tokenizer/tokenize/index/", kind, attackers[kind].grants...)
		_, err = inside.mac(t, key, "x") // where the key's policy would let it
		wantRefused(t, err, "kms:GenerateMac", byIAM)
	}
	misplaced := s.roleAt("/tokenizer/tokenize/", "misplaced", "TokenizeRefunds", "Index")
	_, err := misplaced.mac(t, key, "x")
	wantRefused(t, err, "kms:GenerateMac", byKeysDenial)
}

// Promise: a role without the index grant learns nothing from the vault that can be tried against card numbers: neither
// by a put that fails and returns the row, nor by reading it.
func TestRole_AVaultRowHasNothingToTryCardsAgainst(t *testing.T) {
	s := newSystem(t)
	maker := s.role("indexer")
	for name, with := range map[string]func(*vault.Create){
		"deterministic": deterministic("customers"), "repeatable": idempotent("order-1")} {
		t.Run(name, func(t *testing.T) {
			s.sent.clear()
			made := maker.create(t, visa, with, purpose("refund"), format(token.Card)).Token
			var ofData []string
			nameOfRequest := digestOf("idempotency", account, table, "indexer", "refund", "order-1")
			for _, call := range s.sent.all() {
				if call.operation == "GenerateMac" && !bytes.Equal(call.Message, nameOfRequest) {
					ofData = append(ofData, call.mac)
				}
			}
			if len(ofData) != 1 {
				t.Fatalf("%d MACs of data", len(ofData))
			}
			seen := map[string]sdkRow{"revoker's GetItem": s.role("revoker").get(t, table, vaultKey(made))}
			for _, kind := range []string{"order", "tokenizer", "indexer"} {
				seen[kind+"'s put"], seen[kind+"'s transaction"] = refusedPuts(t, s.role(kind), made)
			}
			for how, row := range seen {
				checkNothingToTry(t, how, row, ofData[0])
			}
			// The revoke grant goes on from the vault's row to the index, where the MAC is, and can make none to
			// compare it with.
			revoker := s.role("revoker")
			entry := revoker.get(t, index, indexKey(textIn(seen["revoker's GetItem"], "IndexKeys")))
			if macs := textIn(entry, "FingerprintKeys") +
				textIn(entry, "RequestMac"); !strings.Contains(macs, ofData[0]) {
				t.Errorf("the index's entry: %v", slices.Sorted(maps.Keys(entry)))
			}
			wantOnly(t, "revoker on FingerprintKey", revoker.onKey(t, s.keys["FingerprintKey"], nil))
		})
	}
}

// refusedPuts are the rows that two puts return whose condition fails. Neither writes anything.
func refusedPuts(t *testing.T, r role, tok string) (single, inTransaction sdkRow) {
	t.Helper()
	absent, allOld := "attribute_not_exists(Hash_Key)", types.ReturnValuesOnConditionCheckFailureAllOld
	_, err := r.db.PutItem(t.Context(), &dynamodb.PutItemInput{
		TableName: new(table), Item: vaultKey(tok), ConditionExpression: &absent,
		ReturnValuesOnConditionCheckFailure: allOld,
	})
	refused, ok := errors.AsType[*types.ConditionalCheckFailedException](err)
	if !ok {
		t.Fatal(err)
	}
	_, err = r.db.TransactWriteItems(t.Context(),
		&dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{{Put: &types.Put{
			TableName: new(table), Item: vaultKey(tok), ConditionExpression: &absent,
			ReturnValuesOnConditionCheckFailure: allOld,
		}}}})
	cancelled, ok := errors.AsType[*types.TransactionCanceledException](err)
	if !ok {
		t.Fatal(err)
	}
	_, err = r.db.PutItem(t.Context(),
		&dynamodb.PutItemInput{TableName: new(table), Item: vaultKey(tok), ReturnValues: types.ReturnValueAllOld})
	wantRefused(t, err, "dynamodb:PutItem", byIAM)
	return refused.Item, cancelled.CancellationReasons[0].Item
}

var harmlessIndexKeys = regexp.MustCompile(`^(h#[0-9a-f]{32}|id#1#[A-Za-z0-9_-]{43})$`)

func checkNothingToTry(t *testing.T, how string, row sdkRow, ofData string) {
	t.Helper()
	want := []string{"Account_Id", "CandidateString", "Format", "Hash_Key", "IndexKeys", "Purpose", "Ref"}
	if got := slices.Sorted(maps.Keys(row)); !slices.Equal(got, want) {
		t.Errorf("%s shows %v, want %v", how, got, want)
	}
	if keys := textIn(row, "IndexKeys"); !harmlessIndexKeys.MatchString(keys) {
		t.Errorf("%s shows the index's %s", how, keys)
	}
	raw, _ := base64.RawURLEncoding.DecodeString(ofData)
	for name, value := range row {
		if b, ok := value.(*types.AttributeValueMemberB); ok && bytes.Contains(b.Value, raw) ||
			strings.Contains(textIn(row, name), ofData) {
			t.Errorf("%s shows a MAC of the data, in %s", how, name)
		}
	}
}

// Limit, stated in the threat model: the index grant finds the card behind a deterministic token by trying, one
// recorded call of GenerateMac each. It does not read the vault.
func TestRole_TheIndexGrantFindsACardByTrying(t *testing.T) {
	s := newSystem(t)
	r, candidates := s.role("indexer"), onReceipts()
	victim := s.direct.create(t, candidates[position-1], deterministic("customers"), format(token.Card),
		purpose("refund")).Token
	s.sent.clear()
	found := ""
	for _, card := range candidates {
		if r.try(t, s.keys["FingerprintKey"], "customers", token.Card, "refund", card) == victim {
			found = card
			break
		}
	}
	if found != candidates[position-1] || s.sent.count("GenerateMac") != position || s.sent.count("Decrypt") != 0 {
		t.Errorf("found %q after %d calls of GenerateMac and %d of Decrypt", found, s.sent.count("GenerateMac"),
			s.sent.count("Decrypt"))
	}
	t.Logf("found the card after %d calls of GenerateMac, of at most %d", s.sent.count("GenerateMac"), len(candidates))
	wantOnly(t, "an index role on the vault", r.onItem(t, table, vaultKey("unused")), "PutItem", "Transact Put")
	wantOnly(t, "an index role on the index", r.onItem(t, index, indexKey("unused")), "GetItem", "PutItem",
		"Transact Put", "TransactGetItems")
	wantOnly(t, "an index role on TokenKey", r.onKey(t, s.keys["TokenKey"], boundFor("refund")), "GenerateDataKey")
}

// onReceipts are the cards that a receipt leaves open, with the last four digits of a card of a known issuer. The
// victim's has a position.
func onReceipts() (cards []string) {
	for i := range 10_000 {
		if card := fmt.Sprintf("41111111%04d1111", i); pan.CheckDigitFits(card) {
			cards = append(cards, card)
		}
	}
	return cards
}

const position = 30

// Limit, to be stated: the index grant finds the card of a repeatable request too, for as long as the index has the
// request, which is a day and until DynamoDB has removed the row. It gets there from the token alone, by a put that
// fails.
func TestRole_TheIndexGrantFindsTheCardOfARepeatableRequestByTrying(t *testing.T) {
	s := newSystem(t)
	r, candidates := s.role("indexer"), onReceipts()
	honest := s.roleAt("/tokenizer/tokenize/index/", "honest", "TokenizeRefunds", "Index")
	victim := honest.create(t, candidates[position-1], idempotent("order-1001"), format(token.Card), purpose("refund"),
		ttl(time.Hour), uses(2)).Token
	s.sent.clear()
	row, _ := refusedPuts(t, r, victim)
	stored, found := textIn(r.get(t, index, indexKey(textIn(row, "IndexKeys"))), "RequestMac"), ""
	for _, card := range candidates {
		mac, err := r.mac(t, s.keys["FingerprintKey"], "request", card, "card", "card", "3600", "2", "refund", "0")
		if err != nil {
			t.Fatal(err)
		}
		if mac == stored {
			found = card
			break
		}
	}
	if found != candidates[position-1] || s.sent.count("GenerateMac") != position {
		t.Errorf("found %q after %d calls of GenerateMac", found, s.sent.count("GenerateMac"))
	}
	s.role("revoker").revoke(t, victim)
	if got := r.get(t, index, indexKey(textIn(row, "IndexKeys"))); got != nil {
		t.Error("the request is still there after the revocation")
	}
}

// boundFor is an encryption context as the vault makes it for a purpose.
func boundFor(purpose string) envelope.Context {
	c := envelope.Context{"table": table, "account_id": account, "ref": strings.Repeat("0", 32)}
	if purpose != "" {
		c["purpose"] = purpose
	}
	return c
}

// Promise: the extension gives a role deterministic tokens of its own purposes only, and does not tell whether the
// vault has a card for another purpose; TokenKey makes no data key for one.
func TestRole_AnotherPurposesTokensAreNotLookedUp(t *testing.T) {
	s := newSystem(t)
	r := s.role("indexer") // for refund and charge
	for _, foreign := range []string{"payout", ""} {
		s.direct.create(t, visa, deterministic("s"), purpose(foreign))
		var answers []string
		for _, card := range []string{visa, other} { // known, unknown
			_, err := r.Create(t.Context(),
				vault.Create{Data: cardData(t, card), Deterministic: true, Scope: "s", Purpose: foreign})
			wantKind(t, err, failure.Denied)
			answers = append(answers, fmt.Sprint(err))
		}
		if answers[0] != answers[1] || strings.Contains(answers[0], "GenerateMac") {
			t.Errorf("answers for a card that is in the vault and one that is not: %q", answers)
		}
	}
	before := s.sent.count("GenerateMac")
	_, err := r.Create(t.Context(), vault.Create{Data: cardData(t, visa), IdempotencyKey: "k", Purpose: "payout"})
	wantKind(t, err, failure.Denied)
	if s.sent.count("GenerateMac") != before {
		t.Error("the index was asked before KMS has refused the purpose")
	}
	for name, c := range foreignContexts("payout", "refund") {
		wantOnly(t, name, r.onKey(t, s.keys["TokenKey"], c))
	}
}

// foreignContexts are contexts that a grant for one purpose, mine, must not be good for.
func foreignContexts(theirs, mine string) map[string]envelope.Context {
	with := func(name, value string, more ...string) envelope.Context {
		c := boundFor(mine)
		if c[name] = value; value == "" {
			delete(c, name)
		}
		for i := 0; i < len(more); i += 2 {
			c[more[i]] = more[i+1]
		}
		return c
	}
	return map[string]envelope.Context{
		"another purpose": with("purpose", theirs), "no purpose": with("purpose", ""),
		"the purpose's prefix":             with("purpose", mine[:3]),
		"the purpose in capitals":          with("purpose", strings.ToUpper(mine)),
		"two purposes":                     with("purpose", theirs, "Purpose", mine),
		"two purposes the other way round": with("purpose", mine, "PURPOSE", theirs),
		"a list of purposes":               with("purpose", mine+","+theirs),
		"a wildcard":                       with("purpose", "*"), "another table": with("table", "Other"),
		"no table":        with("table", ""),
		"another account": with("account_id", "210987654321"), "no context": nil,
	}
}

// Limit, to be stated: FingerprintKey knows no purposes, so a role with the index grant can find deterministic tokens
// of every purpose by its own calls, card by card. What it finds it cannot open.
func TestRole_TheIndexGrantFindsTokensOfEveryPurposeByItsOwnCalls(t *testing.T) {
	s := newSystem(t)
	victim := s.direct.create(t, visa, deterministic("s"), purpose("payout")).Token
	r := s.role("indexer")
	known, unknown := r.try(t, s.keys["FingerprintKey"], "s", token.UUID, "payout", visa),
		r.try(t, s.keys["FingerprintKey"], "s", token.UUID, "payout", other)
	if known != victim || unknown != "" {
		t.Errorf("known: %q, unknown: %q", known, unknown)
	}
	_, err := r.detokenize(t, victim)
	wantKind(t, err, failure.Denied)
}

// Promise: idempotency keys of two functions do not meet, and what they leave in the index goes when the token is
// revoked.
func TestRole_IdempotencyKeysOfTwoFunctionsDoNotMeet(t *testing.T) {
	s := newSystem(t)
	a, b := s.roleAt("/tokenizer/tokenize/index/", "a", "TokenizeRefunds", "Index"),
		s.roleAt("/tokenizer/tokenize/index/", "b", "TokenizeRefunds", "Index")
	with := []func(*vault.Create){idempotent("order-1001"), purpose("refund")}
	ofB := b.create(t, other, with...) // first, to poison it
	ofA := a.create(t, visa, with...)
	if again := a.create(t, visa, with...); again.Token != ofA.Token || ofA.Token == ofB.Token {
		t.Errorf("tokens %s, %s and %s", ofA.Token, again.Token, ofB.Token)
	}
	if got := a.create(t, other, idempotent("order-1001"), purpose("charge")).Token; got == ofA.Token ||
		got == ofB.Token {
		t.Error("another purpose's key gives the same token")
	}
	ofData := textIn(s.direct.get(t, index, indexKey(textIn(s.direct.get(t, table, vaultKey(ofA.Token)), "IndexKeys"))),
		"RequestMac")
	s.role("revoker").revoke(t, ofA.Token)
	for _, row := range s.direct.scan(t, index) {
		if text := fmt.Sprint(textIn(row, "Index_Key"), textIn(row, "Hash_Key"),
			textIn(row, "RequestMac")); strings.Contains(text, ofA.Token) || strings.Contains(text, ofData) {
			t.Errorf("the revocation has left %v", text)
		}
	}
	if rows := len(s.direct.scan(t, index)); rows != 2 || len(ofData) != 43 {
		t.Errorf("%d rows are left, want those of the other two requests; MAC %q", rows, ofData)
	}
}

// Limit, stated in the threat model: rows of the index are not authenticated, so a role that may write them decides
// what look-ups of other functions find. It can block a key that it guesses, and point a card at a token of its own. It
// opens nothing by that.
func TestRole_TheIndexGrantDecidesWhatOthersFind(t *testing.T) {
	s := newSystem(t)
	hostile, honest := s.role("indexer"), s.roleAt("/tokenizer/tokenize/index/", "honest", "TokenizeRefunds", "Index")
	name, err := hostile.mac(t, s.keys["FingerprintKey"], "idempotency", account, table, "honest", "refund",
		"order-1002")
	if err != nil {
		t.Fatal(err)
	}
	mine := hostile.create(t, other, purpose("refund")).Token
	hostile.put(t, index, sdkRow{
		"Index_Key": str("id#1#" + name), "Hash_Key": str(mine), "RequestMac": str("x"),
		"ExpiresAt": num("99999999999"),
	})
	_, err = honest.Create(t.Context(),
		vault.Create{Data: cardData(t, visa), IdempotencyKey: "order-1002", Purpose: "refund"})
	wantKind(t, err, failure.KeyReused)

	victim := honest.create(t, visa, deterministic("s"), purpose("refund")).Token
	handle := textIn(s.direct.get(t, table, vaultKey(victim)), "IndexKeys")
	hostile.put(t, index, sdkRow{"Index_Key": str(handle), "Hash_Key": str(mine), "FingerprintKeys": str("")})
	if got := honest.create(t, visa, deterministic("s"), purpose("refund")).Token; got != mine {
		t.Errorf("the entry is not followed: %s", got)
	}
	detokenizer := s.role("detokenizer")
	for tok, want := range map[string]string{victim: visa, mine: other} { // each token still stands for its own card
		if got, err := detokenizer.detokenize(t, tok); err != nil || got != want {
			t.Errorf("%v", err)
		}
	}
	_, err = hostile.detokenize(t, victim)
	wantKind(t, err, failure.Denied)
}

// Limit, to be stated: what the index has of a token is named by the vault's row, which every tokenizer can overwrite.
// A revocation then leaves the index's rows. The token stays revoked, and the next request for the same data gets it,
// until somebody clears the index.
func TestRole_ATokenizerCanMakeARevocationLeaveRowsOfTheIndex(t *testing.T) {
	s := newSystem(t)
	hostile, indexer := s.role("tokenizer"), s.role("indexer")
	victim := indexer.create(t, visa, deterministic("s"), purpose("refund")).Token
	row, _ := refusedPuts(t, hostile, victim)
	delete(row, "IndexKeys")
	hostile.put(t, table, row)
	s.role("revoker").revoke(t, victim)
	if got := len(s.direct.scan(t, index)); got != 2 {
		t.Errorf("%d rows of the index are left, want handle and fingerprint", got)
	}
	if got := indexer.create(t, visa, deterministic("s"), purpose("refund")).Token; got != victim {
		t.Errorf("found %s", got)
	}
	checkKept(t, s.role("detokenizer"), victim, failure.Revoked, "the revoked token")
}

// Promise: neither KMS nor CloudTrail is told a token, and nothing makes a MAC of one: the encryption context has the
// token's ref.
func TestRole_KMSIsToldNoToken(t *testing.T) {
	s := newSystem(t)
	order, paybill, tokenizer, indexer, detokenizer := s.role("order"), s.role("paybill"), s.role("tokenizer"),
		s.role("indexer"), s.role("detokenizer")
	limited := []func(*vault.Create){uses(3), format(token.Card)}
	made := []vault.Created{order.create(t, visa, limited...),
		tokenizer.create(t, visa, append(limited, purpose("refund"))...), tokenizer.create(t, visa, purpose("refund"))}
	readers := []role{paybill, detokenizer, detokenizer}
	for i, created := range made {
		if _, err := readers[i].detokenize(t, created.Token); err != nil {
			t.Error(err)
		}
		if _, _, err := readers[i].Live(t.Context(), read(created.Token)); err != nil {
			t.Error(err)
		}
		s.role("revoker").revoke(t, created.Token)
	}
	if n := s.sent.count("GenerateMac"); n != 0 {
		t.Errorf("%d MACs were made without the index", n)
	}
	made = append(made, indexer.create(t, visa, purpose("refund"), deterministic("s"), format(token.Card)),
		indexer.create(t, visa, purpose("refund"), idempotent("k")))
	checkTold(t, s.sent.all(), made)
}

func checkTold(t *testing.T, calls []kmsCall, made []vault.Created) {
	t.Helper()
	macs := 0
	for _, call := range calls {
		want := []string{"account_id", "purpose", "ref", "table"}
		if call.EncryptionContext["purpose"] == "" {
			want = []string{"account_id", "ref", "table"}
		}
		if call.operation == "GenerateMac" {
			want, macs = nil, macs+1
		}
		if got := slices.Sorted(maps.Keys(call.EncryptionContext)); !slices.Equal(got, want) {
			t.Errorf("%s with the context %v", call.operation, got)
		}
		for _, created := range made {
			bare := strings.ReplaceAll(created.Token, "-", "")
			for _, text := range []string{created.Token, bare, visa} {
				if bytes.Contains(bytes.ToLower(call.body), []byte(text)) ||
					bytes.Contains(call.Message, []byte(text)) {
					t.Errorf("%s was told a token or a card", call.operation)
				}
			}
			if bytes.Equal(call.Message, digestOf(created.Token)) ||
				bytes.Equal(call.Message, digestOf("token-hash", created.Token)) {
				t.Errorf("%s made a MAC of a token", call.operation)
			}
		}
	}
	if len(calls) < 10 || macs != 3 { // a fingerprint; the name of a request, and the request
		t.Errorf("%d calls, %d of them for MACs", len(calls), macs)
	}
	for _, created := range made {
		if !slices.ContainsFunc(calls, func(c kmsCall) bool { return c.EncryptionContext["ref"] == created.Ref }) {
			t.Errorf("no call has the ref %s", created.Ref)
		}
	}
}
