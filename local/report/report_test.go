package report_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/assembly"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/report"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/report/dataflow"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/report/inventory"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/synth"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
)

const remedy = "run go run ./local/whocanread -write, and review the diff: each new line is somebody who can do more"

var (
	templates string // a directory
	synthesis = sync.OnceValue(func() error {
		if err := kit.ReadSources(); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), kit.BuildLimit)
		defer cancel()
		var log bytes.Buffer
		if err := synth.Run(ctx, synth.Options{Out: templates, TemplatesOnly: true, Log: &log}); err != nil {
			return fmt.Errorf("%w\n%s", err, &log)
		}
		return nil
	})
)

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "report-test-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		templates = dir
		return m.Run()
	}())
}

// app returns the app's templates, for the test to change.
func app(t *testing.T) *assembly.Assembly {
	t.Helper()
	if err := synthesis(); err != nil {
		t.Fatal(err)
	}
	a, err := assembly.Load(templates)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func page(a *assembly.Assembly) (string, error) {
	inv, err := inventory.Read(a)
	if err != nil {
		return "", err
	}
	return report.Page(inv)
}

func drawing(a *assembly.Assembly) (string, error) {
	inv, err := inventory.Read(a)
	if err != nil {
		return "", err
	}
	flow, err := report.Flow(inv)
	return string(dataflow.SVG(flow)), err
}

func TestPage_IsTheCommittedOne(t *testing.T) {
	got, err := page(app(t))
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("../../docs/who-can-read.md")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("docs/who-can-read.md is not what the templates say: %s\n%s", remedy, d)
	}
}

func TestFlow_IsTheCommittedOne(t *testing.T) {
	got, err := drawing(app(t))
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join("..", "..", "docs", "images", "data-flow.svg"))
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("docs/images/data-flow.svg is not what the templates say: %s", remedy)
	}
}

// added returns the lines of after that before does not have.
func added(before, after string) (lines []string) {
	old := strings.Split(before, "\n")
	for line := range strings.SplitSeq(after, "\n") {
		if !slices.Contains(old, line) {
			lines = append(lines, line)
		}
	}
	return lines
}

// hasLine tells whether one of the lines has all parts.
func hasLine(lines []string, parts []string) bool {
	return slices.ContainsFunc(lines, func(line string) bool {
		return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) })
	})
}

// Each of these lets somebody do more, or would with one more change. A reviewer sees it in the report.
func TestPage_ShowsAChangeOfTheTemplates(t *testing.T) {
	for _, tried := range []struct {
		app     func(*testing.T) templatesOf
		changes map[string]change
	}{{unbounded, changes()}, {bounded, ofBoundaries()}} {
		before, err := page(tried.app(t).Assembly)
		if err != nil {
			t.Fatal(err)
		}
		for name, tt := range tried.changes {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				a := tried.app(t)
				tt.change(a)
				after, err := page(a.Assembly)
				if err != nil {
					t.Fatal(err)
				}
				lines := added(before, after)
				for _, want := range tt.want {
					if !hasLine(lines, want) {
						t.Errorf("the report shows no line with %q; it shows\n%s", want, strings.Join(lines, "\n"))
					}
				}
			})
		}
	}
}

func TestFlow_ShowsAChangeOfTheTemplates(t *testing.T) {
	for name, want := range map[string][]string{
		"the order role gets dynamodb:GetItem on the vault": {">GetItem, PutItem</text>"},
		"the grant to read is for every action on the key":  {">CancelKeyDeletion and 10 more</text>"},
		"another function runs with the role that reads": {
			">AppStack/Debug</text>", `<rect class="scope"`, ">reads cards</text>",
		},
		"a new role that reads":                      {">a role without a function</text>", `<rect class="scope"`},
		"another account may read the vault's table": {">account 210987654321</text>"},
		"a route loses its authorizer":               {">everybody</text>"},
	} {
		t.Run(name, func(t *testing.T) {
			a := unbounded(t)
			before, err := drawing(a.Assembly)
			if err != nil {
				t.Fatal(err)
			}
			changes()[name].change(a)
			after, err := drawing(a.Assembly)
			if err != nil {
				t.Fatal(err)
			}
			for _, part := range want {
				if strings.Count(after, part) <= strings.Count(before, part) {
					t.Errorf("the drawing has no more of %q", part)
				}
			}
		})
	}
}

// A role of the templates that a key's policy names has the policies of the templates, and not those that others are
// tried with.
func TestFlow_GivesARoleThatIsNamedNothing(t *testing.T) {
	a := templatesOf{t, app(t)}
	changes()["a new role below the detokenize path"].change(a)
	a.allow("FingerprintKey", object{"Action": "kms:DescribeKey", "Principal": "*"})
	paths := a.statement("TokenKey", "DenyDecryptOutsideItsRoles")["Condition"].(object)["ArnNotLike"].(object)
	paths["aws:PrincipalArn"] = append(paths["aws:PrincipalArn"].([]any),
		"arn:aws:iam::ACCOUNT:role/tokenizer/detokenize/debug/AppStack-DebugRole")
	if got, err := drawing(a.Assembly); err != nil || strings.Contains(got, "DebugRole") {
		t.Errorf("the role is in the drawing, error %v", err)
	}
}

func TestPage_IsTheSameInEveryAccount(t *testing.T) {
	a := app(t)
	want, err := page(a)
	if err != nil {
		t.Fatal(err)
	}
	for _, stack := range a.Stacks {
		stack.Account, stack.Region = "123456789012", "eu-central-1"
	}
	if got, err := page(a); err != nil || got != want {
		t.Errorf("error %v, difference\n%s", err, cmp.Diff(want, got))
	}
}

// Building layer and functions would take longer than everything else here.
func TestSynthesis_BuildsNothing(t *testing.T) {
	app(t)
	if assets, err := filepath.Glob(filepath.Join(templates, "asset.*")); err != nil || len(assets) > 0 {
		t.Errorf("assets %v, error %v", assets, err)
	}
}
