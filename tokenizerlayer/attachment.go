package tokenizerlayer

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/jsii-runtime-go"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/settings"
)

// attachmentID is the id below a function that says that the layer is attached.
const attachmentID = "TokenizerLayer"

// maxLayers is Lambda's limit (https://docs.aws.amazon.com/lambda/latest/dg/chapter-layers.html).
const maxLayers = 5

// attachment checks a function that has the layer, or is to get it: at once, and again at synthesis, after all changes
// to it.
type attachment struct {
	layer   *Layer
	fn      awslambda.Function
	vault   IVault
	access  Access
	options AttachOptions
	// attached is set once the function is changed. A role that states no path will not get one any more.
	attached bool
}

// Validate implements constructs.IValidation.
func (a *attachment) Validate() *[]*string {
	messages := []*string{}
	for _, err := range a.problems(a.resolve()) {
		messages = append(messages, new(err.Error()))
	}
	return &messages
}

// problems are those that Lambda would report late, or never. They hold before the function is changed and afterwards.
func (a *attachment) problems(state state) (found []error) {
	if *a.fn.Runtime().Name() == *awslambda.Runtime_FROM_IMAGE().Name() {
		return []error{errors.New(
			"Runtime: got a container image, which takes no layers: package the function as a zip file")}
	}
	if a.layer.Version(state.architecture) == nil {
		found = append(found, fmt.Errorf("Architecture: got %s, but the layer is for %v: give the function another "+
			"architecture, or the layer %[1]s in %[3]s",
			state.architecture, a.layer.architectures, a.layer.source))
	}
	if state.timeout > 0 && state.timeout <= api.ClientTimeout.Seconds() {
		found = append(found, fmt.Errorf("Timeout: got %g s, want more than the %g s that a client waits for the "+
			"extension: set another, or leave it out for %d s",
			state.timeout, api.ClientTimeout.Seconds(), defaultTimeout))
	}
	if state.snapStart {
		found = append(found,
			errors.New("SnapStart: got PublishedVersions, and a snapshot would clone data keys: turn it off"))
	}
	if state.capacity {
		found = append(found, errors.New("CapacityProviderConfig: got a capacity provider, where invocations share "+
			"an environment: use Lambda's own capacity"))
	}
	return slices.Concat(found, a.environmentProblems(state), a.loggingProblems(state), a.roleProblems(),
		a.madeRoleProblems(state), a.placeProblems(state))
}

// state is what the function's resource says, without the tokens of the CDK.
type state struct {
	architecture Architecture
	timeout      float64 // seconds; 0 if there is none, or if it is known at deployment only
	layers       []any
	snapStart    bool
	capacity     bool
	environment  map[string]any // the function's variables
	logging      map[string]any // LoggingConfig
	name         any            // FunctionName; nil if CloudFormation chooses one
}

func (a *attachment) resource() (resource awslambda.CfnFunction) {
	jsii.UnsafeCast(a.fn.Node().DefaultChild(), &resource)
	return resource
}

func (a *attachment) resolve() state {
	resource := a.resource()
	resolved := awscdk.Stack_Of(a.fn).Resolve(map[string]any{
		"architectures": resource.Architectures(), "layers": resource.Layers(), "timeout": resource.Timeout(),
		"snapStart":   resource.SnapStart(),
		"capacity":    resource.CapacityProviderConfig(),
		"environment": resource.Environment(),
		"logging":     resource.LoggingConfig(), "name": resource.FunctionName(),
	}).(map[string]any)
	s := state{architecture: X86_64, capacity: resolved["capacity"] != nil, name: resolved["name"]}
	if architectures, _ := resolved["architectures"].([]any); len(architectures) == 1 {
		name, _ := architectures[0].(string)
		s.architecture = Architecture(name)
	}
	s.layers, _ = resolved["layers"].([]any)
	s.timeout, _ = resolved["timeout"].(float64)
	snapStart, _ := resolved["snapStart"].(map[string]any)
	s.snapStart = snapStart["applyOn"] == "PublishedVersions"
	environment, _ := resolved["environment"].(map[string]any)
	s.environment, _ = environment["variables"].(map[string]any)
	s.logging, _ = resolved["logging"].(map[string]any)
	return s
}

// setBy are the options behind the variables that are not always set.
var setBy = map[string]string{
	settings.Port:             "AttachOptions.Port",
	settings.LogLevel:         "AttachOptions.LogLevel",
	settings.MaxBodyBytes:     "AttachOptions.MaxBodyBytes",
	settings.IdempotencyScope: "AttachOptions.IdempotencyScope",
	settings.ReadRate:         "AttachOptions.ReadRate",
	settings.MaxConnections:   "AttachOptions.MaxConnections",
	settings.KeysAhead:        "AttachOptions.KeysAhead", settings.Purposes: "AttachOptions.Purposes",
}

// environmentProblems are variables that contradict the extension's, and a port that cannot be.
func (a *attachment) environmentProblems(s state) (found []error) {
	wanted, _ := awscdk.Stack_Of(a.fn).Resolve(a.variables(s.architecture)).(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		own, exists := s.environment[name]
		if !exists || reflect.DeepEqual(own, wanted[name]) {
			continue
		}
		by, optional := setBy[name]
		if !optional {
			by = "Attach"
		}
		found = append(found, fmt.Errorf("Environment: got %s=%s, but %s sets it to %s: leave it out of the "+
			"function's environment", name, shownValue(own), by, shownValue(wanted[name])))
	}
	if err := a.portProblem(s.environment); err != nil {
		found = append(found, err)
	}
	return found
}

// shownValue is the value of a variable for a person.
func shownValue(v any) string {
	if text, ok := v.(string); ok {
		return text
	}
	return "a value of another resource"
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
	port, property := a.options.Port, "AttachOptions.Port"
	if own, exists := variables[settings.Port]; exists && (port == 0 || own == strconv.Itoa(port)) {
		text, literal := own.(string)
		if !literal {
			return nil // known at deployment only
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < api.MinPort || n > api.MaxPort {
			return fmt.Errorf("Environment: got %s=%q, want %d to %d: leave it out for %d", settings.Port, text,
				api.MinPort, api.MaxPort, api.DefaultPort)
		}
		if port == 0 {
			port, property = n, "the environment variable "+settings.Port
		}
	}
	if port == 0 {
		port = api.DefaultPort
	}
	owner := takenPorts[port]
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		// PARAMETERS_SECRETS_EXTENSION_HTTP_PORT, AWS_APPCONFIG_EXTENSION_HTTP_PORT; the last is the Lambda Web
		// Adapter's.
		if (strings.HasSuffix(name, "_EXTENSION_HTTP_PORT") || name == "AWS_LWA_PORT") &&
			variables[name] == strconv.Itoa(port) {
			owner = name
		}
	}
	if owner == "" {
		return nil
	}
	return fmt.Errorf("port: got %d, which is taken by %s: set another with %s", port, owner, property)
}

// neededPath is the IAM path that the keys' policies demand of the function's role. Revoking uses no key.
func (a *attachment) neededPath() string {
	base := a.vault.RolePath()
	switch {
	case base == AnyRolePath, a.access == Revoke:
		return "/"
	case a.access == Detokenize:
		return base + DetokenizePath
	case a.options.Index:
		return base + IndexPath
	}
	return base + TokenizePath
}

// mayBe tells whether a role may have its path: one below what is needed, one among the operators', or none if Attach
// will set it.
func (a *attachment) mayBe(role awsiam.IRole, path, needed string) bool {
	if strings.HasPrefix(path, needed) || strings.HasPrefix(path, a.vault.RolePath()+OperatePath) {
		return true
	}
	resource := roleResource(role)
	return a.access == Tokenize && !a.attached && resource != nil && resource.Path() == nil
}

// roleProblems are roles to which a grant would not come, or that the keys' policies would refuse.
func (a *attachment) roleProblems() (found []error) {
	switch a.access {
	case Tokenize, Detokenize, Revoke:
	default:
		found = append(found, fmt.Errorf("access: got %d, want Tokenize, Detokenize or Revoke", a.access))
	}
	role := a.fn.Role()
	path, known := pathOf(role)
	if needed := a.neededPath(); known && !a.mayBe(role, path, needed) {
		advice := "give the function a role with that RoleProps.Path"
		if a.access == Detokenize {
			advice = "make the function's role with NewDetokenizeRole"
		}
		found = append(found, fmt.Errorf("Role: got one with the IAM path %s, but the keys' policies let only roles "+
			"below %s do this: %s", path, needed, advice))
	}
	if !a.granted() && takesNoPolicy(role) {
		found = append(found, fmt.Errorf("Role: got %s, to which the CDK adds no policies (imported with Mutable "+
			"false or from another account, or made with WithoutPolicyUpdates), "+
			"so nothing would be granted: use a role that it does", *role.Node().Path()))
	}
	return found
}

// written are the levels of a log in JSON from which on Lambda keeps an event of the extension, whose level is INFO or
// above; "" means Lambda's default, INFO.
var written = []any{nil, "", "TRACE", "DEBUG", "INFO"}

// loggingProblems are settings with which Lambda itself would drop the extension's events: those of successful
// operations have the level INFO. SystemLogLevel is about Lambda's own lines, and may be any.
func (a *attachment) loggingProblems(s state) (found []error) {
	format, level := s.logging["logFormat"], s.logging["applicationLogLevel"]
	// A format that is known at deployment only may be JSON.
	if text := format == nil || format == "" || format == "Text"; !text && !slices.Contains(written, level) {
		found = append(found, fmt.Errorf("LoggingConfig.ApplicationLogLevel: got %v, with which Lambda drops the "+
			"extension's events, of level INFO: "+
			"set FunctionProps.ApplicationLogLevelV2 to INFO or below, or leave it out", level))
	}
	if group, exists := s.logging["logGroup"]; exists && group == "" {
		found = append(found, errors.New("LoggingConfig.LogGroup: got an empty name, with which the extension's "+
			"events go nowhere: set FunctionProps.LogGroup, or leave it out"))
	}
	return found
}

// madeRoleProblems are about a role that has its rights already: it is for one function, one log group and one access.
func (a *attachment) madeRoleProblems(s state) (found []error) {
	if a.granted() && (len(a.options.Purposes) > 0 || a.options.Index) {
		found = append(found, errors.New("AttachOptions: got Purposes or Index, but the role has its rights already, "+
			"and Attach adds none: leave them out"))
	}
	name, logGroup, made := marks(a.fn.Role())
	if !made {
		return found
	}
	if a.access != Detokenize {
		found = append(found,
			errors.New(
				"access: got one other than Detokenize for a role of NewDetokenizeRole: give the function another role"))
	}
	if s.name != name {
		found = append(found, fmt.Errorf("FunctionName: got %v, but the role of NewDetokenizeRole is for the "+
			"function %s only: set FunctionProps.FunctionName to that", orNone(s.name), name))
	}
	if want := awscdk.Stack_Of(a.fn).Resolve(logGroup); !reflect.DeepEqual(s.logging["logGroup"], want) {
		found = append(found, fmt.Errorf("LoggingConfig.LogGroup: got %v, but the role may write to %v only: set "+
			"FunctionProps.LogGroup to DetokenizeRole.LogGroup",
			orNone(s.logging["logGroup"]), want))
	}
	return found
}

// orNone is v as an error says what it got.
func orNone(v any) any {
	if v == nil {
		return "none"
	}
	return v
}

// placeProblems are about a vault out of the function's reach, because the extension finds tables by their names, and
// about a layer of another region, which Lambda does not take. A layer of another account is right.
func (a *attachment) placeProblems(s state) []error {
	function := placeOfStack(awscdk.Stack_Of(a.fn))
	found := checkPlace(a.vault, "the function", function)
	if version := a.layer.Version(s.architecture); version != nil {
		if layer := placeOfARN(*version.LayerVersionArn()); differs(layer.region, function.region) {
			found = append(found, fmt.Errorf("layer: got a version in region %s, but the function is in %s, and Lambda "+
				"takes layers of its own region only: deploy the layer there", layer.region, function.region))
		}
	}
	return found
}
