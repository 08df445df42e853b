package stacks

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigateway"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awswafv2"
)

// requestsPerAddress is how many requests one address may send in five minutes.
const requestsPerAddress = 1000.0

// managedRules are the groups of rules that AWS keeps up to date. The common rules refuse bodies over 8 KB, half of
// what the functions accept.
var managedRules = []string{
	"AWSManagedRulesAmazonIpReputationList", "AWSManagedRulesCommonRuleSet", "AWSManagedRulesKnownBadInputsRuleSet",
}

// newFirewall puts a web application firewall in front of an API's stage, and logs what it does without what it reads.
func newFirewall(stack awscdk.Stack, name string, stage awsapigateway.Stage, logs awslogs.LogGroup) {
	acl := awswafv2.NewCfnWebACL(stack, new("Firewall"), &awswafv2.CfnWebACLProps{
		Name:             &name,
		Scope:            new("REGIONAL"),
		DefaultAction:    &awswafv2.CfnWebACL_DefaultActionProperty{Allow: &awswafv2.CfnWebACL_AllowActionProperty{}},
		Rules:            firewallRules(),
		VisibilityConfig: visibility("Firewall"),
		// Rules log what they matched on: from a body that can be a card.
		DataProtectionConfig: &awswafv2.CfnWebACL_DataProtectionConfigProperty{DataProtections: []any{
			substituted("BODY"), substituted("QUERY_STRING"), substituted("SINGLE_HEADER", "authorization"),
		}},
	})
	awswafv2.NewCfnWebACLAssociation(stack, new("FirewallAssociation"), &awswafv2.CfnWebACLAssociationProps{
		ResourceArn: stage.StageArn(), WebAclArn: acl.AttrArn(),
	})
	awswafv2.NewCfnLoggingConfiguration(stack, new("FirewallLogging"), &awswafv2.CfnLoggingConfigurationProps{
		ResourceArn: acl.AttrArn(),
		// AWS WAF takes the ARN without the ":*" at its end.
		LogDestinationConfigs: &[]any{stack.FormatArn(&awscdk.ArnComponents{
			Service:      new("logs"),
			Resource:     new("log-group"),
			ResourceName: logs.LogGroupName(),
			ArnFormat:    awscdk.ArnFormat_COLON_RESOURCE_NAME,
		})},
		RedactedFields: []any{
			&awswafv2.CfnLoggingConfiguration_FieldToMatchProperty{
				SingleHeader: map[string]any{"Name": "authorization"},
			},
			&awswafv2.CfnLoggingConfiguration_FieldToMatchProperty{QueryString: map[string]any{}},
		},
	})
}

func firewallRules() []any {
	rules := []any{&awswafv2.CfnWebACL_RuleProperty{
		Name: new("RatePerAddress"), Priority: new(0.0),
		Action: &awswafv2.CfnWebACL_RuleActionProperty{Block: &awswafv2.CfnWebACL_BlockActionProperty{}},
		Statement: &awswafv2.CfnWebACL_StatementProperty{
			RateBasedStatement: &awswafv2.CfnWebACL_RateBasedStatementProperty{
				Limit: new(requestsPerAddress), AggregateKeyType: new("IP"), EvaluationWindowSec: new(300.0),
			},
		},
		VisibilityConfig: visibility("RatePerAddress"),
	}}
	for i, name := range managedRules {
		rules = append(rules, &awswafv2.CfnWebACL_RuleProperty{
			Name: &name, Priority: new(float64(i + 1)),
			OverrideAction: &awswafv2.CfnWebACL_OverrideActionProperty{None: map[string]any{}},
			Statement: &awswafv2.CfnWebACL_StatementProperty{
				ManagedRuleGroupStatement: &awswafv2.CfnWebACL_ManagedRuleGroupStatementProperty{
					VendorName: new("AWS"), Name: &name,
				},
			},
			VisibilityConfig: visibility(name),
		})
	}
	return rules
}

// visibility has metrics and no samples: these are requests with their headers, shown in the console.
func visibility(metric string) *awswafv2.CfnWebACL_VisibilityConfigProperty {
	return &awswafv2.CfnWebACL_VisibilityConfigProperty{
		CloudWatchMetricsEnabled: new(true), MetricName: &metric, SampledRequestsEnabled: new(false),
	}
}

func substituted(field string, keys ...string) *awswafv2.CfnWebACL_DataProtectProperty {
	protect := &awswafv2.CfnWebACL_FieldToProtectProperty{FieldType: &field}
	if len(keys) > 0 {
		protect.FieldKeys = pointers(keys)
	}
	return &awswafv2.CfnWebACL_DataProtectProperty{Action: new("SUBSTITUTION"), Field: protect}
}
