package test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsecr"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer"
)

// bench is a stack with a layer, a vault, and one function to attach the layer to.
type bench struct {
	app   awscdk.App
	stack awscdk.Stack
	layer *tokenizerlayer.Layer
	vault *tokenizerlayer.Vault
	role  awsiam.RoleProps
	props awslambda.FunctionProps
	fn    awslambda.Function
}

func newBench(t *testing.T, change func(*bench)) *bench {
	t.Helper()
	app, err := newApp(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	stack := awscdk.NewStack(app, new("Stack"), nil)
	layer, err := tokenizerlayer.NewLayer(stack, "Layer", &tokenizerlayer.LayerProps{})
	if err != nil {
		t.Fatal(err)
	}
	vault, err := tokenizerlayer.NewVault(stack, "Vault", &tokenizerlayer.VaultProps{
		TokenKey:        awskms.NewKey(stack, new("TokenKey"), nil),
		StorageKey:      awskms.NewKey(stack, new("StorageKey"), nil),
		FingerprintKeys: []tokenizerlayer.FingerprintKey{{Version: "1", Key: tokenizerlayer.NewFingerprintKey(stack, "FingerprintKey", &tokenizerlayer.KeyProps{})}},
		DetokenizePath:  "/tokenizer/detokenize/",
	})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{
		app: app, stack: stack, layer: layer, vault: vault,
		role: awsiam.RoleProps{AssumedBy: awsiam.NewServicePrincipal(new("lambda.amazonaws.com"), nil), Path: new("/tokenizer/detokenize/")},
		props: awslambda.FunctionProps{
			Runtime: awslambda.Runtime_PYTHON_3_13(), Handler: new("index.handler"), Code: awslambda.Code_FromInline(new("x = 1")),
			Architecture: awslambda.Architecture_ARM_64(),
		},
	}
	if change != nil {
		change(b)
	}
	b.props.Role = awsiam.NewRole(stack, new("Role"), &b.role)
	b.fn = awslambda.NewFunction(stack, new("Function"), &b.props)
	return b
}

func (b *bench) attach(access tokenizerlayer.Access, options tokenizerlayer.AttachOptions) string {
	if err := b.layer.Attach(b.fn, b.vault, access, options); err != nil {
		return err.Error()
	}
	return ""
}

// synth gives the validation error that synthesis ends with.
func (b *bench) synth() (message string) {
	defer func() {
		if panicked := recover(); panicked != nil {
			message = fmt.Sprint(panicked)
		}
	}()
	b.app.Synth(nil)
	return ""
}

func TestAttachRefusesWhatWouldFailInLambda(t *testing.T) {
	tests := map[string]struct {
		change  func(*bench)
		access  tokenizerlayer.Access
		options tokenizerlayer.AttachOptions
		want    string
	}{
		"another architecture": {change: func(b *bench) { b.props.Architecture = awslambda.Architecture_X86_64() },
			want: "function is for x86_64, but the tokenizer layer for arm64: give both the same architecture"},
		"a role that the key's policy refuses": {change: func(b *bench) { b.role.Path = new("/elsewhere/") },
			want: "role has IAM path /elsewhere/, but TokenKey's policy lets only roles under /tokenizer/detokenize/ decrypt: give the function a role with that path"},
		"a role without a path": {change: func(b *bench) { b.role.Path = nil },
			want: "role has IAM path /, but TokenKey's policy lets only roles under /tokenizer/detokenize/ decrypt: give the function a role with that path"},
		"no access": {access: -1,
			want: "access -1 is unknown: use Tokenize, Detokenize or Revoke"},
		"SnapStart": {change: func(b *bench) { b.props.SnapStart = awslambda.SnapStartConf_ON_PUBLISHED_VERSIONS() },
			want: "function has SnapStart, and a snapshot would clone data keys: turn SnapStart off"},
		"a container image": {
			change: func(b *bench) {
				repository := awsecr.Repository_FromRepositoryName(b.stack, new("Repository"), new("images"))
				b.props.Runtime, b.props.Handler = awslambda.Runtime_FROM_IMAGE(), awslambda.Handler_FROM_IMAGE()
				b.props.Code = awslambda.Code_FromEcrImage(repository, nil)
			},
			want: "function is a container image, which takes no layers: package it as a zip file"},
		"the port of a known extension": {options: tokenizerlayer.AttachOptions{Port: 2773},
			want: "port 2773 is taken by the AWS Parameters and Secrets extension: set another with AttachOptions.Port"},
		"the port that another extension was given": {
			change: func(b *bench) {
				b.props.ParamsAndSecrets = awslambda.ParamsAndSecretsLayerVersion_FromVersion(
					awslambda.ParamsAndSecretsVersions_V1_0_103, &awslambda.ParamsAndSecretsOptions{HttpPort: new(2774.0)})
			},
			want: "port 2774 is taken by PARAMETERS_SECRETS_EXTENSION_HTTP_PORT: set another with AttachOptions.Port"},
		"impossible options": {options: tokenizerlayer.AttachOptions{Port: 80, LogLevel: "TRACE", MaxBodyBytes: 1 << 20},
			want: "port: got 80, want 1024 to 65535: leave it out for 2774; " +
				"largest body, in bytes: got 1048576, want 64 to 32768: leave it out for 32768; " +
				`log level: got "TRACE", want one of [DEBUG INFO WARN ERROR]: leave it out for INFO`},
		"a purpose that no token can have": {options: tokenizerlayer.AttachOptions{Purposes: []string{"Refund"}},
			want: `purpose: got "Refund", want 1 to 64 of a-z 0-9 _ -, the first a letter or digit: no token can have another`},
		"an index for a reader": {options: tokenizerlayer.AttachOptions{Index: true},
			want: "index: only a function that may tokenize uses it: leave it out"},
		"purposes to revoke for": {access: tokenizerlayer.Revoke, options: tokenizerlayer.AttachOptions{Purposes: []string{"refund"}},
			want: "purposes: revoking knows none: leave them out"},
		"nothing": {options: tokenizerlayer.AttachOptions{Port: 2775, LogLevel: tokenizerlayer.LogWarn, MaxBodyBytes: 4096}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, test.change)
			if test.access == 0 {
				test.access = tokenizerlayer.Detokenize
			}
			if test.want != "" {
				test.want = "Stack/Function: " + test.want
			}
			if got := b.attach(test.access, test.options); got != test.want {
				t.Errorf("got error %q, want %q", got, test.want)
			}
			if b.fn.Node().TryFindChild(new("TokenizerLayer")) == nil != (test.want != "") {
				t.Error("a refused function was changed, or the other way round")
			}
		})
	}
}

func TestAttachRefusesASecondTime(t *testing.T) {
	b := newBench(t, nil)
	if got := b.attach(tokenizerlayer.Tokenize, tokenizerlayer.AttachOptions{}); got != "" {
		t.Fatal(got)
	}
	want := "Stack/Function: the tokenizer layer is attached already: attach it once; for more access, grant it with vault.Grants()"
	if got := b.attach(tokenizerlayer.Detokenize, tokenizerlayer.AttachOptions{}); got != want {
		t.Errorf("got error %q, want %q", got, want)
	}
}

func TestWhatIsDoneToAFunctionLaterIsRefusedAtSynthesis(t *testing.T) {
	tests := map[string]struct {
		later func(awslambda.Function)
		want  string
	}{
		"SnapStart": {func(fn awslambda.Function) {
			fn.Node().DefaultChild().(awslambda.CfnFunction).SetSnapStart(&awslambda.CfnFunction_SnapStartProperty{ApplyOn: new("PublishedVersions")})
		}, "[Stack/Function/TokenizerLayer] function has SnapStart"},
		"a capacity provider": {func(fn awslambda.Function) {
			fn.Node().DefaultChild().(awslambda.CfnFunction).SetCapacityProviderConfig(&awslambda.CfnFunction_CapacityProviderConfigProperty{
				LambdaManagedInstancesCapacityProviderConfig: &awslambda.CfnFunction_LambdaManagedInstancesCapacityProviderConfigProperty{CapacityProviderArn: new("arn")},
			})
		}, "[Stack/Function/TokenizerLayer] function runs on a capacity provider"},
		"another extension's port": {func(fn awslambda.Function) {
			fn.AddEnvironment(new("AWS_APPCONFIG_EXTENSION_HTTP_PORT"), new("2774"), nil)
		}, "[Stack/Function/TokenizerLayer] port 2774 is taken by AWS_APPCONFIG_EXTENSION_HTTP_PORT"},
		"nothing": {func(awslambda.Function) {}, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil)
			if got := b.attach(tokenizerlayer.Tokenize, tokenizerlayer.AttachOptions{}); got != "" {
				t.Fatal(got)
			}
			test.later(b.fn)
			if got := b.synth(); !strings.Contains(got, test.want) || (got == "") != (test.want == "") {
				t.Errorf("synthesis says %q, want %q", got, test.want)
			}
		})
	}
}

func TestOptionsReachTheExtension(t *testing.T) {
	b := newBench(t, nil)
	if got := b.attach(tokenizerlayer.Tokenize, tokenizerlayer.AttachOptions{
		Port: 2775, LogLevel: tokenizerlayer.LogDebug, MaxBodyBytes: 4096, ReadRate: 5, MaxConnections: 8,
	}); got != "" {
		t.Fatal(got)
	}
	environment := b.stack.Resolve(b.fn.Node().DefaultChild().(awslambda.CfnFunction).Environment()).(map[string]any)
	got := environment["variables"].(map[string]any)
	delete(got, "TOKENIZER_TABLE")
	delete(got, "TOKENIZER_KEY_ARN")
	delete(got, "TOKENIZER_INDEX_TABLE")
	delete(got, "TOKENIZER_FINGERPRINT_KEYS")
	delete(got, "TOKENIZER_LAYER_DIGEST")
	want := map[string]any{
		"TOKENIZER_PORT": "2775", "TOKENIZER_LOG_LEVEL": "DEBUG", "TOKENIZER_MAX_BODY_BYTES": "4096",
		"TOKENIZER_READ_RATE": "5", "TOKENIZER_MAX_CONNECTIONS": "8",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
}

func TestAVaultWithoutItsKeysIsRefused(t *testing.T) {
	app, err := newApp(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	stack := awscdk.NewStack(app, new("Stack"), nil)
	key, other := awskms.NewKey(stack, new("Key"), nil), awskms.NewKey(stack, new("Other"), nil)
	one := []tokenizerlayer.FingerprintKey{{Version: "1", Key: key}}
	for want, props := range map[string]tokenizerlayer.VaultProps{
		"TokenKey and StorageKey are required":    {StorageKey: key, FingerprintKeys: one},
		"must be two keys":                        {TokenKey: key, StorageKey: key, FingerprintKeys: one},
		"FingerprintKeys: got 0, want 1 to 4":     {TokenKey: key, StorageKey: other},
		`FingerprintKeys: got version "1", want`:  {TokenKey: key, StorageKey: other, FingerprintKeys: append(one, one...)},
		`FingerprintKeys: got version "V2", want`: {TokenKey: key, StorageKey: other, FingerprintKeys: []tokenizerlayer.FingerprintKey{{Version: "V2", Key: key}}},
	} {
		if _, err := tokenizerlayer.NewVault(stack, "Vault", &props); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "Stack/Vault: ") {
			t.Errorf("got error %v, want %q", err, want)
		}
	}
}

// The example application does not use every grant: docs/permissions.md has the others in a table of their own.
func TestGrantsAreTheDocumentedOnes(t *testing.T) {
	b := newBench(t, nil)
	role := func(name string) awsiam.Role {
		return awsiam.NewRole(b.stack, &name, &awsiam.RoleProps{AssumedBy: awsiam.NewServicePrincipal(new("lambda.amazonaws.com"), nil)})
	}
	grants := b.vault.Grants()
	grants.Tokenize(role("TokenizeRefunds"), "refund", "charge")
	grants.Detokenize(role("DetokenizeRefunds"), "refund")
	grants.Index(role("Index"))
	grants.Revoke(role("Revoke"))
	b.app.Synth(nil)
	var parsed template
	if err := json.Unmarshal([]byte(read(t, filepath.Join(*b.app.Outdir(), "Stack.template.json"))), &parsed); err != nil {
		t.Fatal(err)
	}
	assembly := assembly{templates: map[string]template{"Stack": parsed}}
	var got, want [][]string
	for _, policy := range assembly.ofType(t, "AWS::IAM::Policy") {
		for _, s := range assembly.statements(t, policy.Properties["PolicyDocument"]) {
			got = append(got, s.cells(t, assembly.text(t, policy.Properties["Roles"])))
		}
	}
	for _, row := range documented(t, "permissions.md", "Grants") {
		if len(row) != 5 || len(row[4]) < 15 {
			t.Errorf("docs/permissions.md: %q needs five cells, the last saying why", row)
			continue
		}
		want = append(want, row[:4])
	}
	slices.SortFunc(got, slices.Compare)
	slices.SortFunc(want, slices.Compare)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("grants (-docs/permissions.md +templates):\n%s", diff)
	}
}
