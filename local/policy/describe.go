package policy

// Statement is a statement as a policy has it, for reports about policies.
type Statement struct {
	// Label is the statement's Sid, or says its position. Name has the name of the policy, too.
	Label, Name string
	// Effect is Allow or Deny.
	Effect             string
	Actions, Resources []string // with wildcards
	// Principals are ARNs, names of AWS services, or "*". A policy of a role has none.
	Principals []string
	Conditions []Condition

	parsed *statement
}

// Condition is one operator on one condition key, as a policy has it.
type Condition struct {
	Operator, Key string
	Values        []string
}

// Statements returns the statements of a policy. It refuses what [Account.AddRolePolicy] and
// [Account.AddResourcePolicy] refuse.
func Statements(name string, document any, hasPrincipal bool) ([]Statement, error) {
	parsed, err := parse(name, document, hasPrincipal)
	if err != nil {
		return nil, err
	}
	statements := make([]Statement, len(parsed))
	for i, s := range parsed {
		statements[i] = s.written
		statements[i].parsed = &parsed[i]
	}
	return statements, nil
}

// IsAbout tells whether the statement is about an action and a resource.
func (s Statement) IsAbout(action, resource string) bool { return s.parsed.about(action, resource) }

// Holds tells whether the statement's conditions hold for a request with this context.
func (s Statement) Holds(context map[string][]string) bool { return s.parsed.failing(context) == "" }
