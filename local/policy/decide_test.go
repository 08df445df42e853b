package policy_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/policy"
)

func TestDecide_NamesTheStatementsThatAllow(t *testing.T) {
	const other = "arn:aws:iam::123456789012:role/bounded"
	const role, resource = "arn:aws:iam::123456789012:role/free", "arn:aws:dynamodb:us-east-1:123456789012:table/T"
	account := policy.NewAccount("123456789012")
	one := func(sid, principal string) any {
		statement := map[string]any{"Sid": sid, "Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "*"}
		if principal != "" {
			statement["Principal"] = map[string]any{"AWS": principal}
		}
		return map[string]any{"Statement": statement}
	}
	for _, err := range []error{
		account.AddRolePolicy(role, "P", one("Mine", "")), account.AddRolePolicy(other, "Q", one("Mine", "")),
		account.AddBoundary(other, "B", one("Within", "")),
		account.AddResourcePolicy(resource, "R", one("Named", other)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		who  string
		want []string
	}{
		{role, []string{`"Mine" of P`}},
		{other, []string{`"Named" of R`, `"Within" of B`}},
		{"arn:aws:iam::123456789012:role/nobody", nil},
	} {
		allowed, denial := account.Decide(policy.Request{Role: tt.who, Action: "dynamodb:GetItem", Resource: resource})
		if diff := cmp.Diff(tt.want, allowed); diff != "" || (denial == nil) != (tt.want != nil) {
			t.Errorf("%s: denial %v, allowed (-want +got):\n%s", tt.who, denial, diff)
		}
	}
}
