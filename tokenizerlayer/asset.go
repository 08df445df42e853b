package tokenizerlayer

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3assets"
	"github.com/aws/constructs-go/constructs/v10"
)

// GoAssetProps describes a Go program that is compiled into an asset.
type GoAssetProps struct {
	// Package is the import path of the main package, as the module in ModuleDir resolves it.
	Package string
	// Architecture is the instruction set to compile for; the zero value means [ARM64].
	Architecture Architecture
	// BuildOS is the operating system to compile for; "" means linux, the only one Lambda runs.
	// Anything else is for runs on the developer's own machine.
	BuildOS string
	// ModuleDir is a directory inside the module to build in; "" means the working directory.
	ModuleDir string
}

// NewGoAsset compiles a Go program for Lambda and makes it an asset, without Docker. The binary is named bootstrap,
// as Lambda's custom runtimes expect (https://docs.aws.amazon.com/lambda/latest/dg/golang-package.html).
//
// An error is a module that is not found, an unknown architecture, or the compiler's own message.
func NewGoAsset(scope constructs.Construct, id string, props *GoAssetProps) (awss3assets.Asset, error) {
	return newGoAsset(scope, id, props, goBuild{output: "bootstrap"})
}

// Code is the asset as the code of a function or a layer.
func Code(asset awss3assets.Asset) awslambda.Code {
	// CDK asks for an object version to notice new content. The object's key is the hash of its content: no need.
	awscdk.Annotations_Of(asset).AcknowledgeWarning(new("@aws-cdk/aws-lambda:codeFromBucketObjectVersionNotSpecified"), nil)
	return awslambda.Code_FromBucketV2(asset.Bucket(), asset.S3ObjectKey(), nil)
}

func newGoAsset(scope constructs.Construct, id string, props *GoAssetProps, build goBuild) (awss3assets.Asset, error) {
	root, err := moduleRoot(props.ModuleDir)
	if err != nil {
		return nil, err
	}
	goarch, err := props.Architecture.goarch()
	if err != nil {
		return nil, err
	}
	build.moduleDir, build.pkg = root, props.Package
	build.goos, build.goarch = cmp.Or(props.BuildOS, "linux"), goarch

	bundler := &localBundler{build: build}
	asset := awss3assets.NewAsset(scope, &id, &awss3assets.AssetProps{
		Path: &root,
		// The hash of what was built, not of the sources: nothing else says exactly when a deployment changes.
		AssetHashType: awscdk.AssetHashType_OUTPUT,
		Bundling: &awscdk.BundlingOptions{
			Image: awscdk.DockerImage_FromRegistry(new("docker-is-not-used")),
			Local: bundler,
			// Never run. CDK takes two assets with equal options for the same one, and these tell ours apart.
			Command: &[]*string{new("go"), new("build"), new(build.pkg), new(build.goos), new(build.goarch)},
		},
	})
	if bundler.err != nil {
		return nil, fmt.Errorf("%s: %w", *asset.Node().Path(), bundler.err)
	}
	return asset, nil
}

// localBundler lets CDK call a goBuild in place of Docker.
type localBundler struct {
	build goBuild
	err   error
}

// TryBundle implements awscdk.ILocalBundling. It always answers true: to CDK, false means "use Docker", and a panic
// would break the pipe to the jsii kernel. Both would bury the compiler's message, which newGoAsset returns instead.
func (b *localBundler) TryBundle(outputDir *string, _ *awscdk.BundlingOptions) *bool {
	if b.err = b.build.run(*outputDir); b.err != nil {
		// CDK refuses an empty directory; whatever is in this one, nothing will refer to it.
		_ = os.WriteFile(filepath.Join(*outputDir, "build-failed"), nil, fs.FileMode(0o644))
	}
	return new(true)
}
