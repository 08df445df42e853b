package cloud

import (
	"context"
	"encoding/json"
	"strconv"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/assembly"
)

// resource is one resource to create.
type resource struct {
	stack           *assembly.Stack
	id              string // in the stack's template
	account, region string
	properties
}

// created is what Ref and Fn::GetAtt answer for a resource.
type created struct {
	ref        string
	attributes map[string]string
}

// physicalName is the name that the template gives the resource in a property, or else one like CloudFormation's.
func (r *resource) physicalName(property string) string {
	if name := r.str(property); name != "" {
		return name
	}
	return r.stack.Name + "-" + r.id
}

// arn is the ARN of a resource of this account and region.
func (r *resource) arn(service, name string) string {
	return "arn:aws:" + service + ":" + r.region + ":" + r.account + ":" + name
}

// createNamed creates nothing: the resource is only a name for others to refer to.
func createNamed(_ context.Context, r *resource) (created, error) {
	name := r.physicalName("Name")
	return created{name, map[string]string{"AllocationId": name, "GroupId": name, "Arn": name, "Id": name}}, nil
}

func createLogGroup(_ context.Context, r *resource) (created, error) {
	name := r.physicalName("LogGroupName")
	return created{name, map[string]string{"Arn": r.arn("logs", "log-group:"+name+":*")}}, nil
}

// properties are the properties of a resource, or an object within them, without intrinsic functions. A number or a boolean may be a
// string, as CloudFormation allows. Absent members read as zero values.
type properties map[string]any

func (p properties) str(name string) string {
	switch v := p[name].(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

// optional is nil if the member is absent.
func (p properties) optional(name string) *string {
	if p[name] == nil {
		return nil
	}
	return new(p.str(name))
}

func (p properties) boolean(name string) bool { return p.str(name) == "true" }

func (p properties) integer(name string) int {
	n, _ := strconv.Atoi(p.str(name)) // the CDK has validated it
	return n
}

func (p properties) object(name string) properties {
	m, _ := p[name].(map[string]any)
	return m
}

// objects is a list of objects.
func (p properties) objects(name string) (objects []properties) {
	values, _ := p[name].([]any)
	for _, v := range values {
		m, _ := v.(map[string]any)
		objects = append(objects, m)
	}
	return objects
}

func (p properties) strings(name string) []string { return list[string](p, name) }

// list is a list of strings, as values of a type of the SDK's.
func list[T ~string](p properties, name string) (all []T) {
	values, _ := p[name].([]any)
	for _, v := range values {
		if s, ok := v.(string); ok {
			all = append(all, T(s))
		}
	}
	return all
}
