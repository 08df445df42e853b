package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// condition is one operator on one condition key.
type condition struct {
	operator, key string // as written, like values
	values        []string
	test          func(value string) bool
	negated       bool // the condition holds if test does not, and for an absent key
	ifExists      bool // the condition holds for an absent key
	null          bool // only whether the key is absent matters; test gets "true" or "false"
	forAll        bool // test must hold for every value of the key; without values the condition holds
	ofDeny        bool // the condition is one of a statement that denies
}

// holds decides on a context whose keys are in lower case, because IAM ignores the case of condition keys.
func (c condition) holds(context map[string][]string) bool {
	values, present := context[strings.ToLower(c.key)]
	switch {
	case c.null:
		return c.test(strconv.FormatBool(!present))
	case !present:
		return c.negated || c.ifExists || c.forAll
	case !c.forAll && len(values) != 1:
		// IAM's result depends on the operator, so no policy should rely on it. What is less permissive is right here.
		return c.ofDeny
	}
	return !slices.ContainsFunc(values, func(v string) bool { return c.test(v) == c.negated })
}

// keys are the condition keys whose values the local run knows, or whose absence it can be sure of. A prefix ends in a
// colon.
var keys = []string{
	"aws:principalarn", "aws:principalaccount", "aws:principalisawsservice", "aws:sourceaccount", "aws:sourcevpc",
	"kms:calleraccount", "kms:viaservice", "kms:encryptioncontext:", "kms:grantisforawsresource",
	"kms:schedulekeydeletionpendingwindowindays",
	"dynamodb:returnvalues", "dynamodb:attributes", "dynamodb:leadingkeys", "lambda:sourcefunctionarn",
	"iam:permissionsboundary", "iam:passedtoservice", // of calls to IAM only
}

func isKnown(key string) bool {
	return slices.ContainsFunc(keys, func(known string) bool {
		return known == key || strings.HasSuffix(known, ":") && strings.HasPrefix(key, known)
	})
}

func conditions(v any) ([]condition, error) {
	if v == nil {
		return nil, nil
	}
	operators, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("Condition: want an object")
	}
	var all []condition
	for _, operator := range slices.Sorted(maps.Keys(operators)) {
		tests, _ := operators[operator].(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(tests)) {
			c, err := newCondition(operator, key, tests[key])
			if err != nil {
				return nil, fmt.Errorf("Condition %s %s: %w", operator, key, err)
			}
			all = append(all, c)
		}
	}
	return all, nil
}

func newCondition(operator, key string, v any) (condition, error) {
	values, err := texts(v)
	if err != nil {
		return condition{}, err
	}
	if !isKnown(strings.ToLower(key)) {
		return condition{}, errors.New("this condition key is not evaluated here")
	}
	base, forAll := strings.CutPrefix(operator, "ForAllValues:")
	base, ifExists := strings.CutSuffix(base, "IfExists")
	c := condition{
		operator: operator,
		key:      key,
		values:   values,
		ifExists: ifExists,
		forAll:   forAll,
		negated:  strings.Contains(base, "Not"),
	}
	switch base {
	case "StringEquals", "StringNotEquals", "Bool":
		c.test = func(value string) bool { return slices.Contains(values, value) }
	case "StringLike", "StringNotLike":
		compiled, _ := patterns(v, "(?s)") // texts above found no error
		c.test = func(value string) bool { return matches(compiled, value) }
	case "ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike": // IAM treats both spellings alike
		var compiled []*regexp.Regexp
		for _, text := range values {
			compiled = append(compiled, arnPattern(text))
		}
		c.test = func(value string) bool { return matches(compiled, value) }
	case "NumericLessThan":
		if c.test, err = lessThan(values); err != nil {
			return condition{}, err
		}
	case "Null":
		c.null, c.test = true, func(absent string) bool { return slices.Contains(values, absent) }
	}
	if c.test == nil || c.null && (ifExists || forAll) {
		return condition{}, errors.New("this condition operator is not evaluated here")
	}
	return c, nil
}

// lessThan tests for a number below the only one of values.
func lessThan(values []string) (func(string) bool, error) {
	if len(values) != 1 {
		return nil, errors.New("want one number")
	}
	limit, err := strconv.ParseFloat(values[0], 64)
	if err != nil {
		return nil, errors.New("want a number")
	}
	return func(value string) bool {
		n, err := strconv.ParseFloat(value, 64)
		return err == nil && n < limit
	}, nil
}

// matches tells whether one of the patterns matches the value.
func matches(patterns []*regexp.Regexp, value string) bool {
	return slices.ContainsFunc(patterns, func(p *regexp.Regexp) bool { return p.MatchString(value) })
}

// patterns compiles one text or a list of texts, in which * and ? are wildcards. The flags are a regular expression's.
func patterns(v any, flags string) ([]*regexp.Regexp, error) {
	list, err := texts(v)
	if err == nil && len(list) == 0 {
		err = errors.New("it is missing")
	}
	compiled := make([]*regexp.Regexp, len(list))
	for i, text := range list {
		compiled[i] = regexp.MustCompile(flags + "^" + wildcards(text, ".") + "$")
	}
	return compiled, err
}

// wildcards makes a regular expression of a text: * stands for any number of the characters class, and ? for one of
// them.
func wildcards(text, class string) string {
	return strings.NewReplacer(`\*`, class+`*`, `\?`, class).Replace(regexp.QuoteMeta(text))
}

// arnPattern compiles an ARN with wildcards. A wildcard matches within its part of the ARN only; the sixth part may
// hold colons.
func arnPattern(text string) *regexp.Regexp {
	parts := strings.SplitN(text, ":", 6)
	for i, part := range parts {
		if parts[i] = wildcards(part, "[^:]"); i == 5 {
			parts[i] = wildcards(part, ".")
		}
	}
	return regexp.MustCompile("(?s)^" + strings.Join(parts, ":") + "$")
}

// texts returns the texts of v, which is one text or a list of them. Numbers and booleans count as text. A policy
// variable is an error.
func texts(v any) (list []string, err error) {
	switch v := v.(type) {
	case nil:
	case string:
		list = []string{v}
	case bool:
		list = []string{strconv.FormatBool(v)}
	case json.Number:
		list = []string{v.String()}
	case []any:
		for _, element := range v {
			if _, nested := element.([]any); nested {
				return nil, errors.New("want text, not a list in a list")
			}
			more, err := texts(element)
			if err != nil {
				return nil, err
			}
			list = append(list, more...)
		}
	default:
		return nil, errors.New("want text or a list of texts")
	}
	for _, text := range list {
		if strings.Contains(text, "${") {
			return nil, fmt.Errorf("the policy variable in %q is not evaluated here", text)
		}
	}
	return list, nil
}
