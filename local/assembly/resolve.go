package assembly

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Resolver replaces the intrinsic functions in values of the templates. It knows Ref, Fn::GetAtt, Fn::Sub, Fn::Join,
// Fn::Select, Fn::Split, Fn::If, Fn::FindInMap, Fn::Base64, Fn::Cidr, Fn::Length, Fn::ToJsonString, Fn::GetAZs,
// Fn::ImportValue and Fn::GetStackOutput, and all pseudo parameters, for the partition aws. Any other function is an
// error that names it and its place. So is a dynamic reference like {{resolve:…}}, but for that to an SSM parameter
// that an earlier stack makes.
//
// One goroutine may use it at a time.
type Resolver struct {
	assembly        *Assembly
	account, region string
	resources       map[resourceKey]physical
	parameters      map[string]string // of SSM, by name
	values          map[*Stack]map[string]any
	conditions      map[*Stack]map[string]bool // those that were evaluated

	// Unknown, if set, says what stands for an attribute (Ref is "") of a resource or parameter that is not known. For
	// a dynamic reference there is no logical id, and the attribute is the reference. Without Unknown that is an error.
	Unknown func(stack *Stack, logicalID, attribute string) string
}

// resourceKey has no name of a stack: in two stages, stacks may have the same one.
type resourceKey struct {
	stack     *Stack
	logicalID string
}

type physical struct {
	ref        string
	attributes map[string]string
}

// NewResolver returns a resolver for a deployment of a to the account (12 digits) and region.
func NewResolver(a *Assembly, account, region string) *Resolver {
	return &Resolver{
		assembly: a, account: account, region: region, resources: map[resourceKey]physical{},
		parameters: map[string]string{}, values: map[*Stack]map[string]any{}, conditions: map[*Stack]map[string]bool{},
	}
}

// SetValues gives the parameters of a nested stack their values.
func (r *Resolver) SetValues(nested *Stack, values map[string]any) {
	r.values[nested] = values
	delete(r.conditions, nested)
}

// SetParameter records that an SSM parameter exists. Stacks that are deployed later can take its value for a parameter
// of theirs.
func (r *Resolver) SetParameter(name, value string) { r.parameters[name] = value }

// SetResource records that a resource exists, and what Ref and Fn::GetAtt answer for it.
func (r *Resolver) SetResource(stack *Stack, logicalID, ref string, attributes map[string]string) {
	r.resources[resourceKey{stack, logicalID}] = physical{ref, attributes}
}

// Resolve returns a copy of v, a value of the stack's template. Every intrinsic function in it is replaced by its
// value, and members and elements that are AWS::NoValue are left out. The argument where says what v is, such as a
// logical id: errors begin with the stack, where, and the path within v. It is an error if v needs a resource that does
// not exist yet.
func (r *Resolver) Resolve(stack *Stack, where string, v any) (any, error) {
	out, err := r.evaluation(stack).value(v)
	if out == (noValue{}) {
		out = nil
	}
	return out, at(stack.Name, at(where, err))
}

// String is Resolve for a value that must be text. It converts numbers and booleans, as CloudFormation does.
func (r *Resolver) String(stack *Stack, where string, v any) (string, error) {
	out, err := r.evaluation(stack).text(v)
	return out, at(stack.Name, at(where, err))
}

// placed is an error with the path of the value that it is about.
type placed struct {
	path string
	err  error
}

func (p *placed) Error() string { return p.path + ": " + p.err.Error() }
func (p *placed) Unwrap() error { return p.err }

// at adds the name of a member or an index to an error's path. The error may be nil.
func at(name string, err error) error {
	//nolint:errorlint // The path of a wrapped error would be one within another value.
	if inner, ok := err.(*placed); ok {
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
	hops  int // how many outputs of stacks have led here

	ofCondition bool // which cannot refer to resources, and needs a value for each parameter
	used        *used
}

func (r *Resolver) evaluation(stack *Stack) evaluation {
	return evaluation{Resolver: r, stack: stack, used: &used{}}
}

func (e evaluation) value(v any) (any, error) {
	switch v := v.(type) {
	case string:
		return e.dynamic(v)
	case []any:
		return e.list(v)
	case map[string]any:
		if name, argument := intrinsic(v); name != "" {
			out, err := e.call(name, argument)
			return out, at(name, err)
		}
		return e.object(v)
	}
	return v, nil
}

func (e evaluation) list(v []any) (any, error) {
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

func (e evaluation) object(v map[string]any) (any, error) {
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
	switch name { // first the functions whose arguments are names, which must not be resolved
	case "Ref":
		return e.ref(argument)
	case "Fn::GetAtt":
		id, attribute := attributeOf(argument)
		if attribute == "" {
			return nil, errors.New("want a logical id and an attribute")
		}
		return e.attribute(id, attribute)
	case "Fn::If":
		return e.choose(argument)
	case "Fn::Sub":
		name, argument = "Fn::Join", []any{"", substitution(argument)}
	}
	template := argument
	argument, err := e.value(argument)
	switch {
	case err != nil:
		return nil, err
	case e.hops > len(e.assembly.Stacks):
		return nil, errors.New("outputs of stacks refer to each other in a cycle")
	}
	if err := e.used.byCall(name, argument); err != nil {
		return nil, err
	}
	switch name {
	case "Fn::Join", "Fn::Split", "Fn::Select":
		out, err := combine(name, argument)
		if err != nil { // what stands for an unknown ARN has not the parts of one
			err = cmp.Or(e.unpublished(template), err)
		}
		return out, err
	case "Fn::GetAZs": // no region has fewer than three
		return []any{e.region + "a", e.region + "b", e.region + "c"}, nil
	case "Fn::FindInMap":
		return e.findInMap(argument)
	case "Fn::Base64", "Fn::Cidr", "Fn::Length", "Fn::ToJsonString":
		return convert(name, argument)
	case "Fn::ImportValue", "Fn::GetStackOutput":
		if e.ofCondition {
			return nil, errors.New("a condition cannot refer to outputs of stacks")
		}
		if name == "Fn::ImportValue" {
			return e.importValue(argument)
		}
		return e.stackOutput(argument)
	}
	return nil, errors.New("this intrinsic function is not supported")
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
	case "AWS::NotificationARNs":
		return []any{}, nil
	case "AWS::StackName":
		return e.stack.Name, nil
	case "AWS::StackId": // on AWS its last part is random
		return "arn:aws:cloudformation:" + e.region + ":" + e.account + ":stack/" + e.stack.Name +
			"/00000000-0000-0000-0000-000000000000", nil
	}
	return e.attribute(name, "")
}

// attribute is what Fn::GetAtt, or without an attribute Ref, answers for a resource of this stack.
func (e evaluation) attribute(id, attribute string) (any, error) {
	if parameter, ok := e.stack.Template.Parameters[id]; ok {
		return e.parameter(id, parameter)
	}
	resource, ok := e.stack.Template.Resources[id]
	if !ok {
		return nil, fmt.Errorf("stack %s has no resource or parameter %q", e.stack.Name, id)
	}
	if e.ofCondition {
		return nil, fmt.Errorf("a condition cannot refer to a resource, such as %s", id)
	}
	if exists, err := e.holds(resource.Condition); err != nil || !exists {
		return nil, cmp.Or(err, fmt.Errorf("resource %s of stack %s does not exist, because its condition %s is false", id,
			e.stack.Name, resource.Condition))
	}
	found, ok := e.resources[resourceKey{e.stack, id}]
	if _, known := found.attributes[attribute]; !known && (attribute != "" || !ok) && e.Unknown != nil {
		return e.Unknown(e.stack, id, attribute), nil
	}
	if !ok {
		return nil, fmt.Errorf("resource %s of stack %s does not exist yet: its %s is not known", id, e.stack.Name,
			cmp.Or(attribute, "Ref"))
	}
	if attribute == "" {
		return found.ref, nil
	}
	v, ok := found.attributes[attribute]
	if !ok {
		return nil, fmt.Errorf("attribute %s of resource %s (%s) in stack %s is not known here", attribute, id,
			resource.Type, e.stack.Name)
	}
	return v, nil
}

// parameter is the default of a parameter, or the value of the SSM parameter that the default names.
func (e evaluation) parameter(id string, p Parameter) (any, error) {
	if value, given := e.values[e.stack][id]; given {
		p.Default = value
	}
	if p.Default != nil && !strings.HasPrefix(p.Type, "AWS::SSM::") {
		return p.value()
	}
	name, _ := p.Default.(string)
	value, made := e.parameters[name]
	switch {
	case made && p.Type == typeOfSSM:
		return value, nil
	case e.Unknown != nil && !e.ofCondition:
		return e.Unknown(e.stack, id, ""), nil
	case p.Default == nil:
		return nil, fmt.Errorf("parameter %s of stack %s has no value here: give it a default", id, e.stack.Name)
	case p.Type != typeOfSSM:
		return nil, fmt.Errorf("parameter %s of stack %s has the type %q and no value here: only %s is supported", id,
			e.stack.Name, p.Type, typeOfSSM)
	}
	return nil, e.unpublishedError(id, name)
}

// value is a parameter's default, by its type: a list is written as a text with commas.
func (p Parameter) value() (any, error) {
	if p.Type != "CommaDelimitedList" && !strings.HasPrefix(p.Type, "List<") {
		return p.Default, nil
	}
	text, err := scalar(p.Default)
	if err != nil || text == "" {
		return []any{}, err
	}
	var list []any
	for element := range strings.SplitSeq(text, ",") {
		list = append(list, strings.TrimSpace(element))
	}
	return list, nil
}

func (e evaluation) importValue(name any) (any, error) {
	for _, stack := range e.assembly.Stacks {
		for id, output := range stack.Template.Outputs {
			if text, ok := output.Export.Name.(string); ok && text != name {
				continue // it need not be resolved
			}
			if exists, err := e.Holds(stack, output.Condition); err != nil {
				return nil, err
			} else if !exists || output.Export.Name == nil {
				continue
			}
			export, err := e.output(stack, id, output.Export.Name)
			if err != nil {
				return nil, err
			}
			if export == name {
				return e.output(stack, id, output.Value)
			}
		}
	}
	return nil, fmt.Errorf("no stack exports %q", name)
}

func (e evaluation) stackOutput(argument any) (any, error) {
	members, _ := argument.(map[string]any)
	if region, ok := members["Region"]; ok && region != e.region || members["RoleArn"] != nil {
		return nil, errors.New("outputs of other regions and accounts are not supported")
	}
	id, _ := members["OutputName"].(string)
	for _, stack := range e.assembly.Stacks {
		if output, ok := stack.Template.Outputs[id]; ok && stack.Name == members["StackName"] {
			return e.output(stack, id, output.Value)
		}
	}
	return nil, fmt.Errorf("stack %v has no output %q", members["StackName"], id)
}

// output resolves a value of another stack's output.
func (e evaluation) output(stack *Stack, id string, v any) (any, error) {
	if err := e.used.byOutput(); err != nil {
		return nil, err
	}
	out, err := evaluation{Resolver: e.Resolver, stack: stack, hops: e.hops + 1, used: e.used}.text(v)
	if err != nil {
		return nil, fmt.Errorf("output %s of stack %s: %w", id, stack.Name, err)
	}
	return out, nil
}

// combine is Fn::Join, Fn::Split or Fn::Select. Each takes a delimiter or index and what to apply it to.
func combine(name string, argument any) (any, error) {
	arguments, _ := argument.([]any)
	if len(arguments) != 2 {
		return nil, errors.New("want two arguments")
	}
	by, err := scalar(arguments[0])
	if err != nil {
		return nil, err
	}
	if name == "Fn::Split" {
		text, err := scalar(arguments[1])
		var parts []any
		for part := range strings.SplitSeq(text, by) {
			parts = append(parts, part)
		}
		return parts, err
	}
	list, isList := arguments[1].([]any)
	if name == "Fn::Select" {
		if i, err := strconv.ParseUint(by, 10, 31); err == nil && int(i) < len(list) {
			return list[i], nil
		}
		return nil, fmt.Errorf("there is no element %q in a list of %d", by, len(list))
	}
	if !isList {
		return nil, errors.New("want a list to join")
	}
	parts := make([]string, len(list))
	for i, element := range list {
		if parts[i], err = scalar(element); err != nil {
			return nil, err
		}
	}
	return strings.Join(parts, by), nil
}

// scalar converts numbers and booleans to text.
func scalar(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	case bool:
		return strconv.FormatBool(v), nil
	}
	return "", errors.New("want text, not a list, an object or nothing")
}
