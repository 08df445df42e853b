package assembly

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
)

// Holds tells whether a condition of the stack's template is true. What has no condition, "", always exists. Conditions
// depend on the defaults of parameters, on mappings and on pseudo parameters.
func (r *Resolver) Holds(stack *Stack, condition string) (bool, error) {
	holds, err := r.evaluation(stack).holds(condition)
	return holds, at(stack.Name, err)
}

func (e evaluation) holds(name string) (bool, error) {
	if name == "" {
		return true, nil
	}
	definition, ok := e.stack.Template.Conditions[name]
	if !ok {
		return false, fmt.Errorf("stack %s has no condition %q", e.stack.Name, name)
	}
	known := e.conditions[e.stack]
	if holds, found := known[name]; found {
		return holds, nil
	}
	e.ofCondition = true
	holds, err := e.condition(definition)
	if err != nil {
		return false, at("Conditions", at(name, err))
	}
	if known == nil {
		known = map[string]bool{}
		e.conditions[e.stack] = known
	}
	known[name] = holds
	return holds, nil
}

// condition evaluates what defines a condition, or is one of its operands. [Template.check] has excluded cycles.
func (e evaluation) condition(v any) (holds bool, err error) {
	name, argument := conditional(v)
	holds, err = e.combined(name, argument)
	if name != "" {
		err = at(name, err)
	}
	return holds, err
}

func (e evaluation) combined(name string, argument any) (holds bool, err error) {
	operands, _ := argument.([]any)
	switch name {
	case "Condition":
		other, _ := argument.(string)
		return e.holds(other)
	case "Fn::Equals":
		return e.equal(operands)
	case "Fn::Not":
		if len(operands) != 1 {
			return false, errors.New("want one condition")
		}
		holds, err := e.condition(operands[0])
		return !holds, err
	case "Fn::And", "Fn::Or":
		if len(operands) == 0 {
			return false, errors.New("want conditions")
		}
		for _, operand := range operands { // all of them, so that each error is found
			one, failed := e.condition(operand)
			if failed != nil {
				return false, failed
			}
			if holds = holds || one; name == "Fn::And" && !one {
				return false, nil
			}
		}
		return holds, nil
	}
	return false, errors.New("want Fn::Equals, Fn::And, Fn::Or, Fn::Not or a Condition")
}

// conditional returns name and argument of a function of conditions. The name is "" if v is none.
func conditional(v any) (name string, argument any) {
	call, _ := v.(map[string]any)
	if other, ok := call["Condition"]; ok && len(call) == 1 {
		return "Condition", other
	}
	return intrinsic(call)
}

// equal compares as CloudFormation does, to which numbers and booleans are texts.
func (e evaluation) equal(operands []any) (bool, error) {
	if len(operands) != 2 {
		return false, errors.New("want two values")
	}
	var values [2]any
	for i, operand := range operands {
		v, err := e.value(operand)
		if err != nil {
			return false, err
		}
		if text, err := scalar(v); err == nil {
			v = text
		}
		values[i] = v
	}
	return reflect.DeepEqual(values[0], values[1]), nil
}

// choose is Fn::If. It does not resolve the value that it leaves out, which may be of a resource that does not exist.
func (e evaluation) choose(argument any) (any, error) {
	arguments, _ := argument.([]any)
	if len(arguments) != 3 {
		return nil, errors.New("want a condition and two values")
	}
	name, _ := arguments[0].(string)
	if name == "" {
		return nil, errors.New("want the name of a condition")
	}
	holds, err := e.holds(name)
	if err != nil {
		return nil, err
	}
	if holds {
		return e.value(arguments[1])
	}
	return e.value(arguments[2])
}

// checkConditions returns an error that names a condition that does not exist, or a cycle of conditions.
func (t *Template) checkConditions() error {
	if _, err := sorted(slices.Collect(maps.Keys(t.Conditions)), func(name string) []string {
		return conditionsIn(t.Conditions[name])
	}); err != nil {
		return fmt.Errorf("conditions: %w", err)
	}
	for id, resource := range t.Resources {
		if err := t.knows("resource "+id, resource.Condition, resource.Properties); err != nil {
			return err
		}
	}
	for name, output := range t.Outputs {
		if err := t.knows("output "+name, output.Condition, output.Value); err != nil {
			return err
		}
	}
	return nil
}

// knows returns an error if something has, or a value in it asks for, a condition that the template lacks.
func (t *Template) knows(what, condition string, v any) error {
	names := ifsIn(v)
	if condition != "" {
		names = append(names, condition)
	}
	for _, name := range names {
		if _, ok := t.Conditions[name]; !ok {
			return fmt.Errorf("%s refers to the condition %q, which does not exist", what, name)
		}
	}
	return nil
}

// conditionsIn are the names of the conditions that a condition refers to.
func conditionsIn(v any) (names []string) {
	switch name, argument := conditional(v); name {
	case "Condition":
		other, _ := argument.(string)
		return []string{other}
	case "Fn::And", "Fn::Or", "Fn::Not":
		operands, _ := argument.([]any)
		for _, operand := range operands {
			names = append(names, conditionsIn(operand)...)
		}
	}
	return names
}

// ifsIn are the names of the conditions that all Fn::If within v ask for.
func ifsIn(v any) (names []string) {
	switch v := v.(type) {
	case []any:
		for _, element := range v {
			names = append(names, ifsIn(element)...)
		}
	case map[string]any:
		if name, argument := intrinsic(v); name == "Fn::If" {
			if arguments, _ := argument.([]any); len(arguments) > 0 {
				if condition, ok := arguments[0].(string); ok {
					names = append(names, condition)
				}
			}
		}
		for _, member := range v {
			names = append(names, ifsIn(member)...)
		}
	}
	return names
}
