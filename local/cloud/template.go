package cloud

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

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

// functionName is the physical name of a function. If the template states none, it is cut to what Lambda allows, and
// made unique by a hash, as CloudFormation does with random letters.
func (r *resource) functionName() string {
	const limit, hashed = 64, 12
	name := r.physicalName("FunctionName")
	if r.Str("FunctionName") != "" || len(name) <= limit {
		return name
	}
	hash := sha256.Sum256([]byte(name))
	ofStack := r.stack.Name[:min(len(r.stack.Name), 24)]
	ofFunction := r.id[:min(len(r.id), limit-hashed-2-len(ofStack))]
	return ofStack + "-" + ofFunction + "-" + hex.EncodeToString(hash[:])[:hashed]
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
