package stacks

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer"
)

// network is the VPC that functions run in. A nil network is no VPC.
type network struct {
	stack    awscdk.Stack
	egress   bool
	vpc      awsec2.Vpc
	group    awsec2.SecurityGroup // of the functions
	dynamoDB awsec2.GatewayVpcEndpoint
	kms      awsec2.InterfaceVpcEndpoint
}

type networkProps struct {
	// NATGateways is how many ways out to the internet there are; 0 means that all subnets are isolated.
	NATGateways int
	// RolePath is the IAM path of the role that writes the flow logs.
	RolePath string
	FlowLogs awslogs.LogGroup
	// Domains resolve besides the names of DynamoDB and KMS.
	Domains     []string
	DNSLogs     awslogs.LogGroup
	Destroyable bool
}

// newNetwork makes isolated subnets in two zones, from where nothing is reached but DynamoDB and KMS through endpoints.
// With NAT gateways there are also subnets from where these lead to the internet.
func newNetwork(stack awscdk.Stack, props networkProps) *network {
	n := &network{stack: stack, egress: props.NATGateways > 0}
	n.vpc = awsec2.NewVpc(stack, new("Vpc"), &awsec2.VpcProps{
		IpAddresses: awsec2.IpAddresses_Cidr(new("10.0.0.0/22")),
		MaxAzs:      new(2.0),
		NatGateways: new(float64(props.NATGateways)),
		// The CDK would do so with a function of its own, whose role may change security groups. Nothing is ever put
		// into the default group: docs/operations.md says how to empty it.
		RestrictDefaultSecurityGroup: new(false),
		SubnetConfiguration:          subnets(n.egress),
	})
	acceptVPC(n.vpc)
	for _, subnet := range *n.vpc.PublicSubnets() {
		acceptNATRoute(subnet)
	}
	n.group = awsec2.NewSecurityGroup(stack, new("FunctionSecurityGroup"), &awsec2.SecurityGroupProps{
		Vpc: n.vpc, Description: new("Functions: nothing in, HTTPS out"), AllowAllOutbound: new(false),
	})
	// To anywhere, which from an isolated subnet is the two endpoints: it has no other route. DynamoDB's addresses
	// could be named by their prefix list only, whose id differs between regions and would have to be looked up.
	n.group.AddEgressRule(awsec2.Peer_AnyIpv4(), awsec2.Port_HTTPS(), new("HTTPS"), new(false))
	n.addEndpoints()
	n.addFlowLog(props.FlowLogs, props.RolePath)
	newDNSFirewall(stack, dnsFirewallProps{
		VPC: n.vpc.VpcId(), Domains: props.Domains, Logs: props.DNSLogs, Destroyable: props.Destroyable,
	})
	return n
}

// setTwoZones keeps the CDK from looking up the zones of a known account and region, which needs credentials and a file
// in the repository: the region's first two are chosen when the stack is deployed. The stack must be empty still.
func setTwoZones(stack awscdk.Stack) {
	if *awscdk.Token_IsUnresolved(stack.Account()) || *awscdk.Token_IsUnresolved(stack.Region()) {
		return // the CDK does just that then
	}
	key := awscdk.ContextProvider_GetKey(stack, &awscdk.GetContextKeyOptions{Provider: new("availability-zones")}).Key
	zones := awscdk.Fn_GetAzs(nil)
	stack.Node().SetContext(key, []*string{awscdk.Fn_Select(new(0.0), zones), awscdk.Fn_Select(new(1.0), zones)})
}

func subnets(egress bool) *[]*awsec2.SubnetConfiguration {
	subnets := []*awsec2.SubnetConfiguration{{
		Name: new("Isolated"), SubnetType: awsec2.SubnetType_PRIVATE_ISOLATED, CidrMask: new(26.0),
	}}
	if egress {
		subnets = append(subnets,
			&awsec2.SubnetConfiguration{
				Name: new("Egress"), SubnetType: awsec2.SubnetType_PRIVATE_WITH_EGRESS, CidrMask: new(26.0),
			},
			&awsec2.SubnetConfiguration{
				Name:                new("Nat"),
				SubnetType:          awsec2.SubnetType_PUBLIC,
				CidrMask:            new(28.0),
				MapPublicIpOnLaunch: new(false),
			})
	}
	return &subnets
}

// addEndpoints makes the ways to DynamoDB and KMS. They let nothing through before [network.allow] says so.
func (n *network) addEndpoints() {
	n.dynamoDB = n.vpc.AddGatewayEndpoint(new("DynamoDB"), &awsec2.GatewayVpcEndpointOptions{
		Service: awsec2.GatewayVpcEndpointAwsService_DYNAMODB(),
	})
	group := awsec2.NewSecurityGroup(n.stack, new("EndpointSecurityGroup"), &awsec2.SecurityGroupProps{
		Vpc:              n.vpc,
		Description:      new("KMS endpoint: HTTPS from the functions, nothing out"),
		AllowAllOutbound: new(false),
	})
	group.AddIngressRule(n.group, awsec2.Port_HTTPS(), new("HTTPS from the functions"), new(false))
	n.kms = n.vpc.AddInterfaceEndpoint(new("Kms"), &awsec2.InterfaceVpcEndpointOptions{
		Service:           awsec2.InterfaceVpcEndpointAwsService_KMS(),
		PrivateDnsEnabled: new(true),
		SecurityGroups:    &[]awsec2.ISecurityGroup{group},
		Subnets:           &awsec2.SubnetSelection{SubnetType: awsec2.SubnetType_PRIVATE_ISOLATED},
		Open:              new(false), // or the whole VPC could reach it
	})
}

// allow lets roles through an endpoint, for these actions on these resources. What a role may do beyond its own policy
// is not widened: both must allow a call.
func (n *network) allow(endpoint awsec2.VpcEndpoint, roles []awsiam.IRole, actions []string, resources ...*string) {
	arns := make([]*string, len(roles))
	for i, role := range roles {
		arns[i] = role.RoleArn()
	}
	endpoint.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		// A gateway endpoint takes no other principal: the condition names whom it means.
		Principals: &[]awsiam.IPrincipal{awsiam.NewAnyPrincipal()},
		Actions:    pointers(actions),
		Resources:  &resources,
		Conditions: &map[string]any{"ArnEquals": map[string]any{"aws:PrincipalArn": arns}},
	}))
}

// onlyFromHere denies roles the use of the vault and of tables in calls that do not come through the endpoints, so that
// credentials that somebody carries out of the VPC are worth nothing.
func (n *network) onlyFromHere(vault tokenizerlayer.IVault, roles []awsiam.IRole, tables ...awsdynamodb.Table) {
	policy := vault.Grants().OnlyFromVPC(n.stack, "OnlyFromVpc", n.vpc, roles...)
	for _, table := range tables {
		policy.AddStatements(tokenizerlayer.DenyOutsideVPC(n.vpc, "dynamodb:*", table.TableArn()))
	}
	acceptDenial(policy)
}

// addFlowLog records who talked to whom. Addresses and ports, no content.
func (n *network) addFlowLog(group awslogs.LogGroup, rolePath string) {
	role := awsiam.NewRole(n.stack, new("FlowLogsRole"), &awsiam.RoleProps{
		AssumedBy: awsiam.NewServicePrincipal(new("vpc-flow-logs.amazonaws.com"), &awsiam.ServicePrincipalOpts{
			Conditions: &map[string]any{"StringEquals": map[string]any{"aws:SourceAccount": n.stack.Account()}},
		}),
		Path:        &rolePath,
		Description: new("Writes the VPC's flow logs"),
	})
	group.Grant(role, new("logs:CreateLogStream"), new("logs:DescribeLogStreams"), new("logs:PutLogEvents"))
	acceptRolePolicy(role, "")
	awsec2.NewCfnFlowLog(n.stack, new("FlowLog"), &awsec2.CfnFlowLogProps{
		ResourceType: new("VPC"), ResourceId: n.vpc.VpcId(), TrafficType: new("ALL"),
		LogDestinationType:       new("cloud-watch-logs"),
		LogGroupName:             group.LogGroupName(),
		DeliverLogsPermissionArn: role.RoleArn(),
	})
}

// placement is where a function runs. One that calls others than AWS gets the way out, if there is one.
func (n *network) placement(callsOut bool) *awsec2.SubnetSelection {
	if callsOut && n.egress {
		return &awsec2.SubnetSelection{SubnetType: awsec2.SubnetType_PRIVATE_WITH_EGRESS}
	}
	return &awsec2.SubnetSelection{SubnetType: awsec2.SubnetType_PRIVATE_ISOLATED}
}

// grantInterfaces lets Lambda manage a function's network interfaces, in place of AWSLambdaVPCAccessExecutionRole,
// which may write to every log group too. Lambda acts with the function's role, and checks for these actions on every
// resource. Calls of the function's own code carry lambda:SourceFunctionArn, and so are not allowed
// (https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html).
func grantInterfaces(role awsiam.Role) {
	role.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions: &[]*string{
			new("ec2:AssignPrivateIpAddresses"), new("ec2:CreateNetworkInterface"), new("ec2:DeleteNetworkInterface"),
			new("ec2:DescribeNetworkInterfaces"), new("ec2:DescribeSubnets"), new("ec2:UnassignPrivateIpAddresses"),
		},
		Resources:  &[]*string{new("*")},
		Conditions: &map[string]any{"Null": map[string]any{"lambda:SourceFunctionArn": "true"}},
	}))
}
