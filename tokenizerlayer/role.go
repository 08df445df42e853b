package tokenizerlayer

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/constructs-go/constructs/v10"
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

// rolePath is the IAM path of a role, and whether it is known: that of a role of this app from its resource, that of an imported
// role from its ARN, unless that is a token.
func rolePath(role awsiam.IRole) (path string, known bool) {
	if child := role.Node().DefaultChild(); child != nil && *awscdk.CfnResource_IsCfnResource(child) {
		var resource awsiam.CfnRole
		jsii.UnsafeCast(child, &resource)
		if resource.Path() == nil {
			return "/", true
		}
		return *resource.Path(), !*awscdk.Token_IsUnresolved(*resource.Path())
	}
	// Of an ARN that the CDK made from a role's name, partition and account are tokens; the rest is as good as given.
	_, name, found := strings.Cut(*role.RoleArn(), ":role/")
	if !found || *awscdk.Token_IsUnresolved(name) {
		return "", false
	}
	return "/" + name[:strings.LastIndex(name, "/")+1], true
}

// takesNoPolicy tells whether the CDK drops what is granted to a role: one that was imported with Mutable false or from another
// account, or made with Role.WithoutPolicyUpdates. The CDK wraps a role then and has no name for that in its API, but who
// waits for the wrapper waits for the role inside: its dependency root is another construct.
func takesNoPolicy(role awsiam.IRole) bool {
	// With Role.customizeRoles the CDK wraps imported roles too, and reports what it would grant.
	if role.Node().TryGetContext(new("@aws-cdk/iam:customizeRoles")) != nil {
		return false
	}
	for _, root := range *constructs.Dependable_Of(role).DependencyRoots() {
		if *root.Node().Path() != *role.Node().Path() {
			return true
		}
	}
	return false
}
