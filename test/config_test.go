package test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/stacks"
)

func TestConfigNamesTheKeyTheValueAndTheRemedy(t *testing.T) {
	tests := map[string]struct {
		config stacks.Config
		want   []string // lines of the message
	}{
		"zero value": {stacks.Config{}, nil},
		"everything set": {stacks.Config{Stage: "dev", NamePrefix: "acme-2", Architecture: "x86_64", BuildOS: "darwin", Network: "egress", WAF: true,
			OrgID: "o-exampleorg1", AllowedOrigins: []string{"http://127.0.0.1:8080"}, MFA: "off", ThreatProtection: true}, nil},
		"stage":           {stacks.Config{Stage: "production"}, []string{`stage: got "production", want one of prod, dev: set it with -c stage=prod or in cdk.json`}},
		"stage's case":    {stacks.Config{Stage: "Dev"}, []string{`stage: got "Dev", want one of prod, dev: set it with -c stage=prod or in cdk.json`}},
		"architecture":    {stacks.Config{Architecture: "amd64"}, []string{`architecture: got "amd64", want one of arm64, x86_64: set it with -c architecture=arm64 or in cdk.json`}},
		"build system":    {stacks.Config{BuildOS: "plan9"}, []string{`localBuildOS: got "plan9", want one of linux, darwin: set it with -c localBuildOS=linux or in cdk.json`}},
		"network":         {stacks.Config{Network: "private"}, []string{`network: got "private", want one of isolated, egress, none: set it with -c network=isolated or in cdk.json`}},
		"second factor":   {stacks.Config{MFA: "on"}, []string{`tokenizer:mfa: got "on", want one of optional, required, off: set it with -c tokenizer:mfa=optional or in cdk.json`}},
		"organization":    {stacks.Config{OrgID: "o-Example"}, []string{"orgId: got \"o-Example\", want o- and 10 to 32 lower-case letters and digits: see `aws organizations describe-organization`"}},
		"origin":          {stacks.Config{AllowedOrigins: []string{"https://shop.example.com", "*"}}, []string{`tokenizer:allowedOrigins: got "*", want a web origin in lower case, without a path: give them like https://shop.example.com, separated by commas`}},
		"prefix's start":  {stacks.Config{NamePrefix: "1x"}, []string{`namePrefix: got "1x", want at most 20 letters, digits and dashes, starting with a letter: choose another`}},
		"prefix's length": {stacks.Config{NamePrefix: "abcdefghijklmnopqrstu"}, []string{`namePrefix: got "abcdefghijklmnopqrstu", want at most 20 letters, digits and dashes, starting with a letter: choose another`}},
		"prefix's end":    {stacks.Config{NamePrefix: "a\n"}, []string{`namePrefix: got "a\n", want at most 20 letters, digits and dashes, starting with a letter: choose another`}},
		"all at once": {stacks.Config{Stage: "x", NamePrefix: "_", Architecture: "y"}, []string{
			`architecture: got "y", want one of arm64, x86_64: set it with -c architecture=arm64 or in cdk.json`,
			`namePrefix: got "_", want at most 20 letters, digits and dashes, starting with a letter: choose another`,
			`stage: got "x", want one of prod, dev: set it with -c stage=prod or in cdk.json`,
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

func TestConfigComesFromContextAndEnvironment(t *testing.T) {
	t.Setenv("CDK_DEFAULT_ACCOUNT", "123456789012")
	t.Setenv("CDK_DEFAULT_REGION", "eu-central-1")
	context := map[string]any{
		"stage": "dev", "namePrefix": "acme-", "architecture": "x86_64", "localBuildOS": "darwin", "network": "none", "waf": "true",
		"orgId": "o-exampleorg1", "tokenizer:allowedOrigins": "https://a.example,https://b.example", "tokenizer:mfa": "required", "tokenizer:threatProtection": true,
		"stages of grief": "somebody else's", "@aws-cdk/core:stage": true,
	}
	got, err := stacks.ConfigFromContext(awscdk.NewApp(&awscdk.AppProps{Context: &context, Outdir: new(t.TempDir())}))
	want := stacks.Config{Stage: "dev", NamePrefix: "acme-", Architecture: "x86_64", BuildOS: "darwin", Network: "none", WAF: true,
		OrgID: "o-exampleorg1", AllowedOrigins: []string{"https://a.example", "https://b.example"}, MFA: "required", ThreatProtection: true, Account: "123456789012", Region: "eu-central-1"}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("error %v, config (-want +got):\n%s", err, diff)
	}
}

func TestMistypedContextKeysAndValuesAreRefused(t *testing.T) {
	tests := map[string]struct {
		value any
		want  string
	}{
		"tokenizer:mfaa":    {"off", "tokenizer:mfaa: unknown context key: did you mean tokenizer:mfa?"},
		"tokenizer:network": {"none", "tokenizer:network: unknown context key: use one of architecture, localBuildOS, namePrefix, network, orgId, stage, tokenizer:allowedOrigins, tokenizer:mfa, tokenizer:threatProtection, waf"},
		"netwrok":           {"none", "netwrok: unknown context key: did you mean network?"},
		"netwerk":           {"none", "netwerk: unknown context key: did you mean network?"},
		"networks":          {"none", "networks: unknown context key: did you mean network?"},
		"stge":              {"dev", "stge: unknown context key: did you mean stage?"},
		"wfa":               {"true", "wfa: unknown context key: did you mean waf?"},
		"WAF":               {"true", "WAF: unknown context key: did you mean waf?"},
		"waf":               {"yes", "waf: got yes, want true or false: set it with -c waf=... or in cdk.json"},
		"orgId":             {7, "orgId: got 7, want a string: set it with -c orgId=... or in cdk.json"},
	}
	for key, test := range tests {
		context := map[string]any{key: test.value}
		_, err := stacks.ConfigFromContext(awscdk.NewApp(&awscdk.AppProps{Context: &context, Outdir: new(t.TempDir())}))
		if err == nil || err.Error() != test.want {
			t.Errorf("%s: got error %v, want %s", key, err, test.want)
		}
	}
}

func TestWithoutCredentialsTheStacksDeployAnywhere(t *testing.T) {
	t.Setenv("CDK_DEFAULT_ACCOUNT", "")
	t.Setenv("CDK_DEFAULT_REGION", "us-east-1") // the CLI's own default
	got, err := stacks.ConfigFromContext(awscdk.NewApp(&awscdk.AppProps{Outdir: new(t.TempDir())}))
	if diff := cmp.Diff(stacks.Config{}, got); err != nil || diff != "" {
		t.Errorf("error %v, config (-want +got):\n%s", err, diff)
	}
}

func TestKnownAccountAndRegionKeepTheReferences(t *testing.T) {
	assembly := synth(t, stacks.Config{Account: "123456789012", Region: "eu-central-1"})
	_, function := assembly.one(t, "AWS::Lambda::Function", "Order")
	if got := calls(function.Properties["Layers"], "Fn::GetStackOutput"); len(got) != 1 {
		t.Errorf("order function has layers %v, want a weak reference", function.Properties["Layers"])
	}
	for _, statement := range assembly.roleStatements(t, "Order") {
		if strings.Contains(statement.resource, "TokenKey") && !strings.Contains(statement.conditions, "account_id=123456789012") {
			t.Errorf("condition does not name the account: %s", statement)
		}
	}
}

func TestAppRefusesBadContextInOneMessageAndWritesNothing(t *testing.T) {
	dependsOn(t, filepath.Join(moduleRoot, "app.go"))
	outdir := filepath.Join(t.TempDir(), "cdk.out")
	command := exec.Command("go", "run", ".")
	command.Dir = moduleRoot
	command.Env = append(os.Environ(), "CDK_OUTDIR="+outdir, `CDK_CONTEXT_JSON={"stage":"production","namePrefix":7}`,
		"JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION=20")
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	if err == nil || command.ProcessState.ExitCode() != 1 {
		t.Errorf("app ended with %v, want exit status 1", err)
	}
	want := "namePrefix: got 7, want a string: set it with -c namePrefix=... or in cdk.json\n" +
		`stage: got "production", want one of prod, dev: set it with -c stage=prod or in cdk.json` + "\n"
	// The go command adds a line of its own about the exit status.
	if got := strings.TrimSuffix(stderr.String(), "exit status 1\n"); got != want || stdout.Len() > 0 {
		t.Errorf("stderr %q, want %q; stdout %q", got, want, stdout.String())
	}
	if _, err := os.Stat(outdir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s was made (%v)", outdir, err)
	}
}
