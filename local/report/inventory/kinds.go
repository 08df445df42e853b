package inventory

// kind says how to read a type of resource.
type kind struct {
	read func(*reader, *resource) (created, error)
	// properties are those that are read or that decide nothing. Others are an error, because they could decide who can
	// read. nil means that no property of the type can.
	properties []string
}

// kinds are the types of resource that the report knows.
var kinds = map[string]kind{
	"AWS::KMS::Key": {(*reader).key, []string{
		"Description", "EnableKeyRotation", "KeyPolicy", "KeySpec", "KeyUsage", "PendingWindowInDays", "Tags",
	}},
	"AWS::DynamoDB::Table": {(*reader).table, []string{
		"AttributeDefinitions", "BillingMode", "DeletionProtectionEnabled", "KeySchema",
		"PointInTimeRecoverySpecification", "ResourcePolicy", "SSESpecification", "TableName", "Tags",
		"TimeToLiveSpecification",
	}},
	"AWS::IAM::Role": {(*reader).role, []string{
		"AssumeRolePolicyDocument", "Description", "ManagedPolicyArns", "MaxSessionDuration", "Path",
		"PermissionsBoundary", "Policies", "RoleName", "Tags",
	}},
	"AWS::IAM::Policy": {(*reader).policy, []string{"PolicyDocument", "PolicyName", "Roles"}},
	"AWS::IAM::ManagedPolicy": {
		(*reader).managedPolicy, []string{"Description", "ManagedPolicyName", "Path", "PolicyDocument", "Roles"},
	},
	"AWS::Lambda::Function": {(*reader).function, []string{
		"Architectures", "Code", "CodeSigningConfigArn", "Description", "Environment", "FunctionName", "Handler",
		"Layers", "LoggingConfig", "MemorySize", "ReservedConcurrentExecutions", "Role", "Runtime", "Tags", "Timeout",
		"TracingConfig", "VpcConfig",
	}},
	"AWS::Lambda::Permission": {(*reader).invokePermission, []string{
		"Action", "FunctionName", "Principal", "PrincipalOrgID", "SourceAccount", "SourceArn",
	}},
	"AWS::Lambda::LayerVersion": {(*reader).layer, []string{
		"CompatibleArchitectures", "CompatibleRuntimes", "Content", "Description", "LayerName", "LicenseInfo",
	}},
	"AWS::Lambda::LayerVersionPermission": {
		(*reader).layerPermission, []string{"Action", "LayerVersionArn", "OrganizationId", "Principal"},
	},
	"AWS::SSM::Parameter": {(*reader).parameter, []string{"Description", "Name", "Tags", "Tier", "Type", "Value"}},
	"AWS::ApiGateway::RestApi": {(*reader).api, []string{
		"Description", "EndpointAccessMode", "EndpointConfiguration", "MinimumCompressionSize", "Name",
		"SecurityPolicy", "Tags",
	}},
	"AWS::ApiGateway::Resource":   {(*reader).apiResource, nil},
	"AWS::ApiGateway::Method":     {(*reader).method, nil},
	"AWS::ApiGateway::Authorizer": {(*reader).authorizer, nil},
	"AWS::ApiGateway::Stage":      {(*reader).stage, nil},
	"AWS::Cognito::UserPool":      {(*reader).userPool, nil},
	"AWS::Logs::LogGroup":         {(*reader).logGroup, nil},

	// These name, watch or restrict what is read elsewhere. None of them lets anybody do more.
	"AWS::ApiGateway::Deployment":                                 {(*reader).named, nil},
	"AWS::ApiGateway::Model":                                      {(*reader).named, nil},
	"AWS::ApiGateway::RequestValidator":                           {(*reader).named, nil},
	"AWS::Cognito::UserPoolClient":                                {(*reader).named, nil},
	"AWS::EC2::EIP":                                               {(*reader).named, nil},
	"AWS::EC2::FlowLog":                                           {(*reader).named, nil},
	"AWS::EC2::InternetGateway":                                   {(*reader).named, nil},
	"AWS::EC2::NatGateway":                                        {(*reader).named, nil},
	"AWS::EC2::Route":                                             {(*reader).named, nil},
	"AWS::EC2::RouteTable":                                        {(*reader).named, nil},
	"AWS::EC2::SecurityGroup":                                     {(*reader).named, nil},
	"AWS::EC2::SecurityGroupIngress":                              {(*reader).named, nil},
	"AWS::EC2::Subnet":                                            {(*reader).named, nil},
	"AWS::EC2::SubnetRouteTableAssociation":                       {(*reader).named, nil},
	"AWS::EC2::VPC":                                               {(*reader).named, nil},
	"AWS::EC2::VPCEndpoint":                                       {(*reader).named, nil},
	"AWS::EC2::VPCGatewayAttachment":                              {(*reader).named, nil},
	"AWS::KMS::Alias":                                             {(*reader).named, nil},
	"AWS::Lambda::CodeSigningConfig":                              {(*reader).named, nil},
	"AWS::Route53Resolver::FirewallDomainList":                    {(*reader).named, nil},
	"AWS::Route53Resolver::FirewallRuleGroup":                     {(*reader).named, nil},
	"AWS::Route53Resolver::FirewallRuleGroupAssociation":          {(*reader).named, nil},
	"AWS::Route53Resolver::ResolverQueryLoggingConfig":            {(*reader).named, nil},
	"AWS::Route53Resolver::ResolverQueryLoggingConfigAssociation": {(*reader).named, nil},
	"AWS::WAFv2::LoggingConfiguration":                            {(*reader).named, nil},
	"AWS::WAFv2::WebACL":                                          {(*reader).named, nil},
	"AWS::WAFv2::WebACLAssociation":                               {(*reader).named, nil},
}

// named reads nothing: the resource is only a name for others to refer to.
func (*reader) named(one *resource) (created, error) {
	name := one.name("Name")
	return created{name, map[string]string{
		"AllocationId": name, "Arn": name, "CodeSigningConfigArn": name, "GroupId": name, "Id": name,
	}}, nil
}

func (*reader) logGroup(one *resource) (created, error) {
	name := one.name("LogGroupName")
	return created{name, map[string]string{"Arn": one.arn("logs", "log-group:"+name+":*")}}, nil
}
