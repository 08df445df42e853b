package test

import (
	"cmp"
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
	"github.com/aws/constructs-go/constructs/v10"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer"
)

// bench is a stack with a layer, a vault, and one function to attach the layer to.
type bench struct {
	app        awscdk.App
	stack      awscdk.Stack
	layerProps tokenizerlayer.LayerProps
	layer      tokenizerlayer.ILayer
	vault      tokenizerlayer.IVault
	roleProps  awsiam.RoleProps
	role       awsiam.IRole // nil means one of roleProps
	props      awslambda.FunctionProps
	fn         awslambda.Function
}

// newBench makes a bench in a known account and region, whose parts change has chosen.
func newBench(t *testing.T, change func(*bench)) *bench {
	t.Helper()
	return newBenchIn(t, &awscdk.Environment{Account: new("111111111111"), Region: new("eu-central-1")}, change)
}

func newBenchIn(t *testing.T, place *awscdk.Environment, change func(*bench)) *bench {
	t.Helper()
	app, err := newApp(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	stack := awscdk.NewStack(app, new("Stack"), &awscdk.StackProps{Env: place})
	vault, err := tokenizerlayer.NewVault(stack, "Vault", &tokenizerlayer.VaultProps{
		TokenKeys:  []tokenizerlayer.KeyVersion{{Version: "1", Key: awskms.NewKey(stack, new("TokenKey"), nil)}},
		StorageKey: awskms.NewKey(stack, new("StorageKey"), nil),
		FingerprintKeys: []tokenizerlayer.KeyVersion{{
			Version: "1", Key: tokenizerlayer.NewFingerprintKey(stack, "FingerprintKey", nil),
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{
		app: app, stack: stack, vault: vault,
		// for every access
		roleProps: awsiam.RoleProps{
			AssumedBy: awsiam.NewServicePrincipal(new("lambda.amazonaws.com"), nil),
			Path:      new("/tokenizer/operate/"),
		},
		props: awslambda.FunctionProps{
			Runtime: awslambda.Runtime_PYTHON_3_13(),
			Handler: new("index.handler"),
			Code:    awslambda.Code_FromInline(new("x = 1")),
		},
	}
	if change != nil {
		change(b)
	}
	if b.layer == nil {
		if b.layer, err = tokenizerlayer.NewLayer(stack, "Layer", &b.layerProps); err != nil {
			t.Fatal(err)
		}
	}
	if b.role == nil {
		b.role = awsiam.NewRole(stack, new("Role"), &b.roleProps)
	}
	b.props.Role = b.role
	b.fn = awslambda.NewFunction(stack, new("Function"), &b.props)
	return b
}

func (b *bench) attach(access tokenizerlayer.Access, options *tokenizerlayer.AttachOptions) string {
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

func (b *bench) resource() awslambda.CfnFunction {
	return b.fn.Node().DefaultChild().(awslambda.CfnFunction)
}

// properties are those of the function that Attach changes.
func (b *bench) properties() map[string]any {
	r := b.resource()
	return b.stack.Resolve(map[string]any{
		"environment": r.Environment(), "layers": r.Layers(), "timeout": r.Timeout(),
	}).(map[string]any)
}

func (b *bench) variables() map[string]any {
	environment, _ := b.properties()["environment"].(map[string]any)
	variables, _ := environment["variables"].(map[string]any)
	return variables
}

// rolePath is the IAM path of the function's role; "" if it states none, or is another app's.
func (b *bench) rolePath() string {
	if role, ok := b.role.Node().DefaultChild().(awsiam.CfnRole); ok && role.Path() != nil {
		return *role.Path()
	}
	return ""
}

// everything is all that Attach can change: the constructs, grants among them, the function's properties, and its
// role's path.
func (b *bench) everything() string {
	var paths []string
	for _, construct := range *b.stack.Node().FindAll("") {
		paths = append(paths, *construct.Node().Path())
	}
	return fmt.Sprint(paths, b.properties(), b.rolePath())
}

func importedRole(arn string, options *awsiam.FromRoleArnOptions) func(*bench) {
	return func(b *bench) { b.role = awsiam.Role_FromRoleArn(b.stack, new("Role"), &arn, options) }
}

func ownVariables(variables map[string]string) func(*bench) {
	return func(b *bench) {
		b.props.Environment = &map[string]*string{}
		for name, value := range variables {
			(*b.props.Environment)[name] = &value
		}
	}
}

const (
	noPolicies = " to which the CDK adds no policies (imported with Mutable false or from another account, or made with WithoutPolicyUpdates), " +
		"so nothing would be granted: use a role that it does"
	otherPath = ", but the keys' policies let only roles below /tokenizer/detokenize/ do this: " +
		"make the function's role with NewDetokenizeRole"
)

func TestAttach_RefusesWhatWouldFailInLambda(t *testing.T) {
	tests := map[string]struct {
		change  func(*bench)
		access  tokenizerlayer.Access // 0 means Detokenize
		options *tokenizerlayer.AttachOptions
		want    string // "" means that it is not refused
	}{
		"nothing wrong with the defaults": {},
		"nothing wrong with all options": {options: &tokenizerlayer.AttachOptions{
			Port: 2775, LogLevel: tokenizerlayer.LogWarn, MaxBodyBytes: 4096,
		}},
		"an architecture without a version": {change: func(b *bench) {
			b.layerProps.Architectures = []tokenizerlayer.Architecture{tokenizerlayer.ARM64}
		},
			want: "Architecture: got x86_64, but the layer is for [arm64]: give the function another architecture, or the layer x86_64 in LayerProps.Architectures"},
		"an imported layer without a version": {
			change: func(b *bench) { b.props.Architecture = awslambda.Architecture_ARM_64() },
			access: importedLayer,
			want:   "Architecture: got arm64, but the layer is for [x86_64]: give the function another architecture, or the layer arm64 in LayerAttributes.Versions"},
		"a container image": {
			change: func(b *bench) {
				repository := awsecr.Repository_FromRepositoryName(b.stack, new("Repository"), new("images"))
				b.props.Runtime, b.props.Handler = awslambda.Runtime_FROM_IMAGE(), awslambda.Handler_FROM_IMAGE()
				b.props.Code = awslambda.Code_FromEcrImage(repository, nil)
			},
			want: "Runtime: got a container image, which takes no layers: package the function as a zip file"},
		"five layers": {
			change: otherLayers(5),
			want:   "Layers: got 5, as many as Lambda takes: remove one"},
		"four layers and one of the function's properties": {
			change: func(b *bench) {
				otherLayers(4)(b)
				b.props.InsightsVersion = awslambda.LambdaInsightsVersion_FromInsightVersionArn(
					new("arn:aws:lambda:eu-central-1:580247275435:layer:LambdaInsightsExtension:53"))
			},
			want: "Layers: got 5, as many as Lambda takes: remove one"},
		"four layers": {change: otherLayers(4)},
		"five layers and other access": {change: otherLayers(5), access: tokenizerlayer.Tokenize,
			want: "Layers: got 5, as many as Lambda takes: remove one"},
		"five layers and another problem": {
			change: func(b *bench) {
				otherLayers(5)(b)
				b.roleProps.Path = new("/elsewhere/")
			},
			want: "Role: got one with the IAM path /elsewhere/" + otherPath +
				"; Layers: got 5, as many as Lambda takes: remove one"},
		"a timeout that is not above the client's": {change: func(b *bench) {
			b.props.Timeout = awscdk.Duration_Seconds(new(5.0))
		},
			want: "Timeout: got 5 s, want more than the 5 s that a client waits for the extension: set another, or leave it out for 10 s"},
		"SnapStart": {change: func(b *bench) { b.props.SnapStart = awslambda.SnapStartConf_ON_PUBLISHED_VERSIONS() },
			want: "SnapStart: got PublishedVersions, and a snapshot would clone data keys: turn it off"},

		"a role of another path": {change: func(b *bench) { b.roleProps.Path = new("/elsewhere/") },
			want: "Role: got one with the IAM path /elsewhere/" + otherPath},
		"a role without a path": {change: func(b *bench) { b.roleProps.Path = nil },
			want: "Role: got one with the IAM path /" + otherPath},
		"an imported role of another path": {change: importedRole("arn:aws:iam::111111111111:role/elsewhere/name", nil),
			want: "Role: got one with the IAM path /elsewhere/" + otherPath},
		"a role by its name, which has no path": {
			change: func(b *bench) { b.role = awsiam.Role_FromRoleName(b.stack, new("Role"), new("name"), nil) },
			want:   "Role: got one with the IAM path /" + otherPath},
		"an imported role of the path": {change: importedRole(
			"arn:aws:iam::111111111111:role/tokenizer/detokenize/name", nil)},
		"an imported role whose ARN is a parameter": {change: func(b *bench) {
			importedRole(*awscdk.Fn_ImportValue(new("RoleArn")), nil)(b)
		}},
		"an immutable imported role": {change: importedRole("arn:aws:iam::111111111111:role/tokenizer/detokenize/name",
			&awsiam.FromRoleArnOptions{Mutable: new(false)}),
			want: "Role: got Stack/Role," + noPolicies},
		"an imported role of another account": {change: importedRole(
			"arn:aws:iam::222222222222:role/tokenizer/detokenize/name", nil),
			want: "Role: got Stack/Role," + noPolicies},
		"a role without policy updates": {
			change: func(b *bench) {
				b.role = awsiam.NewRole(b.stack, new("Role"), &b.roleProps).WithoutPolicyUpdates(nil)
			},
			want: "Role: got Stack/ImmutableRoleRole," + noPolicies},
		"a role that somebody else makes, from a report": {
			change: func(b *bench) {
				scope := constructs.NewConstruct(b.stack, new("Customized"))
				awsiam.Role_CustomizeRoles(scope, &awsiam.CustomizeRolesOptions{PreventSynthesis: new(false)})
				b.role = awsiam.Role_FromRoleArn(scope, new("Role"),
					new("arn:aws:iam::111111111111:role/tokenizer/detokenize/name"), nil)
			}},

		"the port of a known extension": {options: &tokenizerlayer.AttachOptions{Port: 2773},
			want: "port: got 2773, which is taken by the AWS Parameters and Secrets extension: set another with AttachOptions.Port"},
		"the port that another extension was given": {
			change: func(b *bench) {
				b.props.ParamsAndSecrets = awslambda.ParamsAndSecretsLayerVersion_FromVersion(
					awslambda.ParamsAndSecretsVersions_V1_0_103,
					&awslambda.ParamsAndSecretsOptions{HttpPort: new(2774.0)})
			},
			want: "port: got 2774, which is taken by PARAMETERS_SECRETS_EXTENSION_HTTP_PORT: set another with AttachOptions.Port"},
		"an own port": {change: ownVariables(map[string]string{"TOKENIZER_PORT": "2775"})},
		"an own port that the options name": {
			change:  ownVariables(map[string]string{"TOKENIZER_PORT": "2775"}),
			options: &tokenizerlayer.AttachOptions{Port: 2775},
		},
		"an own port that the options contradict": {
			change:  ownVariables(map[string]string{"TOKENIZER_PORT": "2775"}),
			options: &tokenizerlayer.AttachOptions{Port: 2776},
			want:    "Environment: got TOKENIZER_PORT=2775, but AttachOptions.Port sets it to 2776: leave it out of the function's environment"},
		"an own port that is taken": {
			change: ownVariables(map[string]string{"TOKENIZER_PORT": "2800", "AWS_LWA_PORT": "2800"}),
			want:   "port: got 2800, which is taken by AWS_LWA_PORT: set another with the environment variable TOKENIZER_PORT"},
		"an own port that cannot be": {change: ownVariables(map[string]string{"TOKENIZER_PORT": "80"}),
			want: `Environment: got TOKENIZER_PORT="80", want 1024 to 65535: leave it out for 2774`},
		"an own setting that Attach makes": {change: ownVariables(map[string]string{"TOKENIZER_LAYER_DIGEST": "mine"}),
			want: "Environment: got TOKENIZER_LAYER_DIGEST=mine, but Attach sets it to DIGEST: leave it out of the function's environment"},
		"an own table": {change: ownVariables(map[string]string{"TOKENIZER_TABLE": "Nope"}),
			want: "Environment: got TOKENIZER_TABLE=Nope, but Attach sets it to a value of another resource: " +
				"leave it out of the function's environment"},
		"an own setting that is not an option": {change: ownVariables(
			map[string]string{"TOKENIZER_LOG_LEVEL": "DEBUG"})},

		"a vault of another region": {
			change: func(b *bench) {
				b.vault = otherVault(b,
					tokenizerlayer.VaultAttributes{TableArn: "arn:aws:dynamodb:us-east-1:111111111111:table/Table"})
			},
			want: "vault: got one in region us-east-1, but the function is in eu-central-1, where the extension looks for its tables: use a vault there"},
		"a vault of another account": {
			change: func(b *bench) {
				b.vault = otherVault(b,
					tokenizerlayer.VaultAttributes{TableArn: "arn:aws:dynamodb:eu-central-1:222222222222:table/Table"})
			},
			want: "vault: got one in account 222222222222, but the function is in 111111111111, where the extension looks for its tables: use a vault there"},
		"a layer of another region": {
			change: func(b *bench) {
				b.layer = layerAt(b.stack, "arn:aws:lambda:us-east-1:111111111111:layer:TokenizeData:7")
			},
			want: "layer: got a version in region us-east-1, but the function is in eu-central-1, and Lambda takes layers of its own region only: deploy the layer there"},
		"a layer of another account": {
			change: func(b *bench) {
				b.layer = layerAt(b.stack, "arn:aws:lambda:eu-central-1:222222222222:layer:TokenizeData:7")
			}},
		"no vault": {change: func(b *bench) {
			b.vault = nil
		}, want: "vault: got none, want one of NewVault or VaultFromAttributes"},

		"no access": {access: -1, want: "access: got -1, want Tokenize, Detokenize or Revoke"},
		"too many keys ahead": {
			access:  tokenizerlayer.Tokenize,
			options: &tokenizerlayer.AttachOptions{KeysAhead: 257},
			want:    "AttachOptions.KeysAhead: got 257, want 1 to 256: leave it out for 64",
		},
		"too few keys ahead": {access: tokenizerlayer.Tokenize, options: &tokenizerlayer.AttachOptions{KeysAhead: -2},
			want: "AttachOptions.KeysAhead: got -2, want 1 to 256, or NoKeysAhead: leave it out for 64"},
		"keys ahead without tokens": {options: &tokenizerlayer.AttachOptions{KeysAhead: 1},
			want: "AttachOptions.KeysAhead: got 1 for a function that does not tokenize, and needs no data keys: leave it out"},
		"impossible options": {options: &tokenizerlayer.AttachOptions{
			Port: 80, LogLevel: "TRACE", MaxBodyBytes: 1 << 20, ReadRate: -1,
		},
			want: "AttachOptions.Port: got 80, want 1024 to 65535: leave it out for 2774; " +
				"AttachOptions.MaxBodyBytes: got 1048576, want 64 to 32768: leave it out for 32768; " +
				"AttachOptions.ReadRate: got -1, want 1 to 10000: leave it out for 100; " +
				`AttachOptions.LogLevel: got "TRACE", want one of [DEBUG INFO WARN ERROR]: leave it out for INFO`},
		"a purpose that no token can have": {options: &tokenizerlayer.AttachOptions{Purposes: []string{"Refund"}},
			want: `AttachOptions.Purposes: got the purpose "Refund", want 1 to 64 of a-z 0-9 _ -, the first a letter or digit: no token can have another`},
		"an index for a reader": {options: &tokenizerlayer.AttachOptions{Index: true},
			want: "AttachOptions.Index: got true for a function that does not tokenize, and cannot use it: leave it out"},
		"a scope that no function can have": {access: tokenizerlayer.Tokenize,
			options: &tokenizerlayer.AttachOptions{IdempotencyScope: "a b"},
			want:    `AttachOptions.IdempotencyScope: got "a b", want 1 to 128 of A-Z a-z 0-9 . _ : -, the first a letter or digit`},
		"purposes to revoke for": {access: tokenizerlayer.Revoke,
			options: &tokenizerlayer.AttachOptions{Purposes: []string{"refund"}},
			want:    "AttachOptions.Purposes: got some for Revoke, which is for tokens of every purpose: leave them out"},
		"all at once": {
			change: func(b *bench) {
				b.props.Timeout, b.roleProps.Path = awscdk.Duration_Seconds(new(3.0)), nil
				b.layerProps.Architectures = []tokenizerlayer.Architecture{tokenizerlayer.ARM64}
			},
			options: &tokenizerlayer.AttachOptions{Port: 2772},
			want: "Architecture: got x86_64, but the layer is for [arm64]: give the function another architecture, or the layer x86_64 in LayerProps.Architectures; " +
				"Timeout: got 3 s, want more than the 5 s that a client waits for the extension: set another, or leave it out for 10 s; " +
				"port: got 2772, which is taken by the AWS AppConfig extension: set another with AttachOptions.Port; " +
				"Role: got one with the IAM path /" + otherPath},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, test.change)
			switch test.access {
			case 0:
				test.access = tokenizerlayer.Detokenize
			case importedLayer:
				b.layer, test.access = otherLayer(t, b.stack), tokenizerlayer.Detokenize
			}
			if test.want != "" {
				test.want = "Stack/Function: " + strings.ReplaceAll(test.want, "DIGEST:",
					b.layer.Digest(tokenizerlayer.X86_64)+":")
			}
			before := b.everything()
			if got := b.attach(test.access, test.options); got != test.want {
				t.Errorf("got error  %q\nwant error %q", got, test.want)
			}
			if changed := b.everything() != before; changed != (test.want == "") {
				t.Errorf("changed: %t, refused: %t", changed, test.want != "")
			}
			if test.want == "" {
				if got := b.synth(); got != "" {
					t.Errorf("synthesis says %s", got)
				}
			}
		})
	}
}

// otherLayers gives the function so many layers.
func otherLayers(n int) func(*bench) {
	return func(b *bench) {
		b.props.Layers = &[]awslambda.ILayerVersion{}
		for i := range n {
			arn := fmt.Sprintf("arn:aws:lambda:eu-central-1:111111111111:layer:other:%d", i+1)
			*b.props.Layers = append(*b.props.Layers,
				awslambda.LayerVersion_FromLayerVersionArn(b.stack, new(fmt.Sprint("Other", i)), &arn))
		}
	}
}

// importedLayer stands in for an access, and has the function attached to a layer of another app.
const importedLayer tokenizerlayer.Access = -2

func otherLayer(t *testing.T, scope constructs.Construct) tokenizerlayer.ILayer {
	t.Helper()
	layer, err := tokenizerlayer.LayerFromAttributes(scope, "OtherLayer", &tokenizerlayer.LayerAttributes{
		Versions: map[tokenizerlayer.Architecture]tokenizerlayer.LayerVersionAttributes{
			tokenizerlayer.X86_64: {LayerVersionArn: "arn:aws:lambda:eu-central-1:111111111111:layer:TokenizeData:7"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return layer
}

// layerAt is a layer of another app for functions without an architecture.
func layerAt(scope constructs.Construct, arn string) tokenizerlayer.ILayer {
	layer, err := tokenizerlayer.LayerFromAttributes(scope, "LayerThere", &tokenizerlayer.LayerAttributes{
		Versions: map[tokenizerlayer.Architecture]tokenizerlayer.LayerVersionAttributes{
			tokenizerlayer.X86_64: {LayerVersionArn: arn},
		},
	})
	if err != nil {
		panic(err)
	}
	return layer
}

// otherVault is a vault of another app that has these attributes and, for those that are missing, usual ones.
func otherVault(b *bench, attributes tokenizerlayer.VaultAttributes) tokenizerlayer.IVault {
	attributes.TableArn = cmp.Or(attributes.TableArn, "arn:aws:dynamodb:eu-central-1:111111111111:table/Table")
	place := strings.Split(attributes.TableArn, ":")
	key := func(n int) string {
		return fmt.Sprintf("arn:aws:kms:%s:%s:key/%08d-0000-0000-0000-000000000000", place[3], place[4], n)
	}
	tables := strings.TrimSuffix(attributes.TableArn, "Table")
	attributes.StateArn, attributes.IndexArn = tables+"State", tables+"Index"
	attributes.StorageKeyArn = key(2)
	attributes.TokenKeys = []tokenizerlayer.KeyVersionAttributes{
		{Version: "2", KeyArn: key(5)}, {Version: "1", KeyArn: key(1)},
	}
	attributes.FingerprintKeys = []tokenizerlayer.KeyVersionAttributes{
		{Version: "2", KeyArn: key(4)}, {Version: "1", KeyArn: key(3)},
	}
	vault, err := tokenizerlayer.VaultFromAttributes(b.stack, "OtherVault", &attributes)
	if err != nil {
		panic(err)
	}
	return vault
}

// The keys' policies deny what a role's path is not for, so Attach sets the path of a role that is to tokenize, and
// refuses other roles than those that KMS will let through.
func TestAttach_HoldsRolesToTheirPaths(t *testing.T) {
	const (
		account = "arn:aws:iam::111111111111:role"
		none    = "none" // the role states no path
	)
	index := &tokenizerlayer.AttachOptions{Index: true}
	accesses := map[string]struct {
		access  tokenizerlayer.Access
		options *tokenizerlayer.AttachOptions
		sets    string // on a role that states no path
		needs   string // "" means that any path will do
		right   []string
		wrong   []string
	}{
		"Tokenize": {tokenizerlayer.Tokenize, nil, "/tokenizer/tokenize/", "/tokenizer/tokenize/",
			[]string{
				"/tokenizer/tokenize/", "/tokenizer/tokenize/team/", "/tokenizer/tokenize/index/",
				"/tokenizer/operate/",
			},
			[]string{
				"/", "/elsewhere/", "/tokenizer/", "/tokenizer/detokenize/", "/tokenizer/administer/",
				"/tokenizer/tokenizers/", "/tokenize/",
			}},
		"Tokenize with the index": {tokenizerlayer.Tokenize, index, "/tokenizer/tokenize/index/",
			"/tokenizer/tokenize/index/",
			[]string{"/tokenizer/tokenize/index/", "/tokenizer/tokenize/index/team/", "/tokenizer/operate/"},
			[]string{
				"/", "/elsewhere/", "/tokenizer/tokenize/", "/tokenizer/tokenize/indexes/",
				"/tokenizer/detokenize/", "/tokenizer/administer/",
			}},
		"Detokenize": {tokenizerlayer.Detokenize, nil, "", "/tokenizer/detokenize/",
			[]string{
				"/tokenizer/detokenize/", "/tokenizer/detokenize/team/", "/tokenizer/operate/",
				"/tokenizer/operate/team/",
			},
			[]string{
				none, "/", "/elsewhere/", "/tokenizer/", "/tokenizer/tokenize/", "/tokenizer/tokenize/index/",
				"/tokenizer/administer/",
			}},
		"Revoke": {
			tokenizerlayer.Revoke, nil, "", "",
			[]string{none, "/", "/elsewhere/", "/tokenizer/tokenize/", "/tokenizer/detokenize/"}, nil,
		},
	}
	// A role of this app, and one of another. Of the latter the ARN is all that is known, and no path means the path
	// "/".
	made := func(path string) func(*bench) {
		return func(b *bench) {
			if b.roleProps.Path = &path; path == none {
				b.roleProps.Path = nil
			}
		}
	}
	imported := func(path string) func(*bench) {
		return importedRole(account+strings.Replace(path, none, "/", 1)+"name", nil)
	}
	for name, test := range accesses {
		t.Run(name, func(t *testing.T) {
			for _, path := range test.right {
				for what, change := range map[string]func(*bench){"own": made(path), "imported": imported(path)} {
					b := newBench(t, change)
					before := b.rolePath()
					if got := b.attach(test.access, test.options); got != "" {
						t.Errorf("%s role with path %s is refused: %s", what, path, got)
					}
					if got := b.rolePath(); got != before {
						t.Errorf("%s role with path %s has path %s now", what, path, got)
					}
				}
			}
			advice := "give the function a role with that RoleProps.Path"
			if test.access == tokenizerlayer.Detokenize {
				advice = "make the function's role with NewDetokenizeRole"
			}
			for _, path := range test.wrong {
				for what, change := range map[string]func(*bench){"own": made(path), "imported": imported(path)} {
					b := newBench(t, change)
					before := b.everything()
					want := "Stack/Function: Role: got one with the IAM path " + strings.Replace(path, none, "/",
						1) + ", but the keys' policies let only roles below " +
						test.needs + " do this: " + advice
					if got := b.attach(test.access, test.options); got != want {
						t.Errorf("%s role: got error  %q\nwant error %q", what, got, want)
					}
					if b.everything() != before {
						t.Errorf("%s role with path %s is refused, and something changed", what, path)
					}
				}
			}
			if test.sets != "" {
				b := newBench(t, made(none))
				if got := b.attach(test.access, test.options); got != "" || b.rolePath() != test.sets ||
					b.synth() != "" {
					t.Errorf("a role without a path gets the path %q, want %q; error %q", b.rolePath(), test.sets, got)
				}
				b = newBench(t, made(none))
				b.attach(test.access, test.options)
				b.role.Node().DefaultChild().(awsiam.CfnRole).SetPath(nil) // nothing sets it again
				if got := b.synth(); !strings.Contains(got, "Role: got one with the IAM path /,") {
					t.Errorf("a role whose path is taken away: synthesis says %q", got)
				}
			}
			// Keys that were not made by the constructs deny nothing, so that there is nothing to set.
			b := newBench(t, func(b *bench) {
				made(none)(b)
				b.vault = otherVault(b, tokenizerlayer.VaultAttributes{RolePath: tokenizerlayer.AnyRolePath})
			})
			if got := b.attach(test.access, test.options); got != "" || b.rolePath() != "" || b.synth() != "" {
				t.Errorf("with AnyRolePath: error %q, path %q", got, b.rolePath())
			}
		})
	}
}

// The role that the CDK makes for a function, and paths below another one than the default.
func TestAttach_SetsThePathOfAFunctionsOwnRole(t *testing.T) {
	for options, want := range map[*tokenizerlayer.AttachOptions]string{
		nil: "/team/tokenize/", {Index: true}: "/team/tokenize/index/",
	} {
		b := newBench(t, func(b *bench) {
			b.vault = otherVault(b, tokenizerlayer.VaultAttributes{RolePath: "/team/"})
		})
		b.props.Role = nil
		b.fn = awslambda.NewFunction(b.stack, new("Other"), &b.props)
		if got := b.attach(tokenizerlayer.Tokenize, options); got != "" {
			t.Fatal(got)
		}
		if got := *b.fn.Role().Node().DefaultChild().(awsiam.CfnRole).Path(); got != want {
			t.Errorf("path is %s, want %s", got, want)
		}
	}
}

func TestAttach_RefusesASecondTime(t *testing.T) {
	b := newBench(t, nil)
	if got := b.attach(tokenizerlayer.Tokenize, nil); got != "" {
		t.Fatal(got)
	}
	want :=
		"Stack/Function: the tokenizer layer is attached already: attach it once, and for more access use IVault.Grants"
	before := b.everything()
	if got := b.attach(tokenizerlayer.Detokenize, nil); got != want || b.everything() != before {
		t.Errorf("got error %q, want %q and no change", got, want)
	}
}

func TestAttach_ChecksTheFunctionAgainAtSynthesis(t *testing.T) {
	tests := map[string]struct {
		later func(*bench)
		want  string
	}{
		"nothing": {func(*bench) {}, ""},
		"SnapStart": {func(b *bench) {
			b.resource().SetSnapStart(&awslambda.CfnFunction_SnapStartProperty{ApplyOn: new("PublishedVersions")})
		}, "SnapStart: got PublishedVersions"},
		"a capacity provider": {func(b *bench) {
			type managed = awslambda.CfnFunction_LambdaManagedInstancesCapacityProviderConfigProperty
			b.resource().SetCapacityProviderConfig(&awslambda.CfnFunction_CapacityProviderConfigProperty{
				LambdaManagedInstancesCapacityProviderConfig: &managed{CapacityProviderArn: new("arn")},
			})
		}, "CapacityProviderConfig: got a capacity provider"},
		"another extension's port": {func(b *bench) {
			b.fn.AddEnvironment(new("AWS_APPCONFIG_EXTENSION_HTTP_PORT"), new("2774"), nil)
		}, "port: got 2774, which is taken by AWS_APPCONFIG_EXTENSION_HTTP_PORT"},
		"another port": {func(b *bench) { b.fn.AddEnvironment(new("TOKENIZER_PORT"), new("2800"), nil) }, ""},
		"a setting": {func(b *bench) {
			b.fn.AddEnvironment(new("TOKENIZER_TABLE"), new("another"), nil)
		}, "Environment: got TOKENIZER_TABLE=another, but Attach sets it"},
		"a timeout": {func(b *bench) { b.resource().SetTimeout(new(4.0)) }, "Timeout: got 4 s, want more than the 5 s"},
		"an architecture": {func(b *bench) { b.resource().SetArchitectures(&[]*string{new("arm64")}) },
			"Architecture: got arm64, but the layer is for [x86_64]"},
		"as many layers as Lambda takes": {func(b *bench) {
			for i := range 4 {
				arn := fmt.Sprintf("arn:aws:lambda:eu-central-1:111111111111:layer:other:%d", i+1)
				b.fn.AddLayers(awslambda.LayerVersion_FromLayerVersionArn(b.stack, new(fmt.Sprint("Other", i)), &arn))
			}
		}, ""},
		"a role's path": {func(b *bench) { b.role.Node().DefaultChild().(awsiam.CfnRole).SetPath(new("/elsewhere/")) },
			"Role: got one with the IAM path /elsewhere/"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(b *bench) {
				b.layerProps.Architectures = []tokenizerlayer.Architecture{tokenizerlayer.X86_64}
			})
			if got := b.attach(tokenizerlayer.Detokenize, nil); got != "" {
				t.Fatal(got)
			}
			test.later(b)
			if got := b.synth(); !strings.Contains(got, test.want) || (got == "") != (test.want == "") ||
				test.want != "" && !strings.Contains(got, "[Stack/Function/TokenizerLayer] ") {
				t.Errorf("synthesis says %q, want %q", got, test.want)
			}
		})
	}
}

// The version, with the digest of its content, is the one for the function's architecture.
func TestAttach_PicksTheVersionByArchitecture(t *testing.T) {
	for name, test := range map[string]struct {
		architecture awslambda.Architecture
		want         tokenizerlayer.Architecture
	}{
		"none stated": {nil, tokenizerlayer.X86_64},
		"x86_64":      {awslambda.Architecture_X86_64(), tokenizerlayer.X86_64},
		"arm64":       {awslambda.Architecture_ARM_64(), tokenizerlayer.ARM64},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(b *bench) { b.props.Architecture = test.architecture })
			if got := b.attach(tokenizerlayer.Tokenize, nil); got != "" {
				t.Fatal(got)
			}
			want := b.stack.Resolve([]*string{b.layer.Version(test.want).LayerVersionArn()})
			if diff := gocmp.Diff(want, b.properties()["layers"]); diff != "" {
				t.Errorf("layers (-want +got):\n%s", diff)
			}
			if got := b.variables()["TOKENIZER_LAYER_DIGEST"]; got != b.layer.Digest(test.want) || got == "" {
				t.Errorf("digest is %v, want %s", got, b.layer.Digest(test.want))
			}
		})
	}
	b := newBench(t, nil)
	if arm, x86 := b.layer.Digest(tokenizerlayer.ARM64), b.layer.Digest(tokenizerlayer.X86_64); arm == x86 {
		t.Errorf("both architectures have digest %s", arm)
	}
}

// Lambda's default of 3 s is less than what a client waits.
func TestAttach_SetsATimeoutWhereThereIsNone(t *testing.T) {
	for want, stated := range map[float64]awscdk.Duration{10: nil, 6: awscdk.Duration_Seconds(new(6.0))} {
		b := newBench(t, func(b *bench) { b.props.Timeout = stated })
		if got := b.attach(tokenizerlayer.Tokenize, nil); got != "" {
			t.Fatal(got)
		}
		if got := b.properties()["timeout"]; got != want {
			t.Errorf("timeout is %v s, want %v", got, want)
		}
	}
}

func TestAttach_HandsTheOptionsToTheExtension(t *testing.T) {
	always := []string{"TOKENIZER_TABLE", "TOKENIZER_STATE_TABLE", "TOKENIZER_INDEX_TABLE", "TOKENIZER_TOKEN_KEYS",
		"TOKENIZER_FINGERPRINT_KEYS", "TOKENIZER_LAYER_DIGEST",
		"TOKENIZER_ACCOUNT_ID", "TOKENIZER_ACCESS"}
	for name, test := range map[string]struct {
		own     map[string]string
		options *tokenizerlayer.AttachOptions
		want    map[string]any
	}{
		"none": {want: map[string]any{}},
		"all": {options: &tokenizerlayer.AttachOptions{Port: 2775, LogLevel: tokenizerlayer.LogDebug,
			MaxBodyBytes: 4096, ReadRate: 5, MaxConnections: 8, IdempotencyScope: "orders",
			KeysAhead: 16, Purposes: []string{"refund", "charge"}},
			want: map[string]any{"TOKENIZER_PORT": "2775", "TOKENIZER_LOG_LEVEL": "DEBUG",
				"TOKENIZER_MAX_BODY_BYTES":    "4096",
				"TOKENIZER_READ_RATE":         "5",
				"TOKENIZER_MAX_CONNECTIONS":   "8",
				"TOKENIZER_IDEMPOTENCY_SCOPE": "orders",
				"TOKENIZER_KEYS_AHEAD":        "16", "TOKENIZER_PURPOSES": "refund,charge"}},
		"no keys ahead": {
			options: &tokenizerlayer.AttachOptions{KeysAhead: tokenizerlayer.NoKeysAhead},
			want:    map[string]any{"TOKENIZER_KEYS_AHEAD": "0"},
		},
		"the function's own": {
			own:  map[string]string{"TOKENIZER_PORT": "2776", "MINE": "x"},
			want: map[string]any{"TOKENIZER_PORT": "2776", "MINE": "x"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, ownVariables(test.own))
			if got := b.attach(tokenizerlayer.Tokenize, test.options); got != "" {
				t.Fatal(got)
			}
			got := b.variables()
			for _, variable := range always {
				if got[variable] == nil {
					t.Errorf("%s is not set", variable)
				}
				delete(got, variable)
			}
			if diff := gocmp.Diff(test.want, got); diff != "" {
				t.Errorf("environment (-want +got):\n%s", diff)
			}
		})
	}
}

// The example application does not use every grant: docs/permissions.md has the others in a table of their own.
func TestGrants_AreTheDocumentedOnes(t *testing.T) {
	b := newBenchIn(t, nil, nil)
	role := func(name string) awsiam.Role {
		return awsiam.NewRole(b.stack, &name,
			&awsiam.RoleProps{AssumedBy: awsiam.NewServicePrincipal(new("lambda.amazonaws.com"), nil)})
	}
	grants := b.vault.Grants()
	grants.Tokenize(role("TokenizeRefunds"), "refund", "charge")
	grants.Detokenize(role("DetokenizeRefunds"), "refund")
	grants.Index(role("Index"))
	grants.Revoke(role("Revoke"))
	b.app.Synth(nil)
	var parsed template
	if err := json.Unmarshal([]byte(read(t, filepath.Join(*b.app.Outdir(), "Stack.template.json"))),
		&parsed); err != nil {
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
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("grants (-docs/permissions.md +templates):\n%s", diff)
	}
}

// Keys and tables know no principals of other accounts, so a right that is given there would be worth nothing.
func TestVault_IsRefusedToOtherAccounts(t *testing.T) {
	const there = "arn:aws:dynamodb:eu-central-1:222222222222:table/Table"
	for name, grant := range map[string]func(tokenizerlayer.Grants, awsiam.IGrantable){
		"tokenize":   func(g tokenizerlayer.Grants, to awsiam.IGrantable) { g.Tokenize(to) },
		"index":      func(g tokenizerlayer.Grants, to awsiam.IGrantable) { g.Index(to) },
		"detokenize": func(g tokenizerlayer.Grants, to awsiam.IGrantable) { g.Detokenize(to) },
		"revoke":     func(g tokenizerlayer.Grants, to awsiam.IGrantable) { g.Revoke(to) },
	} {
		b := newBench(t, nil)
		grant(otherVault(b, tokenizerlayer.VaultAttributes{TableArn: there}).Grants(), b.role)
		const want = "vault: got one in account 222222222222, but the grantee is in 111111111111"
		if got := b.synth(); !strings.Contains(got, want) {
			t.Errorf("%s: the synthesis ends with %q, want %q", name, got, want)
		}
	}
	for arn, want := range map[string]string{
		there: "vault: got one in account 222222222222, but the role is in 111111111111",
		"arn:aws:dynamodb:us-east-1:111111111111:table/Table": "vault: got one in region us-east-1, but the role" +
			" is in eu-central-1",
	} {
		b := newBench(t, nil)
		_, err := tokenizerlayer.NewDetokenizeRole(b.stack, "Reader", &tokenizerlayer.DetokenizeRoleProps{
			Vault: otherVault(b, tokenizerlayer.VaultAttributes{TableArn: arn}), FunctionName: "reader",
		})
		checkRefusal(t, b.stack, "Reader", err, want+", where the extension looks for its tables: use a vault there")
	}
}

// A stack that does not know where it will be cannot refuse anything: docs/configuration.md says what happens then.
func TestVault_IsNotRefusedWhereThePlaceIsOpen(t *testing.T) {
	b := newBenchIn(t, nil, nil)
	vault := otherVault(b, tokenizerlayer.VaultAttributes{
		TableArn: "arn:aws:dynamodb:eu-central-1:222222222222:table/Table",
	})
	function := awslambda.NewFunction(b.stack, new("Open"), &b.props)
	if err := b.layer.Attach(function, vault, tokenizerlayer.Tokenize, nil); err != nil {
		t.Error(err)
	}
	if _, err := tokenizerlayer.NewDetokenizeRole(b.stack, "Reader", &tokenizerlayer.DetokenizeRoleProps{
		Vault: vault, FunctionName: "reader",
	}); err != nil {
		t.Error(err)
	}
	if problem := b.synth(); problem != "" {
		t.Errorf("the synthesis ends with %q", problem)
	}
}
