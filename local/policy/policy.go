// Package policy evaluates IAM policies: may a role do something, by the policies that a CloudFormation template gives
// to the role and to the resource?
//
//	account := policy.NewAccount("123456789012")
//	err := account.AddRolePolicy(roleARN, "OrderPolicy", document)     // the JSON value of a PolicyDocument, resolved
//	err = account.AddBoundary(roleARN, "Boundary", document)
//	err = account.AddResourcePolicy(keyARN, "the key policy", document)
//	denial := account.Evaluate(policy.Request{Role: roleARN, Action: "kms:Decrypt", Resource: keyARN, Context: context})
//
// It follows IAM's evaluation logic for resources of one account. An explicit Deny wins. Otherwise a policy of the
// role, or a policy of the resource that names the role, must allow the request. A KMS key is stricter: its own policy
// must name the role, or leave the decision to the account's policies by naming the account. A principal of another
// account needs both: a policy of the resource that names it or its account, and a policy of its own. An AWS service
// has no policies of its own, so the resource's must name it. A role that has a permissions boundary may do what that
// allows, too, and nothing else.
//
// A policy with an element, a condition operator or a condition key that this package does not know is an error when it
// is added. Ignoring it would make the local run more permissive, or stricter, than AWS. Policies of the organization,
// session policies, grants and VPC endpoint policies are not evaluated.
//
// Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html and, for keys,
// https://docs.aws.amazon.com/kms/latest/developerguide/determining-access.html
package policy

import (
	"fmt"
	"strings"
	"sync"
)

// Request is one use of one action, as policies see it.
type Request struct {
	// Role is the ARN of the role, with its path. Of a user it is the ARN, too, and of an AWS service that acts for
	// itself its name, such as logs.us-east-1.amazonaws.com.
	Role     string
	Action   string // such as kms:Decrypt
	Resource string // ARN, or "*" where the action is not about a resource
	// Context holds the request's condition keys, in lower case. To conditions, a key that is missing here is absent
	// from the request. Only keys that the operator ForAllValues is meant for have more than one value.
	Context map[string][]string
}

// Account holds the policies of one AWS account. It is safe for concurrent use.
type Account struct {
	id string

	mu         sync.RWMutex
	roles      map[string][]statement // by the role's ARN
	boundaries map[string][]statement // by the role's ARN; roles without a boundary are not in it
	resources  map[string][]statement // by the resource's ARN
}

// NewAccount returns an account without policies; id has 12 digits.
func NewAccount(id string) *Account {
	return &Account{
		id:         id,
		roles:      map[string][]statement{},
		boundaries: map[string][]statement{},
		resources:  map[string][]statement{},
	}
}

// AddRolePolicy adds a policy to a role. Denials name the policy by name.
func (a *Account) AddRolePolicy(role, name string, document any) error {
	return a.add(a.roles, role, name, document, false)
}

// AddBoundary sets a role's permissions boundary, of which a role has one at most. Denials name the policy by name.
func (a *Account) AddBoundary(role, name string, document any) error {
	return a.add(a.boundaries, role, name, document, false)
}

// AddResourcePolicy adds a policy to a resource. Denials name the policy by name.
func (a *Account) AddResourcePolicy(resource, name string, document any) error {
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

// Denial says which request is not allowed, and which statement denies it or is missing. It quotes no other values of
// the request than the names of role, action and resource.
type Denial struct {
	Request
	// Because ends the sentence "... is not authorized to perform ... because", in AWS's words for the caller.
	Because string
	// Missing is for the log: the statement that the policies lack, or the one that denies the request.
	Missing string
}

// Error is what AWS tells the caller.
func (d *Denial) Error() string {
	return fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s because %s", d.Role, d.Action,
		d.Resource, d.Because)
}

// Evaluate returns nil if the request is allowed.
func (a *Account) Evaluate(r Request) *Denial {
	_, denial := a.Decide(r)
	return denial
}

// Decide is Evaluate, and also names the statements that allow the request: one of the role or of the resource, and one
// of the role's boundary if it has one.
func (a *Account) Decide(r Request) (allowed []string, denial *Denial) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if denial := a.denied(r); denial != nil {
		return nil, denial
	}
	by := a.allowedByResource(r)
	if by == nil {
		if denial := a.missing(r); denial != nil {
			return nil, denial
		}
		by = first(a.roles[r.Role], allow, r, anyone)
	}
	allowed = []string{by.name}
	boundary, ok := a.boundaries[r.Role]
	if !ok {
		return allowed, nil
	}
	within := first(boundary, allow, r, anyone)
	if within == nil {
		return nil, &Denial{r, "no permissions boundary allows the " + r.Action + " action",
			fmt.Sprintf("the role's boundary lacks {Allow %s on %s}%s", r.Action, r.Resource, nearly(boundary, r))}
	}
	return append(allowed, within.name), nil
}

// denied returns the denial of a statement that denies the request; nil if there is none.
func (a *Account) denied(r Request) *Denial {
	for _, of := range []struct {
		kind       string
		statements []statement
		who        func(*statement, Request) bool
	}{
		{"an identity-based policy", a.roles[r.Role], anyone},
		{"a permissions boundary", a.boundaries[r.Role], anyone},
		{"a resource-based policy", a.resources[r.Resource], covers},
	} {
		if s := first(of.statements, deny, r, of.who); s != nil {
			return &Denial{r, "of an explicit deny in " + of.kind, s.name + " denies it"}
		}
	}
	return nil
}

// allowedByResource returns the statement of the resource's policy that is enough, because it names the principal. For
// a principal of another account none is.
func (a *Account) allowedByResource(r Request) *statement {
	if account := accountOf(r.Role); account != a.id && account != "" {
		return nil
	}
	return first(a.resources[r.Resource], allow, r, named)
}

// missing returns the denial because of a statement that is missing; nil if the policies of resource and principal
// allow the request.
func (a *Account) missing(r Request) *Denial {
	ofRole, ofResource := a.roles[r.Role], a.resources[r.Resource]
	isKey := strings.HasPrefix(r.Action, "kms:") && r.Resource != "*"
	if (isKey || accountOf(r.Role) != a.id) && first(ofResource, allow, r, covers) == nil {
		owner := "resource"
		if isKey {
			owner = "key"
		}
		if _, known := a.resources[r.Resource]; isKey && !known {
			return &Denial{r, "no resource-based policy allows the " + r.Action + " action",
				"no template of this run has the key: the role uses a key of another app, or a wrong ARN"}
		}
		return &Denial{r, "no resource-based policy allows the " + r.Action + " action", "the " + owner +
			"'s policy neither names the role nor leaves " + r.Action + " to the account's policies" +
			nearly(ofResource, r)}
	}
	if first(ofRole, allow, r, anyone) == nil {
		return &Denial{r, "no identity-based policy allows the " + r.Action + " action",
			fmt.Sprintf("the role's policies lack {Allow %s on %s}%s", r.Action, r.Resource, nearly(ofRole, r))}
	}
	return nil
}

// These say whether a statement applies to the request's role. A role's own policies apply to nobody else.
func anyone(*statement, Request) bool     { return true }
func named(s *statement, r Request) bool  { return s.names(r.Role) || s.names("*") }
func covers(s *statement, r Request) bool { return named(s, r) || s.names(root(accountOf(r.Role))) }

// accountOf returns the account of a principal; "" if it is a service.
func accountOf(principal string) string {
	parts := strings.SplitN(principal, ":", 6)
	if len(parts) < 6 {
		return ""
	}
	return parts[4]
}

// root is the principal that stands for an account.
func root(account string) string { return "arn:aws:iam::" + account + ":root" }

// first returns the first statement with an effect that applies to r, or nil.
func first(statements []statement, effect string, r Request, who func(*statement, Request) bool) *statement {
	for i := range statements {
		s := &statements[i]
		if s.effect == effect && who(s, r) && s.about(r.Action, r.Resource) && s.failing(r.Context) == "" {
			return s
		}
	}
	return nil
}

// nearly names the statements that would allow r but for a condition, and that condition.
func nearly(statements []statement, r Request) string {
	var reasons strings.Builder
	for i := range statements {
		s := &statements[i]
		if failing := s.failing(r.Context); s.effect == allow && s.about(r.Action, r.Resource) && failing != "" {
			fmt.Fprintf(&reasons, "; %s would allow it, but its condition %s does not hold", s.name, failing)
		}
	}
	return reasons.String()
}
