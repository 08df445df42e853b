// Package access finds out what principals may do, whatever their requests look like.
//
//	policies := access.New("123456789012")
//	err := policies.AddRolePolicy(roleARN, "OrderPolicy", document)
//	err = policies.AddResourcePolicy(keyARN, "the key policy", document)
//	answer, err := policies.Ask(access.Question{Principal: roleARN, Action: "kms:Decrypt", Resource: keyARN})
//
// It tries requests with [policy.Account]: for every condition key that the policies mention, the values that they
// mention, one that they do not mention, and a request without the key. Values that no policy mentions are alike to the
// policies, so what is refused to all of these requests is refused to every request. There is one exception: of a
// pattern it tries one value, so it does not find a value that two patterns for one key have in common.
package access

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/policy"
)

// Policies are the policies of principals and resources.
type Policies struct {
	evaluator   *policy.Account
	ofPrincipal map[string][]policy.Statement // by ARN
	boundaries  map[string][]policy.Statement // by ARN
	ofResource  map[string][]policy.Statement // by ARN
}

// New returns the policies of an account that has none yet.
func New(account string) *Policies {
	return &Policies{
		evaluator:   policy.NewAccount(account),
		ofPrincipal: map[string][]policy.Statement{},
		boundaries:  map[string][]policy.Statement{},
		ofResource:  map[string][]policy.Statement{},
	}
}

// AddRolePolicy adds a policy to a principal. Refusals name the policy by name.
func (p *Policies) AddRolePolicy(principal, name string, document any) error {
	return add(p.ofPrincipal, p.evaluator.AddRolePolicy, principal, name, document, false)
}

// AddBoundary makes a policy a principal's permissions boundary. Refusals name the policy by name.
func (p *Policies) AddBoundary(principal, name string, document any) error {
	return add(p.boundaries, p.evaluator.AddBoundary, principal, name, document, false)
}

// AddResourcePolicy adds a policy to a resource. Refusals name the policy by name.
func (p *Policies) AddResourcePolicy(resource, name string, document any) error {
	return add(p.ofResource, p.evaluator.AddResourcePolicy, resource, name, document, true)
}

func add(to map[string][]policy.Statement, evaluate func(owner, name string, document any) error,
	owner, name string, document any, hasPrincipal bool) error {
	if err := evaluate(owner, name, document); err != nil {
		return err
	}
	statements, err := policy.Statements(name, document, hasPrincipal)
	to[owner] = append(to[owner], statements...)
	return err
}

// OfPrincipal returns the statements of a principal's own policies, in their order.
func (p *Policies) OfPrincipal(principal string) []policy.Statement { return p.ofPrincipal[principal] }

// OfBoundary returns the statements of a principal's permissions boundary, in their order.
func (p *Policies) OfBoundary(principal string) []policy.Statement { return p.boundaries[principal] }

// OfResource returns the statements of a resource's policies, in their order.
func (p *Policies) OfResource(resource string) []policy.Statement { return p.ofResource[resource] }

// Absent is the value of a condition key that is not in a request.
const Absent = ""

// Other is a value that no policy mentions.
const Other = "anything else"

// Question asks whether a principal may do something.
type Question struct {
	// Principal is the ARN of a role or user, or the name of an AWS service that acts for itself.
	Principal, Action, Resource string
	// Given are the values of condition keys, in lower case, that a request must have. [Absent] means that it must not
	// have the key.
	Given map[string]string
	// By is a statement whose conditions the request must meet; nil means any request.
	By *policy.Statement
}

// Answer is what the policies answer to a [Question].
type Answer struct {
	Allowed bool
	Refusal string // why not
	// Unmet: no request that the question is about meets the conditions of its statement.
	Unmet bool
}

// Ask tells whether a request gets through that the question is about. An error says that there are too many to try.
func (p *Policies) Ask(q Question) (Answer, error) {
	s := newSearch(p, q)
	if s.requests() > maxRequests {
		return Answer{}, fmt.Errorf("%s on %s: the policies mention too many values of condition keys to try them all",
			q.Action, q.Resource)
	}
	s.try(s.keys)
	return s.answer, nil
}

// Values returns the values of a condition key, in lower case, with which a request gets through: those that the
// policies mention, and [Absent] and [Other].
func (p *Policies) Values(q Question, key string) (values []string, err error) {
	mentioned, ok := newSearch(p, q).candidates[key]
	if !ok {
		mentioned = []string{Absent, Other}
	}
	for _, value := range mentioned {
		given := map[string]string{key: value}
		maps.Copy(given, q.Given)
		answer, err := p.Ask(Question{q.Principal, q.Action, q.Resource, given, q.By})
		if err != nil {
			return nil, err
		}
		if answer.Allowed {
			values = append(values, value)
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(values))), nil
}

// relevant returns the statements that decide about a question.
func (p *Policies) relevant(q Question) (statements []policy.Statement) {
	for _, s := range slices.Concat(p.ofPrincipal[q.Principal], p.boundaries[q.Principal], p.ofResource[q.Resource]) {
		if s.IsAbout(q.Action, q.Resource) {
			statements = append(statements, s)
		}
	}
	return statements
}

// fixed returns the condition keys whose values a question settles: those that follow from the principal, and those
// that it gives.
func (q Question) fixed() map[string]string {
	fixed := map[string]string{
		"aws:principalisawsservice": "true",
		"aws:principalarn":          Absent,
		"aws:principalaccount":      Absent,
		"kms:calleraccount":         Absent,
	}
	if parts := strings.SplitN(q.Principal, ":", 6); len(parts) == 6 {
		fixed = map[string]string{
			"aws:principalisawsservice": "false",
			"aws:principalarn":          q.Principal,
			"aws:principalaccount":      parts[4],
			"kms:calleraccount":         parts[4],
		}
	}
	maps.Copy(fixed, q.Given)
	return fixed
}
