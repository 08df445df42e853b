package report

import (
	"reflect"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// What AWS adds to its services comes to the report with the SDK: it has to be classified.
func TestCatalogue_HasEveryOperationOnKeysAndTables(t *testing.T) {
	// Operations that are about neither a key nor a table, and those that are authorized as other actions.
	others := map[string][]string{
		"kms": {
			"ConnectCustomKeyStore", "CreateCustomKeyStore", "CreateKey", "DeleteCustomKeyStore",
			"DescribeCustomKeyStores", "DisconnectCustomKeyStore", "GenerateRandom", "ListAliases", "ListKeys",
			"ListRetirableGrants", "ReEncrypt", "UpdateCustomKeyStore",
		},
		"dynamodb": {
			"BatchExecuteStatement", "DescribeEndpoints", "DescribeLimits", "ExecuteStatement", "ExecuteTransaction",
			"ListBackups", "ListBulkOperations", "ListContributorInsights", "ListExports", "ListGlobalTables",
			"ListImports", "ListTables", "TransactGetItems", "TransactWriteItems",
		},
	}
	for service, client := range map[string]any{"kms": &kms.Client{}, "dynamodb": &dynamodb.Client{}} {
		places := map[string][]place{
			"kms": {tokenKey, fingerprintKey, storageKey}, "dynamodb": {vault, state, index, application},
		}[service]
		methods := reflect.TypeOf(client)
		for i := range methods.NumMethod() {
			name := methods.Method(i).Name
			if name == "Options" || slices.Contains(others[service], name) {
				continue
			}
			for _, at := range places {
				if action := service + ":" + name; !slices.Contains(known(at), action) {
					t.Errorf("%s on %s is in none of the lists: what is it good for?", action, at)
				}
			}
		}
	}
}

// An action that is harmless at a place must not be part of an ability there.
func TestCatalogue_HasNoOpinionTwice(t *testing.T) {
	for at, actions := range harmless {
		for _, action := range actions {
			if slices.Contains(watched(at), action) {
				t.Errorf("%s on %s is harmless and is not", action, at)
			}
		}
	}
}

func TestExamples_OfNamesInPolicies(t *testing.T) {
	for _, tt := range []struct {
		account, name string
		want          []string
	}{
		{"A", "arn:aws:iam::A:role/tokenizer/*", []string{"arn:aws:iam::A:role/tokenizer/example"}},
		{"A", "arn:aws:iam::A:role/x?", []string{"arn:aws:iam::A:role/xx"}},
		{"A", "arn:aws:iam::*:role/debug/*", []string{"arn:aws:iam::A:role/debug/example"}},
		{"A", "*:role/debug/*", []string{"arn:aws:iam::A:role/debug/example"}},
		{"A", "*debug*", []string{"arn:aws:iam::A:role/debugexample", "arn:aws:iam::A:user/debugexample"}},
		{"A", "arn:aws:iam::A:root", []string{"arn:aws:iam::A:role/example"}},
		{"A", "arn:aws:iam::A:user/u", []string{"arn:aws:iam::A:user/u"}},
		{"B", "arn:aws:iam::A:user/u", nil},
		{"A", "arn:aws:sts::A:assumed-role/x", nil},
	} {
		if got := examplesIn(tt.account, tt.name); !slices.Equal(got, tt.want) {
			t.Errorf("%s in %s: %q, want %q", tt.name, tt.account, got, tt.want)
		}
	}
}

func TestBelow_FindsWhatPatternsHaveInCommon(t *testing.T) {
	for _, tt := range []struct{ prefix, pattern, want string }{
		{"use#", "use#refund#*", "use#refund#example"}, {"use#", "us*", "use#"},
		{"use#", "*#refund#*", "use##refund#example"},
		{"use#", "u?e#x", "use#x"}, {"use#", "gone#*", ""}, {"use#", "use", ""}, {"gone#", "*", "gone#"},
	} {
		if got, ok := below(tt.prefix, tt.pattern); got != tt.want || ok != (tt.want != "") {
			t.Errorf("%s below %s: %q, %t", tt.pattern, tt.prefix, got, ok)
		}
	}
}
