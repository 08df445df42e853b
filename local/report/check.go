package report

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/policy"
)

// checkNames refuses names in the policies of keys and tables that the report cannot try: those that stand for neither
// roles nor users.
func (a *analysis) checkNames() error {
	for _, name := range a.patterns() {
		if len(examplesIn(a.inv.Account, name)) == 0 && len(examplesIn(otherAccount, name)) == 0 &&
			len(examplesIn(accountOf(name), name)) == 0 {
			return fmt.Errorf("the policy of a key or table names %q: the report cannot tell for which roles and "+
				"users that stands", name)
		}
	}
	return nil
}

// checkActions refuses statements of roles that the report could only ignore: with an action that is not in the
// catalogue, or on a key or table that is not in the templates.
func (a *analysis) checkActions() error {
	for _, role := range a.inv.Roles {
		for _, s := range a.policies.OfPrincipal(role.ARN) {
			if s.Effect != "Allow" {
				continue
			}
			if err := a.checkStatement(s); err != nil {
				return fmt.Errorf("%s: %s: %w", role.Path, s.Name, err)
			}
		}
	}
	return nil
}

func (a *analysis) checkStatement(s policy.Statement) error {
	for _, action := range s.Actions {
		service, _, _ := strings.Cut(action, ":")
		if service != "kms" && service != "dynamodb" {
			if !isKnown(action, elsewhere) {
				return fmt.Errorf("the report cannot tell what %s is good for: say so in local/report/catalogue.go",
					action)
			}
			continue
		}
		for _, resource := range s.Resources {
			if err := a.checkUse(action, resource); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkUse refuses an action on keys or tables that are not in the templates, or that is not known for one of those
// that are.
func (a *analysis) checkUse(action, resource string) error {
	found, isOn := false, matching("(?s)", resource)
	for _, t := range a.targets {
		if !isOn(t.arn) || strings.HasPrefix(strings.ToLower(action), "kms:") == (t.table != "") {
			continue
		}
		found = true
		if !isKnown(action, t.place) {
			return fmt.Errorf("the report cannot tell what %s is good for on %s: say so in local/report/catalogue.go",
				action, t.path)
		}
	}
	if !found {
		return fmt.Errorf("%s is allowed on %s, which is no key or table of the templates", action, resource)
	}
	return nil
}

// isKnown tells whether the catalogue has an action, which can have wildcards, for a place. Actions have no case.
func isKnown(action string, at place) bool {
	return slices.ContainsFunc(known(at), matching("(?is)", action))
}

// matching returns a test for texts that a pattern matches, in which * stands for any characters and ? for one. The
// flags are a regular expression's.
func matching(flags, pattern string) func(text string) bool {
	expression := strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(pattern))
	return regexp.MustCompile(flags + "^" + expression + "$").MatchString
}
