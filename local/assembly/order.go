package assembly

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Order lists the logical ids of the stack's resources, each after those that it refers to or depends on. The order is the
// same every time. A cycle, or a reference to a resource that the template lacks, is an error that names it.
func (s *Stack) Order() ([]string, error) {
	needs := map[string][]string{}
	for id, resource := range s.Template.Resources {
		needs[id] = slices.Clone(resource.DependsOn)
		references(resource.Properties, func(name string) {
			if !strings.HasPrefix(name, "AWS::") {
				needs[id] = append(needs[id], name)
			}
		})
	}
	order, err := sorted(slices.Collect(maps.Keys(needs)), func(id string) []string { return needs[id] })
	if err != nil {
		return nil, fmt.Errorf("stack %s: %w", s.Name, err)
	}
	return order, nil
}

// references calls found with each name that a Ref, Fn::GetAtt or Fn::Sub within v refers to, also within unknown functions.
func references(v any, found func(name string)) {
	switch v := v.(type) {
	case []any:
		for _, element := range v {
			references(element, found)
		}
	case map[string]any:
		switch name, argument, _ := intrinsic(v); name {
		case "Ref":
			id, _ := argument.(string)
			found(id)
		case "Fn::GetAtt":
			id, _ := attributeOf(argument)
			found(id)
		case "Fn::Sub":
			text, variables := substitution(argument)
			_, _ = substitute(text, func(name string) (string, error) {
				if _, ok := variables[name]; !ok {
					id, _, _ := strings.Cut(name, ".")
					found(id)
				}
				return "", nil
			})
			references(variables, found)
		default:
			for _, element := range v {
				references(element, found)
			}
		}
	}
}

// sorted puts each id after those it needs, and otherwise by name.
func sorted(ids []string, needs func(id string) []string) ([]string, error) {
	const visiting, done = 1, 2
	state := map[string]int{}
	var order, path []string
	var visit func(id string) error
	visit = func(id string) error {
		switch {
		case state[id] == done:
			return nil
		case state[id] == visiting:
			return fmt.Errorf("cycle: %s -> %s", strings.Join(path[slices.Index(path, id):], " -> "), id)
		case !slices.Contains(ids, id):
			return fmt.Errorf("%s refers to %s, which does not exist", path[len(path)-1], id)
		}
		state[id] = visiting
		path = append(path, id)
		for _, need := range slices.Sorted(slices.Values(needs(id))) {
			if err := visit(need); err != nil {
				return err
			}
		}
		path = path[:len(path)-1]
		state[id] = done
		order = append(order, id)
		return nil
	}
	for _, id := range slices.Sorted(slices.Values(ids)) {
		if err := visit(id); err != nil {
			return nil, err
		}
	}
	return order, nil
}
