package vault_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/inmemory"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/vault"
)

// rightsOf are the rights of package inmemory that stand for the grants of a kind of role.
var rightsOf = map[string]inmemory.Rights{
	"order":       {Tokenize: true},
	"paybill":     {Detokenize: true},
	"tokenizer":   {Tokenize: true, Purposes: []string{"refund", "charge"}},
	"indexer":     {Tokenize: true, Index: true, Purposes: []string{"refund", "charge"}},
	"detokenizer": {Detokenize: true, Purposes: []string{"refund"}},
	"revoker":     {Revoke: true},
}

// tried are the operations that each kind of role tries, of a vault that somebody else has put tokens into.
func tried(t *testing.T, owner, v *vault.Vault) map[string]error {
	t.Helper()
	errs := map[string]error{}
	unknown := uuid.NewString()
	for name, with := range map[string][]func(*vault.Create){
		"plain": nil, "refund": {purpose("refund")}, "charge": {purpose("charge")}, "other": {purpose("other")},
		"refund of three uses": {purpose("refund"), uses(3)}, "of three uses": {uses(3)},
		"deterministic": {deterministic("s")}, "deterministic refund": {deterministic("s"), purpose("refund")},
		"repeatable": {idempotent("k")}, "repeatable refund": {idempotent("r"), purpose("refund")},
	} {
		created := fixture{Vault: owner}.create(t, visa, with...)
		read := vault.Read{Token: created.Token}
		_, errs[name+", detokenize"] = v.Detokenize(t.Context(), vault.Detokenize{Read: read})
		_, errs[name+", metadata"] = v.Metadata(t.Context(), read)
		_, _, errs[name+", live"] = v.Live(t.Context(), read)
		wanted := vault.Create{Data: cardData(t, visa)}
		for _, change := range with {
			change(&wanted)
		}
		_, errs[name+", create"] = v.Create(t.Context(), wanted)
		if !wanted.Deterministic && wanted.IdempotencyKey == "" {
			_, _, errs[name+", seal"] = v.Seal(t.Context(), wanted)
		}
		_, errs[name+", revoke"] = v.Revoke(t.Context(), created.Token)
		_, errs[name+", detokenize afterwards"] = v.Detokenize(t.Context(), vault.Detokenize{Read: read})
	}
	_, errs["unknown, detokenize"] = v.Detokenize(t.Context(), attempt(unknown, ""))
	_, errs["unknown, revoke"] = v.Revoke(t.Context(), unknown)
	return errs
}

// The rights of package inmemory, which the development server enforces, allow and refuse what the policies of
// docs/permissions.md do, and with the same words.
func TestRights_AreThoseOfThePolicies(t *testing.T) {
	s := newSystem(t)
	for kind := range attackers {
		t.Run(kind, func(t *testing.T) {
			rights, known := rightsOf[kind]
			if !known {
				t.Fatal("no rights stand for this kind of role")
			}
			role := s.role(kind)
			byPolicy := tried(t, s.newVault(kind, s.direct), role.Vault)

			var aws inmemory.AWS
			newVault := func(r *inmemory.Rights) *vault.Vault {
				v, err := aws.NewVault(inmemory.Config{Function: kind, Rights: r})
				s.must(err)
				return v
			}
			byRights := tried(t, newVault(nil), newVault(&rights))
			if diff := cmp.Diff(texts(byPolicy), texts(byRights)); diff != "" {
				t.Errorf("(-policies +rights):\n%s", diff)
			}
		})
	}
}

func texts(errs map[string]error) map[string]string {
	texts := map[string]string{}
	for name, err := range errs {
		texts[name] = "done"
		if err != nil {
			texts[name] = err.Error()
		}
	}
	return texts
}
