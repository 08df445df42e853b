package vault_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/envelope"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/token"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/vault"
)

// Promise: a tokenizer cannot put another card behind a token that it did not make, with any envelope that KMS lets it
// seal.
func TestRole_ATokenizerCannotPutAnotherCardBehindAToken(t *testing.T) {
	s := newSystem(t)
	hostile, detokenizer := s.role("tokenizer"), s.role("detokenizer")
	mine := token.NewSeed()
	for form, victim := range map[string]vault.Created{
		"uuid": s.direct.create(t, visa, purpose("refund")),
		"card": s.direct.create(t, visa, purpose("refund"), format(token.Card)),
	} {
		genuine, _ := refusedPuts(t, hostile, victim.Token)
		for name, f := range map[string]struct{ ref, purpose, payload string }{
			"under its own ref":        {mine.Ref(), "refund", payloadOf(mine, other)},
			"under the victim's ref":   {victim.Ref, "refund", payloadOf(mine, other)},
			"with the victim's digits": {victim.Ref, "refund", payloadOf(mine, "4024444444441111")},
			"for another purpose":      {victim.Ref, "charge", payloadOf(mine, other)},
			"without a seed": {victim.Ref, "refund",
				`{"v":3,"type":"card","data":"` + other + `","iat":1}`},
			"with an empty seed": {victim.Ref, "refund",
				`{"v":3,"r":"","type":"card","data":"` + other + `","iat":1}`},
			"with two seeds": {victim.Ref, "refund",
				strings.TrimSuffix(payloadOf(mine, other), "}") + `,"r":"AAAA"}`},
			"with another name for the seed": {victim.Ref, "refund",
				strings.Replace(payloadOf(mine, other), `"r"`, `"R"`, 1)},
			"as text": {victim.Ref, "refund",
				strings.Replace(payloadOf(mine, other), `"type":"card","data"`, `"type":"text","text"`, 1)},
			"as a payload of format 1": {victim.Ref, "refund", `{"v":1,"type":"card","data":"` + other + `"}`},
			"as no payload":            {victim.Ref, "refund", other},
		} {
			hostile.forge(t, victim.Token, f.ref, f.purpose, f.payload, s.keys["TokenKey"])
			why := failure.Integrity
			if f.purpose != "refund" {
				why = failure.Denied // by KMS, before the vault sees what is sealed
			}
			checkKept(t, detokenizer, victim.Token, why, form+" "+name)
		}
		// Genuine rows in places of others.
		own := hostile.create(t, other, purpose("refund"))
		ownRow, _ := refusedPuts(t, hostile, own.Token)
		for name, parts := range map[string][]string{
			"the whole row": {"Ref", "CandidateString"}, "the envelope": {"CandidateString"}, "the ref": {"Ref"},
		} {
			hostile.put(t, table, mixed(genuine, ownRow, parts))
			checkKept(t, detokenizer, victim.Token, failure.Integrity, form+" with "+name+" of its own token")
			hostile.put(t, table, mixed(ownRow, genuine, parts))
			checkKept(t, detokenizer, own.Token, failure.Integrity,
				form+": its own token with "+name+" of the victim's")
		}
		hostile.put(t, table, genuine)
		if got, err := detokenizer.detokenize(t, victim.Token); err != nil || got != visa {
			t.Errorf("%s: the genuine row: %v", form, err)
		}
	}
	// A row that it seals for a token of its own making opens: the forgeries above fail for what they promise, not for
	// their form.
	own := mine.Token(token.UUID, cardNumber(t, other))
	hostile.forge(t, own, mine.Ref(), "refund", payloadOf(mine, other), s.keys["TokenKey"])
	if got, err := detokenizer.detokenize(t, own); err != nil || got != other {
		t.Errorf("its own token: %v", err)
	}
}

// mixed is a row with some attributes of another.
func mixed(row, from sdkRow, parts []string) sdkRow {
	row = maps.Clone(row)
	for _, name := range parts {
		row[name] = from[name]
	}
	return row
}

// Promise: KMS opens for a role what is bound to its purposes, and nothing else, whatever the role asks for and
// whatever a tokenizer writes into the row.
func TestRole_KMSEnforcesThePurposeOfADecrypt(t *testing.T) {
	s := newSystem(t)
	for kind, foreign := range map[string]string{"detokenizer": "charge", "paybill": "refund"} {
		r, mine := s.role(kind), map[string]string{"detokenizer": "refund"}[kind]
		victim := s.direct.create(t, visa, purpose(foreign))
		row := r.get(t, table, vaultKey(victim.Token)) // which it may: the vault's key is the token
		bound := envelope.Context{"table": table, "account_id": account, "ref": victim.Ref, "purpose": foreign}
		wrapped := wrappedKey(t, row, bound)
		decrypt := func(c envelope.Context) error {
			_, err := r.kms.Decrypt(t.Context(),
				&kms.DecryptInput{KeyId: &wrapped.Info, CiphertextBlob: wrapped.Ciphertext, EncryptionContext: c})
			return err
		}
		wantRefused(t, decrypt(bound), "kms:Decrypt", byIAM)
		own := maps.Clone(bound)
		if own["purpose"] = mine; mine == "" {
			delete(own, "purpose")
		}
		if code, _ := apiError(decrypt(own)); code != "InvalidCiphertextException" {
			t.Errorf("%s, as if for its own purpose: %s", kind, code)
		}
		both := maps.Clone(bound)
		both["Purpose"] = mine
		if decrypt(both) == nil {
			t.Errorf("%s, for both purposes: opened", kind)
		}
		_, err := r.detokenize(t, victim.Token)
		wantKind(t, err, failure.Denied)
		if row["Purpose"] = str(mine); mine == "" {
			delete(row, "Purpose")
		}
		s.role("tokenizer").put(t, table, row)
		checkKept(t, r, victim.Token, failure.Integrity, kind+", with its own purpose in the row")
		for name, c := range foreignContexts(foreign, "refund") {
			if mine == "" && name == "no purpose" {
				continue
			}
			wantOnly(t, kind+" "+name, r.onKey(t, s.keys["TokenKey"], c))
		}
		wantOnly(t, kind+", for its own", r.onKey(t, s.keys["TokenKey"], boundFor(mine)), "Decrypt")
	}
}

// Promise: a compromised TokenKey can be replaced: rows under it open as long as it is configured, and forgeries with
// it not afterwards.
func TestRole_AnOldTokenKeyOpensAsLongAsItIsConfigured(t *testing.T) {
	s := newSystem(t)
	before, after := s.direct, s.role("detokenizer")
	before.Vault = s.newVault("direct", s.direct, func(c *vault.Config) { c.TokenKeys = c.TokenKeys[1:] })
	after.Vault = s.newVault("detokenizer", after, func(c *vault.Config) { c.TokenKeys = c.TokenKeys[:1] })
	detokenizer, tokenizer := s.role("detokenizer"), s.role("tokenizer")
	old, fresh := before.create(t, visa, purpose("refund")).Token, tokenizer.create(t, other, purpose("refund")).Token
	seed := token.NewSeed()
	forged := seed.Token(token.UUID, cardNumber(t, visa))
	s.direct.forge(t, forged, seed.Ref(), "refund", payloadOf(seed, visa), s.oldKey) // by whoever has the old key
	for tok, want := range map[string]string{old: visa, fresh: other, forged: visa} {
		if got, err := detokenizer.detokenize(t, tok); err != nil || got != want {
			t.Errorf("with both versions: %v", err)
		}
	}
	checkKept(t, after, old, failure.Integrity, "a row under the version that was taken out")
	checkKept(t, after, forged, failure.Integrity, "a forgery under it")
	if got, err := after.detokenize(t, fresh); err != nil || got != other {
		t.Errorf("with the new version: %v", err)
	}
	wantOnly(t, "a tokenizer on the old version", tokenizer.onKey(t, s.oldKey, boundFor("refund")))
	wantOnly(t, "a detokenizer on the old version", detokenizer.onKey(t, s.oldKey, boundFor("refund")), "Decrypt")
	_, err := tokenizer.kms.GenerateDataKey(t.Context(),
		&kms.GenerateDataKeyInput{KeyId: &s.oldKey, KeySpec: "AES_256", EncryptionContext: boundFor("refund")})
	wantRefused(t, err, "kms:GenerateDataKey", byIAM)
}

// Promise: each use of a key is for the roles below its paths, even if IAM allows everything, and nobody hands a key
// out.
func TestRole_TheKeysPoliciesHoldWhateverIAMSays(t *testing.T) {
	s := newSystem(t)
	const tokenKey, fingerprintKey, storageKey = "TokenKey", "FingerprintKey", "StorageKey"
	seal, open, mac := []string{"GenerateDataKey"}, []string{"Decrypt"}, []string{"GenerateMac"}
	lose := []string{"DisableKey", "ScheduleKeyDeletion"}
	for path, may := range map[string]map[string][]string{
		"/tokenizer/tokenize/":            {tokenKey: seal},
		"/tokenizer/tokenize/index/":      {tokenKey: seal, fingerprintKey: mac},
		"/tokenizer/tokenize/index/team/": {tokenKey: seal, fingerprintKey: mac},
		"/tokenizer/detokenize/":          {tokenKey: open},
		"/tokenizer/operate/":             {tokenKey: {"Decrypt", "GenerateDataKey"}, fingerprintKey: mac},
		"/tokenizer/administer/":          {tokenKey: lose, fingerprintKey: lose, storageKey: lose},
		"/":                               {},
		"/tokenizer/":                     {},
		"/service/":                       {},
		"/tokenizer/detokenizer/":         {},
		"/tokenizer/index/":               {},
		"/tokenizer/tokenize/indexes/":    {tokenKey: seal},
		"/tokenizer/administer-not/":      {},
		"/Tokenizer/Detokenize/":          {},
		"/x/tokenizer/detokenize/":        {},
		"/tokenizer/service/detokenize/":  {},
	} {
		r := s.stranger(path, "r")
		s.allow(r, "kms:*", "*")
		for name, bound := range map[string]envelope.Context{
			tokenKey: boundFor("refund"), fingerprintKey: nil, storageKey: {"aws:dynamodb:tableName": table},
		} {
			wantOnly(t, path+" on "+name, r.onKey(t, s.keys[name], bound), may[name]...)
			if _, err := s.direct.kms.EnableKey(t.Context(),
				&kms.EnableKeyInput{KeyId: new(s.keys[name])}); err != nil {
				t.Fatal(err)
			}
		}
	}
	wantOnly(t, "without IAM", s.stranger("/tokenizer/operate/", "none").onKey(t, s.keys[tokenKey], boundFor("refund")))
}

// Promise: a key of prod is scheduled for deletion, or disabled, by administrators' roles alone, and with 30 days'
// notice.
func TestRole_AKeyIsNotLostWithoutNotice(t *testing.T) {
	s := newSystem(t)
	administrator, operator := s.stranger("/tokenizer/administer/", "a"), s.stranger("/tokenizer/operate/", "o")
	for _, r := range []role{administrator, operator} {
		s.allow(r, "kms:*", "*")
	}
	for _, name := range []string{"TokenKey", "FingerprintKey", "StorageKey"} {
		key := s.keys[name]
		schedule := func(r role, days ...int32) error {
			in := &kms.ScheduleKeyDeletionInput{KeyId: &key}
			for _, d := range days {
				in.PendingWindowInDays = &d
			}
			_, err := r.kms.ScheduleKeyDeletion(t.Context(), in)
			return err
		}
		for _, days := range []int32{0, 7, 29} {
			wantRefused(t, schedule(administrator, days), "kms:ScheduleKeyDeletion", byKeysDenial)
		}
		wantOnly(t, name+", by an administrator", passed(t, map[string]error{
			"in 30 days": schedule(administrator, 30), "in the default time, which is 30 days": schedule(administrator),
		}), "in 30 days", "in the default time, which is 30 days")
		wantRefused(t, schedule(operator, 30), "kms:ScheduleKeyDeletion", byKeysDenial)
		wantRefused(t, schedule(operator), "kms:ScheduleKeyDeletion", byKeysDenial)
		_, err := operator.kms.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &key})
		wantRefused(t, err, "kms:DisableKey", byKeysDenial)
	}
}

// Promise: a role below the operators' path may do both sides, as far as it was granted both.
func TestRole_AnOperatorMayDoBothSides(t *testing.T) {
	s := newSystem(t)
	both := s.roleAt("/tokenizer/operate/", "both", "TokenizeRefunds", "Index", "DetokenizeRefunds")
	made := both.create(t, visa, purpose("refund"), deterministic("s")).Token
	if got, err := both.detokenize(t, made); err != nil || got != visa {
		t.Errorf("error = %v", err)
	}
	one := s.roleAt("/tokenizer/operate/", "one", "DetokenizeRefunds")
	if got, err := one.detokenize(t, made); err != nil || got != visa {
		t.Errorf("error = %v", err)
	}
	wantOnly(t, "an operator with one grant", one.onKey(t, s.keys["TokenKey"], boundFor("refund")), "Decrypt")
}

// Promise: a grant is for one side, and for its purposes, by itself: even where a key's policy lets a role do both.
func TestRole_AGrantIsForOneSideAndItsPurposes(t *testing.T) {
	s := newSystem(t)
	s.open(s.keys["TokenKey"])
	seal, open := []string{"GenerateDataKey"}, []string{"Decrypt"}
	for kind, may := range map[string]map[string][]string{ // by purpose
		"order": {"": seal}, "paybill": {"": open}, "tokenizer": {"refund": seal, "charge": seal},
		"indexer":     {"refund": seal, "charge": seal},
		"detokenizer": {"refund": open}, "revoker": {},
	} {
		r := s.roleAt("/tokenizer/operate/", kind, attackers[kind].grants...)
		for _, purpose := range []string{"", "refund", "charge", "payout"} {
			wantOnly(t, kind+" for the purpose "+purpose, r.onKey(t, s.keys["TokenKey"], boundFor(purpose)),
				may[purpose]...)
		}
	}
}

// Promise: the key of the tables serves a role through DynamoDB, for the tables that it was granted, and not by itself.
func TestRole_StorageKeyServesThroughDynamoDBOnly(t *testing.T) {
	s := newSystem(t)
	// by itself, the key's policy gives its use to DynamoDB only: TestRole_TheKeysPoliciesHoldWhateverIAMSays
	s.open(s.keys["StorageKey"])
	for kind := range attackers {
		for _, c := range []envelope.Context{nil, {"aws:dynamodb:tableName": table},
			{"aws:dynamodb:tableName": table, "aws:dynamodb:subscriberId": account}} {
			wantOnly(t, kind, s.role(kind).onKey(t, s.keys["StorageKey"], c))
		}
	}
	// A right to the table alone is not enough for it.
	r := s.stranger("/tokenizer/", "reader")
	s.allow(r, "dynamodb:*", "*")
	_, err := r.getItem(t, table, vaultKey("t"))
	wantRefused(t, err, "kms:Decrypt", byIAM)
	s.allow(r, "kms:*", s.keys["StorageKey"])
	if _, err := r.getItem(t, table, vaultKey("t")); err != nil {
		t.Errorf("with the key: %v", err)
	}
}
