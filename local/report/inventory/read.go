package inventory

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/assembly"
)

// Read returns the inventory of an assembly. Its errors name the resource.
func Read(a *assembly.Assembly) (*Inventory, error) {
	account, region, err := environment(a)
	if err != nil {
		return nil, err
	}
	r := &reader{
		inventory: &Inventory{Account: account, Region: region}, resolver: assembly.NewResolver(a, account, region),
		roles:       map[string]*Role{},
		functions:   map[string]*Function{},
		layers:      map[string]*Layer{},
		apiPaths:    map[string]string{},
		userPools:   map[string]string{},
		authorizers: map[string]string{},
		uses:        map[string]string{},
		managed:     map[string]*managedPolicy{},
	}
	for _, stack := range a.Stacks {
		order, err := stack.Order()
		if err != nil {
			return nil, err
		}
		for _, id := range order {
			if err := r.read(stack, id); err != nil {
				return nil, fmt.Errorf("%s (%s): %w", pathOf(stack, id), stack.Template.Resources[id].Type, err)
			}
		}
	}
	if err := r.finish(); err != nil {
		return nil, err
	}
	r.inventory.sort()
	return r.inventory, nil
}

// environment returns the account and region of the stacks, which must have the same.
func environment(a *assembly.Assembly) (account, region string, err error) {
	first := a.Stacks[0]
	for _, stack := range a.Stacks {
		if stack.Account != first.Account || stack.Region != first.Region {
			return "", "", fmt.Errorf("stacks %s and %s are for different accounts or regions: this is not supported",
				first.Name, stack.Name)
		}
	}
	return cmp.Or(first.Account, "ACCOUNT"), cmp.Or(first.Region, "REGION"), nil
}

// pathOf is the path of the construct that stands for a resource. The CDK calls the resource within its construct
// Resource.
func pathOf(stack *assembly.Stack, id string) string {
	return strings.TrimSuffix(stack.ConstructPath(id), "/Resource")
}

// reader reads the resources of an assembly, each after those that it refers to. Its maps are by ARN where nothing else
// is said.
type reader struct {
	inventory *Inventory
	resolver  *assembly.Resolver

	roles       map[string]*Role
	functions   map[string]*Function
	layers      map[string]*Layer
	managed     map[string]*managedPolicy
	apiPaths    map[string]string // of API resources, by what Ref answers
	userPools   map[string]string // paths
	authorizers map[string]string // paths of user pools, by what Ref answers
	uses        map[string]string // what keys and tables are for; tables by name
}

// managedPolicy is a policy that roles share.
type managedPolicy struct {
	Policy
	used bool // by a role, as a policy or as a boundary
}

// resource is one resource to read.
type resource struct {
	path            string // of the construct
	account, region string
	assembly.Properties
}

// created is what Ref and Fn::GetAtt answer for a resource.
type created struct {
	ref        string
	attributes map[string]string
}

func (r *reader) read(stack *assembly.Stack, id string) error {
	template := stack.Template.Resources[id]
	k, ok := kinds[template.Type]
	if !ok {
		return errors.New("the report does not know this type of resource: say in local/report/inventory/kinds.go " +
			"what it means for who can read")
	}
	resolved, err := r.resolver.Resolve(stack, id, template.Properties)
	if err != nil {
		return err
	}
	one := &resource{pathOf(stack, id), r.inventory.Account, r.inventory.Region, resolved.(map[string]any)}
	if k.properties != nil {
		if err := one.only(k.properties); err != nil {
			return err
		}
	}
	made, err := k.read(r, one)
	if err != nil {
		return err
	}
	r.resolver.SetResource(stack, id, made.ref, made.attributes)
	return nil
}

// name is the name that the template gives the resource in a property, or one made of the path.
func (r *resource) name(property string) string {
	return cmp.Or(r.Str(property), strings.ReplaceAll(r.path, "/", "-"))
}

// arn is the ARN of a resource of this account and region.
func (r *resource) arn(service, name string) string {
	return "arn:aws:" + service + ":" + r.region + ":" + r.account + ":" + name
}

// only refuses properties that are not known.
func (r *resource) only(known []string) error {
	for _, property := range slices.Sorted(maps.Keys(r.Properties)) {
		if !slices.Contains(known, property) {
			return fmt.Errorf("the report does not know the property %s: say in local/report/inventory/kinds.go that "+
				"it decides nothing, or read it", property)
		}
	}
	return nil
}

// finish connects what could be known only at the end.
func (r *reader) finish() error {
	for _, arn := range slices.Sorted(maps.Keys(r.managed)) {
		if p := r.managed[arn]; !p.used {
			r.inventory.Loose = append(r.inventory.Loose, p.Policy)
		}
	}
	for _, t := range r.inventory.Tables {
		t.Use = TableUse(cmp.Or(r.uses[t.Name], string(Application)))
		delete(r.uses, t.Name)
	}
	for _, k := range r.inventory.Keys {
		k.Use = KeyUse(r.uses[k.ARN])
		delete(r.uses, k.ARN)
		if k.Use == "" {
			return fmt.Errorf("%s: nothing tells what the key is for: no table is encrypted with it, and no "+
				"function's settings name it", k.Path)
		}
	}
	if unknown := slices.Sorted(maps.Keys(r.uses)); len(unknown) > 0 {
		return fmt.Errorf("%s is used as %s, but is not one of the templates: the report cannot tell who else uses it",
			unknown[0], r.uses[unknown[0]])
	}
	return nil
}

func (inv *Inventory) sort() {
	slices.SortFunc(inv.Keys, func(a, b *Key) int { return cmp.Compare(a.Path, b.Path) })
	slices.SortFunc(inv.Tables, func(a, b *Table) int { return cmp.Compare(a.Path, b.Path) })
	slices.SortFunc(inv.Roles, func(a, b *Role) int { return cmp.Compare(a.Path, b.Path) })
	slices.SortFunc(inv.Functions, func(a, b *Function) int { return cmp.Compare(a.Path, b.Path) })
	slices.SortFunc(inv.Layers, func(a, b *Layer) int { return cmp.Compare(a.Path, b.Path) })
	slices.SortFunc(inv.Parameters, func(a, b *Parameter) int { return cmp.Compare(a.Path, b.Path) })
	slices.SortFunc(inv.Loose, func(a, b Policy) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(inv.Routes, func(a, b *Route) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method))
	})
}
