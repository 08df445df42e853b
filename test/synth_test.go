// Package test holds the tests that synthesize the app. They share one test binary, and so one jsii kernel, which
// takes longer to start than all of them together; and none may run in parallel, for jsii calls may not.
package test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/lambda-tokenizer/lambda-tokenizer/stacks"
)

const moduleRoot = ".."

func TestMain(m *testing.M) {
	code := m.Run()
	// Removes the kernel's files. It can also print "waitid: no child processes", which means nothing.
	jsii.Close()
	os.Exit(code)
}

// template is a CloudFormation template as it was synthesized.
type template struct {
	Resources map[string]resource
	Outputs   map[string]map[string]any
}

type resource struct {
	Type                string
	Properties          map[string]any
	DeletionPolicy      string
	UpdateReplacePolicy string
	Metadata            map[string]any
}

// assembly is what one synthesis wrote: the templates by the stack's name, without the prefix.
type assembly struct {
	config     stacks.Config
	dir        string
	templates  map[string]template
	validation []any // findings of the CDK's own rules
}

// configurations are those that every invariant holds for.
var configurations = map[string]stacks.Config{
	"prod":       {},
	"dev":        {Stage: stacks.Dev},
	"no network": {Stage: stacks.Dev, Network: stacks.NoNetwork, OrgID: "o-exampleorg1", MFA: stacks.MFAOff},
	"everything": everything,
}

// everything is what a production user could turn on.
var everything = stacks.Config{
	Network:          stacks.Egress,
	WAF:              true,
	OrgID:            "o-exampleorg1",
	AllowedOrigins:   []string{"https://a.example", "https://b.example"},
	MFA:              stacks.MFARequired,
	ThreatProtection: true,
	EgressDomains:    []string{"api.psp.example", "*.psp.example"},
	OrderTokenDays:   365,
}

// synthesized are the configurations' assemblies. Each is made once: nobody changes an assembly.
var synthesized = func() map[string]func() (assembly, error) {
	made := map[string]func() (assembly, error){}
	for name, config := range configurations {
		made[name] = sync.OnceValues(func() (assembly, error) {
			dir, err := os.MkdirTemp("", "synth")
			if err != nil {
				return assembly{}, err
			}
			defer os.RemoveAll(dir) // read already
			return synthesize(dir, config, nil)
		})
	}
	return made
}()

func configured(t *testing.T, name string) assembly {
	t.Helper()
	got, err := synthesized[name]()
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// prodAssembly is the default configuration.
func prodAssembly(t *testing.T) assembly {
	t.Helper()
	return configured(t, "prod")
}

// inEveryConfiguration checks what holds whatever is configured.
func inEveryConfiguration(t *testing.T, check func(*testing.T, assembly)) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(configurations)) {
		t.Run(name, func(t *testing.T) { check(t, configured(t, name)) })
	}
}

func synth(t *testing.T, config stacks.Config, bundle ...string) assembly {
	t.Helper()
	got, err := synthesize(t.TempDir(), config, bundle)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// newApp makes an app with the context of cdk.json, whose feature flags change hundreds of lines of the templates.
// Only assets of the stacks named in bundle are built; the others have a stand-in for their hash.
func newApp(outdir string, bundle []string) (awscdk.App, error) {
	content, err := os.ReadFile(filepath.Join(moduleRoot, "cdk.json"))
	if err != nil {
		return nil, err
	}
	var file struct{ Context map[string]any }
	if err := json.Unmarshal(content, &file); err != nil {
		return nil, fmt.Errorf("cdk.json: %w", err)
	}
	file.Context["aws:cdk:bundling-stacks"] = append([]string{}, bundle...)
	return awscdk.NewApp(&awscdk.AppProps{Context: &file.Context, Outdir: &outdir}), nil
}

func synthesize(outdir string, config stacks.Config, bundle []string) (got assembly, err error) {
	defer func() {
		if panicked := recover(); panicked != nil { // how the CDK reports its errors to Go
			err = fmt.Errorf("synthesis failed: %v", panicked)
		}
	}()
	app, err := newApp(outdir, bundle)
	if err != nil {
		return assembly{}, err
	}
	if _, err := stacks.Build(app, config); err != nil {
		return assembly{}, err
	}
	app.Synth(nil)
	got = assembly{config: config, dir: outdir, templates: map[string]template{}}
	for _, stack := range []string{"KmsStack", "TokenizerStack", "AppStack"} {
		content, err := os.ReadFile(filepath.Join(outdir, config.NamePrefix+stack+".template.json"))
		if err != nil {
			return assembly{}, err
		}
		var parsed template
		if err := json.Unmarshal(content, &parsed); err != nil {
			return assembly{}, fmt.Errorf("%s: %w", stack, err)
		}
		got.templates[stack] = parsed
	}
	content, err := os.ReadFile(filepath.Join(outdir, "validation-report.json"))
	if err != nil {
		return assembly{}, err
	}
	var report struct{ PluginReports []any }
	err = json.Unmarshal(content, &report)
	got.validation = report.PluginReports
	return got, err
}

// ofType yields a template's resources of one type by logical id, and fails the test if there are none.
func (a assembly) ofType(t *testing.T, kind string) map[string]resource {
	t.Helper()
	found := a.anyOfType(kind)
	if len(found) == 0 {
		t.Fatalf("no resource of type %s in any template", kind)
	}
	return found
}

func (a assembly) anyOfType(kind string) map[string]resource {
	found := map[string]resource{}
	for _, template := range a.templates {
		for id, resource := range template.Resources {
			if resource.Type == kind {
				found[id] = resource
			}
		}
	}
	return found
}

// one is the only resource of a type whose logical id starts with prefix.
func (a assembly) one(t *testing.T, kind, prefix string) (id string, found resource) {
	t.Helper()
	resources := a.ofType(t, kind)
	maps.DeleteFunc(resources, func(id string, _ resource) bool { return !strings.HasPrefix(id, prefix) })
	if len(resources) != 1 {
		t.Fatalf("%d resources of type %s start with %q, want 1", len(resources), kind, prefix)
	}
	for id, found = range resources {
	}
	return id, found
}

// hash is what CDK appends to logical ids to make them unique.
var hash = regexp.MustCompile(`[0-9A-F]{8}$`)

// text renders a template's value for people: references as ${Name} or ${Name.Attribute}, without hashes, and imports
// as what they import.
func (a assembly) text(t *testing.T, value any) string {
	t.Helper()
	switch value := value.(type) {
	case nil:
		return ""
	case string:
		return value
	case bool, float64:
		return fmt.Sprint(value)
	case []any:
		var parts []string
		for _, element := range value {
			parts = append(parts, a.text(t, element))
		}
		return strings.Join(parts, ",")
	case map[string]any:
		if len(value) == 1 {
			for function, argument := range value {
				if s, ok := a.intrinsic(t, function, argument); ok {
					return s
				}
			}
		}
		var parts []string
		for _, key := range slices.Sorted(maps.Keys(value)) {
			parts = append(parts, key+"="+a.text(t, value[key]))
		}
		return strings.Join(parts, " ")
	}
	t.Fatalf("cannot render a %T", value)
	return ""
}

func (a assembly) intrinsic(t *testing.T, function string, argument any) (string, bool) {
	t.Helper()
	switch function {
	case "Ref":
		return "${" + hash.ReplaceAllString(argument.(string), "") + "}", true
	case "Fn::GetAtt":
		pair := argument.([]any)
		return "${" + hash.ReplaceAllString(pair[0].(string), "") + "." + pair[1].(string) + "}", true
	case "Fn::Join":
		pair := argument.([]any)
		var parts []string
		for _, part := range pair[1].([]any) {
			parts = append(parts, a.text(t, part))
		}
		return strings.Join(parts, pair[0].(string)), true
	case "Fn::ImportValue":
		return a.text(t, a.exported(t, argument.(string))), true
	case "Fn::GetStackOutput":
		call := argument.(map[string]any)
		return a.text(t, a.templates[call["StackName"].(string)].Outputs[call["OutputName"].(string)]["Value"]), true
	}
	return "", false
}

// exports are the values that stacks export, by their export's name.
func (a assembly) exports() map[string]any {
	found := map[string]any{}
	for _, template := range a.templates {
		for _, output := range template.Outputs {
			if export, ok := output["Export"].(map[string]any); ok {
				found[export["Name"].(string)] = output["Value"]
			}
		}
	}
	return found
}

func (a assembly) exported(t *testing.T, name string) any {
	t.Helper()
	value, ok := a.exports()[name]
	if !ok {
		t.Fatalf("a template imports %s, which no stack exports", name)
	}
	return value
}

// calls are the arguments of every use of an intrinsic function in a value.
func calls(value any, function string) []any {
	var found []any
	switch value := value.(type) {
	case []any:
		for _, element := range value {
			found = append(found, calls(element, function)...)
		}
	case map[string]any:
		for key, element := range value {
			if key == function {
				found = append(found, element)
			}
			found = append(found, calls(element, function)...)
		}
	}
	return found
}
