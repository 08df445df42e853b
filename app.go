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
	err := synth(awscdk.NewApp(nil))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Stderr = nil // jsii.Close can complain about its own process; nothing should follow the message
	}
	jsii.Close()
	if err != nil {
		os.Exit(1)
	}
}

func synth(app awscdk.App) error {
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
