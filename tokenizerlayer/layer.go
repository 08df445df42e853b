package tokenizerlayer

import (
	"cmp"

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
	// OrganizationID shares the layer with every account of this AWS organization; "" shares it with nobody.
	OrganizationID string
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
	}, goBuild{module: ownModule, toolchain: toolchain, output: extensionPath, files: clients(), digest: true})
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
	if props.OrganizationID != "" {
		layer.share(props.OrganizationID, props.Destroyable)
	}
	return layer, nil
}

// share lets every account of an organization use this version. Where versions are kept, so is their permission: a
// function of another account that uses an old version could not be updated otherwise.
func (l *Layer) share(organization string, destroyable bool) {
	const id = "Organization"
	l.version.AddPermission(new(id), &awslambda.LayerVersionPermission{AccountId: new("*"), OrganizationId: &organization})
	l.version.Node().FindChild(new(id)).(awscdk.CfnResource).ApplyRemovalPolicy(RemovalPolicy(destroyable), nil)
}

// Version is the layer version of this release.
func (l *Layer) Version() awslambda.LayerVersion { return l.version }

// Digest identifies the layer's content: it changes with every release and with nothing else. The extension reports
// the same digest, read from a file in the layer, as its release.
func (l *Layer) Digest() *string { return l.digest }
