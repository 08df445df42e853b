package iam

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

const (
	allow = "Allow"
	deny  = "Deny"
)

// statement is one statement of a policy, ready to be matched.
type statement struct {
	name               string // policy and Sid or position
	effect             string
	actions, resources []*regexp.Regexp
	principals         []string // ARNs, or "*"; services and federated users are never a role
	conditions         []condition
}

// about tells whether the statement is about the request's action and resource.
func (s *statement) about(r Request) bool {
	return matches(s.actions, r.Action) && matches(s.resources, r.Resource)
}

func matches(patterns []*regexp.Regexp, value string) bool {
	return slices.ContainsFunc(patterns, func(p *regexp.Regexp) bool { return p.MatchString(value) })
}

func (s *statement) names(principal string) bool { return slices.Contains(s.principals, principal) }

// failing names the first condition that does not hold; it is empty if all do.
func (s *statement) failing(r Request) string {
	for _, c := range s.conditions {
		if !c.holds(r.Context) {
			return c.operator + " " + c.key
		}
	}
	return ""
}

// elements are the members of a statement that are understood. NotAction, NotResource and NotPrincipal are not among them: a
// policy that needs them says less clearly what it allows.
var elements = []string{"Sid", "Effect", "Action", "Resource", "Principal", "Condition"}

func parse(name string, document any, hasPrincipal bool) ([]statement, error) {
	body, _ := document.(map[string]any)
	list, ok := body["Statement"].([]any)
	if one, single := body["Statement"].(map[string]any); single {
		list, ok = []any{one}, true
	}
	if !ok {
		return nil, errors.New("it has no Statement")
	}
	var parsed []statement
	for i, element := range list {
		members, _ := element.(map[string]any)
		label, _ := members["Sid"].(string)
		if label == "" {
			label = "statement " + strconv.Itoa(i+1)
		}
		s := statement{name: fmt.Sprintf("%q of %s", label, name)}
		if err := s.read(members, hasPrincipal); err != nil {
			return nil, fmt.Errorf("%s: %w", label, err)
		}
		parsed = append(parsed, s)
	}
	return parsed, nil
}

func (s *statement) read(members map[string]any, hasPrincipal bool) (err error) {
	for member := range members {
		if !slices.Contains(elements, member) {
			return fmt.Errorf("the element %s is not evaluated here", member)
		}
	}
	if s.effect, _ = members["Effect"].(string); s.effect != allow && s.effect != deny {
		return errors.New("Effect is neither Allow nor Deny")
	}
	if s.actions, err = patterns(members["Action"], "(?is)"); err != nil {
		return fmt.Errorf("Action: %w", err)
	}
	if s.resources, err = patterns(members["Resource"], "(?s)"); err != nil {
		return fmt.Errorf("Resource: %w", err)
	}
	if (members["Principal"] != nil) != hasPrincipal {
		return errors.New("Principal belongs into policies of resources, and must be there")
	}
	if s.principals, err = principals(members["Principal"]); err != nil {
		return fmt.Errorf("Principal: %w", err)
	}
	s.conditions, err = conditions(members["Condition"])
	return err
}

func principals(v any) ([]string, error) {
	if v == nil || v == "*" {
		return texts(v)
	}
	kinds, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("want * or an object")
	}
	for kind := range kinds {
		if kind != "AWS" && kind != "Service" {
			return nil, fmt.Errorf("the kind %s is not evaluated here", kind)
		}
	}
	return texts(kinds["AWS"])
}

// patterns compiles one or more texts with the wildcards * and ?. Names of actions have no case, those of resources do.
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

// wildcards compiles a text in which * stands for any number of the characters any, and ? for one.
func wildcards(text, any string) string {
	return strings.NewReplacer(`\*`, any+`*`, `\?`, any).Replace(regexp.QuoteMeta(text))
}

func pattern(text string) *regexp.Regexp {
	return regexp.MustCompile("(?s)^" + wildcards(text, ".") + "$")
}

// arnPattern keeps wildcards within their part of the ARN, of which the sixth may hold colons.
func arnPattern(text string) *regexp.Regexp {
	parts := strings.SplitN(text, ":", 6)
	for i, part := range parts {
		if parts[i] = wildcards(part, "[^:]"); i == 5 {
			parts[i] = wildcards(part, ".")
		}
	}
	return regexp.MustCompile("(?s)^" + strings.Join(parts, ":") + "$")
}

// texts is one text, or a list of them. Numbers and booleans count as text. A policy variable is an error.
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

// condition is one operator on one key.
type condition struct {
	operator, key string // as written
	test          func(value string) bool
	negated       bool // holds for an absent key, and where test does not
	ifExists      bool // holds for an absent key
	null          bool // about presence only; test gets "true" or "false"
	forAll        bool // about every value of the key; holds where there is none
}

// holds decides on a context whose keys are in lower case: names of condition keys have no case.
func (c condition) holds(context map[string][]string) bool {
	values, present := context[strings.ToLower(c.key)]
	switch {
	case c.null:
		return c.test(strconv.FormatBool(!present))
	case !present:
		return c.negated || c.ifExists || c.forAll
	case !c.forAll && len(values) != 1:
		return false // what IAM makes of this depends on the operator: better not to rely on it
	}
	return !slices.ContainsFunc(values, func(v string) bool { return c.test(v) == c.negated })
}

// keys are the condition keys whose value, or absence, a request's context states truly; prefixes end in a colon.
var keys = []string{
	"aws:principalarn", "aws:principalaccount", "aws:principalisawsservice",
	"kms:calleraccount", "kms:viaservice", "kms:encryptioncontext:", "kms:grantisforawsresource",
	"dynamodb:returnvalues", "dynamodb:attributes", "lambda:sourcefunctionarn",
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
	c := condition{operator: operator, key: key, ifExists: ifExists, forAll: forAll, negated: strings.Contains(base, "Not")}
	switch base {
	case "StringEquals", "StringNotEquals", "Bool":
		c.test = func(value string) bool { return slices.Contains(values, value) }
	case "StringLike", "StringNotLike":
		compiled, _ := patterns(v, "(?s)") // texts has found nothing wrong
		c.test = func(value string) bool { return matches(compiled, value) }
	case "ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike": // with and without Like is the same to IAM
		var compiled []*regexp.Regexp
		for _, text := range values {
			compiled = append(compiled, arnPattern(text))
		}
		c.test = func(value string) bool { return matches(compiled, value) }
	case "Null":
		c.null, c.test = true, func(absent string) bool { return slices.Contains(values, absent) }
	}
	if c.test == nil || c.null && (ifExists || forAll) {
		return condition{}, errors.New("this condition operator is not evaluated here")
	}
	return c, nil
}
