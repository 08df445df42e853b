package tokenizerlayer

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/constructs-go/constructs/v10"
)

// extensionPackage is the main package of the extension. Lambda starts every executable in a layer's extensions
// directory beside the function (https://docs.aws.amazon.com/lambda/latest/dg/extensions-api-partners.html).
const (
	extensionPackage = "github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/extension"
	extensionPath    = "extensions/tokenizer"
)

// LayerProps describes a [Layer]. The zero value is a layer for production on arm64.
type LayerProps struct {
	// LayerVersionName names the layer; "" means TokenizeData.
	LayerVersionName string
	// Architecture is the instruction set of the functions it will serve; the zero value means [ARM64].
	Architecture Architecture
	// Destroyable lets layer versions go when a newer one replaces them or their stack is deleted. The zero value
	// keeps them: a function of another stack that still names an old version could not be updated otherwise.
	Destroyable bool
	// BuildOS and ModuleDir are as in [GoAssetProps].
	BuildOS, ModuleDir string
}

// Layer is the tokenizer extension, with thin clients for Python and Node, as a Lambda layer.
type Layer struct {
	version      awslambda.LayerVersion
	architecture Architecture
	digest       *string
}

// NewLayer builds the layer. An error is one of [NewGoAsset]'s.
func NewLayer(scope constructs.Construct, id string, props *LayerProps) (*Layer, error) {
	scope = constructs.NewConstruct(scope, &id)
	asset, err := newGoAsset(scope, "Asset", &GoAssetProps{
		Package:      extensionPackage,
		Architecture: props.Architecture,
		BuildOS:      props.BuildOS,
		ModuleDir:    props.ModuleDir,
	}, goBuild{output: extensionPath, files: clients, digest: true})
	if err != nil {
		return nil, err
	}
	digest, err := assetDigest(asset)
	if err != nil {
		return nil, err
	}
	layer := &Layer{architecture: props.Architecture.orDefault(), digest: &digest}
	layer.version = awslambda.NewLayerVersion(scope, new("Version"), &awslambda.LayerVersionProps{
		LayerVersionName:        new(cmp.Or(props.LayerVersionName, "TokenizeData")),
		Description:             new("Tokenizer extension on 127.0.0.1:2774, with clients for Python and Node"),
		License:                 new("Apache-2.0"),
		Code:                    Code(asset),
		CompatibleArchitectures: &[]awslambda.Architecture{layer.architecture.Lambda()},
		RemovalPolicy:           RemovalPolicy(props.Destroyable),
	})
	asset.AddResourceMetadata(layer.version.Node().DefaultChild().(awscdk.CfnResource), new("Content"))
	// Weak: every release is a new resource with a new ARN, and CloudFormation refuses to change an export that a
	// function's stack imports. Attach makes up for what a weak reference loses.
	awscdk.CrossStackReferences_Of(layer.version).Produce(awscdk.ReferenceStrength_WEAK)
	return layer, nil
}

// Version is the layer version of this release.
func (l *Layer) Version() awslambda.LayerVersion { return l.version }

// Digest identifies the layer's content: it changes with every release and with nothing else. The extension reports
// the same digest, read from a file in the layer, as its release.
func (l *Layer) Digest() *string { return l.digest }

// Access is what a function may do with a vault.
type Access int

const (
	// Tokenize turns values into tokens: see [Grants.Tokenize].
	Tokenize Access = iota + 1
	// Detokenize reads values back: see [Grants.Detokenize].
	Detokenize
)

// Attach adds the layer to fn, points it at vault and grants it access.
//
// An error says what is wrong with fn: another architecture than the layer's (CDK does not check; Lambda would fail to
// start the extension), or a role to detokenize that the key's policy would refuse.
func (l *Layer) Attach(fn awslambda.Function, vault *Vault, access Access) error {
	if architecture := *fn.Architecture().Name(); architecture != string(l.architecture) {
		return fmt.Errorf("%s: function is for %s, but the tokenizer layer for %s: give both the same architecture",
			*fn.Node().Path(), architecture, l.architecture)
	}
	switch access {
	case Tokenize:
		vault.Grants().Tokenize(fn)
	case Detokenize:
		if path, known := rolePath(fn.Role()); known && !strings.HasPrefix(path, vault.detokenizePath) {
			return fmt.Errorf("%s: role has IAM path %s, but TokenKey's policy lets only roles under %s decrypt: give the function a role with that path",
				*fn.Node().Path(), path, vault.detokenizePath)
		}
		vault.Grants().Detokenize(fn)
	default:
		return fmt.Errorf("%s: access %d is unknown: use Tokenize or Detokenize", *fn.Node().Path(), access)
	}
	fn.AddLayers(l.version)
	fn.AddEnvironment(new("TOKENIZER_TABLE"), vault.table.TableName(), nil)
	fn.AddEnvironment(new("TOKENIZER_KEY_ARN"), vault.tokenKey.KeyArn(), nil)
	// A weak reference leaves this stack's template as it was when the layer changes, and `cdk deploy` skips stacks
	// whose template did not change. With the digest in the environment a release changes the template.
	fn.AddEnvironment(new("TOKENIZER_LAYER_DIGEST"), l.digest, nil)
	return nil
}
