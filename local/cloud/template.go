package cloud

import (
	"context"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/assembly"
)

// resource is one resource to create.
type resource struct {
	stack           *assembly.Stack
	id              string // in the stack's template
	account, region string
	assembly.Properties
}

// created is what Ref and Fn::GetAtt answer for a resource.
type created struct {
	ref        string
	attributes map[string]string
}

// physicalName is the name that the template gives the resource in a property, or else one like CloudFormation's.
func (r *resource) physicalName(property string) string {
	if name := r.Str(property); name != "" {
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

// list is a list of strings, as values of a type of the SDK's.
func list[T ~string](p assembly.Properties, name string) (all []T) {
	for _, s := range p.Strings(name) {
		all = append(all, T(s))
	}
	return all
}
