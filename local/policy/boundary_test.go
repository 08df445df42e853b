package policy_test

import (
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/policy"
)

func TestEvaluate_CapsARoleByItsBoundary(t *testing.T) {
	const (
		function   = "arn:aws:lambda:us-east-1:123456789012:function:Paybill"
		onlyThere  = `{"Sid":"S","Effect":"Allow","Action":"dynamodb:GetItem","Resource":"*","Condition":{"ArnLike":{"lambda:SourceFunctionArn":"` + function + `"}}}`
		everything = `{"Effect":"Allow","Action":"*","Resource":"*"}`
		tableByAll = `{"Effect":"Allow","Action":"dynamodb:GetItem","Resource":"*","Principal":{"AWS":"` + role + `"}}`
	)
	for name, tt := range map[string]struct {
		ofRole, boundary, ofResource string
		function                     string // "" means that the call comes from no function
		because                      string // "" means allowed
	}{
		"both allow": {getByRole, getByRole, "", function, ""},
		"a boundary grants nothing": {
			"", getByRole, "", function, "no identity-based policy allows the dynamodb:GetItem action",
		},
		"a policy beyond the boundary": {
			everything, decryptByRole, "", function, "no permissions boundary allows the dynamodb:GetItem action",
		},
		"a boundary that denies": {getByRole, everything +
			`,{"Effect":"Deny","Action":"dynamodb:*","Resource":"*"}`, "", function,
			"an explicit deny in a permissions boundary"},
		"an empty boundary":                  {getByRole, "", "", function, "no permissions boundary"},
		"a resource's policy names the role": {"", decryptByRole, tableByAll, function, "no permissions boundary"},
		"its function":                       {getByRole, onlyThere, "", function, ""},
		"another function":                   {getByRole, onlyThere, "", function + "2", "no permissions boundary"},
		"a qualified name is not its name":   {getByRole, onlyThere, "", function + ":1", "no permissions boundary"},
		"no function":                        {getByRole, onlyThere, "", "", "no permissions boundary"},
	} {
		t.Run(name, func(t *testing.T) {
			a := account(t, tt.ofRole, tableARN, tt.ofResource)
			if err := a.AddBoundary(role, "B", document(t, statementList(tt.boundary)...)); err != nil {
				t.Fatal(err)
			}
			request := policy.Request{
				Role: role, Action: "dynamodb:GetItem", Resource: tableARN, Context: map[string][]string{},
			}
			if tt.function != "" {
				request.Context["lambda:sourcefunctionarn"] = []string{tt.function}
			}
			denial := a.Evaluate(request)
			switch {
			case tt.because == "" && denial != nil:
				t.Errorf("denied: %v", denial)
			case tt.because != "" && (denial == nil || !strings.Contains(denial.Because, tt.because)):
				t.Errorf("denial = %v, want one because of %q", denial, tt.because)
			}
		})
	}
}

// statementList has no statement for no text.
func statementList(statement string) []string {
	if statement == "" {
		return nil
	}
	return []string{statement}
}

func TestEvaluate_NamesWhatABoundaryLacks(t *testing.T) {
	a := account(t, getByRole, "", "")
	if err := a.AddBoundary(role, "B",
		document(t,
			`{"Sid":"S","Effect":"Allow","Action":"dynamodb:GetItem","Resource":"*","Condition":{"Null":{"kms:ViaService":"false"}}}`)); err != nil {
		t.Fatal(err)
	}
	denial := a.Evaluate(policy.Request{Role: role, Action: "dynamodb:GetItem", Resource: tableARN})
	want := "the role's boundary lacks {Allow dynamodb:GetItem on " + tableARN +
		`}; "S" of B would allow it, but its condition Null kms:ViaService does not hold`
	if denial == nil || denial.Missing != want {
		t.Errorf("denial = %+v, want %q", denial, want)
	}
}

func TestAddBoundary_RefusesWhatItDoesNotKnow(t *testing.T) {
	err := policy.NewAccount(accountID).AddBoundary(role, "B",
		document(t, `{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}`))
	if err == nil || !strings.Contains(err.Error(), "policy B") || !strings.Contains(err.Error(), "NotAction") {
		t.Errorf("error = %v, want one that names policy and element", err)
	}
}
