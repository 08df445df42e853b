package stacks

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/aws/constructs-go/constructs/v10"
)

// namespace precedes the context keys of the less common options. Every key in it is ours, so an unknown one is a
// mistake. The common options have plain names, which other tools' keys may resemble: of the plain names, only those
// that are one slip away from one of ours are refused.
const namespace = "tokenizer:"

// contextKeys say how `-c key=value`, or cdk.json, sets a field. The error says what was wanted.
func (c *Config) contextKeys() map[string]func(value any) error {
	return map[string]func(any) error{
		"stage":                      text(&c.Stage),
		"namePrefix":                 text(&c.NamePrefix),
		"architecture":               text(&c.Architecture),
		"network":                    text(&c.Network),
		"waf":                        choice(&c.WAF),
		"orgId":                      text(&c.OrgID),
		"localBuildOS":               text(&c.BuildOS),
		"tokenizer:allowedOrigins":   list(&c.AllowedOrigins),
		"tokenizer:mfa":              text(&c.MFA),
		"tokenizer:threatProtection": choice(&c.ThreatProtection),
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
	keys := config.contextKeys()
	context, _ := scope.Node().GetAllContext(nil).(map[string]any)
	var problems []error
	for key, value := range context {
		if set, ok := keys[key]; ok {
			if err := set(value); err != nil {
				problems = append(problems, fmt.Errorf("%s: got %v, want %w: set it with -c %s=... or in cdk.json", key, value, err, key))
			}
			continue
		}
		problems = append(problems, unknown(key, slices.Sorted(maps.Keys(keys))))
	}
	problems = append(problems, config.Validate())
	return config, inOrder(problems)
}

// unknown is the error about a key that is not one of ours, or nil if it is somebody else's.
func unknown(key string, ours []string) error {
	for _, known := range ours {
		if oneSlip(strings.ToLower(key), strings.ToLower(known)) {
			return fmt.Errorf("%s: unknown context key: did you mean %s?", key, known)
		}
	}
	if strings.HasPrefix(key, namespace) {
		return fmt.Errorf("%s: unknown context key: use one of %s", key, strings.Join(ours, ", "))
	}
	return nil
}

// oneSlip tells whether a is b, or b with one character missing, added, changed, or swapped with the next.
func oneSlip(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	a, b = a[i:], b[i:] // what follows the common start
	switch {
	case b == "":
		return true
	case len(a) < len(b):
		return a == b[1:]
	case a[1:] == b[1:]:
		return true
	}
	return len(a) > 1 && a[0] == b[1] && a[1] == b[0] && a[2:] == b[2:]
}

func text(field *string) func(any) error {
	return func(value any) error {
		s, ok := value.(string)
		if !ok {
			return errors.New("a string")
		}
		*field = s
		return nil
	}
}

// choice takes a boolean of cdk.json, or its name, which is what -c gives.
func choice(field *bool) func(any) error {
	return func(value any) error {
		switch value {
		case true, "true":
			*field = true
		case false, "false":
			*field = false
		default:
			return errors.New("true or false")
		}
		return nil
	}
}

func list(field *[]string) func(any) error {
	return func(value any) error {
		s, ok := value.(string)
		if !ok || s == "" {
			return errors.New("a string, values separated by commas")
		}
		*field = strings.Split(s, ",")
		return nil
	}
}
