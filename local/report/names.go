package report

import (
	"strings"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/report/access"
)

// otherAccount is an account that no policy names, and stranger is a role of it.
const (
	otherAccount = "ANOTHER-ACCOUNT"
	stranger     = "arn:aws:iam::" + otherAccount + ":role/example"
)

// withPlaceholders replaces the account and region of an app that chooses them, so that every deployment has the same
// report.
func (a *analysis) withPlaceholders(text string) string {
	return strings.NewReplacer(a.inv.Account, "ACCOUNT", a.inv.Region, "REGION").Replace(text)
}

func rootOf(account string) string { return "arn:aws:iam::" + account + ":root" }

// below returns an example of a text that begins with a prefix and matches a pattern.
func below(prefix, pattern string) (string, bool) {
	for i := range len(prefix) {
		switch {
		case strings.HasPrefix(pattern, "*"): // which can stand for the rest of the prefix
			return prefix + access.Example(pattern[1:]), true
		case pattern == "" || pattern[0] != prefix[i] && pattern[0] != '?':
			return "", false
		}
		pattern = pattern[1:]
	}
	return prefix + access.Example(pattern), true
}

// examplesIn returns principals of an account that a name in a policy stands for. An account stands for its roles, and
// a pattern for what it matches.
func examplesIn(account, name string) (ids []string) {
	iam := "arn:aws:iam::" + account
	name = strings.Replace(name, ":root", ":role/example", 1)
	for _, prefix := range []string{iam, iam + ":role/", iam + ":user/"} {
		id, ok := below(prefix, name)
		isPrincipal := strings.HasPrefix(id, iam+":role/") || strings.HasPrefix(id, iam+":user/")
		if ok && isPrincipal && strings.Count(id, ":") == 5 {
			ids = append(ids, id)
		}
	}
	return union(ids)
}

// accountOf returns the account of an ARN. It is a pattern if the ARN is one.
func accountOf(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 {
		return ""
	}
	return parts[4]
}

// names returns all principals that the policies of keys and tables name: as principals, in conditions, or by their
// account.
func (a *analysis) names() (names []string) {
	for _, t := range a.targets {
		for _, s := range a.policies.OfResource(t.arn) {
			names = append(names, s.Principals...)
			for _, c := range s.Conditions {
				switch strings.ToLower(c.Key) {
				case "aws:principalarn":
					names = append(names, c.Values...)
				case "aws:principalaccount", "kms:calleraccount":
					for _, account := range c.Values {
						names = append(names, rootOf(account))
					}
				}
			}
		}
	}
	return union(names)
}

// patterns returns those names that can stand for roles and users, except for the account itself and everybody.
func (a *analysis) patterns() (patterns []string) {
	for _, name := range a.names() {
		if !isService(name) && name != "*" && name != rootOf(a.inv.Account) {
			patterns = append(patterns, name)
		}
	}
	return patterns
}

func isService(name string) bool { return strings.HasSuffix(name, ".amazonaws.com") }

// anybody returns examples of all principals that policies can tell apart.
func (a *analysis) anybody() (ids []string) {
	for _, c := range a.classes() {
		ids = append(ids, c.ids...)
	}
	return union(ids)
}

// nameOf is what people call the principals that a name in a policy stands for.
func (a *analysis) nameOf(name string) string {
	if role := a.roleOf(name); role != nil {
		return code(role.Path)
	}
	if name == "*" {
		return "everybody"
	}
	if account, ok := strings.CutSuffix(name, ":root"); ok {
		return "account " + code(strings.TrimPrefix(account, "arn:aws:iam::"))
	}
	path, ofAccount := strings.CutPrefix(name, "arn:aws:iam::"+a.inv.Account+":role/")
	if path, ok := strings.CutSuffix(path, "/*"); ok && ofAccount && !strings.Contains(path, "*") {
		return "roles below " + code("/"+path+"/")
	}
	return code(name)
}
