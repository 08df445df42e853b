package stacks

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer"
)

// Stages, which decide what happens to data when a stack is deleted.
const (
	Prod = "prod" // data, keys and layer versions are kept, and protected from deletion
	Dev  = "dev"  // everything goes with its stack
)

// Config is what can be chosen about an installation. The zero value of each field means its documented default.
type Config struct {
	// Stage is [Prod] or [Dev]; "" means [Prod], the safe one. It does not rename the API's stage.
	Stage string
	// NamePrefix precedes the name of every stack and of every resource with a name of its own, so that two
	// installations fit into one account. It starts with a letter and has at most 20 letters, digits and dashes.
	NamePrefix string
	// Architecture is the functions' instruction set, "arm64" or "x86_64"; "" means arm64.
	Architecture string
	// BuildOS is "linux" or "darwin", what functions and extension are compiled for; "" means linux. It is for
	// running the system on the developer's own machine: Lambda runs linux only.
	BuildOS string
	// Account and Region are where to deploy; both "" leaves the choice to whoever deploys the templates.
	Account, Region string
	// ModuleDir is a directory inside the module whose programs to compile; "" means the working directory.
	// Tests set it to build a modified copy.
	ModuleDir string
}

// contextKeys are the fields that `-c key=value` or cdk.json set.
func (c *Config) contextKeys() map[string]*string {
	return map[string]*string{
		"stage":        &c.Stage,
		"namePrefix":   &c.NamePrefix,
		"architecture": &c.Architecture,
		"localBuildOS": &c.BuildOS,
	}
}

// ConfigFromContext reads the configuration from the app's context, and account and region from the environment in
// which the CDK CLI puts those of the current credentials, if there are any. The result is valid if the error is nil.
func ConfigFromContext(scope constructs.Construct) (Config, error) {
	var config Config
	// Both or neither: without credentials the CLI still names a region, its own default.
	if account := os.Getenv("CDK_DEFAULT_ACCOUNT"); account != "" {
		config.Account, config.Region = account, os.Getenv("CDK_DEFAULT_REGION")
	}
	var problems []error
	for key, field := range config.contextKeys() {
		switch value := scope.Node().TryGetContext(&key).(type) {
		case nil:
		case string:
			*field = value
		default:
			problems = append(problems, fmt.Errorf("%s: got %v, want a string: set it with -c %s=... or in cdk.json", key, value, key))
		}
	}
	problems = append(problems, config.Validate())
	return config, inOrder(problems)
}

var (
	stages        = []string{Prod, Dev}
	architectures = []string{string(tokenizerlayer.ARM64), string(tokenizerlayer.X86_64)}
	systems       = []string{"linux", "darwin"}
	// A stack's name allows the least of all the names that the prefix becomes part of.
	namePrefix = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9-]{0,19})?$`)
)

// Validate reports every problem at once, each with the context key, the value received and what to do.
func (c Config) Validate() error {
	problems := []error{
		oneOf("stage", c.Stage, stages),
		oneOf("architecture", c.Architecture, architectures),
		oneOf("localBuildOS", c.BuildOS, systems),
	}
	if !namePrefix.MatchString(c.NamePrefix) {
		problems = append(problems, fmt.Errorf("namePrefix: got %q, want at most 20 letters, digits and dashes, starting with a letter: choose another", c.NamePrefix))
	}
	return inOrder(problems)
}

// oneOf accepts the empty string as well: it stands for the default.
func oneOf(key, value string, allowed []string) error {
	if value == "" || slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s: got %q, want one of %s: set it with -c %s=%s or in cdk.json",
		key, value, strings.Join(allowed, ", "), key, allowed[0])
}

// inOrder joins errors so that the same mistakes always give the same message.
func inOrder(problems []error) error {
	problems = slices.DeleteFunc(problems, func(err error) bool { return err == nil })
	slices.SortFunc(problems, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return errors.Join(problems...)
}

// destroyable tells whether data may go with its stack.
func (c Config) destroyable() bool { return c.Stage == Dev }

func (c Config) architecture() tokenizerlayer.Architecture {
	return tokenizerlayer.Architecture(c.Architecture)
}

// detokenizePath is the IAM path of every role that may decrypt with TokenKey.
func (c Config) detokenizePath() string { return "/" + c.NamePrefix + "tokenizer/detokenize/" }

// newStack makes a stack where the configuration says. Account and region stay open if it says nothing.
func (c Config) newStack(scope constructs.Construct, name, description string) awscdk.Stack {
	return awscdk.NewStack(scope, new(c.NamePrefix+name), &awscdk.StackProps{
		Env:                   &awscdk.Environment{Account: orNil(c.Account), Region: orNil(c.Region)},
		Description:           &description,
		TerminationProtection: new(!c.destroyable()),
	})
}

func orNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// output makes a stack output that scripts read; its logical id is exactly name.
func output(stack awscdk.Stack, name, description string, value *string) {
	awscdk.NewCfnOutput(stack, &name, &awscdk.CfnOutputProps{Description: &description, Value: value})
}
