package policy_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/policy"
)

const (
	accountID = "123456789012"
	role      = "arn:aws:iam::123456789012:role/tokenizer/detokenize/Paybill"
	keyARN    = "arn:aws:kms:us-east-1:123456789012:key/1"
	tableARN  = "arn:aws:dynamodb:us-east-1:123456789012:table/T"
)

// document is a policy of the given statements, each a JSON object.
func document(t *testing.T, statements ...string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(`{"Version":"2012-10-17","Statement":[`+strings.Join(statements, ",")+`]}`),
		&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// account has one role and one resource with these statements, none where empty.
func account(t *testing.T, ofRole, resource, ofResource string) *policy.Account {
	t.Helper()
	a := policy.NewAccount(accountID)
	if ofRole != "" {
		if err := a.AddRolePolicy(role, "P", document(t, ofRole)); err != nil {
			t.Fatal(err)
		}
	}
	if ofResource != "" {
		if err := a.AddResourcePolicy(resource, "R", document(t, ofResource)); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

const (
	decryptByRole = `{"Effect":"Allow","Action":"kms:Decrypt","Resource":"` + keyARN + `"}`
	delegated     = `{"Effect":"Allow","Action":"kms:*","Resource":"*","Principal":{"AWS":"arn:aws:iam::123456789012:root"}}`
	getByRole     = `{"Effect":"Allow","Action":["dynamodb:GetItem"],"Resource":["` + tableARN + `"]}`
)

func TestEvaluate_FollowsIAMsLogic(t *testing.T) {
	denyOutside := func(path string) string {
		return `{"Sid":"D","Effect":"Deny","Action":"kms:Decrypt","Resource":"*","Principal":{"AWS":"*"},
			"Condition":{"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::123456789012:role` + path + `*"}}}`
	}
	for name, tt := range map[string]struct {
		ofRole, ofResource string // further statements of the resource after a comma
		action, resource   string
		because            string // "" means allowed
	}{
		"nothing allows":           {"", "", "dynamodb:GetItem", tableARN, "no identity-based policy"},
		"the role's policy allows": {getByRole, "", "dynamodb:GetItem", tableARN, ""},
		"actions have no case": {
			strings.Replace(getByRole, "GetItem", "getitem", 1), "", "dynamodb:GetItem", tableARN, "",
		},
		"resources have a case": {
			strings.Replace(getByRole, "table/T", "table/t", 1), "", "dynamodb:GetItem", tableARN, "no identity",
		},
		"another action": {
			getByRole, "", "dynamodb:PutItem", tableARN, "no identity-based policy",
		},
		"another resource": {
			getByRole, "", "dynamodb:GetItem", tableARN + "2", "no identity-based policy",
		},
		"a wildcard action": {
			strings.Replace(getByRole, "GetItem", "Get*", 1), "", "dynamodb:GetItem", tableARN, "",
		},
		"a wildcard for one character": {
			strings.Replace(getByRole, "table/T", "table/?", 1), "", "dynamodb:GetItem", tableARN, "",
		},
		"a dot is no wildcard": {
			strings.Replace(getByRole, "table/T", "table.T", 1), "", "dynamodb:GetItem", tableARN, "no identity",
		},
		"a resource's policy names the role": {
			"", `{"Effect":"Allow","Action":"dynamodb:GetItem","Resource":"*","Principal":{"AWS":"` + role + `"}}`,
			"dynamodb:GetItem", tableARN, "",
		},
		"a resource's policy names another": {
			"", `{"Effect":"Allow","Action":"dynamodb:GetItem","Resource":"*","Principal":{"AWS":"` + role + `2"}}`,
			"dynamodb:GetItem", tableARN, "no identity",
		},
		"a resource's policy names a service": {
			"",
			`{"Effect":"Allow","Action":"dynamodb:GetItem","Resource":"*","Principal":{"Service":"logs.amazonaws.com"}}`,
			"dynamodb:GetItem", tableARN, "no identity",
		},
		"a deny of the role's wins": {
			getByRole + `,{"Effect":"Deny","Action":"*","Resource":"*"}`, "", "dynamodb:GetItem", tableARN,
			"explicit deny in an identity",
		},
		"a deny of the account's wins": {getByRole, strings.Replace(delegated, `"Allow"`, `"Deny"`, 1) + `,` +
			strings.NewReplacer(`"Allow"`, `"Deny"`, "kms:*", "*").Replace(delegated), "dynamodb:GetItem", tableARN,
			"explicit deny in a resource"},
		"a key without a policy":              {decryptByRole, "", "kms:Decrypt", keyARN, "no resource-based policy"},
		"a key that leaves it to the account": {decryptByRole, delegated, "kms:Decrypt", keyARN, ""},
		"such a key, and no grant":            {"", delegated, "kms:Decrypt", keyARN, "no identity-based policy"},
		"a key that leaves something else": {
			decryptByRole, strings.Replace(delegated, "kms:*", "kms:Describe*", 1), "kms:Decrypt", keyARN,
			"no resource-based policy",
		},
		"a key that allows everybody": {
			"", strings.Replace(delegated, "arn:aws:iam::123456789012:root", "*", 1), "kms:Decrypt", keyARN, "",
		},
		"a key that denies others": {
			decryptByRole, delegated + "," + denyOutside("/tokenizer/detokenize/"), "kms:Decrypt", keyARN, "",
		},
		"a key that denies this role": {
			decryptByRole, delegated + "," + denyOutside("/other/"), "kms:Decrypt", keyARN,
			"explicit deny in a resource",
		},
		"an action on no key": {
			`{"Effect":"Allow","Action":"kms:CreateKey","Resource":"*"}`, "", "kms:CreateKey", "*", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := account(t, tt.ofRole, tt.resource, tt.ofResource)
			denial := a.Evaluate(policy.Request{
				Role:     role,
				Action:   tt.action,
				Resource: tt.resource,
				Context:  map[string][]string{"aws:principalarn": {role}},
			})
			switch {
			case tt.because == "" && denial != nil:
				t.Errorf("denied: %v", denial)
			case tt.because != "" && (denial == nil || !strings.Contains(denial.Because, tt.because)):
				t.Errorf("denial = %v, want one because of %q", denial, tt.because)
			}
		})
	}
}

// lists splits values at commas.
func lists(context map[string]string) map[string][]string {
	split := map[string][]string{}
	for key, value := range context {
		split[key] = strings.Split(value, ",")
	}
	return split
}

// A role can name a key of another app, or one that does not exist. Its policies are not what is wrong then.
func TestEvaluate_NamesAKeyThatNoTemplateHas(t *testing.T) {
	a := policy.NewAccount(accountID)
	denial := a.Evaluate(policy.Request{Role: role, Action: "kms:Decrypt", Resource: keyARN})
	if denial == nil || !strings.Contains(denial.Missing, "no template of this run has the key") {
		t.Errorf("denial = %+v", denial)
	}
}

func TestEvaluate_Conditions(t *testing.T) {
	for _, tt := range []struct {
		condition string
		context   map[string]string
		holds     bool
	}{
		{`"StringEquals":{"kms:ViaService":"a"}`, map[string]string{"kms:viaservice": "a"}, true},
		{`"StringEquals":{"kms:ViaService":"a"}`, map[string]string{"kms:viaservice": "A"}, false},
		{`"StringEquals":{"kms:ViaService":["b","a"]}`, map[string]string{"kms:viaservice": "a"}, true},
		{`"StringEquals":{"kms:ViaService":"a"}`, nil, false},
		{`"StringEqualsIfExists":{"kms:ViaService":"a"}`, nil, true},
		{`"StringEqualsIfExists":{"kms:ViaService":"a"}`, map[string]string{"kms:viaservice": "b"}, false},
		{`"StringNotEquals":{"kms:ViaService":["a","b"]}`, map[string]string{"kms:viaservice": "b"}, false},
		{`"StringNotEquals":{"kms:ViaService":"a"}`, nil, true},
		{
			`"StringLike":{"kms:ViaService":"dynamodb.*"}`,
			map[string]string{"kms:viaservice": "dynamodb.us-east-1"}, true,
		},
		{
			`"ForAllValues:StringLike":{"dynamodb:LeadingKeys":["gone#*","use#a#*"]}`,
			map[string]string{"dynamodb:leadingkeys": "use#a#t"}, true,
		},
		{
			`"ForAllValues:StringLike":{"dynamodb:LeadingKeys":["gone#*","use#a#*"]}`,
			map[string]string{"dynamodb:leadingkeys": "use#ab#t"}, false,
		},
		{
			`"ForAllValues:StringLike":{"dynamodb:LeadingKeys":["gone#*"]}`,
			map[string]string{"dynamodb:leadingkeys": "gone#t,use#a#t"}, false,
		},
		{`"ForAllValues:StringLike":{"dynamodb:LeadingKeys":["gone#*"]}`, nil, true},
		{
			`"NumericLessThan":{"kms:ScheduleKeyDeletionPendingWindowInDays":"30"}`,
			map[string]string{"kms:schedulekeydeletionpendingwindowindays": "29"}, true,
		},
		{
			`"NumericLessThan":{"kms:ScheduleKeyDeletionPendingWindowInDays":"30"}`,
			map[string]string{"kms:schedulekeydeletionpendingwindowindays": "30"}, false,
		},
		{
			`"NumericLessThan":{"kms:ScheduleKeyDeletionPendingWindowInDays":"30"}`,
			map[string]string{"kms:schedulekeydeletionpendingwindowindays": "x"}, false,
		},
		{`"NumericLessThan":{"kms:ScheduleKeyDeletionPendingWindowInDays":"30"}`, nil, false},
		{
			`"StringNotLike":{"kms:ViaService":"dynamodb.*"}`,
			map[string]string{"kms:viaservice": "dynamodb.us-east-1"}, false,
		},
		{
			`"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::1:role/a/*"}`,
			map[string]string{"aws:principalarn": "arn:aws:iam::1:role/a/b/c"}, true,
		},
		{
			`"ArnLike":{"aws:PrincipalArn":"arn:*:role/a/*"}`,
			map[string]string{"aws:principalarn": "arn:aws:iam::1:role/a/b"}, false,
		},
		{
			`"ArnNotEquals":{"aws:PrincipalArn":"arn:aws:iam::1:role/a"}`,
			map[string]string{"aws:principalarn": "arn:aws:iam::1:role/a"}, false,
		},
		{
			`"ForAllValues:StringEquals":{"dynamodb:Attributes":["a","b"]}`,
			map[string]string{"dynamodb:attributes": "b,a,b"}, true,
		},
		{
			`"ForAllValues:StringEquals":{"dynamodb:Attributes":["a","b"]}`,
			map[string]string{"dynamodb:attributes": "a,c"}, false,
		},
		{`"ForAllValues:StringEquals":{"dynamodb:Attributes":["a","b"]}`, nil, true},
		{`"StringEquals":{"dynamodb:Attributes":["a","b"]}`, map[string]string{"dynamodb:attributes": "a,b"}, false},
		{`"Bool":{"aws:PrincipalIsAWSService":false}`, map[string]string{"aws:principalisawsservice": "false"}, true},
		{`"Null":{"kms:EncryptionContext:purpose":"true"}`, nil, true},
		{
			`"Null":{"kms:EncryptionContext:purpose":"true"}`,
			map[string]string{"kms:encryptioncontext:purpose": "x"}, false,
		},
		{
			`"Null":{"kms:EncryptionContext:purpose":"false"}`,
			map[string]string{"kms:encryptioncontext:purpose": "x"}, true,
		},
		{
			`"StringEquals":{"kms:ViaService":"a"},"Null":{"kms:EncryptionContext:purpose":"true"}`,
			map[string]string{"kms:viaservice": "a", "kms:encryptioncontext:purpose": "x"}, false,
		},
	} {
		a := account(t, `{"Sid":"S","Effect":"Allow","Action":"dynamodb:GetItem","Resource":"*","Condition":{`+
			tt.condition+`}}`, "", "")
		denial := a.Evaluate(policy.Request{
			Role: role, Action: "dynamodb:GetItem", Resource: tableARN, Context: lists(tt.context),
		})
		if (denial == nil) != tt.holds {
			t.Errorf("{%s} on %v: denial = %v", tt.condition, tt.context, denial)
		}
		if denial != nil && !strings.Contains(denial.Missing, `"S" of P would allow it, but its condition `) {
			t.Errorf("{%s}: the log says %q", tt.condition, denial.Missing)
		}
	}
}

// What IAM makes of several values where one is meant depends on the operator. Here neither an Allow nor a Deny lets
// such a request pass.
func TestEvaluate_SeveralValuesWhereOneIsMeantAllowNothing(t *testing.T) {
	const condition = `"Condition":{"StringEquals":{"kms:ViaService":"a"}}`
	request := policy.Request{
		Role:     role,
		Action:   "dynamodb:GetItem",
		Resource: tableARN,
		Context:  map[string][]string{"kms:viaservice": {"b", "c"}},
	}
	for name, statements := range map[string]string{
		"Allow": `{"Effect":"Allow","Action":"*","Resource":"*",` + condition + `}`,
		"Deny":  getByRole + `,{"Effect":"Deny","Action":"*","Resource":"*",` + condition + `}`,
	} {
		if account(t, statements, "", "").Evaluate(request) == nil {
			t.Errorf("%s: allowed", name)
		}
	}
}

// A key's policy decides about principals of other accounts and about services, too.
func TestEvaluate_PrincipalsOutsideTheAccount(t *testing.T) {
	const (
		other   = "arn:aws:iam::210987654321:role/r"
		service = "logs.us-east-1.amazonaws.com"
	)
	allow := func(action, principal string) string {
		return `{"Effect":"Allow","Action":"` + action + `","Resource":"*","Principal":` + principal + `}`
	}
	denyOutside := `,{"Effect":"Deny","Action":"*","Resource":"*","Principal":"*",
		"Condition":{"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::123456789012:role/*"}}}`
	for name, tt := range map[string]struct {
		principal, action, resource, ofResource string
		allowed                                 bool
	}{
		"this account's root": {other, "kms:Decrypt", keyARN, delegated, false},
		"the other account's root": {
			other, "kms:Decrypt", keyARN, allow("kms:Decrypt", `{"AWS":"arn:aws:iam::210987654321:root"}`), true,
		},
		"its short form": {
			other, "kms:Decrypt", keyARN, allow("kms:Decrypt", `{"AWS":"210987654321"}`), true,
		},
		"the role": {
			other, "kms:Decrypt", keyARN, allow("kms:Decrypt", `{"AWS":"`+other+`"}`), true,
		},
		"everybody": {other, "kms:Decrypt", keyARN, allow("kms:Decrypt", `"*"`), true},
		"everybody, with a Deny": {
			other, "kms:Decrypt", keyARN, allow("kms:Decrypt", `"*"`) + denyOutside, false,
		},
		"a table without a policy": {other, "dynamodb:GetItem", tableARN, "", false},
		"a table's policy names the role": {
			other, "dynamodb:GetItem", tableARN, allow("dynamodb:*", `{"AWS":"`+other+`"}`), true,
		},
		"a service": {
			service, "kms:Decrypt", keyARN, allow("kms:Decrypt", `{"Service":"`+service+`"}`), true,
		},
		"another service": {
			"s3.amazonaws.com", "kms:Decrypt", keyARN, allow("kms:Decrypt", `{"Service":"`+service+`"}`), false,
		},
		"a service, and the account": {service, "kms:Decrypt", keyARN, delegated, false},
		"a service, with a Deny": {
			service, "kms:Decrypt", keyARN, allow("kms:Decrypt", `{"Service":"`+service+`"}`) + denyOutside, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := account(t, "", tt.resource, tt.ofResource)
			if strings.HasPrefix(tt.principal, "arn:") {
				if err := a.AddRolePolicy(tt.principal, "P",
					document(t, `{"Effect":"Allow","Action":"*","Resource":"*"}`)); err != nil {
					t.Fatal(err)
				}
			}
			denial := a.Evaluate(policy.Request{Role: tt.principal, Action: tt.action, Resource: tt.resource})
			if (denial == nil) != tt.allowed {
				t.Errorf("denial = %v", denial)
			}
		})
	}
	a := account(t, "", keyARN, allow("kms:Decrypt", `{"AWS":"`+other+`"}`))
	if a.Evaluate(policy.Request{Role: other, Action: "kms:Decrypt", Resource: keyARN}) == nil {
		t.Error("a role of another account needs no policy of its own")
	}
}

func TestStatements_SayWhatThePolicyHas(t *testing.T) {
	got, err := policy.Statements("R",
		document(t, `{"Sid":"S","Effect":"Deny","Action":["kms:Decrypt","kms:Gen*"],"Resource":"*",
		"Principal":{"AWS":["210987654321","`+role+`"],"Service":"s3.amazonaws.com"},
		"Condition":{"Null":{"kms:ViaService":true},"ArnNotLike":{"aws:PrincipalArn":["a","b"]}}}`), true)
	if err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	want := policy.Statement{
		Label:      "S",
		Name:       `"S" of R`,
		Effect:     "Deny",
		Actions:    []string{"kms:Decrypt", "kms:Gen*"},
		Resources:  []string{"*"},
		Principals: []string{"arn:aws:iam::210987654321:root", role, "s3.amazonaws.com"},
		Conditions: []policy.Condition{
			{"ArnNotLike", "aws:PrincipalArn", []string{"a", "b"}}, {"Null", "kms:ViaService", []string{"true"}},
		},
	}
	if d := cmp.Diff(want, got[0], cmpopts.IgnoreUnexported(policy.Statement{})); d != "" {
		t.Error(d)
	}
	if !got[0].IsAbout("kms:GenerateMac", keyARN) || got[0].IsAbout("kms:Encrypt", keyARN) {
		t.Error("the statement is about other actions than it says")
	}
	if got[0].Holds(map[string][]string{"aws:principalarn": {"a"}}) ||
		!got[0].Holds(map[string][]string{"aws:principalarn": {"c"}}) {
		t.Error("the statement's conditions hold for other requests than they say")
	}
	if _, err := policy.Statements("R", document(t, `{"Effect":"Allow","NotAction":"a:b","Resource":"*"}`),
		false); err == nil {
		t.Error("an unknown element is ignored")
	}
}

func TestDenial_QuotesNoValueOfTheRequest(t *testing.T) {
	a := account(t,
		`{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"kms:EncryptionContext:table":"T"}}}`, keyARN, delegated)
	denial := a.Evaluate(policy.Request{
		Role:     role,
		Action:   "kms:Decrypt",
		Resource: keyARN,
		Context:  map[string][]string{"kms:encryptioncontext:table": {"secret"}},
	})
	if denial == nil || strings.Contains(denial.Error()+denial.Missing, "secret") {
		t.Errorf("denial = %v", denial)
	}
	want := "User: " + role + " is not authorized to perform: kms:Decrypt on resource: " + keyARN +
		" because no identity-based policy allows the kms:Decrypt action"
	if denial.Error() != want {
		t.Errorf("error %q, want %q", denial.Error(), want)
	}
}

func TestAddPolicy_RefusesWhatItDoesNotKnow(t *testing.T) {
	for want, statement := range map[string]string{
		"no Statement":       ``,
		"NotResource":        `{"Effect":"Allow","Action":"a:b","NotResource":"*"}`,
		"neither Allow":      `{"Effect":"allow","Action":"a:b","Resource":"*"}`,
		"Action: it is":      `{"Effect":"Allow","Resource":"*"}`,
		"Resource: want":     `{"Effect":"Allow","Action":"a:b","Resource":{"Ref":"x"}}`,
		"Principal belongs":  `{"Effect":"Allow","Action":"a:b","Resource":"*","Principal":"*"}`,
		"policy variable":    `{"Effect":"Allow","Action":"a:b","Resource":"arn:${aws:userid}"}`,
		"ForAnyValue":        `{"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{"ForAnyValue:StringEquals":{"kms:ViaService":"x"}}}`,
		"NullIfExists":       `{"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{"NullIfExists":{"kms:ViaService":"true"}}}`,
		"aws:SourceIp":       `{"Effect":"Allow","Action":"a:b","Resource":"*","Condition":{"StringEquals":{"aws:SourceIp":"x"}}}`,
		"Condition: want":    `{"Effect":"Allow","Action":"a:b","Resource":"*","Condition":"x"}`,
		"not a list in a li": `{"Effect":"Allow","Action":[["a:b"]],"Resource":"*"}`,
	} {
		v := document(t, statement)
		if statement == "" {
			v = map[string]any{}
		}
		if err := policy.NewAccount(accountID).AddRolePolicy(role, "P", v); err == nil ||
			!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "policy P") {
			t.Errorf("%s: error = %v, want one that names it", statement, err)
		}
	}
	for want, statement := range map[string]string{
		"Principal belongs": `{"Effect":"Allow","Action":"a:b","Resource":"*"}`,
		"Federated":         `{"Effect":"Allow","Action":"a:b","Resource":"*","Principal":{"Federated":"x"}}`,
		"Principal: want":   `{"Effect":"Allow","Action":"a:b","Resource":"*","Principal":"x"}`,
	} {
		if err := policy.NewAccount(accountID).AddResourcePolicy(keyARN, "R", document(t, statement)); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%s: error = %v, want one that names it", statement, err)
		}
	}
}
