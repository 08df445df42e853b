package report

import (
	"slices"
	"strings"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/policy"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/report/access"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/report/inventory"
)

// analysis is what the report is computed from.
type analysis struct {
	inv        *inventory.Inventory
	policies   *access.Policies
	targets    []target
	principals []*principal
	given      [][]row // what principals have of each ability
	refused    []row   // what statements are meant to give, and do not
}

// target is a key or a table.
type target struct {
	place             place
	path, arn         string
	table, storageKey string // of a table: its name, and the ARN of the key that encrypts it
	policies          []inventory.Policy
}

// principal is somebody whom a policy of the templates allows something.
type principal struct {
	label string          // for people, in Markdown
	ids   []string        // for the evaluator: it may do what one of these may
	role  *inventory.Role // nil for others
	// statements are all that can allow the principal something: those of its own policies, and those of resources that
	// name it.
	statements []policy.Statement
}

func analyse(inv *inventory.Inventory) (*analysis, error) {
	a := &analysis{inv: inv, policies: access.New(inv.Account), targets: targetsOf(inv)}
	for _, t := range a.targets {
		for _, p := range t.policies {
			if err := a.policies.AddResourcePolicy(t.arn, p.Name, p.Document); err != nil {
				return nil, err
			}
		}
	}
	for _, role := range inv.Roles {
		if err := a.addRole(role); err != nil {
			return nil, err
		}
	}
	if err := a.checkNames(); err != nil {
		return nil, err
	}
	if err := a.addStrangers(); err != nil {
		return nil, err
	}
	if err := a.checkActions(); err != nil {
		return nil, err
	}
	return a, a.findAll()
}

func (a *analysis) addRole(role *inventory.Role) error {
	for _, p := range role.Policies {
		if err := a.policies.AddRolePolicy(role.ARN, p.Name, p.Document); err != nil {
			return err
		}
	}
	if b := role.Boundary; b != nil {
		if err := a.policies.AddBoundary(role.ARN, b.Name, b.Document); err != nil {
			return err
		}
	}
	a.principals = append(a.principals, &principal{
		label:      code(role.Path),
		ids:        []string{role.ARN},
		role:       role,
		statements: slices.Concat(a.policies.OfPrincipal(role.ARN), a.naming(role.ARN)),
	})
	return nil
}

func targetsOf(inv *inventory.Inventory) (targets []target) {
	for _, k := range inv.Keys {
		targets = append(targets, target{
			place: place(k.Use), path: k.Path, arn: k.ARN, policies: []inventory.Policy{k.Policy},
		})
	}
	for _, t := range inv.Tables {
		targets = append(targets, target{
			place:      place(t.Use),
			path:       t.Path,
			arn:        t.ARN,
			table:      t.Name,
			storageKey: t.StorageKey,
			policies:   t.Policies,
		})
	}
	return targets
}

// naming returns the statements of resources' policies that allow something to a principal by its name, or to
// everybody.
func (a *analysis) naming(name string) (statements []policy.Statement) {
	for _, t := range a.targets {
		for _, s := range a.policies.OfResource(t.arn) {
			if s.Effect == "Allow" && (slices.Contains(s.Principals, name) || slices.Contains(s.Principals, "*")) {
				statements = append(statements, s)
			}
		}
	}
	return statements
}

// addStrangers adds the principals that resources' policies name and that are no roles of the templates. The account
// itself is none: what is left to it is in the section about keys and tables.
func (a *analysis) addStrangers() error {
	for _, name := range a.named() {
		s := &principal{label: a.nameOf(name), statements: a.naming(name)}
		switch {
		case name == "*":
			s.ids = a.anybody()
		case isService(name):
			s.ids = []string{name}
		default:
			s.ids = examplesIn(accountOf(name), name)
		}
		for _, id := range s.ids {
			if a.roleOf(id) != nil {
				continue // it has the policies of the templates
			}
			if err := allowAll(a.policies, id); err != nil {
				return err
			}
		}
		a.principals = append(a.principals, s)
	}
	return nil
}

// roleOf returns the role of the templates with an ARN; nil if there is none.
func (a *analysis) roleOf(arn string) *inventory.Role {
	i := slices.IndexFunc(a.inv.Roles, func(role *inventory.Role) bool { return role.ARN == arn })
	if i < 0 {
		return nil
	}
	return a.inv.Roles[i]
}

// allowAll gives a principal a policy that allows everything, as its account could. A service has no policies.
func allowAll(policies *access.Policies, id string) error {
	if !strings.HasPrefix(id, "arn:") || len(policies.OfPrincipal(id)) > 0 {
		return nil
	}
	return policies.AddRolePolicy(id, "policies of its own", map[string]any{
		"Statement": []any{map[string]any{"Effect": "Allow", "Action": "*", "Resource": "*"}},
	})
}

// named returns who is named in the resources' policies, except for the account itself and the roles of the templates.
func (a *analysis) named() (names []string) {
	for _, t := range a.targets {
		for _, s := range a.policies.OfResource(t.arn) {
			for _, name := range s.Principals {
				if s.Effect == "Allow" && name != rootOf(a.inv.Account) && a.roleOf(name) == nil {
					names = append(names, name)
				}
			}
		}
	}
	return union(names)
}

// mayAny tells whether a request gets through for one of the principal's ids.
func (a *analysis) mayAny(p *principal, q access.Question, t target) (answer access.Answer, err error) {
	answer.Unmet = true
	for _, id := range p.ids {
		q.Principal = id
		one, err := a.may(q, t)
		if err != nil || one.Allowed {
			return one, err
		}
		if answer.Unmet { // a refusal says more than that the conditions do not hold
			answer = one
		}
	}
	return answer, nil
}

// may tells whether a request gets through. For items of a table this takes StorageKey, too.
func (a *analysis) may(q access.Question, t target) (access.Answer, error) {
	answer, err := a.policies.Ask(q)
	if err != nil || !answer.Allowed || t.storageKey == "" || !slices.Contains(items, q.Action) {
		return answer, err
	}
	// DynamoDB uses the key with its caller's rights:
	// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.howitworks.html
	via := "dynamodb." + a.inv.Region + ".amazonaws.com"
	for _, use := range []access.Question{
		{Action: "kms:Decrypt", Given: map[string]string{
			"kms:viaservice": via, "kms:encryptioncontext:aws:dynamodb:tablename": t.table,
			"kms:encryptioncontext:aws:dynamodb:subscriberid": a.inv.Account,
		}},
		{Action: "kms:DescribeKey", Given: map[string]string{"kms:viaservice": via}},
	} {
		use.Principal, use.Resource = q.Principal, t.storageKey
		if storage, err := a.policies.Ask(use); err != nil || !storage.Allowed {
			return access.Answer{Refusal: "DynamoDB lacks the principal's " + use.Action +
				" on the table's StorageKey"}, err
		}
	}
	return answer, nil
}
