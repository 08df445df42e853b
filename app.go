// Command lambda-tokenizer is the CDK app: it synthesizes the three stacks. The cdk command runs it, as cdk.json says.
package main

import (
	"fmt"
	"os"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/lambda-tokenizer/lambda-tokenizer/stacks"
)

func main() {
	app := awscdk.NewApp(nil)
	err := synth(app)
	if err != nil {
		// NewApp makes the directory before it gives access to the context. Only an empty one can be removed.
		_ = os.Remove(*app.Outdir())
		fmt.Fprintln(os.Stderr, err)
	}
	// The jsii runtime sometimes complains about the process that it has just ended, as if the app had crashed.
	os.Stderr = nil
	jsii.Close()
	if err != nil {
		os.Exit(1)
	}
}

func synth(app awscdk.App) (err error) {
	defer func() {
		if panicked := recover(); panicked != nil { // how the CDK reports its errors to Go
			err = fmt.Errorf("synthesis failed: %v", panicked)
		}
	}()
	config, err := stacks.ConfigFromContext(app)
	if err != nil {
		return err
	}
	if _, err := stacks.Build(app, config); err != nil {
		return err
	}
	app.Synth(nil)
	return nil
}
