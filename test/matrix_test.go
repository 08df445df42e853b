package test

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/stacks"
)

// plain makes rendered values readable in a document.
var plain = strings.NewReplacer(
	"arn:${AWS::Partition}:iam::${AWS::AccountId}:root", "account", "arn:${AWS::Partition}:", "arn:aws:",
	"${AWS::Region}", "REGION", "${AWS::AccountId}", "ACCOUNT", "${AWS::Partition}", "aws",
	".Arn}", "", "${", "", "}", "", ",", ", ",
)

// cells are a row of the matrix. The actions of a key's administration have a table of their own.
func (s statement) cells(t *testing.T, who string) []string {
	t.Helper()
	var administration []string
	for _, row := range documented(t, "permissions.md", "Administration") {
		administration = append(administration, row[0])
	}
	may := s.actions
	if s.effect == "Deny" {
		may = "never " + may
	}
	if s.actions == strings.Join(administration, ",") {
		may = "administration"
	}
	if s.resource == "*" {
		s.resource = "every resource"
	}
	who = strings.TrimPrefix(strings.TrimPrefix(who, "AWS="), "Service=")
	who = strings.Replace(who, "*", "everybody", 1)
	return []string{
		plain.Replace(who), plain.Replace(may), plain.Replace(s.resource),
		cmp.Or(plain.Replace(s.conditions), "always"),
	}
}

// matrix is every statement of every policy: who may do what, on what, and only if.
func (a assembly) matrix(t *testing.T) (rows [][]string) {
	t.Helper()
	for _, policy := range a.ofType(t, "AWS::IAM::Policy") {
		who := a.text(t, policy.Properties["Roles"])
		for _, s := range a.statements(t, policy.Properties["PolicyDocument"]) {
			rows = append(rows, s.cells(t, who))
		}
	}
	for id, policy := range a.ofType(t, "AWS::IAM::ManagedPolicy") {
		for _, s := range a.statements(t, policy.Properties["PolicyDocument"]) {
			rows = append(rows, s.cells(t, hash.ReplaceAllString(id, "")))
		}
	}
	for id, role := range a.ofType(t, "AWS::IAM::Role") {
		for _, s := range a.statements(t, role.Properties["AssumeRolePolicyDocument"]) {
			s.resource = hash.ReplaceAllString(id, "")
			rows = append(rows, s.cells(t, s.principal))
		}
	}
	for id, key := range a.ofType(t, "AWS::KMS::Key") {
		for _, s := range a.statements(t, key.Properties["KeyPolicy"]) {
			s.resource = hash.ReplaceAllString(id, "") // where it stands: "*" means this key
			rows = append(rows, s.cells(t, s.principal))
		}
	}
	for id, endpoint := range a.anyOfType("AWS::EC2::VPCEndpoint") {
		for _, s := range a.statements(t, endpoint.Properties["PolicyDocument"]) {
			rows = append(rows, s.cells(t, s.principal+" through "+hash.ReplaceAllString(id, "")))
		}
	}
	for _, p := range a.ofType(t, "AWS::Lambda::Permission") {
		source := a.text(t, p.Properties["SourceArn"])
		rows = append(rows, statement{
			actions: a.text(t, p.Properties["Action"]), resource: a.text(t, p.Properties["FunctionName"]),
			conditions: "from " + source[strings.Index(source, "/"):],
		}.cells(t, a.text(t, p.Properties["Principal"])))
	}
	for _, p := range a.anyOfType("AWS::Lambda::LayerVersionPermission") {
		rows = append(rows, statement{
			actions: a.text(t, p.Properties["Action"]), resource: a.text(t, p.Properties["LayerVersionArn"]),
			conditions: "OrganizationId=" + a.text(t, p.Properties["OrganizationId"]),
		}.cells(t, a.text(t, p.Properties["Principal"])))
	}
	slices.SortFunc(rows, slices.Compare)
	return rows
}

// What the documentation says is all that is allowed, in every configuration.
func TestPermissions_AreTheDocumentedOnes(t *testing.T) {
	inEveryConfiguration(t, func(t *testing.T, assembly assembly) {
		var want [][]string
		for _, heading := range []string{"Functions", "Boundaries", "Keys", "Network", "Others"} {
			for _, row := range documented(t, "permissions.md", heading) {
				if len(row) != 5 || len(row[4]) < 15 {
					t.Errorf("docs/permissions.md: %q needs five cells, the last saying why", row)
					continue
				}
				if isConfigured(assembly.config, row) {
					want = append(want, row[:4])
				}
			}
		}
		slices.SortFunc(want, slices.Compare)
		if diff := gocmp.Diff(want, assembly.matrix(t)); diff != "" {
			t.Errorf("permissions (-docs/permissions.md +templates):\n%s", diff)
		}
	})
}

// A policy of a kind that the matrix does not look at would be in no table.
func TestPermissions_HaveNoPolicyOutsideTheMatrix(t *testing.T) {
	// the last two have statements of their own
	known := []string{
		"AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::Role", "AWS::KMS::Key", "AWS::EC2::VPCEndpoint",
		"AWS::WAFv2::WebACL", "AWS::Logs::LogGroup",
	}
	inEveryConfiguration(t, func(t *testing.T, assembly assembly) {
		for _, template := range assembly.templates {
			for id, resource := range template.Resources {
				if len(calls(resource.Properties, "Statement")) > 0 && !slices.Contains(known, resource.Type) {
					t.Errorf("%s (%s) has a policy", id, resource.Type)
				}
			}
		}
	})
}

// isConfigured tells whether a documented row is there in a configuration.
func isConfigured(config stacks.Config, row []string) bool {
	line := strings.Join(row[:4], " ")
	switch {
	case strings.Contains(line, "OrganizationId"):
		return config.OrgID != ""
	case strings.Contains(line, "never kms:DisableKey"), strings.Contains(line, "never kms:ScheduleKeyDeletion"):
		return config.Stage != stacks.Dev
	case strings.Contains(line, "ec2:"), strings.Contains(line, "FlowLogs"), strings.Contains(line, " through Vpc"),
		strings.Contains(line, "aws:SourceVpc"):
		return config.Network != stacks.NoNetwork
	}
	return true
}
