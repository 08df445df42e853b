package report_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// elsewhere is in statements that the report leaves to docs/permissions.md: they give nothing near cards. The last is
// about reading the state, which tells what became of tokens.
var elsewhere = []string{
	`"logs:`, `"xray:`, `"ec2:`, `"kms:DescribeKey"`, `"CustomerOrderTable`, `"SimulatedPaymentLedger`,
	`"dynamodb:GetItem","Condition"`,
}

// owners have the policies that decide.
var owners = []string{
	"OrderRole", "PaybillRole", "TokenKey", "FingerprintKey", "StorageKey", "PaybillBoundary", "DeployersBoundary",
	"OnlyFromVpc",
}

// No part of a policy that decides can change without the report.
func TestPage_ShowsEveryPartOfEveryPolicy(t *testing.T) {
	before, err := page(app(t))
	if err != nil {
		t.Fatal(err)
	}
	original := templatesOf{t, app(t)}
	for _, owner := range owners {
		for i, s := range original.documentOf(owner)["Statement"].([]any) {
			text, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			isElsewhere := func(part string) bool { return strings.Contains(string(text), part) }
			if slices.ContainsFunc(elsewhere, isElsewhere) && !strings.Contains(string(text), "EncryptionContext") {
				continue
			}
			for _, name := range edits(s.(object)) {
				t.Run(fmt.Sprintf("%s statement %d %s", owner, i+1, name), func(t *testing.T) {
					t.Parallel()
					a := templatesOf{t, app(t)}
					edit(a.documentOf(owner), i, name)
					if after, err := page(a.Assembly); err == nil && after == before {
						t.Errorf("the report is the same after the change of\n%s", text)
					}
				})
			}
		}
	}
}

// edits returns the edits of a statement: that it goes, that it is about every resource, and that it loses one of its
// conditions.
func edits(statement object) []string {
	names := []string{"goes"}
	if statement["Resource"] != "*" {
		names = append(names, "is about every resource")
	}
	conditions, _ := statement["Condition"].(object)
	for _, operator := range slices.Sorted(maps.Keys(conditions)) {
		for _, key := range slices.Sorted(maps.Keys(conditions[operator].(object))) {
			names = append(names, "loses "+operator+" "+key)
		}
	}
	return names
}

func edit(document object, i int, name string) {
	statements := document["Statement"].([]any)
	s := statements[i].(object)
	switch name {
	case "goes":
		document["Statement"] = slices.Delete(statements, i, i+1)
	case "is about every resource":
		s["Resource"] = "*"
	default:
		operator, key, _ := strings.Cut(strings.TrimPrefix(name, "loses "), " ")
		conditions := s["Condition"].(object)
		delete(conditions[operator].(object), key)
		maps.DeleteFunc(conditions, func(_ string, tests any) bool { return len(tests.(object)) == 0 })
	}
}
