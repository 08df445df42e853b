// Package iam decides whether a role may do something, from the policies that a CloudFormation template gives to the role and
// to the resource.
//
//	account := iam.NewAccount("123456789012")
//	err := account.Attach(roleARN, "OrderPolicy", document) // the JSON value of a PolicyDocument, resolved
//	err = account.Protect(keyARN, "key policy", document)   // a resource's own policy
//	refusal := account.Decide(iam.Request{Role: roleARN, Action: "kms:Decrypt", Resource: keyARN, Context: context})
//
// It follows IAM's evaluation logic within one account: an explicit Deny wins; then a resource's policy that names the role, or
// a policy of the role, has to allow. A KMS key is stricter: its own policy must name the role, or leave the decision to the
// account's policies by naming the account.
//
// Elements, condition operators and condition keys that it does not know are errors when a policy is added, never ignored: a
// condition that is skipped would make the local run more permissive, or more strict, than AWS. Policies of the organization,
// permissions boundaries, session policies, grants and VPC endpoint policies are not evaluated.
//
// Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html and, for keys,
// https://docs.aws.amazon.com/kms/latest/developerguide/determining-access.html
package iam

import (
	"fmt"
	"strings"
	"sync"
)

// Request is one use of one action, as a policy sees it.
type Request struct {
	Role     string // ARN of the role, with its path
	Action   string // such as kms:Decrypt
	Resource string // ARN, or "*" where the action is not about a resource
	// Context are the condition keys of the request, in lower case. A key that is not there is absent to conditions. Only keys
	// that the operator ForAllValues is meant for have more than one value.
	Context map[string][]string
}

// Account holds the policies of one AWS account. It is safe for concurrent use.
type Account struct {
	root string // principal that stands for the account

	mu        sync.RWMutex
	roles     map[string][]statement // by the role's ARN
	resources map[string][]statement // by the resource's ARN
}

// NewAccount returns an account without policies; id has 12 digits.
func NewAccount(id string) *Account {
	return &Account{
		root:  "arn:aws:iam::" + id + ":root",
		roles: map[string][]statement{}, resources: map[string][]statement{},
	}
}

// Attach gives a role another policy. The name is for refusals.
func (a *Account) Attach(role, name string, document any) error {
	return a.add(a.roles, role, name, document, false)
}

// Protect gives a resource a policy of its own.
func (a *Account) Protect(resource, name string, document any) error {
	return a.add(a.resources, resource, name, document, true)
}

func (a *Account) add(to map[string][]statement, owner, name string, document any, hasPrincipal bool) error {
	statements, err := parse(name, document, hasPrincipal)
	if err != nil {
		return fmt.Errorf("policy %s: %w", name, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	to[owner] = append(to[owner], statements...)
	return nil
}

// Refusal says who may not do what, and which statement stands in the way or is missing. It quotes no value of the request
// but the names of role, action and resource.
type Refusal struct {
	Request
	// Because continues "not authorized to perform ... because": AWS's words for the caller.
	Because string
	// Missing is for the log: what would have to be in the policies, or what is and forbids it.
	Missing string
}

// Error is what AWS tells the caller.
func (r *Refusal) Error() string {
	return fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s because %s", r.Role, r.Action, r.Resource, r.Because)
}

// Decide returns nil if the request is allowed.
func (a *Account) Decide(r Request) *Refusal {
	a.mu.RLock()
	defer a.mu.RUnlock()
	ofRole, ofResource := a.roles[r.Role], a.resources[r.Resource]
	refuse := func(because, missing string) *Refusal { return &Refusal{r, because, missing} }

	if s := first(ofRole, deny, r, anyone); s != nil {
		return refuse("of an explicit deny in an identity-based policy", s.name+" denies it")
	}
	if s := first(ofResource, deny, r, a.covers); s != nil {
		return refuse("of an explicit deny in a resource-based policy", s.name+" denies it")
	}
	if first(ofResource, allow, r, named) != nil {
		return nil
	}
	isKey := strings.HasPrefix(r.Action, "kms:") && r.Resource != "*"
	if isKey && first(ofResource, allow, r, a.covers) == nil {
		return refuse("no resource-based policy allows the "+r.Action+" action",
			"the key's policy neither names the role nor leaves "+r.Action+" to the account's policies"+nearly(ofResource, r))
	}
	if first(ofRole, allow, r, anyone) == nil {
		return refuse("no identity-based policy allows the "+r.Action+" action",
			fmt.Sprintf("the role's policies lack {Allow %s on %s}%s", r.Action, r.Resource, nearly(ofRole, r)))
	}
	return nil
}

// Who a statement is about. A role's own policies are about nobody else.
func anyone(*statement, Request) bool                  { return true }
func named(s *statement, r Request) bool               { return s.names(r.Role) || s.names("*") }
func (a *Account) covers(s *statement, r Request) bool { return named(s, r) || s.names(a.root) }

// first returns the first statement that applies to r.
func first(statements []statement, effect string, r Request, who func(*statement, Request) bool) *statement {
	for i := range statements {
		s := &statements[i]
		if s.effect == effect && who(s, r) && s.about(r) && s.failing(r) == "" {
			return s
		}
	}
	return nil
}

// nearly names the conditions that keep statements from allowing r.
func nearly(statements []statement, r Request) string {
	var reasons strings.Builder
	for i := range statements {
		s := &statements[i]
		if failing := s.failing(r); s.effect == allow && s.about(r) && failing != "" {
			fmt.Fprintf(&reasons, "; %s would allow it, but its condition %s does not hold", s.name, failing)
		}
	}
	return reasons.String()
}
