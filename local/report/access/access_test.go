package access_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/policy"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/report/access"
)

const (
	role  = "arn:aws:iam::ACCOUNT:role/tokenizer/detokenize/Paybill"
	key   = "arn:aws:kms:REGION:ACCOUNT:key/TokenKey"
	table = "arn:aws:dynamodb:REGION:ACCOUNT:table/T"
)

func document(t *testing.T, statements string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(`{"Statement":[`+statements+`]}`), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// policies are those of one role and of one resource; "" means none.
func policies(t *testing.T, ofRole, resource, ofResource string) *access.Policies {
	t.Helper()
	p := access.New("ACCOUNT")
	if ofRole != "" {
		if err := p.AddRolePolicy(role, "P", document(t, ofRole)); err != nil {
			t.Fatal(err)
		}
	}
	if ofResource != "" {
		if err := p.AddResourcePolicy(resource, "R", document(t, ofResource)); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// allow is a statement of a role, with conditions in JSON.
func allow(action, conditions string) string {
	return `{"Sid":"S","Effect":"Allow","Action":"` + action + `","Resource":"*","Condition":{` + conditions + `}}`
}

const delegated = `{"Sid":"D","Effect":"Allow","Action":"kms:*","Resource":"*","Principal":{"AWS":"arn:aws:iam::ACCOUNT:root"}`

func TestAsk_FindsARequestThatGetsThrough(t *testing.T) {
	const outside = `{"Sid":"Outside","Effect":"Deny","Action":"*","Resource":"*","Principal":"*","Condition":{"ArnNotLike":{"aws:PrincipalArn":"%s"}}}`
	for name, tt := range map[string]struct {
		ofRole, ofResource string
		want               access.Answer
	}{
		"no conditions": {allow("kms:Decrypt", ``), delegated + `}`, access.Answer{Allowed: true}},
		"values of both policies": {
			allow("kms:Decrypt", `"StringEquals":{"kms:EncryptionContext:purpose":["a","b"],"kms:ViaService":"x"}`),
			delegated + `,"Condition":{"StringLike":{"kms:ViaService":"x*"}}}`, access.Answer{Allowed: true},
		},
		"a pattern, an absent key, a number": {
			allow("kms:Decrypt", `"StringLike":{"kms:EncryptionContext:table":"T?*"},"Null":{"kms:EncryptionContext:purpose":"true"},
				"NumericLessThan":{"kms:ScheduleKeyDeletionPendingWindowInDays":"30"}`),
			delegated + `}`, access.Answer{Allowed: true},
		},
		"a value that nobody mentions": {
			allow("kms:Decrypt",
				`"StringNotEquals":{"kms:EncryptionContext:purpose":"a"},"Null":{"kms:EncryptionContext:purpose":"false"}`),
			delegated + `}`, access.Answer{Allowed: true},
		},
		"the key's policy asks for another service": {
			allow("kms:Decrypt", `"StringEquals":{"kms:ViaService":"x"}`),
			delegated + `,"Condition":{"StringEquals":{"kms:ViaService":"y"}}}`,
			access.Answer{
				Refusal: `the key's policy neither names the role nor leaves kms:Decrypt to the account's policies; "D" of R would allow it, but its condition StringEquals kms:ViaService does not hold`,
			},
		},
		"the role is below the path": {
			allow("kms:Decrypt", ``), delegated + `},` + fmt.Sprintf(outside,
				"arn:aws:iam::ACCOUNT:role/tokenizer/detokenize/*"), access.Answer{Allowed: true},
		},
		"the role is not": {
			allow("kms:Decrypt", ``), delegated + `},` + fmt.Sprintf(outside, "arn:aws:iam::ACCOUNT:role/other/*"),
			access.Answer{Refusal: `"Outside" of R denies it`},
		},
		"conditions that contradict each other": {
			allow("kms:Decrypt", `"StringEquals":{"kms:ViaService":"x"},"Null":{"kms:ViaService":"true"}`),
			delegated + `}`,
			access.Answer{Refusal: "its conditions never hold", Unmet: true},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := policies(t, tt.ofRole, key, tt.ofResource)
			got, err := p.Ask(access.Question{
				Principal: role, Action: "kms:Decrypt", Resource: key, By: &p.OfPrincipal(role)[0],
			})
			if d := cmp.Diff(tt.want, got); d != "" || err != nil {
				t.Error(err, d)
			}
		})
	}
}

// A statement that is too narrow for what is given must not be covered up by another that is not.
func TestAsk_HoldsToWhatTheQuestionGives(t *testing.T) {
	p := policies(t, allow("dynamodb:UpdateItem",
		`"ForAllValues:StringLike":{"dynamodb:LeadingKeys":"use##*"}`)+","+allow("dynamodb:UpdateItem", ``), table, "")
	narrow, wide := &p.OfPrincipal(role)[0], &p.OfPrincipal(role)[1]
	for _, tt := range []struct {
		by    *policy.Statement
		given string
		want  bool
	}{
		{narrow, "use##t", true}, {narrow, "gone#t", false}, {wide, "gone#t", true}, {nil, "gone#t", true},
		{narrow, access.Absent, true},
	} {
		got, err := p.Ask(access.Question{
			Principal: role,
			Action:    "dynamodb:UpdateItem",
			Resource:  table,
			By:        tt.by,
			Given:     map[string]string{"dynamodb:leadingkeys": tt.given},
		})
		if err != nil || got.Allowed != tt.want || got.Unmet == tt.want {
			t.Errorf("%v with %q: %+v, %v", tt.by, tt.given, got, err)
		}
	}
}

func TestValues_OfAPurpose(t *testing.T) {
	const purpose = "kms:EncryptionContext:purpose"
	for conditions, want := range map[string][]string{
		`"Null":{"` + purpose + `":"true"}`:                      {access.Absent},
		`"StringEquals":{"` + purpose + `":["refund","charge"]}`: {"charge", "refund"},
		`"StringNotEquals":{"` + purpose + `":["refund"]}`:       {access.Absent, access.Other},
		`"StringLike":{"` + purpose + `":["re*"]}`:               {"reexample"},
		``: {access.Absent, access.Other},
	} {
		p := policies(t, allow("kms:Decrypt", conditions), key, delegated+`}`)
		got, err := p.Values(access.Question{Principal: role, Action: "kms:Decrypt", Resource: key},
			"kms:encryptioncontext:purpose")
		if d := cmp.Diff(want, got); d != "" || err != nil {
			t.Errorf("%s: %v %s", conditions, err, d)
		}
	}
}

func TestAsk_StaysWithinTheBoundary(t *testing.T) {
	p := policies(t, allow("kms:Decrypt", ``), key, delegated+`}`)
	if err := p.AddBoundary(role, "B", document(t,
		allow("kms:Decrypt", `"StringEquals":{"kms:EncryptionContext:purpose":"refund"}`))); err != nil {
		t.Fatal(err)
	}
	got, err := p.Values(access.Question{Principal: role, Action: "kms:Decrypt", Resource: key},
		"kms:encryptioncontext:purpose")
	if d := cmp.Diff([]string{"refund"}, got); d != "" || err != nil {
		t.Error(err, d)
	}
	if len(p.OfBoundary(role)) != 1 {
		t.Error("the boundary has no statement")
	}
}

func TestAsk_KnowsWhatFollowsFromThePrincipal(t *testing.T) {
	const service = "logs.REGION.amazonaws.com"
	only := func(condition string) string {
		return `{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*","Principal":"*","Condition":{` + condition +
			`}}`
	}
	for condition, want := range map[string]string{
		`"StringEquals":{"kms:CallerAccount":"ACCOUNT"}`:     role,
		`"Bool":{"aws:PrincipalIsAWSService":"true"}`:        service,
		`"Null":{"aws:PrincipalArn":"true"}`:                 service,
		`"StringLike":{"aws:PrincipalArn":"*:role/*"}`:       role,
		`"StringNotEquals":{"aws:PrincipalAccount":"OTHER"}`: role + service,
	} {
		p := policies(t, "", key, only(condition))
		for _, principal := range []string{role, service} {
			got, err := p.Ask(access.Question{Principal: principal, Action: "kms:Decrypt", Resource: key})
			if err != nil || got.Allowed != strings.Contains(want, principal) {
				t.Errorf("%s, %s: %+v, %v", condition, principal, got, err)
			}
		}
	}
}

func TestAsk_RefusesToTryTooMuch(t *testing.T) {
	var conditions []string
	for i := range 12 {
		conditions = append(conditions, fmt.Sprintf(`"kms:EncryptionContext:k%d":["a","b","c"]`, i))
	}
	p := policies(t, allow("kms:Decrypt", `"StringEquals":{`+strings.Join(conditions, ",")+`}`), key, delegated+`}`)
	if _, err := p.Ask(access.Question{Principal: role, Action: "kms:Decrypt", Resource: key}); err == nil ||
		!strings.Contains(err.Error(), "too many") {
		t.Errorf("error = %v", err)
	}
}

func TestPolicies_RefuseWhatTheyDoNotKnow(t *testing.T) {
	p := access.New("ACCOUNT")
	if err := p.AddRolePolicy(role, "P", document(t, allow("kms:Decrypt",
		`"StringEquals":{"aws:SourceIp":"x"}`))); err == nil || !strings.Contains(err.Error(), "aws:SourceIp") {
		t.Errorf("error = %v", err)
	}
	if err := p.AddResourcePolicy(key, "R",
		document(t, `{"Effect":"Allow","NotAction":"x","Resource":"*","Principal":"*"}`)); err == nil ||
		!strings.Contains(err.Error(), "NotAction") {
		t.Errorf("error = %v", err)
	}
}
