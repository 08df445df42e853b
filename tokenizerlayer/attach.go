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

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/settings"
)

// Access is what a function may do with a vault.
type Access int

const (
	// Tokenize turns values into tokens: see [Grants.Tokenize].
	Tokenize Access = iota + 1
	// Detokenize reads values back: see [Grants.Detokenize].
	Detokenize
	// Revoke deletes tokens: see [Grants.Revoke]. You can grant it to a function with another access, too.
	Revoke
)

// LogLevel is a severity of notices. The zero value means [LogInfo].
type LogLevel string

// The log levels.
const (
	LogDebug LogLevel = "DEBUG"
	LogInfo  LogLevel = "INFO"
	LogWarn  LogLevel = "WARN"
	LogError LogLevel = "ERROR"
)

// AttachOptions tune the extension beside one function. Every field is optional.
type AttachOptions struct {
	// Port is where the extension listens on 127.0.0.1, from 1024 to 65535; 0 means the function's own environment
	// variable TOKENIZER_PORT or, without one, 2774. The clients in the layer and tokenizerlayer/client find the port
	// by themselves.
	Port int
	// LogLevel is the lowest severity of notices about itself that the extension writes to the function's log; "" means
	// [LogInfo]. It always writes events, one for each operation.
	LogLevel LogLevel
	// MaxBodyBytes bounds the body of a request to the extension, from 64 to 32768 bytes; 0 means 32768.
	MaxBodyBytes int
	// ReadRate is how many tokens the extension opens or looks up a second in one environment, from 1 to 10000; 0
	// means 100.
	ReadRate int
	// MaxConnections is how many connections the extension serves at a time, from 1 to 1024; 0 means 64. Others wait.
	MaxConnections int
	// KeysAhead is how many data keys for one purpose the extension fetches before they are needed, so that a token
	// does not wait for KMS: from 1 to 256, or [NoKeysAhead]; 0 means 64. It is for functions that tokenize. The
	// extension begins with one data key, and fetches more only under load. It holds a data key for at most 5 minutes.
	// For this time the function can still make tokens after you have taken its permission away.
	KeysAhead int
	// Purposes are the purposes for which the function may tokenize or detokenize; none means tokens that are bound to
	// no purpose.
	Purposes []string
	// Index lets a function that may tokenize make deterministic tokens and idempotent requests: see [Grants.Index],
	// which is a way to read deterministic tokens.
	Index bool
	// IdempotencyScope is a common name for functions that share idempotency keys: 1 to 128 of A-Z a-z 0-9 . _ : -; ""
	// means that this function shares its keys with no other.
	IdempotencyScope string
	// Granted says that the role has its permissions on the vault already, so that Attach adds none. Set it for an
	// imported role that another app has made with [NewDetokenizeRole]. Attach recognizes a role of this app by itself.
	Granted bool
}

// NoKeysAhead is a value of [AttachOptions.KeysAhead]: the extension asks KMS for a data key in each tokenize, which
// waits for the answer.
const NoKeysAhead = -1

// defaultTimeout, in seconds, is what a function gets that states no timeout.
const defaultTimeout = 10

// Attach adds the layer to fn, gives the extension its settings as environment variables, and grants fn's role access
// to the vault. It picks the layer version by the architecture of fn. If fn states no timeout, Attach sets 10 seconds,
// because Lambda's default of 3 is less than the 5 that a client waits for the extension. If fn is to tokenize and its
// role states no path, Attach sets the path that the keys' policies demand. For a function that is to detokenize, you
// have to state the path of the role. options may be nil.
//
// Attach grants nothing to a role of [NewDetokenizeRole], which has its permissions already. The function must have the
// name and the log group for which the role was made.
//
// An error names every property that would not work in Lambda, and says what to do: an architecture for which the layer
// has no version, a container image, five other layers, a timeout of 5 seconds or less, SnapStart, a capacity provider,
// a port or a setting that is taken, a log configuration with which Lambda drops events, a role outside of the path
// that the keys' policies demand, a role to which the CDK does not add policies, a vault of another account or region,
// a layer that is attached already, or wrong options. If it returns an error, Attach has changed nothing. It checks fn
// again when the app is synthesized, so that later changes do not go unnoticed.
func (l *Layer) Attach(fn awslambda.Function, vault IVault, access Access, options *AttachOptions) error {
	if fn == nil {
		return fmt.Errorf("%s: fn: got none, want a function to attach the layer to", *l.Node().Path())
	}
	if vault == nil {
		return fmt.Errorf("%s: vault: got none, want one of NewVault or VaultFromAttributes", *fn.Node().Path())
	}
	a := &attachment{layer: l, fn: fn, vault: vault, access: access, options: *cmp.Or(options, &AttachOptions{})}
	state := a.resolve()
	if fn.Node().TryFindChild(new(attachmentID)) != nil {
		return fmt.Errorf("%s: the tokenizer layer is attached already: attach it once, and for more access use "+
			"IVault.Grants", *fn.Node().Path())
	}
	problems := slices.Concat(a.options.problems(access), a.problems(state))
	if len(state.layers) >= maxLayers {
		problems = append(problems, fmt.Errorf("Layers: got %d, as many as Lambda takes: remove one", maxLayers))
	}
	if err := refuse(*fn.Node().Path(), problems); err != nil {
		return err
	}
	constructs.NewConstruct(fn, new(attachmentID)).Node().AddValidation(a)

	if !a.granted() {
		a.grant()
	}
	fn.AddLayers(l.Version(state.architecture))
	variables := a.variables(state.architecture)
	for _, name := range slices.Sorted(maps.Keys(variables)) { // in one order, for the same template every time
		fn.AddEnvironment(&name, variables[name], nil)
	}
	if role := roleResource(fn.Role()); role != nil && role.Path() == nil && access == Tokenize &&
		vault.RolePath() != AnyRolePath {
		role.SetPath(new(a.neededPath())) // IAM cannot move a role: CloudFormation replaces a deployed one
	}
	a.attached = true
	if resource := a.resource(); resource.Timeout() == nil {
		resource.SetTimeout(new(float64(defaultTimeout)))
	}
	return nil
}

// granted tells whether the role has its rights already.
func (a *attachment) granted() bool {
	_, _, made := marks(a.fn.Role())
	return made || a.options.Granted
}

// grant gives the function's role access to the vault.
func (a *attachment) grant() {
	grants := a.vault.Grants()
	switch a.access {
	case Tokenize:
		grants.Tokenize(a.fn, a.options.Purposes...)
	case Detokenize:
		grants.Detokenize(a.fn, a.options.Purposes...)
	case Revoke:
		grants.Revoke(a.fn)
	}
	if a.options.Index {
		grants.Index(a.fn)
	}
}

// variables are the extension's settings; docs/api.md lists them.
func (a *attachment) variables(architecture Architecture) map[string]*string {
	variables := map[string]*string{
		settings.Table:           a.vault.Table().TableName(),
		settings.StateTable:      a.vault.State().TableName(),
		settings.IndexTable:      a.vault.Index().TableName(),
		settings.TokenKeys:       keyList(a.vault.TokenKeys()),
		settings.FingerprintKeys: keyList(a.vault.FingerprintKeys()),
		settings.AccountID:       awscdk.Stack_Of(a.fn).Account(),
	}
	for name, value := range map[string]string{
		// A weak reference leaves this stack's template as it was when the layer changes, and `cdk deploy` skips stacks
		// whose template did not change. With the digest in the environment a release changes the template.
		settings.LayerDigest:      a.layer.Digest(architecture),
		settings.LogLevel:         string(a.options.LogLevel),
		settings.IdempotencyScope: a.options.IdempotencyScope,
		settings.Port:             number(a.options.Port),
		settings.MaxBodyBytes:     number(a.options.MaxBodyBytes),
		settings.ReadRate:         number(a.options.ReadRate),
		settings.MaxConnections:   number(a.options.MaxConnections),
		settings.KeysAhead:        a.keysAhead(),
		settings.Access:           a.toldAccess(),
		settings.Purposes:         strings.Join(a.options.Purposes, ","),
	} {
		if value != "" {
			variables[name] = &value
		}
	}
	return variables
}

// toldAccess is what the extension may prepare itself for. Of a role that has its rights to tokenize already, the
// purposes are not known.
func (a *attachment) toldAccess() string {
	if a.access == Tokenize && a.granted() {
		return ""
	}
	return map[Access]string{
		Tokenize: settings.AccessTokenize, Detokenize: settings.AccessDetokenize, Revoke: settings.AccessRevoke,
	}[a.access]
}

func (a *attachment) keysAhead() string {
	if a.options.KeysAhead == NoKeysAhead {
		return "0"
	}
	return number(a.options.KeysAhead)
}

// keyList is a key's versions as a setting.
func keyList(keys []KeyVersion) *string {
	var list []string
	for _, key := range keys {
		list = append(list, key.Version+"="+*key.Key.KeyArn())
	}
	return new(strings.Join(list, ","))
}

// number is n as a setting; 0 means that it is not set.
func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// problems are what is wrong about the options by themselves.
func (o AttachOptions) problems(access Access) (problems []error) {
	for _, n := range []struct {
		property              string
		got, least, most, def int
	}{
		{"Port", o.Port, api.MinPort, api.MaxPort, api.DefaultPort},
		{"MaxBodyBytes", o.MaxBodyBytes, api.MinBodyLimit, api.MaxBody, api.MaxBody},
		{"ReadRate", o.ReadRate, 1, api.MaxReadRate, api.DefaultReadRate},
		{"MaxConnections", o.MaxConnections, 1, api.MaxConnections, api.DefaultConnections},
		{"KeysAhead", max(o.KeysAhead, 0), 1, api.MaxKeysAhead, api.DefaultKeysAhead},
	} {
		if n.got != 0 && (n.got < n.least || n.got > n.most) {
			problems = append(problems, fmt.Errorf("AttachOptions.%s: got %d, want %d to %d: leave it out for %d",
				n.property, n.got, n.least, n.most, n.def))
		}
	}
	if levels := []LogLevel{"", LogDebug, LogInfo, LogWarn, LogError}; !slices.Contains(levels, o.LogLevel) {
		problems = append(problems, fmt.Errorf("AttachOptions.LogLevel: got %q, want one of %v: leave it out for INFO",
			o.LogLevel, levels[1:]))
	}
	for _, purpose := range o.Purposes {
		problems = append(problems, checkPurpose("AttachOptions.Purposes", purpose))
	}
	if len(o.Purposes) > 0 && access == Revoke {
		problems = append(problems, errors.New(
			"AttachOptions.Purposes: got some for Revoke, which is for tokens of every purpose: leave them out"))
	}
	if o.KeysAhead < NoKeysAhead {
		problems = append(problems,
			fmt.Errorf("AttachOptions.KeysAhead: got %d, want 1 to %d, or NoKeysAhead: leave it out for %d",
				o.KeysAhead, api.MaxKeysAhead, api.DefaultKeysAhead))
	}
	if o.KeysAhead != 0 && access != Tokenize {
		problems = append(problems, fmt.Errorf("AttachOptions.KeysAhead: got %d for a function that does not "+
			"tokenize, and needs no data keys: leave it out", o.KeysAhead))
	}
	if o.IdempotencyScope != "" && !api.IsName(o.IdempotencyScope) {
		problems = append(problems, fmt.Errorf("AttachOptions.IdempotencyScope: got %q, want 1 to 128 of A-Z a-z 0-9 "+
			". _ : -, the first a letter or digit", o.IdempotencyScope))
	}
	if o.Index && access != Tokenize {
		problems = append(problems, errors.New(
			"AttachOptions.Index: got true for a function that does not tokenize, and cannot use it: leave it out"))
	}
	return problems
}
