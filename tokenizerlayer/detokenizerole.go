package tokenizerlayer

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/constructs-go/constructs/v10"
)

// DetokenizeRoleProps describes a [DetokenizeRole].
type DetokenizeRoleProps struct {
	// Vault is what the role reads; required.
	Vault IVault
	// FunctionName is the name of the function that the role is for; required. The role's permissions on the vault hold
	// for no other function, so the function must have this FunctionProps.FunctionName: 1 to 64 of A-Z a-z 0-9 - _.
	FunctionName string
	// Purposes are those that the function may detokenize for; none means tokens that are bound to no purpose.
	Purposes []string
	// Revoke lets the function revoke tokens too: see [Grants.Revoke].
	Revoke bool
	// ApplicationTables are the names of the application's own tables, in the role's account and region, that the
	// application may give the role access to: to get, put, update, delete and query their items. None means no table.
	ApplicationTables []string
	// InVPC lets Lambda make network interfaces for the function, which a function in a VPC needs.
	InVPC bool
	// LogGroup is the function's log group; nil means that the construct makes one, encrypted with the vault's
	// StorageKey and kept for a year. StorageKey's policy must name it: see [StorageKeyProps].
	LogGroup awslogs.ILogGroup
	// Destroyable deletes the log group that the construct makes with its stack. The zero value keeps it.
	Destroyable bool
}

// DetokenizeRole is a construct for the stack of the security team: the role of one function that reads values back,
// with its permissions on the vault, its permissions boundary and its log group. The application's stack gets Role and
// LogGroup by reference, makes the function with them and attaches the layer, which then adds no permissions. It gives
// the role access to its own tables with an awsiam.Policy in its own stack.
//
// A permission that the application adds has an effect only inside the boundary. So the application's stack has no
// statement on TokenKey, cannot widen the role, and cannot delete the log of its reads:
//
//   - the role's permissions on the vault hold only for the named function (lambda:SourceFunctionArn). Whoever passes the role to
//     another function gets nothing.
//   - the boundary allows these rights, items of the named tables, the function's log, X-Ray and Lambda's network interfaces. It allows
//     nothing else, and denies other uses of KMS keys, IAM, Lambda and roles outright.
//
// Whoever can change the code of the function can still read what the function reads. docs/deployers.md says how to
// limit this.
type DetokenizeRole struct {
	constructs.Construct
	role     awsiam.Role
	boundary awsiam.ManagedPolicy
	logGroup awslogs.ILogGroup
}

// NewDetokenizeRole makes a role for one function. If a property is wrong, it makes nothing and returns an error that
// names it.
func NewDetokenizeRole(scope constructs.Construct, id string, props *DetokenizeRoleProps) (*DetokenizeRole, error) {
	props = cmp.Or(props, &DetokenizeRoleProps{})
	problems := props.problems()
	if props.Vault != nil {
		problems = append(problems, checkPlace(props.Vault, "the role", placeOfStack(awscdk.Stack_Of(scope)))...)
	}
	if err := refuse(childPath(scope, id), problems); err != nil {
		return nil, err
	}
	r := &DetokenizeRole{logGroup: props.LogGroup}
	constructs.NewConstruct_Override(r, scope, &id)
	if r.logGroup == nil {
		r.logGroup = awslogs.NewLogGroup(r, new("LogGroup"), &awslogs.LogGroupProps{
			EncryptionKey: props.Vault.StorageKey(),
			Retention:     awslogs.RetentionDays_ONE_YEAR,
			RemovalPolicy: removalPolicy(props.Destroyable),
		})
	}
	rights := props.rights(awscdk.Stack_Of(r), r.logGroup)
	r.boundary = rights.boundary(r, "Boundary", props.Vault.RolePath())
	path := props.Vault.RolePath()
	if path != AnyRolePath {
		path += DetokenizePath
	}
	r.role = awsiam.NewRole(r, new("Role"), &awsiam.RoleProps{
		AssumedBy:           awsiam.NewServicePrincipal(new("lambda.amazonaws.com"), nil),
		Path:                &path,
		Description:         new("Detokenizes, as the function " + props.FunctionName + " only"),
		PermissionsBoundary: r.boundary,
	})
	for _, p := range rights.granted {
		r.role.AddToPolicy(p.statement())
	}
	mark(r.role, props.FunctionName, r.logGroup)
	// As with the vault's tables: what the application's stack uses cannot go away under it.
	for _, used := range []constructs.IConstruct{r.role, r.logGroup} {
		awscdk.CrossStackReferences_Of(used).Produce(awscdk.ReferenceStrength_STRONG)
	}
	return r, nil
}

// Role is for FunctionProps.Role. Give it more permissions with an awsiam.Policy in the application's stack. The CDK's
// own Grant methods would add them to the policy in this stack, which would then depend on the application's stack, and
// the two stacks would depend on each other.
func (r *DetokenizeRole) Role() awsiam.IRole { return r.role }

// LogGroup is for FunctionProps.LogGroup. The role may write to no other.
func (r *DetokenizeRole) LogGroup() awslogs.ILogGroup { return r.logGroup }

// Boundary is the role's permissions boundary.
func (r *DetokenizeRole) Boundary() awsiam.IManagedPolicy { return r.boundary }

var (
	functionNameForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	tableNameForm    = regexp.MustCompile(`^[A-Za-z0-9_.-]{3,255}$`)
)

func (p *DetokenizeRoleProps) problems() (problems []error) {
	if p.Vault == nil {
		problems = append(problems,
			errors.New("DetokenizeRoleProps.Vault: got none, want one of NewVault or VaultFromAttributes"))
	}
	if !functionNameForm.MatchString(p.FunctionName) {
		problems = append(problems, fmt.Errorf(
			"DetokenizeRoleProps.FunctionName: got %q, want 1 to 64 of A-Z a-z 0-9 - _, without wildcards and tokens: "+
				"choose a name, and give it to the function too", p.FunctionName))
	}
	for _, purpose := range p.Purposes {
		problems = append(problems, checkPurpose("DetokenizeRoleProps.Purposes", purpose))
	}
	for _, name := range p.ApplicationTables {
		if !tableNameForm.MatchString(name) {
			problems = append(problems, fmt.Errorf("DetokenizeRoleProps.ApplicationTables: got %q, want the name of "+
				"a table, without wildcards and tokens", name))
		}
	}
	return problems
}

// roleRights are what a role gets, and what its boundary lets it have.
type roleRights struct{ granted, allowed []permission }

func (p *DetokenizeRoleProps) rights(stack awscdk.Stack, logGroup awslogs.ILogGroup) roleRights {
	function := stack.FormatArn(&awscdk.ArnComponents{
		Service:      new("lambda"),
		Resource:     new("function"),
		ResourceName: &p.FunctionName,
		ArnFormat:    awscdk.ArnFormat_COLON_RESOURCE_NAME,
	})
	grants := p.Vault.Grants()
	ofVault, storage := grants.reading(stack.Account(), p.Purposes), grants.readingStorage()
	if p.Revoke {
		ofVault, storage = append(ofVault, grants.revoking()...), append(storage, grants.storage(p.Vault.Index())...)
	}
	// storage is without the function: DynamoDB makes these calls to KMS, for the role.
	granted := append(calledBy(function, ofVault), storage...)
	granted = append(granted, on(logGroup.LogGroupArn(), "logs:CreateLogStream", "logs:PutLogEvents"),
		on(new("*"), "xray:PutTelemetryRecords", "xray:PutTraceSegments"))
	if p.InVPC {
		granted = append(granted, interfaces)
	}
	return roleRights{granted, append(granted, p.application(stack, function)...)}
}

// interfaces lets Lambda manage a function's network interfaces. Lambda acts with the function's role, and checks for
// these actions on every resource. Calls of the function's own code carry lambda:SourceFunctionArn, and so are not
// allowed (https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html).
var interfaces = permission{
	[]string{
		"ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
		"ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses",
	},
	[]*string{new("*")}, conditions{"Null": {"lambda:SourceFunctionArn": "true"}},
}

// application is what the application may give the role: items of its tables, by the named function, and StorageKey for
// these tables.
func (p *DetokenizeRoleProps) application(stack awscdk.Stack, function *string) (allowed []permission) {
	if len(p.ApplicationTables) == 0 {
		return nil
	}
	items := permission{actions: []string{
		"dynamodb:ConditionCheckItem", "dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query",
		"dynamodb:UpdateItem",
	}}
	for _, name := range p.ApplicationTables {
		arn := stack.FormatArn(&awscdk.ArnComponents{
			Service: new("dynamodb"), Resource: new("table"), ResourceName: &name,
		})
		items.resources = append(items.resources, arn)
	}
	storage := permission{[]string{"kms:Decrypt"}, []*string{p.Vault.StorageKey().KeyArn()},
		conditions{"StringEquals": {
			"kms:ViaService": "dynamodb." + *stack.Region() + ".amazonaws.com",
			"kms:EncryptionContext:aws:dynamodb:tableName": p.ApplicationTables,
		}}}
	return append(calledBy(function, []permission{items}), storage)
}

// beyond is denied outright, whatever a policy says: other uses of keys than Decrypt, and whatever changes code or
// rights.
var beyond = []string{
	"iam:*", "kms:CreateGrant", "kms:Encrypt", "kms:GenerateDataKey*", "kms:GenerateMac", "kms:PutKeyPolicy",
	"kms:ReEncrypt*", "lambda:*", "sts:AssumeRole",
}

func (r roleRights) boundary(scope constructs.Construct, id, path string) awsiam.ManagedPolicy {
	statements := []awsiam.PolicyStatement{awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:       new("NoOtherKeyUseNoOtherCodeNoOtherRights"),
		Effect:    awsiam.Effect_DENY,
		Actions:   pointers(beyond),
		Resources: &[]*string{new("*")},
	})}
	for _, p := range r.allowed {
		statements = append(statements, p.statement())
	}
	return awsiam.NewManagedPolicy(scope, &id, &awsiam.ManagedPolicyProps{
		Description: new("The most that this role may ever do"), Path: &path, Statements: &statements,
	})
}

// markID is the id below a role that says that [NewDetokenizeRole] has made it.
const markID = "TokenizerDetokenizeRole"

// mark lets [Layer.Attach] recognize a role.
func mark(role awsiam.Role, function string, logGroup awslogs.ILogGroup) {
	node := constructs.NewConstruct(role, new(markID)).Node()
	node.SetContext(new("function"), function)
	node.SetContext(new("logGroup"), logGroup.LogGroupName())
}

// marks are what [mark] has noted about a role; ok is false for any other role.
func marks(role awsiam.IRole) (function, logGroup string, ok bool) {
	child := role.Node().TryFindChild(new(markID))
	if child == nil {
		return "", "", false
	}
	function, _ = child.Node().TryGetContext(new("function")).(string)
	logGroup, _ = child.Node().TryGetContext(new("logGroup")).(string)
	return function, logGroup, true
}
