package test

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer"
)

// synthesizeStack reads the template of the only stack of newStack's app.
func synthesizeStack(t *testing.T, app awscdk.App) assembly {
	t.Helper()
	app.Synth(nil)
	var parsed template
	if err := json.Unmarshal([]byte(read(t, filepath.Join(*app.Outdir(), "Stack.template.json"))),
		&parsed); err != nil {
		t.Fatal(err)
	}
	return assembly{dir: *app.Outdir(), templates: map[string]template{"Stack": parsed}}
}

func newRole(stack awscdk.Stack, name, path string) awsiam.Role {
	return awsiam.NewRole(stack, &name, &awsiam.RoleProps{
		AssumedBy: awsiam.NewServicePrincipal(new("lambda.amazonaws.com"), nil),
		Path:      new(tokenizerlayer.DefaultRolePath + path),
	})
}

// twoVersions are the versions of a key after a rotation.
func twoVersions(stack awscdk.Stack, id string,
	construct func(awscdk.Stack, string) tokenizerlayer.KeyVersion) []tokenizerlayer.KeyVersion {
	newer, older := construct(stack, "New"+id), construct(stack, "Old"+id)
	newer.Version, older.Version = "2", "1"
	return []tokenizerlayer.KeyVersion{newer, older}
}

// everyGrant is a stack with a vault whose keys have two versions, and a role for every grant, named by it.
func everyGrant(t *testing.T) assembly {
	t.Helper()
	app, stack := newStack(t)
	vault := newVault(t, stack, func(props *tokenizerlayer.VaultProps) {
		props.TokenKeys = twoVersions(stack, "TokenKey", func(stack awscdk.Stack, id string) tokenizerlayer.KeyVersion {
			return tokenizerlayer.KeyVersion{Key: tokenizerlayer.NewTokenKey(stack, id, nil)}
		})
		props.FingerprintKeys = twoVersions(stack, "FingerprintKey",
			func(stack awscdk.Stack, id string) tokenizerlayer.KeyVersion {
				return tokenizerlayer.KeyVersion{Key: tokenizerlayer.NewFingerprintKey(stack, id, nil)}
			})
	})
	grants := vault.Grants()
	grants.Tokenize(newRole(stack, "Tokenizer", tokenizerlayer.TokenizePath))
	grants.Tokenize(newRole(stack, "RefundTokenizer", tokenizerlayer.TokenizePath), "refund")
	indexer := newRole(stack, "Indexer", tokenizerlayer.IndexPath)
	grants.Tokenize(indexer)
	grants.Index(indexer)
	grants.Detokenize(newRole(stack, "Detokenizer", tokenizerlayer.DetokenizePath))
	grants.Detokenize(newRole(stack, "RefundDetokenizer", tokenizerlayer.DetokenizePath), "refund")
	grants.Detokenize(newRole(stack, "TwoPurposesDetokenizer", tokenizerlayer.DetokenizePath), "refund", "charge")
	grants.Revoke(newRole(stack, "Revoker", ""))
	return synthesizeStack(t, app)
}

// grantees are the roles of everyGrant.
var grantees = []string{
	"Tokenizer", "RefundTokenizer", "Indexer", "Detokenizer", "RefundDetokenizer", "TwoPurposesDetokenizer",
	"Revoker",
}

func TestGrants_SealWithTheFirstVersionOfTokenKeyAndOpenWithAll(t *testing.T) {
	assembly := everyGrant(t)
	account := assembly.account(t)
	for role, want := range map[string][]string{
		"Tokenizer": {"kms:GenerateDataKey on NewTokenKey"},
		"Indexer": {
			"kms:GenerateDataKey on NewTokenKey", "kms:GenerateMac on NewFingerprintKey",
			"kms:GenerateMac on OldFingerprintKey",
		},
		"Detokenizer": {"kms:Decrypt on NewTokenKey", "kms:Decrypt on OldTokenKey"},
		"Revoker":     nil,
	} {
		var got []string
		for _, action := range uses {
			for _, key := range []string{
				"NewTokenKey", "OldTokenKey", "NewFingerprintKey", "OldFingerprintKey", "StorageKey",
			} {
				if assembly.may(t, account, assembly.roleARN(t, role), action, key,
					"kms:EncryptionContext:table", "VaultTable", "kms:EncryptionContext:account_id", evaluatedAccount) {
					got = append(got, action+" on "+key)
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("uses of keys by %s (-want +got):\n%s", role, diff)
		}
	}
}

// items are partition keys of the state table.
var items = []string{
	"gone#t", "use##t", "use#refund#t", "use#charge#t", "use#refund2#t", "use#", "use#*#t", "gone", "t",
}

// itemsFor lists the items of the state that a role can carry out an action on.
func (a assembly) itemsFor(t *testing.T, role, action string, context ...string) (found []string) {
	t.Helper()
	account := a.account(t)
	for _, item := range items {
		if a.may(t, account, a.roleARN(t, role), action, "VaultState",
			append(context, "dynamodb:LeadingKeys", item)...) {
			found = append(found, item)
		}
	}
	return found
}

func TestGrants_DetokenizeReachesTombstonesAndTheUsesOfItsPurposes(t *testing.T) {
	assembly := everyGrant(t)
	own := []string{
		"dynamodb:Attributes", "State_Key", "dynamodb:Attributes", "Account_Id", "dynamodb:Attributes", "Uses",
	}
	for role, counted := range map[string][]string{
		"Detokenizer":            {"use##t"},
		"RefundDetokenizer":      {"use#refund#t"},
		"TwoPurposesDetokenizer": {"use#refund#t", "use#charge#t"},
	} {
		if diff := cmp.Diff(append([]string{"gone#t"}, counted...),
			assembly.itemsFor(t, role, "dynamodb:GetItem")); diff != "" {
			t.Errorf("items that %s reads (-want +got):\n%s", role, diff)
		}
		if diff := cmp.Diff(counted, assembly.itemsFor(t, role, "dynamodb:UpdateItem", own...)); diff != "" {
			t.Errorf("items that %s updates (-want +got):\n%s", role, diff)
		}
		if got := assembly.itemsFor(t, role, "dynamodb:UpdateItem",
			append(own, "dynamodb:Attributes", "Ref")...); got != nil {
			t.Errorf("%s can write another attribute of %v", role, got)
		}
		account, arn := assembly.account(t), assembly.roleARN(t, role)
		// ForAllValues holds where there are no values.
		for what, context := range map[string][]string{
			"partition key": own, "attributes": {"dynamodb:LeadingKeys", counted[0]},
		} {
			if assembly.may(t, account, arn, "dynamodb:UpdateItem", "VaultState", context...) {
				t.Errorf("%s can update without %s", role, what)
			}
		}
		if assembly.may(t, account, arn, "dynamodb:GetItem", "VaultState") {
			t.Errorf("%s can read without a partition key", role)
		}
	}
}

// Revoke alone puts tombstones, and can put one over another. Nobody updates or deletes one, and nobody puts a count.
func TestGrants_OnlyRevokePutsTombstonesAndNobodyDeletesThem(t *testing.T) {
	assembly := everyGrant(t)
	writes := []string{"BatchWriteItem", "DeleteItem", "PartiQLDelete", "PartiQLInsert", "PartiQLUpdate", "PutItem",
		"UpdateItem", "DeleteTable", "ImportTable",
		"RestoreTableFromBackup", "RestoreTableToPointInTime", "UpdateTable", "UpdateTimeToLive"}
	for _, role := range grantees {
		for _, write := range writes {
			var want []string
			if role == "Revoker" && write == "PutItem" {
				want = []string{"gone#t"}
			}
			got := assembly.itemsFor(t, role, "dynamodb:"+write, "dynamodb:Attributes", "State_Key")
			if strings.HasSuffix(role, "Detokenizer") && write == "UpdateItem" { // counts: see the test above
				got = slices.DeleteFunc(got, func(item string) bool { return strings.HasPrefix(item, "use#") })
			}
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("items that %s can %s (-want +got):\n%s", role, write, diff)
			}
		}
		if assembly.may(t, assembly.account(t), assembly.roleARN(t, role), "dynamodb:PutItem", "VaultState") {
			t.Errorf("%s can put without a partition key", role)
		}
		if got := assembly.itemsFor(t, role, "dynamodb:PutItem", "dynamodb:ReturnValues", "ALL_OLD"); got != nil {
			t.Errorf("%s can read what it overwrites: %v", role, got)
		}
	}
}

// In a condition a "*" would stand for every purpose.
func TestGrants_RefuseAPurposeThatNoTokenCanHave(t *testing.T) {
	for name, grant := range map[string]func(tokenizerlayer.Grants, awsiam.IGrantable, string){
		"Tokenize": func(g tokenizerlayer.Grants, role awsiam.IGrantable, purpose string) { g.Tokenize(role, purpose) },
		"Detokenize": func(g tokenizerlayer.Grants, role awsiam.IGrantable, purpose string) {
			g.Detokenize(role, "refund", purpose)
		},
	} {
		for purpose, right := range map[string]bool{
			"refund": true, "*": false, "refund*": false, "?": false, "": false, "a#b": false, "Refund": false,
		} {
			app, stack := newStack(t)
			grant(newVault(t, stack, nil).Grants(), newRole(stack, "Role", ""), purpose)
			b := bench{app: app}
			got := b.synth()
			if refused := strings.Contains(got, "[Stack/Vault] Grants: got the purpose "); refused == right || right &&
				got != "" {
				t.Errorf("%s for %q: synthesis says %q", name, purpose, got)
			}
		}
	}
}
