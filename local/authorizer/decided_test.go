package authorizer_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/authorizer"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/awsproxy"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/policy"
)

func TestDecided_NamesTheStatementThatAllowsOrTheOneThatIsMissing(t *testing.T) {
	policies := policy.NewAccount(account)
	everybody := `{"Effect":"Allow","Action":"kms:*","Resource":"*","Principal":{"AWS":"arn:aws:iam::` + account +
		`:root"}}`
	if err := policies.AddResourcePolicy(key, "key policy", document(t, everybody)); err != nil {
		t.Fatal(err)
	}
	if err := policies.AddRolePolicy(role, "P",
		document(t, `{"Sid":"Seal","Effect":"Allow","Action":"kms:GenerateDataKey","Resource":"*"}`)); err != nil {
		t.Fatal(err)
	}
	var decisions []authorizer.Decision
	a := authorizer.New(authorizer.Config{
		Account: account, Region: "us-east-1", Policies: policies, Denied: func(string, error) {},
		Decided: func(_ awsproxy.Call, d authorizer.Decision) { decisions = append(decisions, d) },
	})
	for operation, body := range map[string]string{
		"GenerateDataKey": `{"KeyId":"1"}`, "Decrypt": `{"KeyId":"1"}`, "ReEncrypt": `{}`,
	} {
		decisions = nil
		call := awsproxy.Call{
			Principal: role, Function: function, Service: "kms", Operation: operation, Body: []byte(body),
		}
		err := a.Authorize(t.Context(), call)
		if len(decisions) != 1 || (err == nil) != (decisions[0].Missing == "") {
			t.Fatalf("%s: decisions %+v, error %v", operation, decisions, err)
		}
		d := decisions[0]
		switch operation {
		case "GenerateDataKey":
			want := authorizer.Decision{Action: "kms:GenerateDataKey", Resource: key, Allowed: []string{`"Seal" of P`}}
			if diff := cmp.Diff(want, d); diff != "" {
				t.Errorf("decision (-want +got):\n%s", diff)
			}
		case "Decrypt":
			if !strings.Contains(d.Missing, "the role's policies lack {Allow kms:Decrypt on "+key) {
				t.Errorf("missing: %q", d.Missing)
			}
		case "ReEncrypt":
			if !strings.Contains(d.Missing, "cannot tell") {
				t.Errorf("missing: %q", d.Missing)
			}
		}
	}
}
