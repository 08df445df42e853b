// Command nodejs synthesizes functions that CDK's NodejsFunction bundles with esbuild: nodejs OUT PROJECT.
package main

import (
	"os"
	"path/filepath"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambdanodejs"
)

func main() {
	out, project := os.Args[1], os.Args[2]
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: &out})
	stack := awscdk.NewStack(app, new("Stack"), nil)
	for name, bundling := range map[string]awslambdanodejs.BundlingOptions{
		"commonjs": {},
		"module":   {Format: awslambdanodejs.OutputFormat_ESM},
		"layer":    {ExternalModules: &[]*string{new("@lambda-tokenizer/client")}},
	} {
		awslambdanodejs.NewNodejsFunction(stack, new(name), &awslambdanodejs.NodejsFunctionProps{
			Runtime:          awslambda.Runtime_NODEJS_22_X(),
			Entry:            new(filepath.Join(project, name+".ts")),
			ProjectRoot:      &project,
			DepsLockFilePath: new(filepath.Join(project, "package-lock.json")),
			Bundling:         &bundling,
		})
	}
	app.Synth(nil)
}
