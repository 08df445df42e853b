package test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsssm"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer"
)

func newStack(t *testing.T) (awscdk.App, awscdk.Stack) {
	t.Helper()
	app, err := newApp(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return app, awscdk.NewStack(app, new("Stack"), nil)
}

// newVault makes a vault with keys of its own; change may be nil.
func newVault(t *testing.T, stack awscdk.Stack, change func(*tokenizerlayer.VaultProps)) *tokenizerlayer.Vault {
	t.Helper()
	props := tokenizerlayer.VaultProps{
		TokenKeys: []tokenizerlayer.KeyVersion{{
			Version: "1", Key: tokenizerlayer.NewTokenKey(stack, "TokenKey", nil),
		}},
		StorageKey: tokenizerlayer.NewStorageKey(stack, "StorageKey", nil),
		FingerprintKeys: []tokenizerlayer.KeyVersion{{
			Version: "1", Key: tokenizerlayer.NewFingerprintKey(stack, "FingerprintKey", nil),
		}},
	}
	if change != nil {
		change(&props)
	}
	vault, err := tokenizerlayer.NewVault(stack, "Vault", &props)
	if err != nil {
		t.Fatal(err)
	}
	return vault
}

// Other constructs can be made below them, depend on them, and be reached from them, as with the CDK's own.
func TestVaultAndLayer_AreConstructs(t *testing.T) {
	app, stack := newStack(t)
	layer, err := tokenizerlayer.NewLayer(stack, "Layer", nil)
	if err != nil {
		t.Fatal(err)
	}
	for id, construct := range map[string]constructs.Construct{"Vault": newVault(t, stack, nil), "Layer": layer} {
		if got := *construct.Node().Path(); got != "Stack/"+id {
			t.Errorf("%s has path %s", id, got)
		}
		if got := *awscdk.Stack_Of(construct).Node().Path(); got != "Stack" {
			t.Errorf("%s is in stack %s", id, got)
		}
		if found := stack.Node().TryFindChild(&id); found == nil || len(*found.Node().Children()) == 0 {
			t.Errorf("%s is no child of its scope, or has none", id)
		}
		below := awscdk.NewCfnResource(construct, new("Below"), &awscdk.CfnResourceProps{Type: new("Test::Below")})
		if got := *below.Node().Path(); got != "Stack/"+id+"/Below" {
			t.Errorf("a child of %s has path %s", id, got)
		}
		after := awscdk.NewCfnResource(stack, new("After"+id), &awscdk.CfnResourceProps{Type: new("Test::After")})
		after.Node().AddDependency(construct)
		awscdk.Tags_Of(construct).Add(new("team"), new("security-"+id), nil)
	}
	app.Synth(nil)
	content := read(t, filepath.Join(*app.Outdir(), "Stack.template.json"))
	var parsed template
	if err := json.Unmarshal([]byte(content), &parsed); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(content, "security-Vault"); got != 3 { // on all tables; layer versions take no tags
		t.Errorf("%d resources of the vault are tagged, want 3", got)
	}
	if got := strings.Count(content, `"DependsOn"`); got != 2 {
		t.Errorf("%d resources depend on others, want the two that were told to", got)
	}
}

func TestNewVault_NamesEveryWrongProperty(t *testing.T) {
	_, stack := newStack(t)
	key, other := awskms.NewKey(stack, new("Key"), nil), awskms.NewKey(stack, new("Other"), nil)
	one, another := []tokenizerlayer.KeyVersion{{Version: "1", Key: key}},
		[]tokenizerlayer.KeyVersion{{Version: "1", Key: other}}
	const versions = ", want 1 to 4, each of 1 to 16 of a-z and 0-9, and none twice"
	for name, test := range map[string]struct {
		props *tokenizerlayer.VaultProps
		want  string
	}{
		"no props": {nil, "VaultProps.TokenKeys: got versions []" + versions +
			"; VaultProps.FingerprintKeys: got versions []" + versions +
			"; VaultProps.StorageKey: got none: make one with NewStorageKey"},
		"no TokenKey": {
			&tokenizerlayer.VaultProps{StorageKey: key, FingerprintKeys: another},
			"VaultProps.TokenKeys: got versions []" + versions,
		},
		"one key for both": {&tokenizerlayer.VaultProps{TokenKeys: []tokenizerlayer.KeyVersion{{
			Version: "2", Key: other,
		}, {Version: "1", Key: key}},
			StorageKey: key, FingerprintKeys: another},
			"VaultProps.StorageKey: got TokenKey, which no role may have for storage: make another with NewStorageKey"},
		"a version twice": {&tokenizerlayer.VaultProps{
			TokenKeys: append(one, one...), StorageKey: other, FingerprintKeys: another,
		},
			`VaultProps.TokenKeys: got versions ["1" "1"]` + versions},
		"five versions": {&tokenizerlayer.VaultProps{TokenKeys: one, StorageKey: other,
			FingerprintKeys: []tokenizerlayer.KeyVersion{
				{Version: "5", Key: other}, {Version: "4", Key: other}, {Version: "3", Key: other},
				{Version: "2", Key: other}, {Version: "1", Key: other}}},
			`VaultProps.FingerprintKeys: got versions ["5" "4" "3" "2" "1"]` + versions},
		"a version's form": {&tokenizerlayer.VaultProps{
			TokenKeys:       one,
			StorageKey:      other,
			FingerprintKeys: []tokenizerlayer.KeyVersion{{Version: "V2", Key: other}},
		},
			`VaultProps.FingerprintKeys: got versions ["V2"]` + versions},
		"a version without a key": {&tokenizerlayer.VaultProps{
			TokenKeys: []tokenizerlayer.KeyVersion{{Version: "1"}}, StorageKey: other,
			FingerprintKeys: []tokenizerlayer.KeyVersion{{Version: "1"}}},
			`VaultProps.TokenKeys: got version "1" without a key: make one with NewTokenKey; ` +
				`VaultProps.FingerprintKeys: got version "1" without a key: make one with NewFingerprintKey`},
		"one name for two tables": {
			&tokenizerlayer.VaultProps{TokenKeys: one, StorageKey: other, FingerprintKeys: another,
				IndexName: tokenizerlayer.DefaultStateTable},
			"VaultProps.IndexName: got the same table as StateName, want another table"},
		"a path without its slash": {
			&tokenizerlayer.VaultProps{TokenKeys: one, StorageKey: other, FingerprintKeys: another, RolePath: "/x"},
			`VaultProps.RolePath: got "/x"` + rolePath},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tokenizerlayer.NewVault(stack, "Vault", test.props)
			checkRefusal(t, stack, "Vault", err, test.want)
		})
	}
}

const rolePath = ", want a path of IAM roles that starts and ends with a slash, without wildcards and tokens, such as /tokenizer/"

// checkRefusal checks the error about Stack/id, and that nothing was made.
func checkRefusal(t *testing.T, stack awscdk.Stack, id string, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != "Stack/"+id+": "+want {
		t.Errorf("got error  %v\nwant error Stack/%s: %s", err, id, want)
	}
	if stack.Node().TryFindChild(&id) != nil {
		t.Errorf("%s was made", id)
	}
}

// A wildcard in a path would let other roles use the key.
func TestKeys_RefuseAPathThatIsNone(t *testing.T) {
	for _, path := range []string{
		"/*/", "/tokenizer/?/", "tokenizer/", "/tokenizer", "//", "/" + strings.Repeat("x", 510) + "/",
		*awscdk.Fn_ImportValue(new("path")),
	} {
		for property, construct := range map[string]func(awscdk.Stack){
			"KeyProps": func(stack awscdk.Stack) {
				tokenizerlayer.NewTokenKey(stack, "Key", &tokenizerlayer.KeyProps{RolePath: path})
			},
			"KeyProps, of a fingerprint's": func(stack awscdk.Stack) {
				tokenizerlayer.NewFingerprintKey(stack, "Key", &tokenizerlayer.KeyProps{RolePath: path})
			},
			"StorageKeyProps": func(stack awscdk.Stack) {
				tokenizerlayer.NewStorageKey(stack, "Key", &tokenizerlayer.StorageKeyProps{RolePath: path})
			},
		} {
			app, stack := newStack(t)
			construct(stack)
			b := bench{app: app}
			property, _, _ = strings.Cut(property, ",")
			if got, want := b.synth(), fmt.Sprintf("[Stack/Key] %s.RolePath: got %q%s", property, path,
				rolePath); !strings.Contains(got, want) {
				t.Errorf("synthesis says %q, want %q", got, want)
			}
		}
	}
}

func TestNewLayer_NamesTheWrongProperty(t *testing.T) {
	_, stack := newStack(t)
	for name, architectures := range map[string][]tokenizerlayer.Architecture{
		"unknown": {"amd64"}, "twice": {tokenizerlayer.ARM64, tokenizerlayer.ARM64}, "empty": {""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tokenizerlayer.NewLayer(stack, "Layer", &tokenizerlayer.LayerProps{Architectures: architectures})
			checkRefusal(t, stack, "Layer", err, fmt.Sprintf(
				`LayerProps.Architectures: got %q, want "arm64" and "x86_64", each at most once: leave it out for both`,
				architectures))
		})
	}
	_, err := tokenizerlayer.NewLayer(stack, "Layer", &tokenizerlayer.LayerProps{ModuleDir: t.TempDir()})
	if err == nil || !strings.HasPrefix(err.Error(), "Stack/Layer/AssetArm64: no go.mod at or above ") ||
		stack.Node().TryFindChild(new("Layer")) != nil {
		t.Errorf("got error %v, want one about go.mod, and no layer", err)
	}
}

func TestVaultFromAttributes_NamesEveryWrongAttribute(t *testing.T) {
	_, stack := newStack(t)
	const (
		table       = "arn:aws:dynamodb:eu-central-1:111111111111:table/Table"
		key         = "arn:aws:kms:eu-central-1:111111111111:key/00000001-0000-0000-0000-000000000000"
		other       = "arn:aws:kms:eu-central-1:111111111111:key/mrk-00000000000000000000000000000002"
		storage     = "arn:aws:kms:eu-central-1:111111111111:key/00000003-0000-0000-0000-000000000000"
		fingerprint = "arn:aws:kms:eu-central-1:111111111111:key/00000004-0000-0000-0000-000000000000"
		wantT       = ", want arn:aws:dynamodb:REGION:ACCOUNT:table/NAME"
		wantK       = ", want arn:aws:kms:REGION:ACCOUNT:key/ID"
		wantVs      = ", want 1 to 4, each of 1 to 16 of a-z and 0-9, and none twice"
	)
	right := tokenizerlayer.VaultAttributes{
		TableArn: table, StateArn: table + "State", IndexArn: table + "Index", StorageKeyArn: storage,
		TokenKeys: []tokenizerlayer.KeyVersionAttributes{
			{Version: "2", KeyArn: other}, {Version: "1", KeyArn: key},
		},
		FingerprintKeys: []tokenizerlayer.KeyVersionAttributes{{Version: "1", KeyArn: fingerprint}},
	}
	for name, test := range map[string]struct {
		change func(*tokenizerlayer.VaultAttributes)
		want   string
	}{
		"none": {func(a *tokenizerlayer.VaultAttributes) { *a = tokenizerlayer.VaultAttributes{} },
			`VaultAttributes.TableArn: got ""` + wantT + `; VaultAttributes.StateArn: got ""` + wantT +
				`; VaultAttributes.IndexArn: got ""` + wantT +
				`; VaultAttributes.StorageKeyArn: got ""` + wantK + "; VaultAttributes.TokenKeys: got versions []" +
				wantVs +
				"; VaultAttributes.FingerprintKeys: got versions []" + wantVs},
		"a name for an ARN": {func(a *tokenizerlayer.VaultAttributes) {
			a.TableArn = "Table"
		}, `VaultAttributes.TableArn: got "Table"` + wantT},
		"an alias for a key": {func(a *tokenizerlayer.VaultAttributes) {
			a.StorageKeyArn = "alias/storage"
		}, `VaultAttributes.StorageKeyArn: got "alias/storage"` + wantK},
		"an alias for a TokenKey": {func(a *tokenizerlayer.VaultAttributes) {
			a.TokenKeys = []tokenizerlayer.KeyVersionAttributes{
				{Version: "2", KeyArn: other}, {Version: "1", KeyArn: "alias/token"},
			}
		}, `VaultAttributes.TokenKeys["1"].KeyArn: got "alias/token"` + wantK},
		"one key for both": {func(a *tokenizerlayer.VaultAttributes) { a.StorageKeyArn = key },
			`VaultAttributes.TokenKeys["1"].KeyArn: got the same key as StorageKeyArn, want another key`},
		"one key for all": {func(a *tokenizerlayer.VaultAttributes) {
			a.StorageKeyArn = key
			a.FingerprintKeys = []tokenizerlayer.KeyVersionAttributes{{Version: "1", KeyArn: key}}
		}, `VaultAttributes.TokenKeys["1"].KeyArn: got the same key as StorageKeyArn, want another key; ` +
			`VaultAttributes.FingerprintKeys["1"].KeyArn: got the same key as StorageKeyArn, want another key`},
		"a version twice": {func(a *tokenizerlayer.VaultAttributes) {
			a.TokenKeys = append(slices.Clone(a.TokenKeys), tokenizerlayer.KeyVersionAttributes{
				Version: "2", KeyArn: strings.Replace(fingerprint, "4-", "5-", 1),
			})
		},
			`VaultAttributes.TokenKeys: got versions ["2" "1" "2"]` + wantVs},
		"one table for two": {func(a *tokenizerlayer.VaultAttributes) { a.StateArn = a.TableArn },
			"VaultAttributes.StateArn: got the same table as TableArn, want another table"},
		"one table for all": {func(a *tokenizerlayer.VaultAttributes) {
			a.StateArn, a.IndexArn = a.TableArn, a.TableArn
		},
			"VaultAttributes.StateArn: got the same table as TableArn, want another table; VaultAttributes.IndexArn: got the same table as TableArn, want another table"},
		"a fingerprint's key": {func(a *tokenizerlayer.VaultAttributes) {
			a.FingerprintKeys = []tokenizerlayer.KeyVersionAttributes{{Version: "1"}}
		}, `VaultAttributes.FingerprintKeys["1"].KeyArn: got ""` + wantK},
		"a key of another account": {func(a *tokenizerlayer.VaultAttributes) {
			a.FingerprintKeys = []tokenizerlayer.KeyVersionAttributes{
				{Version: "1", KeyArn: strings.Replace(key, "111111111111", "222222222222", 1)},
			}
		}, `VaultAttributes.FingerprintKeys["1"].KeyArn: got one of account 222222222222 in eu-central-1, but ` +
			"VaultAttributes.TableArn is of 111111111111 in eu-central-1: a vault and its keys are in one account and region"},
		"a table of another region": {func(a *tokenizerlayer.VaultAttributes) {
			a.StateArn = strings.Replace(a.StateArn, "eu-central-1", "us-east-1", 1)
		}, "VaultAttributes.StateArn: got one of account 111111111111 in us-east-1, but VaultAttributes.TableArn is of " +
			"111111111111 in eu-central-1: a vault and its keys are in one account and region"},
		"a path that is a token": {func(a *tokenizerlayer.VaultAttributes) { a.RolePath = "${Token[TOKEN.1]}" },
			`VaultAttributes.RolePath: got "${Token[TOKEN.1]}"` + rolePath},
	} {
		t.Run(name, func(t *testing.T) {
			attributes := right
			test.change(&attributes)
			_, err := tokenizerlayer.VaultFromAttributes(stack, "Vault", &attributes)
			checkRefusal(t, stack, "Vault", err, test.want)
		})
	}
	if _, err := tokenizerlayer.VaultFromAttributes(stack, "Vault", &right); err != nil {
		t.Error(err)
	}
}

// A function of another app seals with the first version of a key, and can open what the others sealed.
func TestVaultFromAttributes_RefersToEveryVersionOfTheKeys(t *testing.T) {
	b := newBench(t, func(b *bench) { b.vault = otherVault(b, tokenizerlayer.VaultAttributes{}) })
	const arn = "arn:aws:kms:eu-central-1:111111111111:key/%08d-0000-0000-0000-000000000000"
	versions := func(keys []tokenizerlayer.KeyVersion) (list []string) {
		for _, key := range keys {
			list = append(list, key.Version+"="+*key.Key.KeyArn())
		}
		return list
	}
	want := map[string][]string{
		"TOKENIZER_TOKEN_KEYS":       {"2=" + fmt.Sprintf(arn, 5), "1=" + fmt.Sprintf(arn, 1)},
		"TOKENIZER_FINGERPRINT_KEYS": {"2=" + fmt.Sprintf(arn, 4), "1=" + fmt.Sprintf(arn, 3)},
	}
	got := map[string][]string{
		"TOKENIZER_TOKEN_KEYS":       versions(b.vault.TokenKeys()),
		"TOKENIZER_FINGERPRINT_KEYS": versions(b.vault.FingerprintKeys()),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
	b.vault.TokenKeys()[0].Version = "changed"
	if got := b.vault.TokenKeys()[0].Version; got != "2" {
		t.Error("the vault's versions can be changed from outside")
	}
	if got := b.attach(tokenizerlayer.Tokenize, &tokenizerlayer.AttachOptions{Index: true}); got != "" {
		t.Fatal(got)
	}
	b.vault.Grants().Detokenize(newRole(b.stack, "Reader", tokenizerlayer.DetokenizePath))
	for name, list := range want {
		if got := b.variables()[name]; got != strings.Join(list, ",") {
			t.Errorf("%s is %v, want %v", name, got, list)
		}
	}
	assembly := synthesizeStack(t, b.app)
	granted := map[string]string{} // resources by action
	for _, policy := range assembly.ofType(t, "AWS::IAM::Policy") {
		for _, s := range assembly.statements(t, policy.Properties["PolicyDocument"]) {
			if !strings.Contains(s.conditions, "dynamodb") {
				resources := strings.Split(s.resource, ",")
				slices.Sort(resources)
				granted[s.actions] = strings.Join(resources, ",")
			}
		}
	}
	for action, resources := range map[string]string{
		"kms:GenerateDataKey": fmt.Sprintf(arn, 5),
		"kms:Decrypt":         fmt.Sprintf(arn, 1) + "," + fmt.Sprintf(arn, 5),
		"kms:GenerateMac":     fmt.Sprintf(arn, 3) + "," + fmt.Sprintf(arn, 4),
	} {
		if granted[action] != resources {
			t.Errorf("%s is granted on %s, want %s", action, granted[action], resources)
		}
	}
}

func TestLayerFromAttributes_NamesEveryWrongAttribute(t *testing.T) {
	_, stack := newStack(t)
	type versions = map[tokenizerlayer.Architecture]tokenizerlayer.LayerVersionAttributes
	const (
		arn  = "arn:aws:lambda:eu-central-1:111111111111:layer:TokenizeData"
		want = ", want arn:aws:lambda:REGION:ACCOUNT:layer:NAME:VERSION"
	)
	for name, test := range map[string]struct {
		versions versions
		want     string
	}{
		"none": {nil, `LayerAttributes.Versions: got none, want one for "arm64", "x86_64" or both`},
		"an ARN of all": {
			versions{"arm64": {LayerVersionArn: arn}},
			`LayerAttributes.Versions["arm64"].LayerVersionArn: got "` + arn + `"` + want,
		},
		"an unknown key": {
			versions{"arm": {LayerVersionArn: arn + ":1"}},
			`LayerAttributes.Versions["arm"]: want the key "arm64" or "x86_64"`,
		},
		"a digest of something": {
			versions{"x86_64": {LayerVersionArn: arn + ":1", Digest: "v1"}},
			`LayerAttributes.Versions["x86_64"].Digest: got "v1", want 64 hexadecimal digits, or none`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tokenizerlayer.LayerFromAttributes(stack, "Layer",
				&tokenizerlayer.LayerAttributes{Versions: test.versions})
			checkRefusal(t, stack, "Layer", err, test.want)
		})
	}
}

// Two apps meet in SSM: every ARN is known at deployment only. Grants are the same as for a vault of the own app.
func TestFromAttributes_WorksWithParametersOfDeployment(t *testing.T) {
	app, stack := newStack(t)
	parameter := func(name string) string {
		return *awsssm.StringParameter_ValueForStringParameter(stack, new("/tokenizer/"+name), nil)
	}
	imported, err := tokenizerlayer.VaultFromAttributes(stack, "Imported", &tokenizerlayer.VaultAttributes{
		TableArn:        parameter("table"),
		StateArn:        parameter("state"),
		IndexArn:        parameter("index"),
		StorageKeyArn:   parameter("storage-key"),
		TokenKeys:       []tokenizerlayer.KeyVersionAttributes{{Version: "1", KeyArn: parameter("token-key")}},
		FingerprintKeys: []tokenizerlayer.KeyVersionAttributes{{Version: "1", KeyArn: parameter("fingerprint-key")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	layer, err := tokenizerlayer.LayerFromAttributes(stack, "Layer", &tokenizerlayer.LayerAttributes{
		Versions: map[tokenizerlayer.Architecture]tokenizerlayer.LayerVersionAttributes{
			tokenizerlayer.X86_64: {
				LayerVersionArn: parameter("layer-version-arn/x86_64"),
				Digest:          strings.Repeat("0123456789abcdef", 4),
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, vault := range map[string]tokenizerlayer.IVault{"Own": newVault(t, stack, nil), "Other": imported} {
		role := awsiam.NewRole(stack, new(name+"Role"), &awsiam.RoleProps{
			AssumedBy: awsiam.NewServicePrincipal(new("lambda.amazonaws.com"), nil),
			Path:      new(tokenizerlayer.DefaultRolePath + tokenizerlayer.DetokenizePath),
		})
		function := awslambda.NewFunction(stack, new(name+"Function"), &awslambda.FunctionProps{
			Runtime: awslambda.Runtime_PYTHON_3_13(),
			Handler: new("index.handler"),
			Code:    awslambda.Code_FromInline(new("x = 1")),
			Role:    role,
		})
		if err := layer.Attach(function, vault, tokenizerlayer.Detokenize, nil); err != nil {
			t.Fatal(err)
		}
		vault.Grants().Revoke(role)
	}
	app.Synth(nil)
	var parsed template
	if err := json.Unmarshal([]byte(read(t, filepath.Join(*app.Outdir(), "Stack.template.json"))),
		&parsed); err != nil {
		t.Fatal(err)
	}
	assembly := assembly{templates: map[string]template{"Stack": parsed}}
	// What stands for a resource of the own vault, and for a parameter of the other.
	alike := strings.NewReplacer(
		"${VaultTable.Arn}", "TABLE", "${VaultState.Arn}", "STATE", "${VaultIndex.Arn}", "INDEX", "${TokenKey.Arn}",
		"TOKEN", "${StorageKey.Arn}", "STORAGE", "${FingerprintKey.Arn}", "FINGERPRINT", "${VaultTable}", "TABLE-NAME",
		"${VaultState}", "STATE-NAME", "${VaultIndex}", "INDEX-NAME",
		"Fn::Select=1,Fn::Split=/,Fn::Select=5,Fn::Split=:,"+ssm("table"), "TABLE-NAME",
		"Fn::Select=1,Fn::Split=/,Fn::Select=5,Fn::Split=:,"+ssm("index"), "INDEX-NAME",
		"Fn::Select=1,Fn::Split=/,Fn::Select=5,Fn::Split=:,"+ssm("state"), "STATE-NAME",
		ssm("table"), "TABLE", ssm("state"), "STATE", ssm("index"), "INDEX", ssm("token-key"), "TOKEN",
		ssm("storage-key"), "STORAGE", ssm("fingerprint-key"), "FINGERPRINT",
	)
	got := map[string][]string{}
	for _, name := range []string{"Own", "Other"} {
		for _, s := range assembly.roleStatements(t, name) {
			got[name] = append(got[name], alike.Replace(s.String()))
		}
		_, function := assembly.one(t, "AWS::Lambda::Function", name)
		got[name] = append(got[name], alike.Replace(assembly.text(t, function.Properties["Environment"])),
			assembly.text(t, function.Properties["Layers"]))
	}
	if diff := cmp.Diff(got["Own"], got["Other"]); diff != "" {
		t.Errorf("permissions and settings (-own vault +imported vault):\n%s", diff)
	}
	if !slices.Contains(got["Other"], ssm("layer-version-arn/x86_64")) || len(got["Other"]) < 10 {
		t.Errorf("imported: %v", got["Other"])
	}
}

// ssm is a reference to an SSM parameter's value, as it is rendered.
func ssm(name string) string {
	return "${SsmParameterValuetokenizer" + strings.NewReplacer("-", "", "/", "", "_",
		"").Replace(name) + "C96584B6F00A464EAD1953AFF4B05118Parameter}"
}
