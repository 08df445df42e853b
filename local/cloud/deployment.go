package cloud

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/assembly"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/endpoint"
)

// deployment creates the resources of an assembly.
type deployment struct {
	assembly        *assembly.Assembly
	resolver        *assembly.Resolver
	account, region string

	resources *resources
	functions *functions
	networks  *networks
	apis      *apis

	types    map[string]kind
	names    map[string]string // paths of the resources that have a name, by their type and name
	skipped  map[string]bool   // what has no effect here
	tolerant bool              // leaves out what it does not know
	reasons  map[string]error  // why a resource was left out, by its stack and logical id
}

// kind says how to create a type of resource, and what of it has no effect here.
type kind struct {
	create  func(context.Context, *resource) (created, error)
	skipped string
	unique  string // the property with the name that no other resource of the type can have in an account
}

// kinds are the types of resource that the local run knows.
func (d *deployment) kinds() map[string]kind {
	kinds := map[string]kind{
		"AWS::KMS::Key": {
			create: d.resources.createKey, skipped: "rotation and deletion windows",
		},
		"AWS::KMS::Alias": {create: d.resources.createAlias, unique: "AliasName"},
		"AWS::DynamoDB::Table": {
			create: d.resources.createTable, unique: "TableName",
			skipped: "encryption at rest, point-in-time recovery, deletion protection, removal of expired rows",
		},
		"AWS::Cognito::UserPool": {
			create:  d.resources.createUserPool,
			skipped: "second factors, threat protection, how long tokens are valid",
		},
		"AWS::Cognito::UserPoolClient":      {create: d.resources.createUserPoolClient},
		"AWS::Lambda::LayerVersion":         {create: d.functions.createLayerVersion},
		"AWS::Lambda::Function":             {create: d.functions.createFunction, unique: "FunctionName"},
		"AWS::ApiGateway::RestApi":          {create: d.apis.createAPI},
		"AWS::ApiGateway::Authorizer":       {create: d.apis.part((*api).createAuthorizer)},
		"AWS::ApiGateway::Model":            {create: d.apis.part((*api).createModel)},
		"AWS::ApiGateway::RequestValidator": {create: d.apis.part((*api).createValidator)},
		"AWS::ApiGateway::Resource":         {create: d.apis.part((*api).createResource)},
		"AWS::ApiGateway::Method":           {create: d.apis.part((*api).createMethod)},
		"AWS::ApiGateway::Deployment":       {create: createNamed},
		"AWS::ApiGateway::Stage": {
			create: d.apis.part((*api).createStage), skipped: "access log, throttling, traces, TLS",
		},
		"AWS::IAM::Role": {
			create: d.resources.createRole, unique: "RoleName", skipped: "who may assume it",
		},
		"AWS::IAM::Policy":               {create: d.resources.createPolicy},
		"AWS::IAM::ManagedPolicy":        {create: d.resources.createManagedPolicy, unique: "ManagedPolicyName"},
		"AWS::Lambda::CodeSigningConfig": {create: createNamed, skipped: "signatures are not checked"},
		"AWS::Lambda::Permission": {
			create: createNamed, skipped: "the API may always invoke its functions",
		},
		"AWS::Lambda::LayerVersionPermission": {create: createNamed, skipped: "sharing with other accounts"},
		"AWS::Logs::LogGroup": {
			create: createLogGroup, skipped: "functions log to this terminal, where what looks like a card number is masked",
		},
		"AWS::SSM::Parameter":              {create: d.createParameter, unique: "Name"},
		"AWS::WAFv2::LoggingConfiguration": {create: createNamed},
		"AWS::WAFv2::WebACL":               {create: createNamed, skipped: "requests are not filtered"},
		"AWS::WAFv2::WebACLAssociation":    {create: createNamed},
		"AWS::EC2::SecurityGroup":          {create: createNamed, skipped: "nothing is filtered"},
		"AWS::EC2::VPC":                    {create: createNamed, skipped: "functions share this machine's network"},
		"AWS::EC2::Subnet":                 {create: d.networks.createSubnet},
		"AWS::EC2::VPCEndpoint": {
			create: d.networks.createEndpoint, skipped: "endpoint policies are not evaluated",
		},
	}
	for _, partOfVPC := range []string{
		"EIP", "FlowLog", "InternetGateway", "NatGateway", "Route", "RouteTable", "SecurityGroupIngress",
		"SubnetRouteTableAssociation", "VPCGatewayAttachment",
	} {
		kinds["AWS::EC2::"+partOfVPC] = kind{create: createNamed}
	}
	for _, partOfDNS := range []string{
		"FirewallDomainList", "FirewallRuleGroupAssociation", "ResolverQueryLoggingConfig",
		"ResolverQueryLoggingConfigAssociation",
	} {
		kinds["AWS::Route53Resolver::"+partOfDNS] = kind{create: createNamed}
	}
	kinds["AWS::Route53Resolver::FirewallRuleGroup"] = kind{create: createNamed, skipped: "names are not filtered"}
	return kinds
}

// createParameter makes an SSM parameter, which parameters of later stacks can name.
func (d *deployment) createParameter(_ context.Context, r *resource) (created, error) {
	name := r.physicalName("Name")
	d.resolver.SetParameter(name, r.Str("Value"))
	return created{name, nil}, nil
}

// create creates all resources, each after those that it refers to.
func (d *deployment) create(ctx context.Context) error {
	d.types = d.kinds()
	stacks := map[string]*assembly.Stack{}
	for _, stack := range d.assembly.Stacks {
		if first := stacks[stack.Name]; first != nil {
			return sharedNameError{stack.Name, "the stacks " + first.Path, stack.Path, first.Path}
		}
		stacks[stack.Name] = stack
		if err := d.createStack(ctx, stack); err != nil {
			return err
		}
	}
	return nil
}

func (d *deployment) createStack(ctx context.Context, stack *assembly.Stack) error {
	order, err := stack.Order()
	if err != nil {
		return err
	}
	for _, id := range order {
		kind := stack.Template.Resources[id].Type
		if err := d.createOne(ctx, d.types[kind], stack, id); err != nil {
			err = fmt.Errorf("%s/%s (%s): %w", stack.Name, id, kind, err)
			if !d.leaveOut(ctx, stack, id, err) {
				return err
			}
		}
	}
	return nil
}

// createNested creates the resources of a nested stack.
func (d *deployment) createNested(ctx context.Context, r *resource, nested *assembly.Stack) error {
	d.resolver.SetValues(nested, r.Object("Parameters"))
	if err := d.createStack(ctx, nested); err != nil {
		return err
	}
	attributes := map[string]string{}
	for name, output := range nested.Template.Outputs {
		exists, err := d.resolver.Holds(nested, output.Condition)
		if err != nil {
			return err
		}
		if !exists {
			continue
		}
		if attributes["Outputs."+name], err = d.resolver.String(nested, "Outputs/"+name, output.Value); err != nil {
			return err
		}
	}
	d.resolver.SetResource(r.stack, r.id, r.arn("cloudformation", "stack/"+nested.Name), attributes)
	return nil
}

func (d *deployment) createOne(ctx context.Context, kind kind, stack *assembly.Stack, id string) error {
	template := stack.Template.Resources[id]
	if exists, err := d.resolver.Holds(stack, template.Condition); err != nil || !exists {
		return err
	}
	nested := stack.Nested[id]
	if kind.create == nil && d.tolerant && nested == nil {
		return errUnknownType
	}
	if kind.create == nil && nested == nil {
		return errors.New("the local run does not know this type of resource: add it to local/cloud/deployment.go")
	}
	if kind.skipped != "" {
		d.skipped[template.Type+": "+kind.skipped] = true
	}
	resolved, err := d.resolver.Resolve(stack, id, template.Properties)
	if err != nil {
		return err
	}
	r := &resource{stack, id, d.account, d.region, resolved.(map[string]any)}
	if nested != nil {
		return d.createNested(ctx, r, nested)
	}
	if template.Type == "AWS::Lambda::Function" {
		if err := d.checkKnown(r); err != nil {
			return err
		}
	}
	if kind.unique != "" {
		if err := d.claim(r, template.Type, r.physicalName(kind.unique)); err != nil {
			return err
		}
	}
	made, err := kind.create(ctx, r)
	if e, ok := errors.AsType[smithy.APIError](err); ok &&
		(e.ErrorCode() == "AlreadyExistsException" || e.ErrorCode() == "ResourceInUseException") {
		return fmt.Errorf("it exists already: if an endpoint has kept it from an earlier run, restart that endpoint "+
			"without its data (%w)", err)
	}
	if err != nil {
		return endpoint.Explain(err)
	}
	d.resolver.SetResource(stack, id, made.ref, made.attributes)
	return nil
}

// sharedNameError is about two resources that cannot both exist in the one account and region of a local run.
type sharedNameError struct{ name, first, second, path string }

func (e sharedNameError) Error() string {
	return fmt.Sprintf("%s and %s both have the name %q, and all stacks run in one account and region here: run one stage "+
		"or stack with -only, such as -only %s, or give them other names", e.first, e.second, e.name,
		strings.Split(e.path, "/")[0])
}

// claim gives a name to a resource.
func (d *deployment) claim(r *resource, kind, name string) error {
	path := constructPath(r.stack, r.id)
	if first, taken := d.names[kind+" "+name]; taken {
		return sharedNameError{name, first, path, first}
	}
	d.names[kind+" "+name] = path
	return nil
}

// outputs returns the outputs of all stacks, by name.
func (d *deployment) outputs() (map[string]string, error) {
	outputs := map[string]string{}
	for _, stack := range d.assembly.Stacks {
		for name, output := range stack.Template.Outputs {
			exists, err := d.resolver.Holds(stack, output.Condition)
			if err != nil && !d.tolerant {
				return nil, err
			}
			if !exists {
				continue
			}
			v, err := d.resolver.String(stack, "Outputs/"+name, output.Value)
			if d.tolerant && (err != nil || firstUnknown(v) != "") {
				continue
			}
			if err != nil {
				return nil, err
			}
			outputs[name] = d.apis.localize(v)
		}
	}
	return outputs, nil
}
