package test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/stacks"
)

// notHosts are no names that the network egress may resolve.
var notHosts = []string{
	"", "*", "*.", "*.com", "com", "a.*.example", "*a.example", "a*.example", "**.example.com", "*.*.example.com",
	"A.example", "a..example", ".example.com",
	"a.example.", "-a.example", "a-.example", "a_b.example", "a.example/x", "https://a.example", "a.example:443",
	" a.example", "a.example ", "a.example\n",
	"10.0.0.1", "1.1.1.1", "[::1]", "bücher.example", strings.Repeat("a", 64) + ".example",
	strings.Repeat("a.", 124) + "example",
}

func notHostsMessages() (messages []string) {
	for _, name := range notHosts {
		messages = append(messages,
			fmt.Sprintf("tokenizer:egressDomains: got %q, want a host name in lower case, of two or more parts, "+
				"in which * stands for the first part only: give them like api.psp.example,*.psp.example", name))
	}
	slices.Sort(messages)
	return messages
}

func TestConfig_NamesTheKeyTheValueAndTheRemedy(t *testing.T) {
	tests := map[string]struct {
		config stacks.Config
		want   []string // lines of the message
	}{
		"zero value": {stacks.Config{}, nil},
		"everything set": {stacks.Config{Stage: "dev", NamePrefix: "acme-2", Architecture: "x86_64", BuildOS: "darwin",
			Network: "egress", WAF: true,
			OrgID: "o-exampleorg1", AllowedOrigins: []string{"http://127.0.0.1:8080"}, MFA: "off",
			ThreatProtection: true, EgressDomains: []string{
				"api.psp.example", "*.psp.example", "xn--bcher-kva.example",
			}, OrderTokenDays: 3650, RevokePaid: true}, nil},
		"stage": {
			stacks.Config{Stage: "production"},
			[]string{
				`tokenizer:stage: got "production", want one of prod, dev: set it with -c tokenizer:stage=prod or in cdk.json`,
			},
		},
		"stage's case": {
			stacks.Config{Stage: "Dev"},
			[]string{
				`tokenizer:stage: got "Dev", want one of prod, dev: set it with -c tokenizer:stage=prod or in cdk.json`,
			},
		},
		"architecture": {
			stacks.Config{Architecture: "amd64"},
			[]string{
				`tokenizer:architecture: got "amd64", want one of arm64, x86_64: set it with -c tokenizer:architecture=arm64 or in cdk.json`,
			},
		},
		"build system": {
			stacks.Config{BuildOS: "plan9"},
			[]string{
				`tokenizer:localBuildOS: got "plan9", want one of linux, darwin: set it with -c tokenizer:localBuildOS=linux or in cdk.json`,
			},
		},
		"network": {
			stacks.Config{Network: "private"},
			[]string{
				`tokenizer:network: got "private", want one of isolated, egress, none: set it with -c tokenizer:network=isolated or in cdk.json`,
			},
		},
		"layer without the functions'": {
			stacks.Config{LayerArchitectures: []string{"x86_64"}},
			[]string{
				`tokenizer:layerArchitectures: got "x86_64", want one or both of arm64, x86_64, separated by commas, and among them the functions' own, arm64: leave it out for both`,
			},
		},
		"layer for another": {
			stacks.Config{LayerArchitectures: []string{"arm64", "riscv"}},
			[]string{
				`tokenizer:layerArchitectures: got "arm64,riscv", want one or both of arm64, x86_64, separated by commas, and among them the functions' own, arm64: leave it out for both`,
			},
		},
		"layer twice": {
			stacks.Config{LayerArchitectures: []string{"arm64", "arm64"}},
			[]string{
				`tokenizer:layerArchitectures: got "arm64,arm64", want one or both of arm64, x86_64, separated by commas, and among them the functions' own, arm64: leave it out for both`,
			},
		},
		"layer for the functions": {stacks.Config{Architecture: "x86_64", LayerArchitectures: []string{"x86_64"}}, nil},
		"second factor": {
			stacks.Config{MFA: "on"},
			[]string{
				`tokenizer:mfa: got "on", want one of optional, required, off: set it with -c tokenizer:mfa=optional or in cdk.json`,
			},
		},
		"organization": {
			stacks.Config{OrgID: "o-Example"},
			[]string{
				"tokenizer:orgId: got \"o-Example\", want o- and 10 to 32 lower-case letters and digits: see `aws organizations describe-organization`",
			},
		},
		"origin": {
			stacks.Config{AllowedOrigins: []string{"https://shop.example.com", "*"}},
			[]string{
				`tokenizer:allowedOrigins: got "*", want a web origin in lower case, without a path: give them like https://shop.example.com, separated by commas`,
			},
		},
		"prefix's start": {
			stacks.Config{NamePrefix: "1x"},
			[]string{
				`tokenizer:namePrefix: got "1x", want at most 20 letters, digits and dashes, starting with a letter and not with aws or ssm: choose another`,
			},
		},
		"prefix's length": {
			stacks.Config{NamePrefix: "abcdefghijklmnopqrstu"},
			[]string{
				`tokenizer:namePrefix: got "abcdefghijklmnopqrstu", want at most 20 letters, digits and dashes, starting with a letter and not with aws or ssm: choose another`,
			},
		},
		"prefix's end": {
			stacks.Config{NamePrefix: "a\n"},
			[]string{
				`tokenizer:namePrefix: got "a\n", want at most 20 letters, digits and dashes, starting with a letter and not with aws or ssm: choose another`,
			},
		},
		"prefix of SSM's own names": {
			stacks.Config{NamePrefix: "Ssm-x"},
			[]string{
				`tokenizer:namePrefix: got "Ssm-x", want at most 20 letters, digits and dashes, starting with a letter and not with aws or ssm: choose another`,
			},
		},
		"days": {
			stacks.Config{OrderTokenDays: 3651},
			[]string{`tokenizer:orderTokenDays: got 3651, want 1 to 3650: leave it out for tokens that do not expire`},
		},
		"days below zero": {
			stacks.Config{OrderTokenDays: -1},
			[]string{`tokenizer:orderTokenDays: got -1, want 1 to 3650: leave it out for tokens that do not expire`},
		},
		"names and no egress": {
			stacks.Config{EgressDomains: []string{"a.example", "b.example"}},
			[]string{
				`tokenizer:egressDomains: got "a.example,b.example", but only the network egress has a way out: set tokenizer:network=egress, or leave it out`,
			},
		},
		"names that are none": {stacks.Config{Network: "egress", EgressDomains: notHosts}, notHostsMessages()},
		"all at once": {stacks.Config{Stage: "x", NamePrefix: "_", Architecture: "y"}, []string{
			`tokenizer:architecture: got "y", want one of arm64, x86_64: set it with -c tokenizer:architecture=arm64 or in cdk.json`,
			`tokenizer:namePrefix: got "_", want at most 20 letters, digits and dashes, starting with a letter and not with aws or ssm: choose another`,
			`tokenizer:stage: got "x", want one of prod, dev: set it with -c tokenizer:stage=prod or in cdk.json`,
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			if err := test.config.Validate(); err != nil {
				got = strings.Split(err.Error(), "\n")
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
}

func TestConfigFromContext_ReadsContextAndEnvironment(t *testing.T) {
	t.Setenv("CDK_DEFAULT_ACCOUNT", "123456789012")
	t.Setenv("CDK_DEFAULT_REGION", "eu-central-1")
	for name, names := range map[string][2]string{
		"full names": {"tokenizer:stage", "tokenizer:network"}, "short names": {"stage", "network"},
	} {
		t.Run(name, func(t *testing.T) {
			context := map[string]any{
				names[0]:                       "dev",
				names[1]:                       "none",
				"tokenizer:namePrefix":         "acme-",
				"tokenizer:architecture":       "x86_64",
				"tokenizer:localBuildOS":       "darwin",
				"tokenizer:layerArchitectures": "x86_64,arm64",
				"tokenizer:waf":                "true",
				"tokenizer:orgId":              "o-exampleorg1",
				"tokenizer:allowedOrigins":     "https://a.example,https://b.example",
				"tokenizer:mfa":                "required",
				"tokenizer:threatProtection":   true,
				"tokenizer:orderTokenDays":     "30", "tokenizer:revokePaid": "true",
				"stages of grief": "somebody else's", "waf": "somebody else's", "@aws-cdk/core:stage": true,
			}
			got, err := stacks.ConfigFromContext(awscdk.NewApp(&awscdk.AppProps{
				Context: &context, Outdir: new(t.TempDir()),
			}))
			want := stacks.Config{Stage: "dev", NamePrefix: "acme-", Architecture: "x86_64",
				LayerArchitectures: []string{"x86_64", "arm64"},
				BuildOS:            "darwin",
				Network:            "none",
				WAF:                true,
				OrgID:              "o-exampleorg1",
				AllowedOrigins:     []string{"https://a.example", "https://b.example"},
				MFA:                "required", ThreatProtection: true, OrderTokenDays: 30, RevokePaid: true,
				Account: "123456789012", Region: "eu-central-1"}
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("error %v, config (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestConfigFromContext_RefusesUnknownKeysAndWrongValues(t *testing.T) {
	const known = "tokenizer:allowedOrigins, tokenizer:architecture, tokenizer:codeSigning, tokenizer:egressDomains, tokenizer:layerArchitectures, tokenizer:localBuildOS, tokenizer:mfa, " +
		"tokenizer:namePrefix, tokenizer:network, tokenizer:orderTokenDays, tokenizer:orgId, tokenizer:revokePaid, tokenizer:stage, tokenizer:threatProtection, tokenizer:waf"
	tests := map[string]struct {
		context map[string]any
		want    string
	}{
		"an unknown key": {
			map[string]any{"tokenizer:mfaa": "off"}, "tokenizer:mfaa: unknown context key: use one of " + known,
		},
		"a key's case": {
			map[string]any{"tokenizer:WAF": "true"}, "tokenizer:WAF: unknown context key: use one of " + known,
		},
		"no boolean": {
			map[string]any{"tokenizer:waf": "yes"},
			"tokenizer:waf: got yes, want true or false: set it with -c tokenizer:waf=... or in cdk.json",
		},
		"no number": {
			map[string]any{"tokenizer:orderTokenDays": "a year"},
			"tokenizer:orderTokenDays: got a year, want a whole number above 0: set it with -c tokenizer:orderTokenDays=... or in cdk.json",
		},
		"no days": {
			map[string]any{"tokenizer:orderTokenDays": 0},
			"tokenizer:orderTokenDays: got 0, want a whole number above 0: set it with -c tokenizer:orderTokenDays=... or in cdk.json",
		},
		"a part of a day": {
			map[string]any{"tokenizer:orderTokenDays": 1.5},
			"tokenizer:orderTokenDays: got 1.5, want a whole number above 0: set it with -c tokenizer:orderTokenDays=... or in cdk.json",
		},
		"no string": {
			map[string]any{"tokenizer:orgId": 7},
			"tokenizer:orgId: got 7, want a string: set it with -c tokenizer:orgId=... or in cdk.json",
		},
		"no string, short": {
			map[string]any{"stage": 7}, "stage: got 7, want a string: set it with -c stage=... or in cdk.json",
		},
		"an empty list": {
			map[string]any{"tokenizer:layerArchitectures": ""},
			"tokenizer:layerArchitectures: got , want a string, values separated by commas: set it with -c tokenizer:layerArchitectures=... or in cdk.json",
		},
		"two stages": {
			map[string]any{"stage": "dev", "tokenizer:stage": "prod"},
			"stage: got dev, but tokenizer:stage is prod: leave one of them out",
		},
		"two networks": {
			map[string]any{"network": "none", "tokenizer:network": "egress"},
			"network: got none, but tokenizer:network is egress: leave one of them out",
		},
		"the same network twice": {map[string]any{"network": "none", "tokenizer:network": "none"}, ""},
		"a stage by its alias": {
			map[string]any{"stage": "x"},
			`tokenizer:stage: got "x", want one of prod, dev: set it with -c tokenizer:stage=prod or in cdk.json`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := stacks.ConfigFromContext(awscdk.NewApp(&awscdk.AppProps{
				Context: &test.context, Outdir: new(t.TempDir()),
			}))
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("got error  %q\nwant error %q", got, test.want)
			}
		})
	}
}

func TestConfigFromContext_WithoutCredentialsDeploysAnywhere(t *testing.T) {
	t.Setenv("CDK_DEFAULT_ACCOUNT", "")
	t.Setenv("CDK_DEFAULT_REGION", "us-east-1") // the CLI's own default
	got, err := stacks.ConfigFromContext(awscdk.NewApp(&awscdk.AppProps{Outdir: new(t.TempDir())}))
	if diff := cmp.Diff(stacks.Config{}, got); err != nil || diff != "" {
		t.Errorf("error %v, config (-want +got):\n%s", err, diff)
	}
}

func TestBuild_KeepsTheReferencesInAKnownAccountAndRegion(t *testing.T) {
	assembly := synth(t, stacks.Config{Account: "123456789012", Region: "eu-central-1"})
	_, function := assembly.one(t, "AWS::Lambda::Function", "Order")
	if got := calls(function.Properties["Layers"], "Fn::GetStackOutput"); len(got) != 1 {
		t.Errorf("order function has layers %v, want a weak reference", function.Properties["Layers"])
	}
	for _, statement := range assembly.roleStatements(t, "Order") {
		if strings.Contains(statement.resource, "TokenKey") &&
			!strings.Contains(statement.conditions, "account_id=123456789012") {
			t.Errorf("condition does not name the account: %s", statement)
		}
	}
}

func TestApp_RefusesBadContextInOneMessageAndWritesNothing(t *testing.T) {
	dependsOn(t, filepath.Join(moduleRoot, "app.go"))
	outdir := filepath.Join(t.TempDir(), "cdk.out")
	command := exec.Command("go", "run", ".")
	command.Dir = moduleRoot
	command.Env = append(os.Environ(), "CDK_OUTDIR="+outdir,
		`CDK_CONTEXT_JSON={"stage":"production","tokenizer:namePrefix":7}`,
		"JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION=20")
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	if err == nil || command.ProcessState.ExitCode() != 1 {
		t.Errorf("app ended with %v, want exit status 1", err)
	}
	want := "tokenizer:namePrefix: got 7, want a string: set it with -c tokenizer:namePrefix=... or in cdk.json\n" +
		`tokenizer:stage: got "production", want one of prod, dev: set it with -c tokenizer:stage=prod or in cdk.json` +
		"\n"
	// The go command adds a line of its own about the exit status.
	if got := strings.TrimSuffix(stderr.String(), "exit status 1\n"); got != want || stdout.Len() > 0 {
		t.Errorf("stderr %q, want %q; stdout %q", got, want, stdout.String())
	}
	if _, err := os.Stat(outdir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s was made (%v)", outdir, err)
	}
}

// docs/configuration.md has a row for every option, and no other.
func TestDocs_ConfigurationHasEveryOption(t *testing.T) {
	var options, documented []string
	for _, match := range regexp.MustCompile(`"(tokenizer:\w+)": +\w+\(&c\.`).FindAllStringSubmatch(
		read(t, filepath.Join(moduleRoot, "stacks", "context.go")), -1) {
		options = append(options, match[1])
	}
	page := read(t, filepath.Join(moduleRoot, "docs", "configuration.md"))
	for _, match := range regexp.MustCompile("(?m)^\\| `(tokenizer:\\w+)`").FindAllStringSubmatch(page, -1) {
		documented = append(documented, match[1])
	}
	slices.Sort(options)
	slices.Sort(documented)
	if diff := cmp.Diff(options, documented); diff != "" || len(options) < 10 {
		t.Errorf("%d options (-stacks +docs/configuration.md):\n%s", len(options), diff)
	}
}
