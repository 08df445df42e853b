package tokenizerlayer

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
)

// Access is what a function may do with a vault.
type Access int

const (
	// Tokenize turns values into tokens: see [Grants.Tokenize].
	Tokenize Access = iota + 1
	// Detokenize reads values back: see [Grants.Detokenize].
	Detokenize
	// Revoke deletes tokens: see [Grants.Revoke]. A function with another access can be granted it beside.
	Revoke
)

// LogLevel is from which severity on the extension logs. The zero value means [LogInfo].
type LogLevel string

const (
	LogDebug LogLevel = "DEBUG"
	LogInfo  LogLevel = "INFO"
	LogWarn  LogLevel = "WARN" // refused operations only
	LogError LogLevel = "ERROR"
)

// AttachOptions tune the extension beside one function. The zero value is right for nearly every function.
type AttachOptions struct {
	// Port is where the extension listens on 127.0.0.1; 0 means 2774. The clients that ship in the layer, and
	// tokenizerlayer/client, find it by themselves.
	Port int
	// LogLevel is from which severity on the extension logs to the function's log; "" means [LogInfo].
	LogLevel LogLevel
	// MaxBodyBytes bounds the body of a request to the extension, from 64 to 32768; 0 means 32768.
	MaxBodyBytes int
	// ReadRate is how many tokens the extension opens a second in one environment, 1 to 10000; 0 means 100.
	ReadRate int
	// MaxConnections bounds the connections to the extension at a time, 1 to 1024; 0 means 64. More wait.
	MaxConnections int
	// Purposes are those that the function may tokenize or detokenize for; none: tokens that are bound to no purpose.
	Purposes []string
	// Index lets a function that may tokenize make deterministic tokens and idempotent requests: see [Grants.Index].
	Index bool
}

// Attach adds the layer to fn, points it at vault and grants it access.
//
// An error says what is wrong with fn or with the options, and what to do: another architecture than the layer's (the
// CDK does not check; Lambda would fail to start the extension), a port that another extension takes, a layer attached
// before, SnapStart, a capacity provider, a container image, or a role to detokenize that the key's policy would refuse.
// Nothing has been changed then. What is done to fn afterwards is checked once more when the app is synthesized.
func (l *Layer) Attach(fn awslambda.Function, vault *Vault, access Access, options AttachOptions) error {
	a := &attachment{layer: l, fn: fn, port: cmp.Or(options.Port, api.DefaultPort)}
	problems := append(options.validate(access), a.problems()...)
	problems = append(problems, checkAccess(fn, vault, access))
	if fn.Node().TryFindChild(new(attachmentID)) != nil {
		problems = append(problems, errors.New("the tokenizer layer is attached already: attach it once; "+
			"for more access, grant it with vault.Grants()"))
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("%s: %s", *fn.Node().Path(), strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	constructs.NewConstruct(fn, new(attachmentID)).Node().AddValidation(a)

	switch access {
	case Tokenize:
		vault.Grants().Tokenize(fn, options.Purposes...)
	case Detokenize:
		vault.Grants().Detokenize(fn, options.Purposes...)
	case Revoke:
		vault.Grants().Revoke(fn)
	}
	if options.Index {
		vault.Grants().Index(fn)
	}
	fn.AddLayers(l.version)
	variables := l.environment(vault, options)
	for _, name := range slices.Sorted(maps.Keys(variables)) { // in one order, for the same template every time
		fn.AddEnvironment(&name, variables[name], nil)
	}
	return nil
}

// environment are the extension's settings; docs/api.md lists them.
func (l *Layer) environment(vault *Vault, options AttachOptions) map[string]*string {
	var fingerprintKeys []string
	for _, key := range vault.fingerprintKeys {
		fingerprintKeys = append(fingerprintKeys, key.Version+"="+*key.Key.KeyArn())
	}
	variables := map[string]*string{
		"TOKENIZER_TABLE":            vault.table.TableName(),
		"TOKENIZER_INDEX_TABLE":      vault.index.TableName(),
		"TOKENIZER_KEY_ARN":          vault.tokenKey.KeyArn(),
		"TOKENIZER_FINGERPRINT_KEYS": new(strings.Join(fingerprintKeys, ",")),
		// A weak reference leaves this stack's template as it was when the layer changes, and `cdk deploy` skips stacks
		// whose template did not change. With the digest in the environment a release changes the template.
		"TOKENIZER_LAYER_DIGEST": l.digest,
	}
	if options.Port != 0 {
		variables["TOKENIZER_PORT"] = new(strconv.Itoa(options.Port))
	}
	if options.LogLevel != "" {
		variables["TOKENIZER_LOG_LEVEL"] = new(string(options.LogLevel))
	}
	for name, n := range map[string]int{
		"TOKENIZER_MAX_BODY_BYTES": options.MaxBodyBytes, "TOKENIZER_READ_RATE": options.ReadRate, "TOKENIZER_MAX_CONNECTIONS": options.MaxConnections,
	} {
		if n != 0 {
			variables[name] = new(strconv.Itoa(n))
		}
	}
	return variables
}

func (o AttachOptions) validate(access Access) []error {
	var problems []error
	for _, n := range []struct {
		what             string
		got, least, most int
		standard         int
	}{
		{"port", o.Port, 1024, 65535, api.DefaultPort},
		{"largest body, in bytes", o.MaxBodyBytes, api.MinBodyLimit, api.MaxBody, api.MaxBody},
		{"read rate", o.ReadRate, 1, api.MaxReadRate, api.DefaultReadRate},
		{"connections", o.MaxConnections, 1, api.MaxConnections, api.DefaultConnections},
	} {
		if n.got != 0 && (n.got < n.least || n.got > n.most) {
			problems = append(problems, fmt.Errorf("%s: got %d, want %d to %d: leave it out for %d", n.what, n.got, n.least, n.most, n.standard))
		}
	}
	if levels := []LogLevel{"", LogDebug, LogInfo, LogWarn, LogError}; !slices.Contains(levels, o.LogLevel) {
		problems = append(problems, fmt.Errorf("log level: got %q, want one of %v: leave it out for INFO", o.LogLevel, levels[1:]))
	}
	for _, purpose := range o.Purposes {
		if !api.IsPurpose(purpose) {
			problems = append(problems, fmt.Errorf("purpose: got %q, want 1 to 64 of a-z 0-9 _ -, the first a letter or digit: no token can have another", purpose))
		}
	}
	if len(o.Purposes) > 0 && access == Revoke {
		problems = append(problems, errors.New("purposes: revoking knows none: leave them out"))
	}
	if o.Index && access != Tokenize {
		problems = append(problems, errors.New("index: only a function that may tokenize uses it: leave it out"))
	}
	return problems
}

func checkAccess(fn awslambda.Function, vault *Vault, access Access) error {
	switch access {
	case Tokenize, Revoke:
		return nil
	case Detokenize:
		if path, known := rolePath(fn.Role()); known && !strings.HasPrefix(path, vault.detokenizePath) {
			return fmt.Errorf("role has IAM path %s, but TokenKey's policy lets only roles under %s decrypt: give the function a role with that path",
				path, vault.detokenizePath)
		}
		return nil
	}
	return fmt.Errorf("access %d is unknown: use Tokenize, Detokenize or Revoke", access)
}

// attachmentID is the id below a function that says that the layer is attached.
const attachmentID = "TokenizerLayer"

// attachment looks at a function that has the layer: at once, and again at synthesis, when all has been said about it.
type attachment struct {
	layer *Layer
	fn    awslambda.Function
	port  int
}

// Validate implements constructs.IValidation.
func (a *attachment) Validate() *[]*string {
	messages := []*string{}
	for _, err := range a.problems() {
		messages = append(messages, new(err.Error()))
	}
	return &messages
}

// problems are those that Lambda would report late, or never.
func (a *attachment) problems() []error {
	var found []error
	if got, want := *a.fn.Architecture().Name(), string(a.layer.architecture); got != want {
		found = append(found, fmt.Errorf("function is for %s, but the tokenizer layer for %s: give both the same architecture", got, want))
	}
	if *a.fn.Runtime().Name() == *awslambda.Runtime_FROM_IMAGE().Name() {
		return append(found, errors.New("function is a container image, which takes no layers: package it as a zip file"))
	}
	var resource awslambda.CfnFunction
	jsii.UnsafeCast(a.fn.Node().DefaultChild(), &resource)
	settings := awscdk.Stack_Of(a.fn).Resolve(map[string]any{
		"snapStart": resource.SnapStart(), "capacity": resource.CapacityProviderConfig(), "environment": resource.Environment(),
	}).(map[string]any)
	if snapStart, _ := settings["snapStart"].(map[string]any); snapStart["applyOn"] == "PublishedVersions" {
		found = append(found, errors.New("function has SnapStart, and a snapshot would clone data keys: turn SnapStart off"))
	}
	if settings["capacity"] != nil {
		found = append(found, errors.New("function runs on a capacity provider, where invocations share an environment: use Lambda's own capacity"))
	}
	environment, _ := settings["environment"].(map[string]any)
	variables, _ := environment["variables"].(map[string]any)
	if err := a.portProblem(variables); err != nil {
		found = append(found, err)
	}
	return found
}

// takenPorts are those of other extensions unless these are told otherwise, and Lambda's own.
var takenPorts = map[int]string{
	2772: "the AWS AppConfig extension",
	2773: "the AWS Parameters and Secrets extension",
	8200: "the HashiCorp Vault extension",
	9001: "Lambda's Runtime API",
}

// portProblem looks for another user of the port, in the settings of known extensions too.
func (a *attachment) portProblem(variables map[string]any) error {
	owner := takenPorts[a.port]
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		// PARAMETERS_SECRETS_EXTENSION_HTTP_PORT, AWS_APPCONFIG_EXTENSION_HTTP_PORT; the last is the Lambda Web Adapter's.
		if (strings.HasSuffix(name, "_EXTENSION_HTTP_PORT") || name == "AWS_LWA_PORT") && variables[name] == strconv.Itoa(a.port) {
			owner = name
		}
	}
	if owner == "" {
		return nil
	}
	return fmt.Errorf("port %d is taken by %s: set another with AttachOptions.Port", a.port, owner)
}
