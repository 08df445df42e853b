package assembly

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/google/uuid"
)

// NotCreatedError says that a value needs a resource for which SetResource has not been called yet.
type NotCreatedError struct {
	Stack, LogicalID string
	Attribute        string // empty: what Ref answers
}

func (e *NotCreatedError) Error() string {
	what := "Ref"
	if e.Attribute != "" {
		what = "attribute " + e.Attribute
	}
	return fmt.Sprintf("resource %s of stack %s does not exist yet: its %s is not known", e.LogicalID, e.Stack, what)
}

// Resolver replaces the intrinsic functions in values of the templates: Ref, Fn::GetAtt, Fn::Sub, Fn::Join, Fn::Select,
// Fn::Split, Fn::ImportValue and Fn::GetStackOutput, with the pseudo parameters (but AWS::NotificationARNs) of the partition
// aws. Any other function, and a dynamic reference like {{resolve:…}}, is an error that names it and where it stands.
//
// It is safe for concurrent use, and resolving changes nothing.
type Resolver struct {
	assembly        *Assembly
	account, region string

	mu        sync.RWMutex
	resources map[resourceKey]physical
}

type resourceKey struct{ stack, logicalID string }

type physical struct {
	ref        string
	attributes map[string]string
}

// NewResolver returns a resolver for a deployment of a to the account (12 digits) and region.
func NewResolver(a *Assembly, account, region string) *Resolver {
	return &Resolver{assembly: a, account: account, region: region, resources: map[resourceKey]physical{}}
}

// SetResource records that a resource exists: what Ref and Fn::GetAtt answer for it from now on.
func (r *Resolver) SetResource(stack *Stack, logicalID, ref string, attributes map[string]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.resources[resourceKey{stack.Name, logicalID}] = physical{ref, attributes}
}

// Resolve returns a copy of v, a value of the stack's template, in which every intrinsic function is replaced by its value,
// and members and elements that are AWS::NoValue are left out. Where says what v is, such as a logical id: errors begin with
// the stack, it and the path within v. A resource that is needed and does not exist yet is a [*NotCreatedError].
func (r *Resolver) Resolve(stack *Stack, where string, v any) (any, error) {
	out, err := evaluation{r, stack, 0}.value(v)
	if out == (noValue{}) {
		out = nil
	}
	return out, at(stack.Name, at(where, err))
}

// String is Resolve for a value that must be text. Numbers and booleans are converted, as CloudFormation does.
func (r *Resolver) String(stack *Stack, where string, v any) (string, error) {
	out, err := evaluation{r, stack, 0}.text(v)
	return out, at(stack.Name, at(where, err))
}

// placed is an error with the path to its place.
type placed struct {
	path string
	err  error
}

func (p *placed) Error() string { return p.path + ": " + p.err.Error() }
func (p *placed) Unwrap() error { return p.err }

// at says that err, which may be nil, stands within a member or element.
func at(name string, err error) error {
	if inner, ok := err.(*placed); ok { // not a wrapped one: that place is in another value
		return &placed{name + "/" + inner.path, inner.err}
	}
	if err != nil {
		err = &placed{name, err}
	}
	return err
}

// noValue stands for a value that is AWS::NoValue.
type noValue struct{}

// evaluation is the resolution of one value.
type evaluation struct {
	*Resolver
	stack *Stack
	hops  int // from stack to stack
}

func (e evaluation) value(v any) (any, error) {
	switch v := v.(type) {
	case string:
		if strings.Contains(v, "{{resolve:") {
			return nil, errors.New("dynamic references ({{resolve:…}}) are not supported")
		}
	case []any:
		return e.list(v)
	case map[string]any:
		if name, argument, ok := intrinsic(v); ok {
			out, err := e.call(name, argument)
			return out, at(name, err)
		}
		return e.object(v)
	}
	return v, nil
}

func (e evaluation) list(v []any) ([]any, error) {
	out := make([]any, 0, len(v))
	for i, element := range v {
		resolved, err := e.value(element)
		if err != nil {
			return nil, at(strconv.Itoa(i), err)
		}
		if resolved != (noValue{}) {
			out = append(out, resolved)
		}
	}
	return out, nil
}

func (e evaluation) object(v map[string]any) (map[string]any, error) {
	out := make(map[string]any, len(v))
	for key, member := range v {
		if strings.HasPrefix(key, "Fn::") {
			return nil, at(key, errors.New("an intrinsic function cannot have other members beside it"))
		}
		resolved, err := e.value(member)
		if err != nil {
			return nil, at(key, err)
		}
		if resolved != (noValue{}) {
			out[key] = resolved
		}
	}
	return out, nil
}

func (e evaluation) text(v any) (string, error) {
	resolved, err := e.value(v)
	if err != nil {
		return "", err
	}
	return scalar(resolved)
}

// call resolves one intrinsic function.
func (e evaluation) call(name string, argument any) (any, error) {
	switch name { // first those that take names
	case "Ref":
		return e.ref(argument)
	case "Fn::GetAtt":
		return e.attribute(attributeOf(argument))
	case "Fn::Sub":
		return e.sub(argument)
	}
	function, ok := map[string]func(evaluation, any) (any, error){
		"Fn::Join": evaluation.join, "Fn::Select": evaluation.choose, "Fn::Split": evaluation.split,
		"Fn::ImportValue": evaluation.importValue, "Fn::GetStackOutput": evaluation.stackOutput,
	}[name]
	if !ok {
		return nil, errors.New("this intrinsic function is not supported")
	}
	resolved, err := e.value(argument)
	if err != nil {
		return nil, err
	}
	return function(e, resolved)
}

func (e evaluation) ref(argument any) (any, error) {
	name, _ := argument.(string)
	switch name {
	case "AWS::NoValue":
		return noValue{}, nil
	case "AWS::AccountId":
		return e.account, nil
	case "AWS::Region":
		return e.region, nil
	case "AWS::Partition":
		return "aws", nil
	case "AWS::URLSuffix":
		return "amazonaws.com", nil
	case "AWS::StackName":
		return e.stack.Name, nil
	case "AWS::StackId": // made up, but the same in every run
		id := uuid.NewSHA1(uuid.NameSpaceURL, []byte(e.stack.Name))
		return fmt.Sprintf("arn:aws:cloudformation:%s:%s:stack/%s/%s", e.region, e.account, e.stack.Name, id), nil
	}
	return e.attribute(name, "")
}

// attribute is what Fn::GetAtt, or without an attribute Ref, answers for a resource of this stack.
func (e evaluation) attribute(id, attribute string) (any, error) {
	resource, ok := e.stack.Template.Resources[id]
	if !ok {
		return nil, fmt.Errorf("stack %s has no resource %q (parameters are not supported)", e.stack.Name, id)
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	found, ok := e.resources[resourceKey{e.stack.Name, id}]
	if !ok {
		return nil, &NotCreatedError{e.stack.Name, id, attribute}
	}
	if attribute == "" {
		return found.ref, nil
	}
	v, ok := found.attributes[attribute]
	if !ok {
		return nil, fmt.Errorf("attribute %s of resource %s (%s) in stack %s is not known here", attribute, id, resource.Type, e.stack.Name)
	}
	return v, nil
}

func (e evaluation) sub(argument any) (any, error) {
	text, variables := substitution(argument)
	return substitute(text, func(name string) (string, error) {
		if v, ok := variables[name]; ok {
			return e.text(v)
		}
		if id, attribute, ok := strings.Cut(name, "."); ok {
			return e.text(map[string]any{"Fn::GetAtt": []any{id, attribute}})
		}
		return e.text(map[string]any{"Ref": name})
	})
}

func (evaluation) join(argument any) (any, error) {
	delimiter, list, err := pair[[]any](argument)
	parts := make([]string, len(list))
	for i := range parts {
		if parts[i], err = scalar(list[i]); err != nil {
			break
		}
	}
	return strings.Join(parts, delimiter), err
}

func (evaluation) split(argument any) (any, error) {
	delimiter, text, err := pair[string](argument)
	var parts []any
	for part := range strings.SplitSeq(text, delimiter) {
		parts = append(parts, part)
	}
	return parts, err
}

func (evaluation) choose(argument any) (any, error) {
	number, list, err := pair[[]any](argument)
	if err != nil {
		return nil, err
	}
	i, err := strconv.Atoi(number)
	if err != nil || i < 0 || i >= len(list) {
		return nil, fmt.Errorf("there is no element %q in a list of %d", number, len(list))
	}
	return list[i], nil
}

func (e evaluation) importValue(name any) (any, error) {
	for _, stack := range e.assembly.Stacks {
		for id, output := range stack.Template.Outputs {
			if output.Export.Name == nil {
				continue
			}
			export, err := e.Resolver.String(stack, "Outputs/"+id+"/Export", output.Export.Name)
			if err != nil {
				return nil, fmt.Errorf("looking for the export %q: %w", name, err)
			}
			if export == name {
				return e.output(stack, id)
			}
		}
	}
	return nil, fmt.Errorf("no stack exports %q", name)
}

func (e evaluation) stackOutput(argument any) (any, error) {
	members, _ := argument.(map[string]any)
	for key, v := range members {
		if !slices.Contains([]string{"StackName", "OutputName", "Region"}, key) || key == "Region" && v != e.region {
			return nil, fmt.Errorf("only StackName, OutputName and the own Region are supported, not this %s", key)
		}
	}
	for _, stack := range e.assembly.Stacks {
		if stack.Name == members["StackName"] {
			id, _ := members["OutputName"].(string)
			return e.output(stack, id)
		}
	}
	return nil, fmt.Errorf("there is no stack %v", members["StackName"])
}

// output is the value of another stack's output.
func (e evaluation) output(stack *Stack, id string) (any, error) {
	output, ok := stack.Template.Outputs[id]
	if !ok {
		return nil, fmt.Errorf("stack %s has no output %q", stack.Name, id)
	}
	if e.hops > len(e.assembly.Stacks) {
		return nil, fmt.Errorf("output %s of stack %s refers to itself through other stacks", id, stack.Name)
	}
	v, err := evaluation{e.Resolver, stack, e.hops + 1}.text(output.Value)
	if err != nil {
		return nil, fmt.Errorf("output %s of stack %s: %w", id, stack.Name, err)
	}
	return v, nil
}
