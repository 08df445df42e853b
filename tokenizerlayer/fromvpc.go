package tokenizerlayer

import (
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/constructs-go/constructs/v10"
)

// OnlyFromVPC denies roles every use of the vault's tables, and of the keys that seal and index its values, in calls
// that do not come through an endpoint of vpc. So if somebody takes a function's credentials out of the VPC, AWS
// refuses them. The VPC needs endpoints for DynamoDB and KMS.
//
// It makes a policy below scope, which is in the VPC's stack, and so works for roles of an earlier stack, whose own
// policy cannot name the VPC. The policy can deny the use of further tables: see [DenyOutsideVPC].
//
// Left out: StorageKey. DynamoDB uses it in its caller's name, but from outside the VPC, and would be refused.
func (g Grants) OnlyFromVPC(
	scope constructs.Construct, id string, vpc awsec2.IVpc, roles ...awsiam.IRole,
) awsiam.Policy {
	policy := awsiam.NewPolicy(scope, &id, &awsiam.PolicyProps{Roles: &roles})
	tables := []*string{g.vault.Table().TableArn(), g.vault.State().TableArn(), g.vault.Index().TableArn()}
	keys := slices.Concat(keyARNs(g.vault.TokenKeys()), keyARNs(g.vault.FingerprintKeys()))
	policy.AddStatements(DenyOutsideVPC(vpc, "dynamodb:*", tables...), DenyOutsideVPC(vpc, "kms:*", keys...))
	return policy
}

// DenyOutsideVPC denies actions on resources in calls that do not come through an endpoint of vpc. Do not use it for
// resources that a service uses in its caller's name, such as the keys of DynamoDB's tables.
func DenyOutsideVPC(vpc awsec2.IVpc, actions string, resources ...*string) awsiam.PolicyStatement {
	return awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Effect:    awsiam.Effect_DENY,
		Actions:   &[]*string{&actions},
		Resources: &resources,
		// Also holds where the key is absent, which is how a call by way of the internet looks
		// (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-sourcevpc).
		Conditions: &map[string]any{"StringNotEquals": map[string]any{"aws:SourceVpc": vpc.VpcId()}},
	})
}
