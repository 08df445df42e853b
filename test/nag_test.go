package test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/stacks"
)

// nagLine is one rule's verdict on one resource.
type nagLine struct {
	RuleID          string `json:"ruleId"`
	ResourceID      string `json:"resourceId"`
	Compliance      string `json:"compliance"`
	ExceptionReason string `json:"exceptionReason"`
}

// nag runs the four packs over the stacks. Everything but "Compliant" and "N/A" is in the result: "Non-Compliant",
// "Suppressed", and whatever a rule says that could not look.
func nag(t *testing.T, dir string, config stacks.Config) []nagLine {
	t.Helper()
	app, err := newApp(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stacks.Build(app, config); err != nil {
		t.Fatal(err)
	}
	props := &cdknag.NagPackProps{ReportFormats: &[]cdknag.NagReportFormat{cdknag.NagReportFormat_JSON}}
	packs := map[string]awscdk.IAspect{
		"AwsSolutions": cdknag.NewAwsSolutionsChecks(props), "PCI.DSS.321": cdknag.NewPCIDSS321Checks(props),
		"NIST.800.53.R5": cdknag.NewNIST80053R5Checks(props), "Serverless": cdknag.NewServerlessChecks(props),
	}
	for _, pack := range packs {
		awscdk.Aspects_Of(app).Add(pack, nil)
	}
	func() {
		defer func() { _ = recover() }() // findings fail the synthesis, after the reports are written
		app.Synth(nil)
	}()
	var found []nagLine
	for pack := range packs {
		for _, stack := range []string{"KmsStack", "TokenizerStack", "AppStack"} {
			var report struct{ Lines []nagLine }
			if err := json.Unmarshal([]byte(read(t, filepath.Join(dir, pack+"--"+stack+"-NagReport.json"))),
				&report); err != nil {
				t.Fatal(err)
			}
			// Only AppStack has something for every pack: no lambda lives elsewhere.
			if len(report.Lines) < 5 && stack == "AppStack" {
				t.Errorf("%s looked at %d things in %s", pack, len(report.Lines), stack)
			}
			for _, line := range report.Lines {
				if line.Compliance != "Compliant" && line.Compliance != "N/A" {
					found = append(found, line)
				}
			}
		}
	}
	return found
}

// docs/compliance.md is what was decided; this is what is. An exception that no rule needs any more is a difference
// too.
func TestCompliance_PacksFindNothingBeyondTheDocumentedExceptions(t *testing.T) {
	isolated := everything
	isolated.Network, isolated.EgressDomains = stacks.Isolated, nil
	for name, config := range map[string]stacks.Config{"egress": everything, "isolated": isolated} {
		var findings, exceptions []string
		dir := t.TempDir()
		for _, line := range nag(t, dir, config) {
			rule, _, _ := strings.Cut(line.RuleID, "[")
			if line.Compliance == "Suppressed" {
				exceptions = append(exceptions,
					fmt.Sprintf("%s | %s | %s", rule, line.ResourceID, line.ExceptionReason))
			} else {
				findings = append(findings, fmt.Sprintf("%s: %s on %s", line.Compliance, line.RuleID, line.ResourceID))
			}
		}
		if len(findings) > 0 {
			t.Errorf("%s: %d findings:\n%s", name, len(findings), strings.Join(findings, "\n"))
		}
		var want []string
		for _, row := range documented(t, "compliance.md", "Exceptions") {
			if name == "egress" || !strings.Contains(row[1], "/NatSubnet") {
				want = append(want, strings.Join(row, " | "))
			}
		}
		slices.Sort(exceptions)
		slices.Sort(want)
		if diff := cmp.Diff(want, exceptions); diff != "" {
			t.Errorf("%s: exceptions (-docs/compliance.md +templates):\n%s", name, diff)
		}
		if inTemplates := countExceptions(t, dir); inTemplates != len(exceptions) {
			t.Errorf("%s: the templates have %d exceptions, of which %d are needed", name, inTemplates, len(exceptions))
		}
	}
}

// countExceptions counts those in the templates, whether a rule asks for them or not.
func countExceptions(t *testing.T, dir string) (n int) {
	t.Helper()
	for _, stack := range []string{"KmsStack", "TokenizerStack", "AppStack"} {
		var template template
		if err := json.Unmarshal([]byte(read(t, filepath.Join(dir, stack+".template.json"))), &template); err != nil {
			t.Fatal(err)
		}
		for id, resource := range template.Resources {
			metadata, ok := resource.Metadata["cdk_nag"].(map[string]any)
			if !ok {
				continue
			}
			for _, raw := range metadata["rules_to_suppress"].([]any) {
				n++
				rule := raw.(map[string]any)
				if reason, _ := rule["reason"].(string); len(reason) < 40 ||
					strings.ContainsAny(rule["id"].(string), "*^$") {
					t.Errorf("%s: exception %v needs a reason, and one rule", id, rule)
				}
			}
		}
	}
	return n
}

func TestCompliance_ExceptionsAreCountedByRule(t *testing.T) {
	got := map[string]string{}
	for _, row := range documented(t, "compliance.md", "Exceptions by rule") {
		got[row[0]] = row[1]
	}
	count := map[string]int{}
	for _, row := range documented(t, "compliance.md", "Exceptions") {
		count[row[0]]++
		count["total"]++
	}
	want := map[string]string{}
	for rule, n := range count {
		want[rule] = fmt.Sprint(n)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/compliance.md's counts (-list +counts):\n%s", diff)
	}
}

// The packs must be able to find something: without the options they do, and the docs say what.
func TestCompliance_PacksFindWhatTheOptionsAreFor(t *testing.T) {
	var got []string
	for _, line := range nag(t, t.TempDir(), stacks.Config{Network: stacks.NoNetwork}) {
		if line.Compliance != "Suppressed" {
			got = append(got, line.RuleID)
		}
	}
	var want []string
	for _, row := range documented(t, "compliance.md", "Without the options") {
		want = append(want, row[0])
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Compact(got)); diff != "" {
		t.Errorf("findings without the options (-docs/compliance.md +packs):\n%s", diff)
	}
}

// documented are the rows of the table below a heading of a document, without its head, and without marks of code.
func documented(t *testing.T, name, heading string) [][]string {
	t.Helper()
	_, section, found := strings.Cut(read(t, filepath.Join(moduleRoot, "docs", name)), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("docs/%s has no section %q", name, heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var rows [][]string
	for line := range strings.Lines(section) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "| ") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), " | ")
		for i := range cells {
			cells[i] = strings.TrimSpace(strings.ReplaceAll(cells[i], "`", ""))
		}
		rows = append(rows, cells)
	}
	if len(rows) < 2 {
		t.Fatalf("docs/%s: section %q has no table", name, heading)
	}
	return rows[1:]
}
