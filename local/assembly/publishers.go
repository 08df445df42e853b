package assembly

import (
	"fmt"
	"maps"
	"slices"
)

// publishersFirst puts each stack after those that make the SSM parameters that it reads. The CDK knows nothing of
// this dependency, and writes stacks in an order without it. A dependency that the CDK does know wins against it.
func publishersFirst(stacks []*Stack) []*Stack {
	publisher := map[string]*Stack{}
	for _, s := range stacks {
		for _, resource := range s.Template.Resources {
			name, literal := resource.Properties["Name"].(string)
			if _, another := publisher[name]; resource.Type == "AWS::SSM::Parameter" && literal && !another {
				publisher[name] = s
			}
		}
	}
	var order []*Stack
	done := map[*Stack]bool{}
	var visit func(s *Stack)
	visit = func(s *Stack) {
		if done[s] {
			return
		}
		done[s] = true
		for _, needed := range s.needs {
			visit(needed)
		}
		for _, id := range slices.Sorted(maps.Keys(s.Template.Parameters)) {
			parameter := s.Template.Parameters[id]
			name, _ := parameter.Default.(string)
			if p := publisher[name]; p != nil && parameter.Type == typeOfSSM && !p.isAfter(s) {
				visit(p)
			}
		}
		order = append(order, s)
	}
	for _, s := range stacks {
		visit(s)
	}
	return order
}

// isAfter tells whether a stack depends on another one.
func (s *Stack) isAfter(another *Stack) bool {
	seen := map[*Stack]bool{}
	var visit func(s *Stack) bool
	visit = func(s *Stack) bool {
		if seen[s] {
			return false
		}
		seen[s] = true
		return slices.Contains(s.needs, another) || slices.ContainsFunc(s.needs, visit)
	}
	return visit(s)
}

// unpublished is an error if a value of a template refers to an SSM parameter that no stack has made.
func (e evaluation) unpublished(v any) error {
	for _, id := range references(v) {
		parameter := e.stack.Template.Parameters[id]
		name, _ := parameter.Default.(string)
		if _, made := e.parameters[name]; parameter.Type == typeOfSSM && !made {
			return e.unpublishedError(id, name)
		}
	}
	return nil
}

func (e evaluation) unpublishedError(id, name string) error {
	return fmt.Errorf("parameter %s of stack %s names the SSM parameter %q, which no earlier stack makes: the local run "+
		"needs the stack that makes it in the same app", id, e.stack.Name, name)
}
