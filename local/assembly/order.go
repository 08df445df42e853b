package assembly

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Order lists the logical ids of the stack's resources, each after those that it refers to or depends on, in the same order
// every time. A cycle, or a reference to a resource that the template lacks, is an error that names it.
func (s *Stack) Order() ([]string, error) {
	order, err := sorted(slices.Collect(maps.Keys(s.Template.Resources)), func(id string) []string {
		resource := s.Template.Resources[id]
		needs := slices.Concat(resource.DependsOn, references(resource.Properties))
		return slices.DeleteFunc(needs, func(name string) bool { return strings.HasPrefix(name, "AWS::") })
	})
	if err != nil {
		return nil, fmt.Errorf("stack %s: %w", s.Name, err)
	}
	return order, nil
}

// sorted puts each id after those it needs, and otherwise by name.
func sorted(ids []string, needs func(id string) []string) ([]string, error) {
	var order, path []string
	done := map[string]bool{}
	var visit func(id string) error
	visit = func(id string) error {
		if done[id] {
			return nil
		}
		if i := slices.Index(path, id); i >= 0 {
			return fmt.Errorf("cycle: %s -> %s", strings.Join(path[i:], " -> "), id)
		}
		if !slices.Contains(ids, id) {
			return fmt.Errorf("%s refers to %q, which does not exist", path[len(path)-1], id)
		}
		path = append(path, id)
		for _, need := range slices.Sorted(slices.Values(needs(id))) {
			if err := visit(need); err != nil {
				return err
			}
		}
		path = path[:len(path)-1]
		done[id] = true
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
