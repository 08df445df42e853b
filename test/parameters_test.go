package test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/google/go-cmp/cmp"

	cloudassembly "github.com/lambda-tokenizer/lambda-tokenizer/local/assembly"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer"
)

const (
	sharedAccount = "111122223333"
	sharedRegion  = "eu-central-1"
	sharedKey     = "arn:aws:kms:" + sharedRegion + ":" + sharedAccount + ":key/00000000-0000-0000-0000-00000000000"
	sharedLayer   = "arn:aws:lambda:" + sharedRegion + ":" + sharedAccount + ":layer:TokenizeData:"
)

var sharedDigest = strings.Repeat("0123456789abcdef", 4)

// sharedValues are parameters as another app publishes them.
func sharedValues() map[string]string {
	return map[string]string{
		"vault-table": "Vault", "state-table": "State", "index-table": "Index",
		"storage-key-arn": sharedKey + "1", "token-key-arn/1": sharedKey + "2", "token-key-arn/2": sharedKey + "3",
		"fingerprint-key-arn/1":   sharedKey + "4",
		"layer-version-arn/arm64": sharedLayer + "7", "layer-digest/arm64": sharedDigest,
	}
}

// importing are the functions of an app that refers to a vault and a layer.
func importing(t *testing.T, refer func(awscdk.Stack) (tokenizerlayer.IVault, tokenizerlayer.ILayer, error)) (
	*cloudassembly.Assembly, *cloudassembly.Stack,
) {
	t.Helper()
	app, stack := newStack(t)
	vault, layer, err := refer(stack)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range []struct {
		path   string
		access tokenizerlayer.Access
	}{
		{tokenizerlayer.TokenizePath, tokenizerlayer.Tokenize},
		{tokenizerlayer.DetokenizePath, tokenizerlayer.Detokenize},
	} {
		id := fmt.Sprint("Function", int(one.access))
		role := awsiam.NewRole(stack, new(id+"Role"), &awsiam.RoleProps{
			AssumedBy: awsiam.NewServicePrincipal(new("lambda.amazonaws.com"), nil),
			Path:      new(tokenizerlayer.DefaultRolePath + one.path),
		})
		function := awslambda.NewFunction(stack, &id, &awslambda.FunctionProps{
			Runtime: awslambda.Runtime_PYTHON_3_13(), Handler: new("index.handler"), Role: role,
			Architecture: awslambda.Architecture_ARM_64(), Code: awslambda.Code_FromInline(new("x = 1")),
		})
		if err := layer.Attach(function, vault, one.access, nil); err != nil {
			t.Fatal(err)
		}
		vault.Grants().Revoke(role)
	}
	app.Synth(nil)
	loaded, err := cloudassembly.Load(*app.Outdir())
	if err != nil {
		t.Fatal(err)
	}
	return loaded, loaded.Stacks[0]
}

func byParameters(stack awscdk.Stack) (tokenizerlayer.IVault, tokenizerlayer.ILayer, error) {
	vault, err := tokenizerlayer.VaultFromParameters(stack, "Vault",
		&tokenizerlayer.VaultParameters{TokenKeys: []string{"2", "1"}})
	if err != nil {
		return nil, nil, err
	}
	layer, err := tokenizerlayer.LayerFromParameters(stack, "Layer", &tokenizerlayer.LayerParameters{
		Architectures: []tokenizerlayer.Architecture{tokenizerlayer.ARM64},
	})
	return vault, layer, err
}

func byAttributes(stack awscdk.Stack) (tokenizerlayer.IVault, tokenizerlayer.ILayer, error) {
	const table = "arn:aws:dynamodb:" + sharedRegion + ":" + sharedAccount + ":table/"
	type version = tokenizerlayer.KeyVersionAttributes
	vault, err := tokenizerlayer.VaultFromAttributes(stack, "Vault", &tokenizerlayer.VaultAttributes{
		TableArn: table + "Vault", StateArn: table + "State", IndexArn: table + "Index",
		StorageKeyArn:   sharedKey + "1",
		TokenKeys:       []version{{Version: "2", KeyArn: sharedKey + "3"}, {Version: "1", KeyArn: sharedKey + "2"}},
		FingerprintKeys: []version{{Version: "1", KeyArn: sharedKey + "4"}},
	})
	if err != nil {
		return nil, nil, err
	}
	layer, err := tokenizerlayer.LayerFromAttributes(stack, "Layer", &tokenizerlayer.LayerAttributes{
		Versions: map[tokenizerlayer.Architecture]tokenizerlayer.LayerVersionAttributes{
			tokenizerlayer.ARM64: {LayerVersionArn: sharedLayer + "7", Digest: sharedDigest},
		},
	})
	return vault, layer, err
}

// deployed is what CloudFormation makes of the policies and functions of a stack, as JSON by logical id.
func deployed(a *cloudassembly.Assembly, stack *cloudassembly.Stack, parameters map[string]string) (
	map[string]string, error,
) {
	resolver := cloudassembly.NewResolver(a, sharedAccount, sharedRegion)
	for name, value := range parameters {
		resolver.SetParameter(tokenizerlayer.DefaultParameterPath+name, value)
	}
	for id := range stack.Template.Resources {
		resolver.SetResource(stack, id, id, map[string]string{"Arn": id})
	}
	made := map[string]string{}
	for id, resource := range stack.Template.Resources {
		resolved, err := resolver.Resolve(stack, id, resource.Properties)
		if err != nil {
			return nil, err
		}
		text, err := json.Marshal(resolved)
		if err != nil {
			return nil, err
		}
		made[id] = string(text)
	}
	return made, nil
}

// An app that refers to a vault and a layer by parameters deploys what one deploys that names every ARN.
func TestFromParameters_DeploysWhatPinnedARNsDo(t *testing.T) {
	pinned, pinnedStack := importing(t, byAttributes)
	want, err := deployed(pinned, pinnedStack, nil)
	if err != nil {
		t.Fatal(err)
	}
	shared, sharedStack := importing(t, byParameters)
	got, err := deployed(shared, sharedStack, sharedValues())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" || len(got) < 6 {
		t.Errorf("resources (-pinned +by parameters):\n%s", diff)
	}
}

var accountOfARN = regexp.MustCompile(`arn:aws:(?:kms|dynamodb|lambda):([a-z0-9-]*):([0-9]*):`)

// Somebody who may write parameters names keys, tables and a layer of an account of their own. Functions would seal
// cards for that account, and run its code.
func TestFromParameters_AChangedOneNamesNothingOfAnotherAccount(t *testing.T) {
	const foreign = "999999999999"
	loaded, stack := importing(t, byParameters)
	for name, hostile := range map[string]string{
		"token-key-arn/1":         "arn:aws:kms:us-east-1:" + foreign + ":key/00000000-0000-0000-0000-000000000009",
		"token-key-arn/2":         "arn:aws:kms:us-east-1:" + foreign + ":key/00000000-0000-0000-0000-000000000009",
		"storage-key-arn":         "arn:aws:kms:us-east-1:" + foreign + ":key/00000000-0000-0000-0000-000000000009",
		"fingerprint-key-arn/1":   "arn:aws:kms:us-east-1:" + foreign + ":key/00000000-0000-0000-0000-000000000009",
		"layer-version-arn/arm64": "arn:aws:lambda:us-east-1:" + foreign + ":layer:Evil:1",
	} {
		t.Run(name, func(t *testing.T) {
			values := sharedValues()
			values[name] = hostile
			made, err := deployed(loaded, stack, values)
			if err != nil {
				t.Fatal(err)
			}
			arns := 0
			for id, text := range made {
				if strings.Contains(text, foreign) {
					t.Errorf("%s names the foreign account: %s", id, text)
				}
				for _, match := range accountOfARN.FindAllStringSubmatch(text, -1) {
					arns++
					if match[1] != sharedRegion || match[2] != sharedAccount {
						t.Errorf("%s has an ARN of %s in %s", id, match[2], match[1])
					}
				}
			}
			if arns < 10 {
				t.Errorf("%d ARNs were looked at", arns)
			}
		})
	}
	for _, name := range []string{"token-key-arn/1", "layer-version-arn/arm64"} {
		values := sharedValues()
		values[name] = "nothing"
		if _, err := deployed(loaded, stack, values); err == nil {
			t.Errorf("with %s=nothing the stack is deployed", name)
		}
	}
}

// Somebody who may write parameters has a role of another app use every table or key of the account.
func TestFromParameters_AWildcardGivesNoRoleMore(t *testing.T) {
	loaded, stack := importing(t, byParameters)
	for name, hostile := range map[string][]string{
		"vault-table":           {"*", "Vault*", "?????", "*?*"},
		"state-table":           {"*"},
		"index-table":           {"*"},
		"token-key-arn/1":       {"arn:aws:kms:us-east-1:" + sharedAccount + ":key/*", sharedKey + "?", "*/*"},
		"storage-key-arn":       {"arn:aws:kms:us-east-1:" + sharedAccount + ":key/*"},
		"fingerprint-key-arn/1": {"arn:aws:kms:us-east-1:" + sharedAccount + ":key/*"},
	} {
		for _, value := range hostile {
			values := sharedValues()
			values[name] = value
			made, err := deployed(loaded, stack, values)
			if err != nil {
				t.Fatal(err)
			}
			for id, text := range made {
				for _, resource := range regexp.MustCompile(`arn:aws:(?:kms|dynamodb):[^"]*`).FindAllString(text, -1) {
					if strings.ContainsAny(resource, "*?") {
						t.Errorf("%s=%s: %s names %s", name, value, id, resource)
					}
				}
			}
		}
	}
}

// What one app publishes is what another one looks for, at the default path and at another one.
func TestParameters_AreThoseThatOthersRead(t *testing.T) {
	for _, path := range []string{"", "/acme/cards/"} {
		app, stack := newStack(t)
		vault := newVault(t, stack, nil)
		layer, err := tokenizerlayer.NewLayer(stack, "Layer", nil)
		if err != nil {
			t.Fatal(err)
		}
		shared, err := tokenizerlayer.NewParameters(stack, "Parameters",
			&tokenizerlayer.ParametersProps{Path: path, Vault: vault, Layer: layer})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tokenizerlayer.VaultFromParameters(stack, "Same",
			&tokenizerlayer.VaultParameters{Path: shared.Path()}); err != nil {
			t.Fatal(err)
		}
		if _, err := tokenizerlayer.LayerFromParameters(stack, "SameLayer",
			&tokenizerlayer.LayerParameters{Path: shared.Path()}); err != nil {
			t.Fatal(err)
		}
		app.Synth(nil)
		loaded, err := cloudassembly.Load(*app.Outdir())
		if err != nil {
			t.Fatal(err)
		}
		var published, read []string
		for _, resource := range loaded.Stacks[0].Template.Resources {
			if resource.Type == "AWS::SSM::Parameter" {
				published = append(published, resource.Properties["Name"].(string))
			}
		}
		for _, parameter := range loaded.Stacks[0].Template.Parameters {
			if name := parameter.Default.(string); !strings.HasPrefix(name, "/cdk-bootstrap/") {
				read = append(read, name)
			}
		}
		slices.Sort(published)
		slices.Sort(read)
		if diff := cmp.Diff(published, read); diff != "" || len(read) != 10 {
			t.Errorf("parameters (-published +read):\n%s", diff)
		}
	}
}

func TestParameters_NameEveryWrongProperty(t *testing.T) {
	_, stack := newStack(t)
	const form = `, want a path of SSM parameters that starts and ends with a slash, of A-Z a-z 0-9 _ . -, such as ` +
		`/tokenizer/`
	for want, try := range map[string]func() error{
		`ParametersProps.Path: got "tokenizer"` + form + "; ParametersProps: got neither Vault nor Layer, want one of " +
			"NewVault, one of NewLayer, or both": func() error {
			_, err := tokenizerlayer.NewParameters(stack, "It", &tokenizerlayer.ParametersProps{Path: "tokenizer"})
			return err
		},
		`ParametersProps.Path: got "/AWS-cards/", but SSM has no parameters for you that begin with aws or ssm: choose ` +
			`another path; ParametersProps.Layer: got one without a digest for "x86_64": state it in ` +
			`LayerAttributes.Versions`: func() error {
			_, err := tokenizerlayer.NewParameters(stack, "It",
				&tokenizerlayer.ParametersProps{Path: "/AWS-cards/", Layer: layerAt(stack, sharedLayer+"7")})
			return err
		},
		`VaultParameters.Path: got "/a*/"` + form + `; VaultParameters.TokenKeys: got versions ["1" "1"], want 1 to 4, ` +
			`each of 1 to 16 of a-z and 0-9, and none twice`: func() error {
			_, err := tokenizerlayer.VaultFromParameters(stack, "It",
				&tokenizerlayer.VaultParameters{Path: "/a*/", TokenKeys: []string{"1", "1"}})
			return err
		},
		`LayerParameters.Architectures: got ["riscv"], want "arm64" and "x86_64", each at most once: leave it out for ` +
			`both`: func() error {
			_, err := tokenizerlayer.LayerFromParameters(stack, "It",
				&tokenizerlayer.LayerParameters{Architectures: []tokenizerlayer.Architecture{"riscv"}})
			return err
		},
	} {
		checkRefusal(t, stack, "It", try(), want)
	}
}
