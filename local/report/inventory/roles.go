package inventory

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/assembly"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/policy"
)

// role reads an IAM role.
func (r *reader) role(one *resource) (created, error) {
	name, path := one.name("RoleName"), cmp.Or(one.Str("Path"), "/")
	role := &Role{Named: Named{one.path, "arn:aws:iam::" + one.account + ":role" + path + name}, IAMPath: path}
	var err error
	if role.Trust, err = trust(one.path, one.Properties["AssumeRolePolicyDocument"]); err != nil {
		return created{}, err
	}
	for _, p := range one.Objects("Policies") {
		role.Policies = append(role.Policies, Policy{p.Str("PolicyName") + " of " + one.path, p["PolicyDocument"]})
	}
	for _, arn := range one.Strings("ManagedPolicyArns") {
		if err := r.attach(role, arn); err != nil {
			return created{}, err
		}
	}
	if arn := one.Str("PermissionsBoundary"); arn != "" {
		p, err := r.shared(arn)
		if err != nil {
			return created{}, err
		}
		role.Boundary = &p
	}
	r.inventory.Roles = append(r.inventory.Roles, role)
	r.roles[name] = role
	return created{name, map[string]string{"Arn": role.ARN, "RoleId": name}}, nil
}

// trust returns the statements that say who may assume a role. They have no Resource, which is the role.
func trust(path string, document any) ([]policy.Statement, error) {
	body, _ := document.(map[string]any)
	statements := assembly.Properties(body).Objects("Statement")
	for _, s := range statements {
		if _, ok := s["Resource"]; ok || s == nil {
			return nil, errors.New("the trust policy: a statement is malformed")
		}
	}
	list := make([]any, len(statements))
	for i, s := range statements {
		with := map[string]any{"Resource": "*"}
		for member, v := range s {
			with[member] = v
		}
		list[i] = with
	}
	parsed, err := policy.Statements("the trust policy of "+path, map[string]any{"Statement": list}, true)
	if err != nil {
		return nil, fmt.Errorf("the trust policy: %w", err)
	}
	return parsed, nil
}

// policy reads a policy of roles.
func (r *reader) policy(one *resource) (created, error) {
	name := one.Str("PolicyName")
	for _, role := range one.Strings("Roles") {
		owner, ok := r.roles[role]
		if !ok {
			return created{}, fmt.Errorf("role %s is not one of the templates", role)
		}
		owner.Policies = append(owner.Policies, Policy{one.path, one.Properties["PolicyDocument"]})
	}
	return created{ref: name}, nil
}

// managedPolicy reads a policy that roles can share.
func (r *reader) managedPolicy(one *resource) (created, error) {
	arn := "arn:aws:iam::" + one.account + ":policy" + cmp.Or(one.Str("Path"), "/") + one.name("ManagedPolicyName")
	r.managed[arn] = &managedPolicy{Policy: Policy{one.path, one.Properties["PolicyDocument"]}}
	for _, name := range one.Strings("Roles") {
		role, ok := r.roles[name]
		if !ok {
			return created{}, fmt.Errorf("role %s is not one of the templates", name)
		}
		if err := r.attach(role, arn); err != nil {
			return created{}, err
		}
	}
	return created{ref: arn}, nil
}

// attach gives a role a managed policy.
func (r *reader) attach(role *Role, arn string) error {
	p, err := r.shared(arn)
	role.Policies = append(role.Policies, p)
	return err
}

// shared returns a managed policy, of which the report then knows whom it concerns.
func (r *reader) shared(arn string) (Policy, error) {
	p, ok := r.managed[arn]
	if !ok {
		return Policy{}, fmt.Errorf("the managed policy %s is not one of the templates, so the report cannot tell "+
			"what it allows", strings.TrimPrefix(arn, "arn:aws:iam::"))
	}
	p.used = true
	return p.Policy, nil
}
