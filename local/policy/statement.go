package policy

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
)

const (
	allow = "Allow"
	deny  = "Deny"
)

// statement is one statement of a policy, ready to be matched.
type statement struct {
	label              string // Sid or position
	name               string // the same, and the policy
	effect             string
	actions, resources []*regexp.Regexp
	principals         []string // ARNs, names of services, or "*"
	conditions         []condition
	written            Statement
}

// about tells whether the statement is about an action and a resource.
func (s *statement) about(action, resource string) bool {
	return matches(s.actions, action) && matches(s.resources, resource)
}

func (s *statement) names(principal string) bool { return slices.Contains(s.principals, principal) }

// failing names the first condition that does not hold; it returns "" if all hold.
func (s *statement) failing(context map[string][]string) string {
	for _, c := range s.conditions {
		if !c.holds(context) {
			return c.operator + " " + c.key
		}
	}
	return ""
}

// elements are the members of a statement that this package evaluates. NotAction, NotResource and NotPrincipal are left
// out on purpose: a policy with them is harder to read than one that lists what it allows.
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
		s := statement{name: fmt.Sprintf("%q of %s", label, name), label: label}
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
		return errors.New("Principal belongs into policies of resources, where it is required")
	}
	if s.principals, err = principals(members["Principal"]); err != nil {
		return fmt.Errorf("Principal: %w", err)
	}
	if s.conditions, err = conditions(members["Condition"]); err != nil {
		return err
	}
	for i := range s.conditions {
		s.conditions[i].ofDeny = s.effect == deny
	}
	s.written = Statement{Label: s.label, Name: s.name, Effect: s.effect, Principals: s.principals}
	s.written.Actions, _ = texts(members["Action"]) // patterns above found no error
	s.written.Resources, _ = texts(members["Resource"])
	for _, c := range s.conditions {
		s.written.Conditions = append(s.written.Conditions, Condition{c.operator, c.key, c.values})
	}
	return nil
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
	accounts, err := texts(kinds["AWS"])
	if err != nil {
		return nil, err
	}
	for i, account := range accounts { // the short form
		if accountID.MatchString(account) {
			accounts[i] = root(account)
		}
	}
	services, err := texts(kinds["Service"])
	return append(accounts, services...), err
}

var accountID = regexp.MustCompile(`^[0-9]{12}$`)
