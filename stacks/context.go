package stacks

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/constructs-go/constructs/v10"
)

// namespace precedes the context keys of the options. Every key in it is ours, so an unknown one is a mistake. The
// context is shared with the CDK and other tools, so every other key may be somebody else's.
const namespace = "tokenizer:"

// aliases are the short names of the options that one sets by hand most often.
var aliases = map[string]string{"stage": "tokenizer:stage", "network": "tokenizer:network"}

// contextKeys say how `-c key=value`, or cdk.json, sets a field. The error says what was wanted.
func (c *Config) contextKeys() map[string]func(value any) error {
	return map[string]func(any) error{
		"tokenizer:stage":              text(&c.Stage),
		"tokenizer:namePrefix":         text(&c.NamePrefix),
		"tokenizer:architecture":       text(&c.Architecture),
		"tokenizer:layerArchitectures": list(&c.LayerArchitectures),
		"tokenizer:network":            text(&c.Network),
		"tokenizer:egressDomains":      list(&c.EgressDomains),
		"tokenizer:orderTokenDays":     number(&c.OrderTokenDays),
		"tokenizer:revokePaid":         choice(&c.RevokePaid),
		"tokenizer:waf":                choice(&c.WAF),
		"tokenizer:orgId":              text(&c.OrgID),
		"tokenizer:codeSigning":        text(&c.CodeSigning),
		"tokenizer:localBuildOS":       text(&c.BuildOS),
		"tokenizer:allowedOrigins":     list(&c.AllowedOrigins),
		"tokenizer:mfa":                text(&c.MFA),
		"tokenizer:threatProtection":   choice(&c.ThreatProtection),
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
		name := cmp.Or(aliases[key], key)
		if other, given := context[name]; given && name != key && !reflect.DeepEqual(other, value) {
			problems = append(problems, fmt.Errorf("%s: got %v, but %s is %v: leave one of them out", key, value, name,
				other))
			continue
		}
		if set, ok := keys[name]; ok {
			if err := set(value); err != nil {
				problems = append(problems, fmt.Errorf("%s: got %v, want %w: set it with -c %s=... or in cdk.json", key,
					value, err, key))
			}
		} else if strings.HasPrefix(key, namespace) {
			problems = append(problems, fmt.Errorf("%s: unknown context key: use one of %s", key,
				strings.Join(slices.Sorted(maps.Keys(keys)), ", ")))
		}
	}
	problems = append(problems, config.Validate())
	return config, inOrder(problems)
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

// number takes a whole number of cdk.json, or its digits, which is what -c gives.
func number(field *int) func(any) error {
	return func(value any) error {
		n, err := strconv.Atoi(fmt.Sprint(value))
		if err != nil || n < 1 {
			return errors.New("a whole number above 0")
		}
		*field = n
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
