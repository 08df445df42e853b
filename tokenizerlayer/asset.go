package tokenizerlayer

import (
	"cmp"
	"errors"
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
	// Package is the import path of the main package, as the module in ModuleDir resolves it; required.
	Package string
	// Architecture is the instruction set to compile for; "" means [ARM64].
	Architecture Architecture
	// BuildOS is the operating system to compile for; "" means linux, the only one that Lambda runs. Anything else is
	// for running the program on the developer's own machine.
	BuildOS string
	// ModuleDir is a directory inside the module to build in; "" means the working directory.
	ModuleDir string
}

// NewGoAsset compiles a Go program for Lambda while the app is synthesized, without Docker, and makes it an asset. The
// same source gives the same asset on every machine with the same release of Go. The binary is named bootstrap, as
// Lambda's custom runtimes expect (https://docs.aws.amazon.com/lambda/latest/dg/golang-package.html):
//
//	asset, err := tokenizerlayer.NewGoAsset(stack, "OrderCode", &tokenizerlayer.GoAssetProps{Package: "example.com/shop/order"})
//	if err != nil {
//		return err
//	}
//	order := awslambda.NewFunction(stack, new("Order"), &awslambda.FunctionProps{
//		Runtime:      awslambda.Runtime_PROVIDED_AL2023(),
//		Architecture: awslambda.Architecture_ARM_64(),
//		Handler:      new("bootstrap"),
//		Code:         awslambda.Code_FromBucketV2(asset.Bucket(), asset.S3ObjectKey(), nil),
//	})
//	err = layer.Attach(order, vault, tokenizerlayer.Tokenize, nil)
//
// An error says that the go command or the module is not found, that the architecture is unknown, or what the compiler
// says.
func NewGoAsset(scope constructs.Construct, id string, props *GoAssetProps) (awss3assets.Asset, error) {
	if props == nil || props.Package == "" {
		return nil, fmt.Errorf("%s: %w", childPath(scope, id),
			errors.New("GoAssetProps.Package: got none, want the import path of a main package"))
	}
	return newGoAsset(scope, id, props, goBuild{output: "bootstrap"})
}

func newGoAsset(scope constructs.Construct, id string, props *GoAssetProps, build goBuild) (awss3assets.Asset, error) {
	root, err := moduleRoot(props.ModuleDir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", childPath(scope, id), err)
	}
	goarch, err := props.Architecture.goarch()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", childPath(scope, id), err)
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
		scope.Node().TryRemoveChild(&id)
		return nil, fmt.Errorf("%s: %w", childPath(scope, id), bundler.err)
	}
	// The CDK asks for the version of the object, to notice new content. The object's key is the hash of its content
	// already.
	awscdk.Annotations_Of(asset).AcknowledgeWarning(new("@aws-cdk/aws-lambda:codeFromBucketObjectVersionNotSpecified"),
		nil)
	return asset, nil
}

// code is the asset as the code of a function or a layer.
func code(asset awss3assets.Asset) awslambda.Code {
	return awslambda.Code_FromBucketV2(asset.Bucket(), asset.S3ObjectKey(), nil)
}

// childPath is the path of a construct that is to be made, for errors about its props.
func childPath(scope constructs.Construct, id string) string {
	if path := *scope.Node().Path(); path != "" {
		return path + "/" + id
	}
	return id
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
