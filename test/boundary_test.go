package test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What a boundary only leaves out, a key's own policy can still give to a session of the role. So the boundary of the
// role that reads denies the worst outright: on everything, and without a condition.
func TestDetokenizeRole_IsDeniedOtherKeyUsesCodeAndRightsOutright(t *testing.T) {
	denied := []any{
		"iam:*", "kms:CreateGrant", "kms:Encrypt", "kms:GenerateDataKey*", "kms:GenerateMac", "kms:PutKeyPolicy",
		"kms:ReEncrypt*", "lambda:*", "sts:AssumeRole",
	}
	_, boundary := prodAssembly(t).one(t, "AWS::IAM::ManagedPolicy", "PaybillBoundary")
	var got []any
	for _, raw := range boundary.Properties["PolicyDocument"].(map[string]any)["Statement"].([]any) {
		if s := raw.(map[string]any); s["Effect"] == "Deny" {
			if s["Resource"] != "*" || s["Condition"] != nil {
				t.Errorf("the denial leaves something out: %v", s)
			}
			got = append(got, s["Action"].([]any)...)
		}
	}
	if diff := cmp.Diff(denied, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
