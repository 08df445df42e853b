package tokenizerlayer

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/jsii-runtime-go"
)

// DenyDecryptOutside denies kms:Decrypt on key to every principal that is not a role of the key's account under the
// IAM path, such as "/tokenizer/detokenize/". A path, unlike a role's ARN, can be named in a key policy before the
// role exists, so the key's stack need not know the stacks of its users.
//
// By default a key's account can give itself any use of it. Administrators can still edit this policy or make a role
// under the path, both of which CloudTrail records; a separate account is the real separation. Nothing but Decrypt is
// denied, so the statement cannot lock administrators out of the key.
func DenyDecryptOutside(path string, key awskms.Key) {
	roles := key.Stack().FormatArn(&awscdk.ArnComponents{
		Service: new("iam"), Region: new(""), Resource: new("role" + strings.TrimSuffix(path, "/")), ResourceName: new("*"),
	})
	key.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:        new("DenyDecryptOutsideDetokenizeRoles"),
		Effect:     awsiam.Effect_DENY,
		Principals: &[]awsiam.IPrincipal{awsiam.NewAnyPrincipal()},
		Actions:    &[]*string{new("kms:Decrypt")},
		Resources:  &[]*string{new("*")}, // in a key policy: this key
		Conditions: &map[string]any{"ArnNotLike": map[string]any{"aws:PrincipalArn": roles}},
	}), nil)
}

// rolePath is the IAM path of a role made in this app, and whether it is known.
func rolePath(role awsiam.IRole) (path string, known bool) {
	child := role.Node().DefaultChild()
	if child == nil || !*awscdk.CfnResource_IsCfnResource(child) {
		return "", false
	}
	var resource awsiam.CfnRole
	jsii.UnsafeCast(child, &resource)
	if resource.Path() == nil {
		return "/", true
	}
	return *resource.Path(), true
}
