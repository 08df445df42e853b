package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer"
)

// values are what whoever deploys the template chooses. The constructs compare and combine them when they are
// synthesized, so they cannot be parameters there: the template is synthesized with stand-ins for them, and each
// stand-in is then replaced by a reference to its parameter.
type values struct {
	prefix   string // before the names of tables, aliases, layer and SSM parameters
	rolePath string // IAM path, starts and ends with a slash
	reader   string // name of the function that reads cards
}

// parameters are the stand-ins: texts that are in no template otherwise.
var parameters = values{prefix: "zzPrefixzz", rolePath: "/zzRolePathzz/", reader: "zzReaderFunctionNamezz"}

// installation is a synthesized template, and the directories of the layer's content.
type installation struct {
	template object
	layers   map[tokenizerlayer.Architecture]string
}

// synthesize makes keys, tables, layer, roles and SSM parameters with the constructs.
func synthesize(work, moduleDir string, v values) (made installation, err error) {
	defer recovered(&err)
	app, err := newApp(filepath.Join(work, "cdk.out"), moduleDir)
	if err != nil {
		return installation{}, err
	}
	stack := awscdk.NewStack(app, new("Tokenizer"), &awscdk.StackProps{
		Description:        new("Lambda tokenizer: keys, vault, layer, and what may use them"),
		AnalyticsReporting: new(false),
		Synthesizer: awscdk.NewDefaultStackSynthesizer(&awscdk.DefaultStackSynthesizerProps{
			GenerateBootstrapVersionRule: new(false),
		}),
	})
	if err := install(stack, moduleDir, v); err != nil {
		return installation{}, err
	}
	app.Synth(nil)
	content, err := os.ReadFile(filepath.Join(*app.Outdir(), "Tokenizer.template.json"))
	if err != nil {
		return installation{}, err
	}
	made.layers = map[tokenizerlayer.Architecture]string{}
	if err := json.Unmarshal(content, &made.template); err != nil {
		return installation{}, err
	}
	for _, resource := range made.resources() {
		metadata, _ := resource["Metadata"].(object)
		if resource["Type"] == "AWS::Lambda::LayerVersion" {
			architecture := architectureOf(resource)
			made.layers[architecture] = filepath.Join(*app.Outdir(), fmt.Sprint(metadata["aws:asset:path"]))
			properties := resource["Properties"].(object)
			properties["Content"] = object{
				"S3Bucket": object{"Ref": "LayerBucket"}, "S3Key": object{"Ref": layerKeys[architecture].name},
			}
		}
		delete(resource, "Metadata") // paths in the app and of assets, which nobody has who deploys the template
	}
	return made, nil
}

// recovered makes a panic of the CDK, which is how it reports its errors to Go, an error.
func recovered(err *error) {
	if panicked := recover(); panicked != nil {
		*err = fmt.Errorf("synthesis failed: %v", panicked)
	}
}

// newApp is an app with the feature flags of this repository's.
func newApp(outdir, moduleDir string) (awscdk.App, error) {
	content, err := os.ReadFile(filepath.Join(moduleDir, "cdk.json"))
	if err != nil {
		return nil, err
	}
	var file struct{ Context map[string]any }
	if err := json.Unmarshal(content, &file); err != nil {
		return nil, fmt.Errorf("cdk.json: %w", err)
	}
	file.Context["aws:cdk:enable-asset-metadata"] = true // says which asset is whose content
	return awscdk.NewApp(&awscdk.AppProps{Context: &file.Context, Outdir: &outdir}), nil
}

func (i installation) resources() map[string]object {
	all := map[string]object{}
	for id, resource := range i.template["Resources"].(object) {
		all[id] = resource.(object)
	}
	return all
}

func architectureOf(layer object) tokenizerlayer.Architecture {
	properties := layer["Properties"].(object)
	return tokenizerlayer.Architecture(properties["CompatibleArchitectures"].([]any)[0].(string))
}

// install makes everything that is in the template.
func install(stack awscdk.Stack, moduleDir string, v values) error {
	logName := "/aws/lambda/" + v.reader
	key := func(alias string) *tokenizerlayer.KeyProps {
		return &tokenizerlayer.KeyProps{RolePath: v.rolePath, Alias: v.prefix + "tokenizer/" + alias}
	}
	vault, err := tokenizerlayer.NewVault(stack, "Vault", &tokenizerlayer.VaultProps{
		TokenKeys: tokenizerlayer.FirstVersion(tokenizerlayer.NewTokenKey(stack, "TokenKey", key("token"))),
		FingerprintKeys: tokenizerlayer.FirstVersion(
			tokenizerlayer.NewFingerprintKey(stack, "FingerprintKey", key("fingerprint"))),
		StorageKey: tokenizerlayer.NewStorageKey(stack, "StorageKey", &tokenizerlayer.StorageKeyProps{
			RolePath: v.rolePath, Alias: v.prefix + "tokenizer/storage", LogGroups: []string{logName},
		}),
		RolePath:  v.rolePath,
		TableName: v.prefix + tokenizerlayer.DefaultVaultTable,
		StateName: v.prefix + tokenizerlayer.DefaultStateTable,
		IndexName: v.prefix + tokenizerlayer.DefaultIndexTable,
	})
	if err != nil {
		return err
	}
	layer, err := tokenizerlayer.NewLayer(stack, "Layer", &tokenizerlayer.LayerProps{
		LayerVersionName: v.prefix + "TokenizeData", ModuleDir: moduleDir,
	})
	if err != nil {
		return err
	}
	shared, err := tokenizerlayer.NewParameters(stack, "Parameters", &tokenizerlayer.ParametersProps{
		Path: "/" + v.prefix + "tokenizer/", Vault: vault, Layer: layer,
	})
	if err != nil {
		return err
	}
	reader, err := tokenizerlayer.NewDetokenizeRole(stack, "Reader", &tokenizerlayer.DetokenizeRoleProps{
		Vault: vault, FunctionName: v.reader,
		LogGroup: awslogs.NewLogGroup(stack, new("ReaderLogs"), &awslogs.LogGroupProps{
			LogGroupName: &logName, EncryptionKey: vault.StorageKey(), Retention: awslogs.RetentionDays_ONE_YEAR,
			RemovalPolicy: awscdk.RemovalPolicy_RETAIN,
		}),
	})
	if err != nil {
		return err
	}
	tokenize := policy(stack, "TokenizePolicy", "Turns values into tokens", v, vault.Grants().Tokenize)
	revoke := policy(stack, "RevokePolicy", "Revokes tokens", v, onlyGrantee(vault.Grants().Revoke))
	for _, o := range []struct {
		name, description string
		value             *string
	}{
		{"ParameterPath", "Path of the SSM parameters", new(shared.Path())},
		{"TokenizeRolePath", "IAM path of roles that tokenize", new(v.rolePath + tokenizerlayer.TokenizePath)},
		{"TokenizePolicyArn", "Policy for roles below TokenizeRolePath", tokenize.ManagedPolicyArn()},
		{"RevokePolicyArn", "Policy for roles that revoke", revoke.ManagedPolicyArn()},
		{"ReaderRoleArn", "Role of the function that reads cards", reader.Role().RoleArn()},
		{"ReaderLogGroup", "Log group of this function", reader.LogGroup().LogGroupName()},
		{"ReaderFunction", "Name that this function must have", &v.reader},
	} {
		awscdk.NewCfnOutput(stack, &o.name, &awscdk.CfnOutputProps{
			Description: &o.description, Value: o.value,
			ExportName: awscdk.Fn_Join(new("-"), &[]*string{awscdk.Aws_STACK_NAME(), &o.name}),
		})
	}
	return nil
}

// onlyGrantee is a grant that knows no purposes, in the form of one that does.
func onlyGrantee(grant func(awsiam.IGrantable) awsiam.Grant) func(awsiam.IGrantable, ...string) awsiam.Grant {
	return func(grantee awsiam.IGrantable, _ ...string) awsiam.Grant { return grant(grantee) }
}

// policy is a managed policy with a grant.
func policy(stack awscdk.Stack, id, description string, v values,
	grant func(awsiam.IGrantable, ...string) awsiam.Grant) awsiam.ManagedPolicy {
	made := awsiam.NewManagedPolicy(stack, &id, &awsiam.ManagedPolicyProps{
		Description: &description, Path: &v.rolePath,
	})
	grant(made)
	return made
}

// parameter is a parameter of the template.
type parameter struct {
	name, standIn, description, standard, pattern string
}

var templateParameters = []parameter{
	{
		"Prefix", parameters.prefix, "Before the names of tables, key aliases, layer and SSM parameters, such as acme-",
		"", "^(?!aws|ssm)[a-z0-9-]{0,20}$",
	},
	{
		"RolePath", parameters.rolePath, "IAM path below which the roles are that use the keys", "/tokenizer/",
		`^/([A-Za-z0-9+=,.@_-]+/){1,8}$`,
	},
	{
		"ReaderFunctionName", parameters.reader, "Name of the one function that may read cards", "card-reader",
		"^[A-Za-z0-9_-]{1,64}$",
	},
	{"LayerBucket", "", "S3 bucket of this region that has the layer's zip files", "", "^[a-z0-9.-]{3,63}$"},
	layerKeys[tokenizerlayer.ARM64],
	layerKeys[tokenizerlayer.X86_64],
}

var layerKeys = map[tokenizerlayer.Architecture]parameter{
	tokenizerlayer.ARM64:  layerKey(tokenizerlayer.ARM64, "LayerKeyArm64"),
	tokenizerlayer.X86_64: layerKey(tokenizerlayer.X86_64, "LayerKeyX8664"),
}

func layerKey(architecture tokenizerlayer.Architecture, name string) parameter {
	return parameter{
		name, "", "Key of the layer's zip file for " + string(architecture) + " in this bucket",
		layerFile(architecture), "^.{1,1024}$",
	}
}

// parametrized is the template with parameters in place of the stand-ins.
func (i installation) parametrized() object {
	template := referred(i.template).(object)
	declared := object{}
	for _, p := range templateParameters {
		one := object{"Type": "String", "Description": p.description, "AllowedPattern": p.pattern}
		if p.standard != "" || p.name == "Prefix" {
			one["Default"] = p.standard
		}
		declared[p.name] = one
	}
	template["Parameters"] = declared
	return template
}

// referred replaces the stand-ins in a value by references to the parameters.
func referred(v any) any {
	switch v := v.(type) {
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = referred(v[i])
		}
		return list
	case object:
		out := object{}
		for name, member := range v {
			out[name] = referred(member)
		}
		return out
	case string:
		text := strings.ReplaceAll(v, "${", "${!")
		for _, p := range templateParameters {
			if p.standIn != "" {
				text = strings.ReplaceAll(text, p.standIn, "${"+p.name+"}")
			}
		}
		if text != strings.ReplaceAll(v, "${", "${!") {
			return object{"Fn::Sub": text}
		}
	}
	return v
}

// standInLeft matches a stand-in that could not be replaced.
var standInLeft = regexp.MustCompile(`zz[A-Z][A-Za-z]*zz`)

// checkParametrized is the error about a stand-in that is left in a template.
func checkParametrized(template object) error {
	text, err := json.Marshal(template)
	if err != nil {
		return err
	}
	if left := standInLeft.Find(text); left != nil {
		return errors.New("the template still has " + string(left))
	}
	return nil
}
