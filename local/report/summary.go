package report

import (
	"slices"
	"strings"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/report/access"
)

// verdict says in a few words what a principal has of the ability at a place of the catalogue.
func (a *analysis) verdict(p *principal, i int) (string, error) {
	of := abilities[i]
	var has []string
	for _, r := range a.given[i] {
		if r.principal == p {
			has = append(has, r.gives)
		}
	}
	has = union(has)
	switch {
	case len(has) == 0:
		return "no", nil
	case of.any:
		return strings.Join(has, ", "), nil
	case len(has) < len(of.needs):
		return "no, only " + strings.Join(has, ", "), nil
	}
	purposes, err := a.purposes(p, of)
	return strings.TrimSuffix("yes: "+purposes, ": "), err
}

// purpose is the condition key for a token's purpose.
const purpose = "kms:encryptioncontext:purpose"

// purposes says for which tokens a principal has an ability; "" if that does not depend on purposes.
func (a *analysis) purposes(p *principal, of ability) (string, error) {
	var values []string
	for _, n := range of.needs {
		for _, t := range a.targets {
			if !n.purposes || t.place != n.place {
				continue
			}
			more, err := a.purposesOn(p, n, t)
			if err != nil {
				return "", err
			}
			values = append(values, more...)
		}
	}
	return describePurposes(union(values)), nil
}

// purposesOn returns the purposes for which a principal gets what it needs from a key.
func (a *analysis) purposesOn(p *principal, n need, t target) (values []string, err error) {
	for _, action := range n.actions {
		for _, id := range p.ids {
			more, err := a.policies.Values(access.Question{Principal: id, Action: action, Resource: t.arn}, purpose)
			if err != nil {
				return nil, err
			}
			values = append(values, more...)
		}
	}
	return values, nil
}

func describePurposes(values []string) string {
	every := slices.Contains(values, access.Other)
	if every && slices.Contains(values, access.Absent) {
		return "all tokens"
	}
	if every {
		values = []string{access.Other}
	}
	var parts []string
	for _, value := range values {
		switch value {
		case access.Absent:
			parts = append(parts, "tokens without a purpose")
		case access.Other:
			parts = append(parts, "tokens of every purpose")
		default:
			parts = append(parts, "tokens of purpose "+code(value))
		}
	}
	return strings.Join(parts, ", ")
}
