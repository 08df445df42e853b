package test

import (
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/stacks"
)

func TestRetention_IsASettingOfTheFunctions(t *testing.T) {
	for name, test := range map[string]struct {
		config       stacks.Config
		days, revoke any
	}{
		"default": {stacks.Config{}, nil, nil},
		"both":    {stacks.Config{OrderTokenDays: 30, RevokePaid: true}, "30", "true"},
	} {
		a := synth(t, test.config)
		_, order := a.one(t, "AWS::Lambda::Function", "Order")
		_, paybill := a.one(t, "AWS::Lambda::Function", "Paybill")
		variable := func(function resource, name string) any {
			return function.Properties["Environment"].(map[string]any)["Variables"].(map[string]any)[name]
		}
		if got := variable(order, "ORDER_TOKEN_DAYS"); got != test.days {
			t.Errorf("%s: ORDER_TOKEN_DAYS is %v, want %v", name, got, test.days)
		}
		if got := variable(paybill, "REVOKE_PAID"); got != test.revoke {
			t.Errorf("%s: REVOKE_PAID is %v, want %v", name, got, test.revoke)
		}
	}
}

// What tokenizer:revokePaid adds to the permissions is documented, and is all that it adds.
func TestRetention_RevokingAddsTheDocumentedPermissions(t *testing.T) {
	for _, network := range []string{stacks.Isolated, stacks.NoNetwork} {
		before := synth(t, stacks.Config{Network: network}).matrix(t)
		got := synth(t, stacks.Config{Network: network, RevokePaid: true}).matrix(t)
		got = slices.DeleteFunc(got, func(row []string) bool {
			return slices.ContainsFunc(before, func(other []string) bool { return slices.Equal(row, other) })
		})
		var want [][]string
		for _, row := range documented(t, "permissions.md", "Revoking paid orders") {
			if network != stacks.NoNetwork || !strings.Contains(row[0], " through Vpc") {
				want = append(want, row[:4])
			}
		}
		slices.SortFunc(want, slices.Compare)
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("%s: what is added (-docs/permissions.md +templates):\n%s", network, diff)
		}
	}
}
