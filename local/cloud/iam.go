package cloud

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/policy"
)

// roles creates IAM roles and their policies.
type roles struct {
	policies *policy.Account
	arns     map[string]string // by the role's name
}

func (s roles) createRole(_ context.Context, r *resource) (created, error) {
	for _, unknown := range []string{"ManagedPolicyArns", "PermissionsBoundary"} {
		if r.properties[unknown] != nil {
			return created{}, fmt.Errorf("%s of a role is not evaluated here: give the role exact permissions of its own", unknown)
		}
	}
	name := r.physicalName("RoleName")
	arn := "arn:aws:iam::" + r.account + ":role" + cmp.Or(r.str("Path"), "/") + name
	for _, p := range r.list("Policies") {
		if err := s.policies.AddRolePolicy(arn, p.str("PolicyName"), p["PolicyDocument"]); err != nil {
			return created{}, err
		}
	}
	s.arns[name] = arn
	return created{name, map[string]string{"Arn": arn, "RoleId": "AROA" + strings.ToUpper(rand.Text()[:17])}}, nil
}

func (s roles) createPolicy(_ context.Context, r *resource) (created, error) {
	if r.properties["Users"] != nil || r.properties["Groups"] != nil {
		return created{}, errors.New("only policies of roles are evaluated here")
	}
	name := r.str("PolicyName")
	for _, role := range r.strings("Roles") {
		arn, ok := s.arns[role]
		if !ok {
			return created{}, fmt.Errorf("role %s is not one of this app's", role)
		}
		if err := s.policies.AddRolePolicy(arn, name, r.properties["PolicyDocument"]); err != nil {
			return created{}, err
		}
	}
	return created{ref: name}, nil
}
