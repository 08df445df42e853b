package report

import (
	"slices"
	"strings"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/policy"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/report/access"
)

// room finds out whom IAM could let in: who may do something with a key or a table, if policies of their own allow them
// everything.
type room struct {
	*analysis
	policies *access.Policies // of the resources alone
	classes  []class
	found    map[string]space // by target and the statements that decide
}

// class is a kind of principal that IAM could let in, with examples.
type class struct {
	name    string
	ids     []string
	own     bool // of this account
	service bool
}

// space is what policies leave to IAM: whom it could let in for some actions.
type space struct {
	on, actions []string
	direct      string // the classes that it could let in for calls of their own
	service     string // and those for calls that an AWS service makes for them
	decides     string // the statements that decide
}

func newRoom(a *analysis) (*room, error) {
	r := &room{analysis: a, policies: access.New(a.inv.Account), classes: a.classes(), found: map[string]space{}}
	for _, t := range a.targets {
		for _, p := range t.policies {
			if err := r.policies.AddResourcePolicy(t.arn, p.Name, p.Document); err != nil {
				return nil, err
			}
		}
	}
	for _, c := range r.classes {
		for _, id := range c.ids {
			if err := allowAll(r.policies, id); err != nil {
				return nil, err
			}
		}
	}
	return r, nil
}

// classes returns the kinds of principals that the policies of keys and tables tell apart, and those of all others.
func (a *analysis) classes() (classes []class) {
	others := []string{stranger}
	for _, name := range a.patterns() {
		own := examplesIn(a.inv.Account, name)
		if len(own) > 0 {
			classes = append(classes, class{name: a.nameOf(name), ids: own, own: true})
		} else {
			classes = append(classes, class{name: a.nameOf(name), ids: examplesIn(accountOf(name), name)})
		}
		others = append(others, examplesIn(otherAccount, name)...)
	}
	iam := "arn:aws:iam::" + a.inv.Account + ":"
	classes = append(classes,
		class{name: "other roles", ids: []string{iam + "role/example"}, own: true},
		class{name: "users", ids: []string{iam + "user/example"}, own: true},
		class{name: "the root user", ids: []string{rootOf(a.inv.Account)}, own: true})
	for _, name := range a.names() {
		if isService(name) {
			classes = append(classes, class{name: code(name), ids: []string{name}, service: true})
		}
	}
	return append(classes,
		class{name: "other AWS services for themselves", ids: []string{"example.amazonaws.com"}, service: true},
		class{name: "other accounts", ids: union(others)})
}

// spaces returns what the policies of keys and tables leave to IAM. The last says what they leave to nobody.
func (r *room) spaces() (spaces []space, err error) {
	closed := space{direct: "nobody", service: "nobody", decides: "no request gets through"}
	for _, t := range r.targets {
		if t.place == application {
			continue
		}
		var ofTarget []space
		for _, action := range watched(t.place) {
			s, err := r.space(t, action)
			switch {
			case err != nil:
				return nil, err
			case s.direct == "nobody" && s.service == "nobody":
				closed.on = union(closed.on, s.on)
				continue
			}
			ofTarget = joined(append(ofTarget, s))
		}
		if !slices.Contains(closed.on, t.path) {
			abbreviate(ofTarget)
		}
		spaces = append(spaces, ofTarget...)
	}
	return append(joined(spaces), closed), nil
}

// restOf stands for the actions of a table that have no line of their own.
const restOf = "every action that has no other line"

// abbreviate replaces one list of actions that nobody would read.
func abbreviate(spaces []space) {
	for i := range spaces {
		if len(spaces[i].actions) > 20 {
			spaces[i].actions = []string{restOf}
			return
		}
	}
}

// what says for people what the actions are.
func (s space) what() string {
	if len(s.actions) == 0 || s.actions[0] == restOf {
		return restOf
	}
	return codes(s.actions)
}

// tried names all classes.
func (r *room) tried() string {
	var names []string
	for _, c := range r.classes {
		names = append(names, c.name)
	}
	return strings.Join(names, ", ")
}

// space returns whom IAM could let in for one action. Actions about which the same statements decide have the same
// answer.
func (r *room) space(t target, action string) (s space, err error) {
	decides := r.decides(t, action)
	s, ok := r.found[t.arn+decides]
	if !ok {
		if s, err = r.ask(t, action); err != nil {
			return space{}, err
		}
		s.on, s.decides = []string{t.path}, decides
		r.found[t.arn+decides] = s
	}
	s.actions = []string{action}
	return s, nil
}

// ask finds out which classes get through with an action.
func (r *room) ask(t target, action string) (space, error) {
	var direct, service []class
	for _, c := range r.classes {
		var values []string
		for _, id := range c.ids {
			more, err := r.policies.Values(access.Question{Principal: id, Action: action, Resource: t.arn}, viaService)
			if err != nil {
				return space{}, err
			}
			values = append(values, more...)
		}
		if slices.Contains(values, access.Absent) {
			direct = append(direct, c)
		}
		if !c.service && slices.ContainsFunc(values, func(value string) bool { return value != access.Absent }) {
			service = append(service, c)
		}
	}
	return space{direct: r.list(direct), service: r.list(service)}, nil
}

// viaService is the condition key for the AWS service that makes a call for the principal.
const viaService = "kms:viaservice"

// list names classes. It has one name for all roles and users of the account.
func (r *room) list(classes []class) string {
	isOwn := func(c class) bool { return c.own }
	var names []string
	if count(classes, isOwn) == count(r.classes, isOwn) {
		names = append(names, "every role and user of the account")
		classes = slices.DeleteFunc(slices.Clone(classes), isOwn)
	}
	for _, c := range classes {
		names = append(names, c.name)
	}
	if len(names) == 0 {
		return "nobody"
	}
	return strings.Join(names, ", ")
}

func count(classes []class, is func(class) bool) (n int) {
	for _, c := range classes {
		if is(c) {
			n++
		}
	}
	return n
}

// decides lists the statements of a resource's policies about an action.
func (r *room) decides(t target, action string) string {
	var parts []string
	for _, s := range r.policies.OfResource(t.arn) {
		if s.IsAbout(action, t.arn) {
			parts = append(parts, decision(s, ""))
		}
	}
	if len(parts) == 0 {
		return "it has no policy of its own: IAM alone decides"
	}
	return strings.Join(parts, "; ")
}

// decision says what a statement decides. The argument of says which policy it is in, where that is not clear.
func decision(s policy.Statement, of string) string {
	does := " allows it"
	if s.Effect == "Deny" {
		does = " denies it"
	}
	if len(s.Conditions) > 0 {
		does += " if " + conditions(s.Conditions)
	}
	return code(s.Label) + of + does
}

// joined joins spaces that differ in their actions only, and then those that differ in their resources only.
func joined(spaces []space) (all []space) {
	for _, s := range spaces {
		i := slices.IndexFunc(all, func(other space) bool {
			alike := other.direct == s.direct && other.service == s.service && other.decides == s.decides
			return alike && (slices.Equal(other.on, s.on) || slices.Equal(other.actions, s.actions))
		})
		if i < 0 {
			all = append(all, s)
			continue
		}
		all[i].on, all[i].actions = union(all[i].on, s.on), union(all[i].actions, s.actions)
	}
	return all
}
