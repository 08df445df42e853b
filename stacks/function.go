package stacks

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer"
)

type functionProps struct {
	ID             string
	Package        string // below lambdas/
	Architecture   tokenizerlayer.Architecture
	BuildOS        string // as in Config
	ModuleDir      string // as in Config
	Description    string
	RolePath       string                       // of the role that is made
	Role           awsiam.IRole                 // that has its rights already; nil for one that is made, below RolePath
	Name           string                       // "" leaves it to CloudFormation
	CodeSigning    awslambda.ICodeSigningConfig // nil for none
	TimeoutSeconds float64
	Environment    map[string]*string
	Layer          tokenizerlayer.ILayer
	Vault          tokenizerlayer.IVault
	Access         tokenizerlayer.Access
	Logs           awslogs.ILogGroup
	Network        *network // nil for none
	CallsOut       bool     // to others than AWS
}

// newFunction makes a Go function with the tokenizer layer attached, its own role and its own log group.
func newFunction(stack awscdk.Stack, props functionProps) (awslambda.Function, error) {
	asset, err := tokenizerlayer.NewGoAsset(stack, props.ID+"Code", &tokenizerlayer.GoAssetProps{
		Package:      "github.com/lambda-tokenizer/lambda-tokenizer/lambdas/" + props.Package,
		Architecture: props.Architecture,
		BuildOS:      props.BuildOS,
		ModuleDir:    props.ModuleDir,
	})
	if err != nil {
		return nil, err
	}
	role := props.Role
	if role == nil {
		role = newFunctionRole(stack, props)
	}
	lambda := &awslambda.FunctionProps{
		FunctionName: orNil(props.Name),
		Description:  &props.Description,
		Runtime:      awslambda.Runtime_PROVIDED_AL2023(),
		Architecture: props.Architecture.Lambda(),
		Handler:      new("bootstrap"),
		Code:         awslambda.Code_FromBucketV2(asset.Bucket(), asset.S3ObjectKey(), nil),
		Role:         role,
		LogGroup:     props.Logs,
		// MB; CPU comes in proportion, and sealing and TLS are what takes time here
		MemorySize:  new(512.0),
		Timeout:     awscdk.Duration_Seconds(&props.TimeoutSeconds), // below API Gateway's 29 s
		Environment: &props.Environment,
		Tracing:     awslambda.Tracing_ACTIVE, // names of calls and how long they took, no content

		CodeSigningConfig: props.CodeSigning,
	}
	if n := props.Network; n != nil {
		lambda.Vpc, lambda.VpcSubnets, lambda.SecurityGroups = n.vpc, n.placement(props.CallsOut),
			&[]awsec2.ISecurityGroup{n.group}
	}
	function := awslambda.NewFunction(stack, new(props.ID+"Function"), lambda)
	if props.Role == nil {
		acceptRolePolicy(role, everywhere(props.Network != nil))
	}
	acceptFunction(function)
	asset.AddResourceMetadata(function.Node().DefaultChild().(awscdk.CfnResource), new("Code"))
	return function, props.Layer.Attach(function, props.Vault, props.Access, nil)
}

// newFunctionRole makes a role that may write its function's log, in place of AWSLambdaBasicExecutionRole, which may
// write to every log group of the account and make new ones.
func newFunctionRole(stack awscdk.Stack, props functionProps) awsiam.Role {
	role := awsiam.NewRole(stack, new(props.ID+"Role"), &awsiam.RoleProps{
		AssumedBy:   awsiam.NewServicePrincipal(new("lambda.amazonaws.com"), nil),
		Path:        &props.RolePath,
		Description: &props.Description,
	})
	props.Logs.Grant(role, new("logs:CreateLogStream"), new("logs:PutLogEvents"))
	if props.Network != nil {
		grantInterfaces(role)
	}
	return role
}

// everywhere is why a function's role may do something on every resource.
func everywhere(inVPC bool) string {
	reason := "X-Ray's actions know no resources."
	if inVPC {
		reason += " Lambda demands those for network interfaces on every resource; the function's own code is " +
			"excluded by a condition."
	}
	return reason
}
