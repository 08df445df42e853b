package report_test

import (
	"strings"
	"testing"
)

// What the report could only ignore is an error that says what it is.
func TestPage_RefusesWhatItDoesNotKnow(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(templatesOf)
		want   []string
	}{
		"a type of resource": {
			func(a templatesOf) { a.add("Url", "AWS::Lambda::Url", object{}) },
			[]string{"AppStack/Url (AWS::Lambda::Url)", "local/report/inventory/kinds.go"},
		},
		"a property of a table": {
			func(a templatesOf) { a.properties("TokenizerStack/Vault/Table")["StreamSpecification"] = object{} },
			[]string{"TokenizerStack/Vault/Table", "StreamSpecification", "kinds.go"},
		},
		"a service's action": {
			func(a templatesOf) { a.allow("OrderRole", object{"Action": "sqs:SendMessage", "Resource": "*"}) },
			[]string{"AppStack/OrderRole", `"New"`, "sqs:SendMessage", "local/report/catalogue.go"},
		},
		"an action on a key": {
			func(a templatesOf) { a.allow("OrderRole", object{"Action": "kms:Teleport", "Resource": a.tokenKey()}) },
			[]string{"kms:Teleport", "KmsStack/TokenKey", "catalogue.go"},
		},
		"another key": {
			func(a templatesOf) {
				a.allow("OrderRole", object{
					"Action": "kms:Decrypt", "Resource": "arn:aws:kms:us-east-1:210987654321:key/x",
				})
			},
			[]string{
				"kms:Decrypt is allowed on arn:aws:kms:us-east-1:210987654321:key/x",
				"no key or table of the templates",
			},
		},
		"a part of a table": {
			func(a templatesOf) {
				a.allow("OrderRole", object{
					"Action":   "dynamodb:GetRecords",
					"Resource": object{"Fn::Join": []any{"", []any{a.vault(), "/stream/*"}}},
				})
			},
			[]string{"/stream/*", "no key or table of the templates"},
		},
		"a condition key": {
			func(a templatesOf) {
				a.statement("PaybillRole", "kms:Decrypt",
					"TokenKey")["Condition"].(object)["IpAddress"] = object{"aws:SourceIp": "10.0.0.0/8"}
			},
			[]string{"TokenizerStack/Paybill/Role/DefaultPolicy", "aws:SourceIp"},
		},
		"an element": {
			func(a templatesOf) {
				a.allow("OrderRole", object{"NotAction": "kms:Decrypt", "Action": "kms:*", "Resource": "*"})
			},
			[]string{"NotAction"},
		},
		"an element of a trust policy": {
			func(a templatesOf) {
				a.properties("TokenizerStack/Paybill/Role")["AssumeRolePolicyDocument"] =
					object{"Statement": object{"Effect": "Allow", "Action": "sts:AssumeRole", "NotPrincipal": "x"}}
			},
			[]string{"TokenizerStack/Paybill/Role", "NotPrincipal"},
		},
		"a kind of principal": {
			func(a templatesOf) {
				a.allow("TokenKey", object{
					"Action": "kms:Decrypt", "Principal": object{"AWS": "arn:aws:sts::ACCOUNT:assumed-role/x/y"},
				})
			},
			[]string{`"arn:aws:sts::ACCOUNT:assumed-role/x/y"`, "cannot tell for which roles and users"},
		},
		"an element of a policy for somebody else": {
			func(a templatesOf) {
				a.add("Support", "AWS::IAM::ManagedPolicy",
					object{"PolicyDocument": object{"Statement": []any{object{"Effect": "Allow", "Principal": "*"}}}})
			},
			[]string{"AppStack/Support", "Principal"},
		},
		"a managed policy of AWS": {
			func(a templatesOf) {
				a.properties("AppStack/OrderRole")["ManagedPolicyArns"] =
					[]any{"arn:aws:iam::aws:policy/ReadOnlyAccess"}
			},
			[]string{"AppStack/OrderRole", "ReadOnlyAccess"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := app(t)
			tt.change(templatesOf{t, a})
			_, err := page(a)
			if err == nil {
				t.Fatal("there is a report")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not say %q: %v", want, err)
				}
			}
		})
	}
}
