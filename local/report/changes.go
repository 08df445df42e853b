package report

import (
	"regexp"
	"slices"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/report/inventory"
)

// entrances lists who may act as a role, invoke a function or use a layer version, and through which function that
// leads.
func (a *analysis) entrances() *table {
	t := &table{heads: []string{"principal", "what", "on", "only if", "through which function"}}
	for _, role := range a.inv.Roles {
		for _, s := range role.Trust {
			for _, name := range s.Principals {
				t.add(a.nameOf(name), effect(s.Effect)+codes(s.Actions),
					code(role.Path)+", IAM path "+code(role.IAMPath), conditions(s.Conditions), a.functions(role))
			}
		}
	}
	for _, f := range a.inv.Functions {
		for _, p := range f.Invoke {
			t.add(a.nameOf(p.Principal), code(p.Action), code(f.Path), conditions(p.Conditions), code(f.Path))
		}
	}
	for _, r := range a.inv.Routes {
		if f := a.functionOf(r); f != nil {
			t.add(caller(r), "`"+r.Method+" "+r.Path+"`", code(r.API), "always", code(f.Path))
		}
	}
	for _, l := range a.inv.Layers {
		for _, p := range l.Shared {
			t.add(a.nameOf(p.Principal), code(p.Action), code(l.Path), conditions(p.Conditions), a.users(l))
		}
	}
	return t
}

// functionOf returns the function behind a route; nil if the API answers by itself.
func (a *analysis) functionOf(r *inventory.Route) *inventory.Function {
	i := slices.IndexFunc(a.inv.Functions, func(f *inventory.Function) bool { return f.ARN == r.Function })
	if i < 0 {
		return nil
	}
	return a.inv.Functions[i]
}

// caller says who can call a route.
func caller(r *inventory.Route) string {
	if r.Authorizer == "" {
		return "everybody"
	}
	return "users of " + code(r.Authorizer)
}

func effect(effect string) string {
	if effect == "Deny" {
		return "never "
	}
	return ""
}

// functions names the functions that run with a role.
func (a *analysis) functions(role *inventory.Role) string {
	var paths []string
	for _, f := range a.inv.FunctionsOf(role.ARN) {
		paths = append(paths, f.Path)
	}
	return orNone(codes(paths))
}

// users names the functions that use a layer version.
func (a *analysis) users(l *inventory.Layer) string {
	var paths []string
	for _, f := range a.inv.Functions {
		if slices.Contains(f.Layers, l.ARN) {
			paths = append(paths, f.Path)
		}
	}
	return orNone(codes(paths))
}

// boundaries lists the statements of the roles' permissions boundaries: a role may do nothing else, whatever its
// policies say.
func (a *analysis) boundaries() *table {
	t := &table{heads: []string{"role", "boundary", "what", "on", "only if"}}
	for _, role := range a.inv.Roles {
		for _, s := range a.policies.OfBoundary(role.ARN) {
			t.add(code(role.Path), code(role.Boundary.Name), effect(s.Effect)+codes(s.Actions),
				a.resources(s.Resources), conditions(s.Conditions))
		}
	}
	return t
}

// resources names the keys and tables among resources, and shows everything else as a statement has it.
func (a *analysis) resources(resources []string) string {
	names := slices.Clone(resources)
	for i, name := range names {
		for _, t := range a.targets {
			if t.arn == name {
				names[i] = t.path
			}
		}
	}
	return codes(names)
}

// software lists what runs in each function besides its code.
func (a *analysis) software() *table {
	t := &table{heads: []string{"function", "runs with", "layers", "variables that AWS's software reads"}}
	for _, f := range a.inv.Functions {
		t.add(code(f.Path), a.nameOf(f.Role), a.layers(f), orNone(codes(f.AWSVariables)))
	}
	return t
}

func (a *analysis) layers(f *inventory.Function) string {
	var paths []string
	for _, arn := range f.Layers {
		paths = append(paths, a.layerPath(arn))
	}
	return orNone(codes(paths))
}

// layerPath is the path of a layer version's construct, or its ARN if it is not one of the templates.
func (a *analysis) layerPath(arn string) string {
	for _, l := range a.inv.Layers {
		if l.ARN == arn {
			return l.Path
		}
	}
	return arn
}

// parameters lists the SSM parameters. Those that name keys, tables and layer versions choose these of other apps.
func (a *analysis) parameters() *table {
	t := &table{heads: []string{"SSM parameter", "names"}}
	for _, p := range a.inv.Parameters {
		t.add(code(p.Name), a.parameterNames(p.Value))
	}
	return t
}

var digestForm = regexp.MustCompile(`^[0-9a-f]{64}$`)

// parameterNames is the path of the construct that a parameter's value names by ARN or as a table, or else the value. A
// digest would be another one with every change of the layer.
func (a *analysis) parameterNames(value string) string {
	if digestForm.MatchString(value) {
		return "the digest of a layer version"
	}
	for _, k := range a.inv.Keys {
		if k.ARN == value {
			return code(k.Path)
		}
	}
	for _, t := range a.inv.Tables {
		if t.Name == value {
			return code(t.Path)
		}
	}
	return code(a.layerPath(value))
}

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}
