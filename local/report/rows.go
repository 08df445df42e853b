package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/policy"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/report/access"
)

// row is one line of the report: what one statement gives to one principal.
type row struct {
	principal *principal
	actions   []string
	on        []string // paths of targets, or resources as the statement has them
	onlyIf    string   // conditions of the statement, and of those of the principal's own that deny the same
	gives     string
	refusal   string // why the statement gives nothing; "" if it does
}

// findAll finds what principals have of all abilities.
func (a *analysis) findAll() error {
	for _, of := range abilities {
		given, refused, err := a.find(of)
		if err != nil {
			return err
		}
		a.given, a.refused = append(a.given, given), append(a.refused, refused...)
	}
	return nil
}

// find returns what principals need for an ability and what of it they have, and the statements that are meant to give
// it and do not.
func (a *analysis) find(of ability) (given, refused []row, err error) {
	for _, p := range a.principals {
		for _, n := range of.needs {
			for i := range p.statements {
				rows, err := a.rows(p, n, &p.statements[i])
				if err != nil {
					return nil, nil, err
				}
				for _, r := range rows {
					if r.refusal == "" {
						given = append(given, r)
					} else {
						refused = append(refused, r)
					}
				}
			}
		}
	}
	return merge(given), refused, nil
}

// rows returns what a statement gives of a need, one row for each target and answer.
func (a *analysis) rows(p *principal, n need, s *policy.Statement) (rows []row, err error) {
	if s.Effect != "Allow" {
		return nil, nil
	}
	if n.place == elsewhere {
		return a.elsewhere(p, n, s)
	}
	for _, t := range a.targets {
		if t.place != n.place || !a.concerns(s, t) {
			continue
		}
		for _, action := range n.actions {
			if !s.IsAbout(action, t.arn) {
				continue
			}
			answer, err := a.reaches(p, access.Question{Action: action, Resource: t.arn, By: s}, t, n.prefix)
			if err != nil {
				return nil, err
			}
			if answer.Unmet && n.prefix != "" { // the statement is about other partition keys
				continue
			}
			rows = grouped(rows, row{
				principal: p,
				on:        []string{t.path},
				onlyIf:    a.onlyIf(p, s, action, t.arn),
				gives:     n.gives,
				refusal:   because(answer, action, t),
			}, action)
		}
	}
	return rows, nil
}

// onlyIf returns when a statement allows an action, and when others of the principal's own deny it.
func (a *analysis) onlyIf(p *principal, s *policy.Statement, action, resource string) string {
	text := conditions(s.Conditions)
	for _, own := range p.statements {
		if own.Effect == "Deny" && own.IsAbout(action, resource) {
			text += "; " + decision(own, policyOf(own))
		}
	}
	return text
}

// policyOf names the policy that a statement is in: a role can have several, and not every statement has a Sid.
func policyOf(s policy.Statement) string {
	_, name, _ := strings.Cut(s.Name, fmt.Sprintf("%q of ", s.Label))
	return " of " + code(name)
}

// concerns tells whether a statement is one of a principal's own, or of the target's policy.
func (a *analysis) concerns(s *policy.Statement, t target) bool {
	return len(s.Principals) == 0 || slices.ContainsFunc(a.policies.OfResource(t.arn), func(of policy.Statement) bool {
		return of.Name == s.Name
	})
}

// reaches asks whether a request gets through for a partition key with the prefix.
func (a *analysis) reaches(p *principal, q access.Question, t target, prefix string) (answer access.Answer, err error) {
	if prefix == "" {
		return a.mayAny(p, q, t)
	}
	keys := append(keysBelow(prefix, q.By), prefix+access.Other)
	if !slices.Contains(items, q.Action) {
		keys = append(keys, access.Absent)
	}
	answer.Unmet = true
	for _, key := range keys {
		q.Given = map[string]string{leadingKeys: key}
		one, err := a.mayAny(p, q, t)
		if err != nil || one.Allowed {
			return one, err
		}
		if answer.Unmet {
			answer = one
		}
	}
	return answer, nil
}

// keysBelow returns examples of the partition keys with a prefix that a statement's conditions name.
func keysBelow(prefix string, s *policy.Statement) (keys []string) {
	for _, c := range s.Conditions {
		if strings.EqualFold(c.Key, leadingKeys) {
			for _, pattern := range c.Values {
				if key, ok := below(prefix, pattern); ok {
					keys = append(keys, key)
				}
			}
		}
	}
	return keys
}

// leadingKeys is the condition key for partition keys.
const leadingKeys = "dynamodb:leadingkeys"

// elsewhere returns what a statement gives that is about neither keys nor tables.
func (a *analysis) elsewhere(p *principal, n need, s *policy.Statement) (rows []row, err error) {
	if len(s.Principals) > 0 {
		return nil, nil
	}
	for _, resource := range s.Resources {
		for _, action := range n.actions {
			if !s.IsAbout(action, resource) { // a pattern matches itself
				continue
			}
			answer, err := a.mayAny(p, access.Question{Action: action, Resource: resource, By: s}, target{})
			if err != nil {
				return nil, err
			}
			rows = grouped(rows, row{
				principal: p,
				on:        []string{resource},
				onlyIf:    a.onlyIf(p, s, action, resource),
				gives:     n.gives,
				refusal:   because(answer, action, target{}),
			}, action)
		}
	}
	return rows, nil
}

// because is why something is refused, without what the row says already, so that it is the same for all actions; "" if
// it is allowed.
func because(answer access.Answer, action string, t target) string {
	if answer.Allowed {
		return ""
	}
	reason := strings.ReplaceAll(cmp.Or(answer.Refusal, "nothing allows it"), action, "it")
	if t.arn != "" {
		reason = strings.ReplaceAll(reason, t.arn, t.path)
	}
	return reason
}

// grouped adds an action to the row that is like r, or else r with the action.
func grouped(rows []row, r row, action string) []row {
	for i := range rows {
		if rows[i].alike() == r.alike() && slices.Equal(rows[i].on, r.on) {
			rows[i].actions = append(rows[i].actions, action)
			return rows
		}
	}
	r.actions = []string{action}
	return append(rows, r)
}

// merge joins rows that differ in what they are on, and sorts them.
func merge(rows []row) (merged []row) {
	for _, r := range rows {
		i := slices.IndexFunc(merged, func(m row) bool {
			return m.alike() == r.alike() && slices.Equal(m.actions, r.actions)
		})
		if i < 0 {
			merged = append(merged, r)
			continue
		}
		merged[i].on = union(merged[i].on, r.on)
	}
	slices.SortFunc(merged, row.compare)
	return merged
}

// mergeActions joins rows that differ in their actions and in what these would give, and sorts them.
func mergeActions(rows []row) (merged []row) {
	for _, r := range rows {
		r.gives = ""
		i := slices.IndexFunc(merged, func(m row) bool { return m.alike() == r.alike() && slices.Equal(m.on, r.on) })
		if i < 0 {
			merged = append(merged, r)
			continue
		}
		merged[i].actions = union(merged[i].actions, r.actions)
	}
	slices.SortFunc(merged, row.compare)
	return merged
}

// alike is a row as text, without its actions and what they are on.
func (r row) alike() string {
	return strings.Join([]string{r.principal.label, r.gives, r.onlyIf, r.refusal}, "\x00")
}

func (r row) compare(other row) int {
	return cmp.Or(cmp.Compare(r.principal.label, other.principal.label), cmp.Compare(r.gives, other.gives),
		slices.Compare(r.on, other.on),
		slices.Compare(r.actions, other.actions), cmp.Compare(r.alike(), other.alike()))
}
