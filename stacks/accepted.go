package stacks

import (
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
)

// accept records that rules of cdk-nag are not followed on one resource, each with its reason. It is written as cdk-nag
// reads it, without importing cdk-nag: the tests run the packs, and compare the whole list with docs/compliance.md.
func accept(construct constructs.IConstruct, reasons map[string]string) {
	resource, ok := construct.(awscdk.CfnResource)
	if !ok {
		resource = construct.Node().DefaultChild().(awscdk.CfnResource)
	}
	var rules []any
	for _, rule := range slices.Sorted(maps.Keys(reasons)) {
		rules = append(rules, suppression(rule, reasons[rule]))
	}
	resource.AddMetadata(new("cdk_nag"), map[string]any{"rules_to_suppress": rules})
}

func suppression(rule, reason string) map[string]any {
	id, wildcard, found := strings.Cut(strings.TrimSuffix(rule, "]"), "[")
	entry := map[string]any{"id": id, "reason": reason}
	if found { // about each wildcard by itself
		entry["applies_to"] = []string{wildcard}
	}
	return entry
}

// What AwsSolutions-IAM5 finds, each wildcard by itself.
const everyResource, everyAction = "AwsSolutions-IAM5[Resource::*]", "AwsSolutions-IAM5[Action::*]"

func acceptTable(table constructs.IConstruct) {
	const reason = "Point-in-time recovery restores any second of the last 35 days. A backup plan would keep revoked " +
		"cards longer than that."
	accept(table, map[string]string{"NIST.800.53.R5-DynamoDBInBackupPlan": reason})
}

func acceptState(table constructs.IConstruct) {
	const reason = "Point-in-time recovery restores any second of the last 35 days. A backup plan would offer older " +
		"states, in which tokens are not revoked yet."
	accept(table, map[string]string{"NIST.800.53.R5-DynamoDBInBackupPlan": reason})
}

// acceptRolePolicy is about the policy that grants have made for a role. everywhere is why some of its actions are
// allowed on every resource; "" if none are.
func acceptRolePolicy(role constructs.IConstruct, everywhere string) {
	acceptInlinePolicy(role.Node().FindChild(new("DefaultPolicy")), everywhere)
}

// acceptInlinePolicy is about a policy of one role.
func acceptInlinePolicy(policy constructs.IConstruct, everywhere string) {
	const inline = "The policy belongs to this role alone, and is deleted with it. A managed policy could be " +
		"attached to another role, or be left behind."
	reasons := map[string]string{"NIST.800.53.R5-IAMNoInlinePolicy": inline, "PCI.DSS.321-IAMNoInlinePolicy": inline}
	if everywhere != "" {
		reasons[everyResource] = everywhere
	}
	accept(policy, reasons)
}

func acceptFunction(function constructs.IConstruct) {
	const dlq = "Only API Gateway invokes the function, and waits for its answer: nothing would ever get into a " +
		"dead-letter queue, and what did would hold a card."
	accept(function, map[string]string{
		"NIST.800.53.R5-LambdaConcurrency": "The API's throttling bounds the function. A reservation takes from " +
			"every other function of the account, and cannot be made in a new account.",
		"NIST.800.53.R5-LambdaDLQ": dlq,
		"Serverless-LambdaDLQ":     dlq,
	})
}

func acceptStage(stage constructs.IConstruct) {
	const (
		execution = "Execution logs can quote what a request model refuses: a card. The access log and the " +
			"functions' logs record every request without its content."
		cache = "Nothing is cached: an answer is one caller's, and POST is not cacheable."
		tls   = "A client certificate authenticates API Gateway to an HTTP back end. There is none: Lambda is " +
			"invoked with IAM."
	)
	accept(stage, map[string]string{
		"AwsSolutions-APIG6":                           execution,
		"NIST.800.53.R5-APIGWExecutionLoggingEnabled":  execution,
		"PCI.DSS.321-APIGWExecutionLoggingEnabled":     execution,
		"NIST.800.53.R5-APIGWCacheEnabledAndEncrypted": cache,
		"PCI.DSS.321-APIGWCacheEnabledAndEncrypted":    cache,
		"NIST.800.53.R5-APIGWSSLEnabled":               tls,
		"PCI.DSS.321-APIGWSSLEnabled":                  tls,
	})
}

func acceptVPC(vpc constructs.IConstruct) {
	const group = "Nothing uses the default group, and docs/operations.md empties it. CloudFormation cannot; the CDK " +
		"would, with a function whose role may change security groups."
	accept(vpc, map[string]string{
		"NIST.800.53.R5-VPCDefaultSecurityGroupClosed": group, "PCI.DSS.321-VPCDefaultSecurityGroupClosed": group,
	})
}

// acceptNATRoute is about the route of a subnet that holds a NAT gateway and nothing else.
func acceptNATRoute(subnet constructs.IConstruct) {
	const nat = "Network egress: the NAT gateway's own way out. Nothing else is in this subnet, and nothing gets a " +
		"public address there."
	accept(subnet.Node().FindChild(new("DefaultRoute")), map[string]string{
		"NIST.800.53.R5-VPCNoUnrestrictedRouteToIGW": nat, "PCI.DSS.321-VPCNoUnrestrictedRouteToIGW": nat,
	})
}

// acceptDenial is about a policy that only denies, of the roles of this stack's functions.
func acceptDenial(policy constructs.IConstruct) {
	const inline = "The policy only denies. A managed policy could be detached from the roles without a change of the stack."
	accept(policy, map[string]string{
		"NIST.800.53.R5-IAMNoInlinePolicy": inline, "PCI.DSS.321-IAMNoInlinePolicy": inline,
	})
}

// acceptBoundary is about a permissions boundary: one that allows little, or all but what it denies.
func acceptBoundary(policy constructs.IConstruct, all bool) {
	const (
		grantsNothing = "The policy is a permissions boundary: it grants nothing, and what it denies is what it is for."
		denied        = "The wildcards over all actions of a service are in Denies of a permissions boundary, which grants nothing."
	)
	reasons := map[string]string{
		everyResource: grantsNothing,
		"NIST.800.53.R5-IAMPolicyNoStatementsWithFullAccess": denied,
		"PCI.DSS.321-IAMPolicyNoStatementsWithFullAccess":    denied,
	}
	if all {
		for _, rule := range slices.Sorted(maps.Keys(reasons)) {
			reasons[rule] = grantsNothing
		}
		reasons[everyAction] = grantsNothing
		reasons["NIST.800.53.R5-IAMPolicyNoStatementsWithAdminAccess"] = grantsNothing
		reasons["PCI.DSS.321-IAMPolicyNoStatementsWithAdminAccess"] = grantsNothing
	}
	accept(policy, reasons)
}
