package tokenizerlayer

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/constructs-go/constructs/v10"
)

// extensionPackage is the main package of the extension. Lambda starts every executable in a layer's extensions
// directory beside the function (https://docs.aws.amazon.com/lambda/latest/dg/extensions-api-partners.html).
const (
	extensionPackage = ownModule + "/tokenizerlayer/extension"
	extensionPath    = "extensions/tokenizer"
)

// ILayer is a tokenizer layer: one that [NewLayer] makes, or one of another app that [LayerFromAttributes] refers to.
type ILayer interface {
	constructs.IConstruct
	// Architectures are those that the layer has a version for.
	Architectures() []Architecture
	// Version is the layer version for functions of an architecture; nil if the layer has none.
	Version(architecture Architecture) awslambda.ILayerVersion
	// Digest identifies the content of the version for an architecture: hexadecimal SHA-256. The extension reports the
	// same digest as its release, which it reads from a file in the layer. It is "" if it is not known.
	Digest(architecture Architecture) string
	// Attach adds the layer to a function and grants the function access to a vault: see [Layer.Attach].
	Attach(fn awslambda.Function, vault IVault, access Access, options *AttachOptions) error
}

// LayerProps describes a [Layer]. Every field is optional.
type LayerProps struct {
	// LayerVersionName is the name of the layer, which all architectures and releases share; "" means TokenizeData.
	LayerVersionName string
	// OrganizationID lets every account of this AWS organization use the layer; "" shares it with nobody.
	OrganizationID string
	// Architectures are the instruction sets of the functions that the layer will serve; none means [ARM64] and
	// [X86_64]. Each has a layer version of its own, because a version holds one binary.
	Architectures []Architecture
	// Destroyable deletes a layer version when a newer one replaces it or its stack is deleted. The zero value keeps
	// it: a function of another stack that still names an old version could not be updated otherwise.
	Destroyable bool
	// BuildOS is the operating system to compile the extension for; "" means linux, the only one that Lambda runs.
	BuildOS string
	// ModuleDir is a directory inside the module of the CDK app, whose go.mod says which release of the layer is built;
	// "" means the working directory, which is right for `cdk synth`.
	ModuleDir string
}

// Layer is the tokenizer extension, with clients for Python and Node, as a Lambda layer: a construct with one
// AWS::Lambda::LayerVersion for each architecture.
type Layer struct {
	constructs.Construct
	architectures []Architecture
	releases      map[Architecture]release
	source        string // the property that says which architectures there are
}

// release is the layer's content for one architecture.
type release struct {
	version awslambda.ILayerVersion
	digest  string // "" if not known
}

// NewLayer compiles the extension and makes the layer. props may be nil.
//
// The extension is compiled in its own module, with that module's go.mod and with one exact release of Go, which the go
// command downloads if it has another. So the digest depends only on the release of the layer, and not on the app.
//
// An error says which property is wrong or what was missing for the build: the go command, the module in the app's
// go.mod, the source below a vendor directory, or the release of Go. In this case it makes no layer.
func NewLayer(scope constructs.Construct, id string, props *LayerProps) (layer *Layer, err error) {
	props = cmp.Or(props, &LayerProps{})
	architectures := props.Architectures
	if len(architectures) == 0 {
		architectures = []Architecture{ARM64, X86_64}
	}
	if err := refuse(childPath(scope, id), checkArchitectures("LayerProps.Architectures", architectures)); err != nil {
		return nil, err
	}
	layer = &Layer{
		architectures: slices.Clone(architectures),
		releases:      map[Architecture]release{},
		source:        "LayerProps.Architectures",
	}
	constructs.NewConstruct_Override(layer, scope, &id)
	for _, architecture := range architectures {
		if layer.releases[architecture], err = layer.build(architecture, props); err != nil {
			scope.Node().TryRemoveChild(&id)
			return nil, err
		}
	}
	return layer, nil
}

func checkArchitectures(property string, architectures []Architecture) (problems []error) {
	seen := map[Architecture]bool{}
	for _, architecture := range architectures {
		if architecture != ARM64 && architecture != X86_64 || seen[architecture] {
			problems = append(problems, fmt.Errorf("%s: got %q, want %q and %q, each at most once: leave it "+
				"out for both", property, architectures, ARM64, X86_64))
			break
		}
		seen[architecture] = true
	}
	return problems
}

// build makes the layer version for one architecture.
func (l *Layer) build(architecture Architecture, props *LayerProps) (release, error) {
	asset, err := newGoAsset(l, "Asset"+architecture.constructID(), &GoAssetProps{
		Package:      extensionPackage,
		Architecture: architecture,
		BuildOS:      props.BuildOS,
		ModuleDir:    props.ModuleDir,
	}, goBuild{module: ownModule, toolchain: toolchain, output: extensionPath, files: clients(), digest: true})
	if err != nil {
		return release{}, err
	}
	digest, err := assetDigest(asset)
	if err != nil {
		return release{}, err
	}
	version := awslambda.NewLayerVersion(l, new("Version"+architecture.constructID()), &awslambda.LayerVersionProps{
		LayerVersionName: new(cmp.Or(props.LayerVersionName, "TokenizeData")),
		Description: new("Tokenizer extension on 127.0.0.1:2774 for " + string(architecture) +
			", with clients for Python and Node"),
		License:                 new("Apache-2.0"),
		Code:                    code(asset),
		CompatibleArchitectures: &[]awslambda.Architecture{architecture.Lambda()},
		RemovalPolicy:           removalPolicy(props.Destroyable),
	})
	asset.AddResourceMetadata(version.Node().DefaultChild().(awscdk.CfnResource), new("Content"))
	// Weak: every release is a new resource with a new ARN, and CloudFormation refuses to change an export that a
	// function's stack imports. Attach makes up for what a weak reference loses.
	awscdk.CrossStackReferences_Of(version).Produce(awscdk.ReferenceStrength_WEAK)
	if props.OrganizationID != "" {
		share(version, props.OrganizationID, props.Destroyable)
	}
	return release{version, digest}, nil
}

// share lets every account of an organization use a version. Where versions are kept, so is their permission: a
// function of another account that uses an old version could not be updated otherwise.
func share(version awslambda.LayerVersion, organization string, destroyable bool) {
	const id = "Organization"
	version.AddPermission(new(id), &awslambda.LayerVersionPermission{
		AccountId: new("*"), OrganizationId: &organization,
	})
	version.Node().FindChild(new(id)).(awscdk.CfnResource).ApplyRemovalPolicy(removalPolicy(destroyable), nil)
}

// LayerAttributes describes a layer that another app or another repository has made.
type LayerAttributes struct {
	// Versions are the layer versions by architecture; at least one. [NewParameters] puts their ARNs and digests into
	// SSM parameters.
	Versions map[Architecture]LayerVersionAttributes
}

// LayerVersionAttributes describes a layer version of another app.
type LayerVersionAttributes struct {
	// LayerVersionArn is the ARN with the version's number, or a CDK token, such as the value of an SSM parameter.
	LayerVersionArn string
	// Digest is what [ILayer].Digest says in the app that made the version; "" if it is not known. It becomes part of
	// the functions' environment, so that a new release changes their template even if LayerVersionArn is a token.
	Digest string
}

// LayerFromAttributes refers to a layer of another app. It makes no resources. An error says which attribute is missing
// or malformed.
func LayerFromAttributes(scope constructs.Construct, id string, attributes *LayerAttributes) (ILayer, error) {
	attributes = cmp.Or(attributes, &LayerAttributes{})
	if err := refuse(childPath(scope, id), attributes.problems()); err != nil {
		return nil, err
	}
	layer := &Layer{
		architectures: slices.Sorted(maps.Keys(attributes.Versions)),
		releases:      map[Architecture]release{},
		source:        "LayerAttributes.Versions",
	}
	constructs.NewConstruct_Override(layer, scope, &id)
	for _, architecture := range layer.architectures {
		version := attributes.Versions[architecture]
		layer.releases[architecture] = release{
			version: awslambda.LayerVersion_FromLayerVersionArn(layer, new("Version"+architecture.constructID()),
				&version.LayerVersionArn),
			digest: version.Digest,
		}
	}
	return layer, nil
}

var (
	layerVersionForm = regexp.MustCompile(
		`^arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:layer:[A-Za-z0-9_-]{1,140}:[0-9]+$`)
	digestForm = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

func (a *LayerAttributes) problems() (problems []error) {
	if len(a.Versions) == 0 {
		problems = append(problems, fmt.Errorf("LayerAttributes.Versions: got none, want one for %q, %q or both", ARM64,
			X86_64))
	}
	for _, architecture := range slices.Sorted(maps.Keys(a.Versions)) {
		version := a.Versions[architecture]
		property := fmt.Sprintf("LayerAttributes.Versions[%q]", architecture)
		if architecture != ARM64 && architecture != X86_64 {
			problems = append(problems, fmt.Errorf("%s: want the key %q or %q", property, ARM64, X86_64))
		}
		problems = append(problems,
			attribute(property+".LayerVersionArn", version.LayerVersionArn, layerVersionForm.MatchString,
				"arn:aws:lambda:REGION:ACCOUNT:layer:NAME:VERSION"))
		if version.Digest != "" {
			problems = append(problems, attribute(property+".Digest", version.Digest, digestForm.MatchString,
				"64 hexadecimal digits, or none"))
		}
	}
	return problems
}

// Architectures implements [ILayer].
func (l *Layer) Architectures() []Architecture { return slices.Clone(l.architectures) }

// Version implements [ILayer].
func (l *Layer) Version(architecture Architecture) awslambda.ILayerVersion {
	return l.releases[architecture.orDefault()].version
}

// Digest implements [ILayer]. Where the app's context has no asset built, as for `cdk list`, it is a stand-in.
func (l *Layer) Digest(architecture Architecture) string {
	return l.releases[architecture.orDefault()].digest
}
