package stacks

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsroute53resolver"
)

type dnsFirewallProps struct {
	VPC *string // id
	// Domains resolve besides the two services'; none by default.
	Domains     []string
	Logs        awslogs.LogGroup
	Destroyable bool
}

// newDNSFirewall lets a VPC resolve the names of the region's KMS and DynamoDB, and blocks and logs every other. Route
// tables and security groups do not stop a query: the VPC's resolver answers in isolated subnets too, and passes
// queries on to whoever owns the name, so that a name is a message.
//
// A query that the firewall does not decide in time gets SERVFAIL: failing closed is AWS's default for a VPC
// (https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resolver-dns-firewall-vpc-configuration.html), and
// CloudFormation has no resource that could say so. docs/operations.md has the command that confirms it.
func newDNSFirewall(stack awscdk.Stack, props dnsFirewallProps) {
	endpoint := func(service string) string { return service + "." + *stack.Region() + "." + *stack.UrlSuffix() }
	rules := []any{dnsRule(1, "ALLOW", newDomainList(stack, "EndpointNames", endpoint("dynamodb"), endpoint("kms")))}
	if len(props.Domains) > 0 {
		rules = append(rules, dnsRule(2, "ALLOW", newDomainList(stack, "EgressNames", props.Domains...)))
	}
	rest := dnsRule(100, "BLOCK", newDomainList(stack, "EveryName", "*"))
	// Not NXDOMAIN: it says that nothing exists below a name either (RFC 8020), and of amazonaws.com that would be
	// wrong.
	rest.BlockResponse = new("NODATA")
	group := awsroute53resolver.NewCfnFirewallRuleGroup(stack, new("DnsFirewall"),
		&awsroute53resolver.CfnFirewallRuleGroupProps{
			FirewallRules: append(rules, rest),
		})
	protection := "ENABLED" // the association is neither changed nor removed before somebody turns this off
	if props.Destroyable {
		protection = "DISABLED"
	}
	awsroute53resolver.NewCfnFirewallRuleGroupAssociation(stack, new("DnsFirewallAssociation"),
		&awsroute53resolver.CfnFirewallRuleGroupAssociationProps{
			FirewallRuleGroupId: group.AttrId(),
			VpcId:               props.VPC,
			Priority:            new(101.0),
			MutationProtection:  &protection,
		})
	logDNS(stack, props.VPC, props.Logs)
}

func newDomainList(stack awscdk.Stack, id string, names ...string) *string {
	return awsroute53resolver.NewCfnFirewallDomainList(stack, new("Dns"+id),
		&awsroute53resolver.CfnFirewallDomainListProps{Domains: pointers(names)}).AttrId()
}

// dnsRule looks at every name that an answer leads to, not only at the first: an alias that points elsewhere is
// blocked.
func dnsRule(priority float64, action string,
	domains *string) *awsroute53resolver.CfnFirewallRuleGroup_FirewallRuleProperty {
	return &awsroute53resolver.CfnFirewallRuleGroup_FirewallRuleProperty{
		Priority: &priority, Action: &action, FirewallDomainListId: domains,
		FirewallDomainRedirectionAction: new("INSPECT_REDIRECTION_DOMAIN"),
	}
}

// logDNS records every query, with what the firewall did about it.
func logDNS(stack awscdk.Stack, vpc *string, logs awslogs.LogGroup) {
	config := awsroute53resolver.NewCfnResolverQueryLoggingConfig(stack, new("DnsLogging"),
		&awsroute53resolver.CfnResolverQueryLoggingConfigProps{
			DestinationArn: logs.LogGroupArn(),
		})
	awsroute53resolver.NewCfnResolverQueryLoggingConfigAssociation(stack, new("DnsLoggingAssociation"),
		&awsroute53resolver.CfnResolverQueryLoggingConfigAssociationProps{
			ResolverQueryLogConfigId: config.AttrId(), ResourceId: vpc,
		})
}
