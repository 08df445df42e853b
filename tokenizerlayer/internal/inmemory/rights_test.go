package inmemory

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/attribute"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/awsjson"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/kmsapi"
)

// Each right by itself: package vault, which compares rights with policies, makes some calls only after others.
func TestRights_AllowTheCallsOfTheirGrants(t *testing.T) {
	type access struct{ table, operation, key string }
	var all []access
	for _, operation := range []string{"PutItem", "GetItem", "UpdateItem", "DeleteItem"} {
		all = append(all, access{VaultTable, operation, ""}, access{IndexTable, operation, ""})
		for _, key := range []string{"gone#t", "use##t", "use#refund#t", "use#refunds#t"} {
			all = append(all, access{StateTable, operation, key})
		}
	}
	counted := func(key string) []access {
		return []access{
			{VaultTable, "GetItem", ""}, {StateTable, "GetItem", "gone#t"}, {StateTable, "GetItem", key},
			{StateTable, "UpdateItem", key},
		}
	}
	for name, tt := range map[string]struct {
		rights Rights
		want   []access
	}{
		"none":            {Rights{}, nil},
		"tokenize":        {Rights{Tokenize: true}, []access{{VaultTable, "PutItem", ""}}},
		"index":           {Rights{Index: true}, []access{{IndexTable, "PutItem", ""}, {IndexTable, "GetItem", ""}}},
		"detokenize":      {Rights{Detokenize: true}, counted("use##t")},
		"detokenize some": {Rights{Detokenize: true, Purposes: []string{"x", "refund"}}, counted("use#refund#t")},
		"revoke": {Rights{Revoke: true}, []access{
			{StateTable, "PutItem", "gone#t"}, {VaultTable, "GetItem", ""}, {IndexTable, "GetItem", ""},
			{VaultTable, "DeleteItem", ""}, {IndexTable, "DeleteItem", ""},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			got, want := map[access]bool{}, map[access]bool{}
			for _, a := range all {
				if tt.rights.mayTouch(a.table, a.operation, attribute.Item{"State_Key": attribute.S(a.key)}) {
					got[a] = true
				}
			}
			for _, a := range tt.want {
				want[a] = true
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRights_HoldForTheirPurposes(t *testing.T) {
	plain, refund := map[string]string{"table": "t"}, map[string]string{"purpose": "refund"}
	empty := map[string]string{"purpose": ""}
	for name, tt := range map[string]struct {
		purposes []string
		context  map[string]string
		want     bool
	}{
		"no purpose": {nil, plain, true}, "a purpose without any granted": {nil, refund, false},
		"one of those granted":  {[]string{"charge", "refund"}, refund, true},
		"another":               {[]string{"charge"}, refund, false},
		"none of those granted": {[]string{"charge"}, plain, false},
		"an empty one":          {[]string{""}, plain, false}, "an empty one in the context": {nil, empty, false},
	} {
		if got := (Rights{Purposes: tt.purposes}).mayUse(tt.context); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// The development server tells a person which call was refused, and whether another purpose would do.
func TestGuard_TellsWhatItRefuses(t *testing.T) {
	var denied []Denial
	g := guard{Rights{Detokenize: true}, func(d Denial) { denied = append(denied, d) }}
	kms, store := guardedKMS{guard: g}, guardedStore{guard: g}
	_, sealing := kms.GenerateDataKey(t.Context(), kmsapi.GenerateDataKeyInput{})
	_, opening := kms.Decrypt(t.Context(),
		kmsapi.DecryptInput{EncryptionContext: map[string]string{"purpose": "refund"}})
	_, mac := kms.GenerateMac(t.Context(), kmsapi.GenerateMacInput{})
	for _, err := range []error{sealing, opening, mac, store.requireItem(IndexTable, "GetItem", nil)} {
		if awsjson.Code(err) != "AccessDeniedException" {
			t.Errorf("error %v is not IAM's", err)
		}
	}
	want := []Denial{
		{"kms:GenerateDataKey", "TokenKey", false}, {"kms:Decrypt", "TokenKey", true},
		{"kms:GenerateMac", "FingerprintKey", false}, {"dynamodb:GetItem", IndexTable, false},
	}
	if diff := cmp.Diff(want, denied); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
