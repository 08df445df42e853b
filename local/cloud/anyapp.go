package cloud

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/assembly"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/gateway"
)

// unknown begins what stands for a value of a resource that is not simulated. No service here accepts it.
const unknown = "not-simulated:"

// errUnknownType is about a resource that no code here makes.
var errUnknownType = errors.New("this type of resource is not simulated")

// tolerate makes the deployment leave out what it does not know, as [Options.AnyApp] says.
func (d *deployment) tolerate() {
	d.tolerant, d.reasons, d.apis.leftOut = true, map[string]error{}, d.differs
	d.resolver.Unknown = func(stack *assembly.Stack, id, attribute string) string {
		if id == "" { // a dynamic reference
			return unknown + attribute
		}
		return unknown + stack.Name + "/" + id + "." + cmp.Or(attribute, "Ref")
	}
}

// differs records what is not as on AWS.
func (d *deployment) differs(what string) { d.skipped[what] = true }

// leaveOut goes on without a resource, if the deployment may. A function that cannot run says why when it is invoked.
func (d *deployment) leaveOut(ctx context.Context, stack *assembly.Stack, id string, err error) bool {
	if _, shared := errors.AsType[sharedNameError](err); shared || !d.tolerant || ctx.Err() != nil {
		return false
	}
	resource := stack.Template.Resources[id]
	if resource.Type == "AWS::Lambda::Function" {
		d.functions.listed = append(d.functions.listed, &Function{
			Name: stack.Name + "-" + id, LogicalID: id, Path: constructPath(stack, id), Err: err,
		})
	}
	d.reasons[stack.Name+"/"+id] = err
	d.differs(err.Error())
	return true
}

// checkKnown returns an error if a function needs a value of a resource that is not simulated. A variable may hold such
// a value: what it is for may not be what is run here.
func (d *deployment) checkKnown(r *resource) error {
	for _, property := range []string{"Code", "FunctionName", "Handler", "Layers", "Role", "Runtime", "VpcConfig"} {
		if value := firstUnknown(r.Properties[property]); value != "" {
			return fmt.Errorf("%s needs %s", property, d.describe(value))
		}
	}
	variables := r.Object("Environment").Object("Variables")
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		if value := firstUnknown(variables[name]); value != "" {
			function := constructPath(r.stack, r.id)
			d.differs(fmt.Sprintf("%s: the variable %s needs %s", function, name, d.describe(value)))
		}
	}
	return nil
}

// describe says which resource a placeholder is of: Stack/Queue.Arn.
func (d *deployment) describe(placeholder string) string {
	place := strings.TrimPrefix(placeholder, unknown)
	if strings.HasPrefix(place, "{{") {
		return place + ", which is not simulated"
	}
	name, attribute := place, ""
	if i := strings.LastIndex(place, "."); i >= 0 {
		name, attribute = place[:i], place[i+1:]
	}
	stackName, id, _ := strings.Cut(name, "/")
	kind := "a parameter"
	for _, stack := range d.assembly.All() {
		if resource, ok := stack.Template.Resources[id]; ok && stack.Name == stackName {
			kind = resource.Type
		}
	}
	described := fmt.Sprintf("%s of %s (%s), which is not simulated", attribute, name, kind)
	if reason := d.reasons[name]; reason != nil && !errors.Is(reason, errUnknownType) {
		described += ": " + reason.Error()
	}
	return described
}

// firstUnknown returns the first placeholder within a value.
func firstUnknown(v any) string {
	switch v := v.(type) {
	case string:
		if i := strings.Index(v, unknown); i >= 0 {
			return strings.FieldsFunc(v[i:], func(c rune) bool { return strings.ContainsRune("|,;\"' ", c) })[0]
		}
	case []any:
		for _, element := range v {
			if found := firstUnknown(element); found != "" {
				return found
			}
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if found := firstUnknown(v[name]); found != "" {
				return found
			}
		}
	}
	return ""
}

// routes are the methods of an API that can be served. If others can be left out, they are.
func (s *apis) routes(a *api) (routes []gateway.Route, err error) {
	for _, m := range a.methods {
		route, err := a.route(m, s.functions.byARN)
		if err == nil && s.leftOut != nil {
			alone := a.config
			alone.Routes = []gateway.Route{route}
			_, err = gateway.New(alone)
		}
		if err != nil {
			err = fmt.Errorf("%s/%s: %w", m.stack.Name, m.id, err)
			if s.leftOut == nil {
				return nil, err
			}
			s.leftOut(err.Error())
			continue
		}
		routes = append(routes, route)
	}
	return routes, nil
}

// ErrReplaced says that a version of the app takes no more invocations.
var ErrReplaced = errors.New("another version of the app has replaced this one")

// Function is a function of the app.
type Function struct {
	Name, LogicalID string
	Path            string // of the construct
	Err             error  // why it cannot run; nil if it can

	running *function
}

// constructPath is the path of the construct that a person knows, which is not that of its CloudFormation resource.
func constructPath(stack *assembly.Stack, id string) string {
	return strings.TrimSuffix(stack.ConstructPath(id), "/Resource")
}

// Functions are the app's functions, by their paths.
func (c *Cloud) Functions() []*Function {
	return slices.SortedFunc(slices.Values(c.functions.listed), func(a, b *Function) int {
		return cmp.Compare(a.Path, b.Path)
	})
}

// Function finds a function by its logical id, its path, its name, its ARN, or a part of these that no other has.
func (c *Cloud) Function(called string) (*Function, error) {
	all := c.Functions()
	var paths []string
	for _, matches := range []func(*Function) bool{
		func(f *Function) bool { return called == f.LogicalID || called == f.Path || called == f.Name },
		func(f *Function) bool { return called == f.Path[strings.LastIndex(f.Path, "/")+1:] },
		func(f *Function) bool { return strings.HasSuffix(called, ":function:"+f.Name) },
		func(f *Function) bool {
			return called != "" && strings.Contains(f.Path+"\n"+f.LogicalID+"\n"+f.Name, called)
		},
	} {
		var found []*Function
		paths = nil
		for _, f := range all {
			if matches(f) {
				found, paths = append(found, f), append(paths, f.Path)
			}
		}
		if len(found) == 1 {
			return found[0], nil
		}
		if len(found) > 1 {
			return nil, fmt.Errorf("%q may be any of %s: write more of the name", called, strings.Join(paths, ", "))
		}
	}
	for _, f := range all {
		paths = append(paths, f.Path)
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("the app has no function %q: it has no functions at all", called)
	}
	return nil, fmt.Errorf("the app has no function %q: it has %s", called, strings.Join(paths, ", "))
}

// Invoke runs a function as Lambda's Invoke does. If failed, the answer describes the function's error. An error means
// that the function did not run. It is [ErrReplaced] if another version of the app has replaced this one.
func (c *Cloud) Invoke(ctx context.Context, f *Function, payload []byte) (answer []byte, failed bool, err error) {
	if !c.begin() {
		return nil, false, ErrReplaced
	}
	defer c.end()
	if f.Err != nil {
		return nil, false, f.Err
	}
	result, err := f.running.host.Invoke(ctx, payload)
	return result.Payload, result.FunctionError != "", err
}
