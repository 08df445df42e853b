package tokenizerlayer

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// The IAM paths of the roles that use a vault's keys, each below the vault's RolePath. An IAM role has one path, so
// each kind of role has one. The keys' policies deny to all other principals what they allow to these: see rolePaths.
const (
	TokenizePath   = "tokenize/"       // roles that tokenize
	IndexPath      = "tokenize/index/" // roles that tokenize with the index too
	DetokenizePath = "detokenize/"     // roles that read values back
	// roles of operators' tools, which need both sides, for example to seal all rows anew
	OperatePath    = "operate/"
	AdministerPath = "administer/" // roles that schedule the deletion of a key, or disable it
)

// rolePaths is the one table of who may do what with which key. A path holds for the paths below it too.
var rolePaths = []struct {
	path                             string
	tokenKey, fingerprintKey, anyKey []string
}{
	{path: TokenizePath, tokenKey: []string{"kms:GenerateDataKey"}},
	{path: IndexPath, fingerprintKey: []string{"kms:GenerateMac"}},
	{path: DetokenizePath, tokenKey: []string{"kms:Decrypt"}},
	{
		path:           OperatePath,
		tokenKey:       []string{"kms:Decrypt", "kms:GenerateDataKey"},
		fingerprintKey: []string{"kms:GenerateMac"},
	},
	{path: AdministerPath, anyKey: []string{"kms:DisableKey", "kms:ScheduleKeyDeletion"}},
}

// AnyRolePath is a RolePath that sets no paths: the keys' policies deny nothing by path. Use it with keys that
// [NewTokenKey] and [NewFingerprintKey] did not make.
const AnyRolePath = "/"

// pathsOf lists the paths whose roles may carry out an action of a key, which list gives for each entry of the table.
func pathsOf(action string, list func(i int) []string) (paths []string) {
	for i := range rolePaths {
		for _, allowed := range list(i) {
			if allowed == action {
				paths = append(paths, rolePaths[i].path)
			}
		}
	}
	return paths
}

// denyOutside denies an action on key to every principal that is not a role of the key's account below one of paths. A
// path, unlike a role's ARN, can be named in a key policy before the role exists, so the key's stack need not know the
// stacks of its users.
//
// Administrators of the account can still edit the policy, or make a role below one of the paths. CloudTrail records
// both. A separate account is the real separation.
func denyOutside(key awskms.Key, sid, action, rolePath string, paths []string) {
	var roles []*string
	for _, path := range paths {
		roles = append(roles, key.Stack().FormatArn(&awscdk.ArnComponents{
			Service:      new("iam"),
			Region:       new(""),
			Resource:     new("role" + strings.TrimSuffix(rolePath+path, "/")),
			ResourceName: new("*"),
		}))
	}
	deny(key, sid, action, map[string]any{"ArnNotLike": map[string]any{"aws:PrincipalArn": roles}})
}

func deny(key awskms.Key, sid, action string, conditions map[string]any) {
	key.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:        &sid,
		Effect:     awsiam.Effect_DENY,
		Principals: &[]awsiam.IPrincipal{awsiam.NewAnyPrincipal()},
		Actions:    &[]*string{&action},
		Resources:  &[]*string{new("*")}, // in a key policy: this key
		Conditions: &conditions,
	}), nil)
}

// roleResource is the resource of a role that this app makes; nil for any other.
func roleResource(role awsiam.IRole) (resource awsiam.CfnRole) {
	if child := role.Node().DefaultChild(); child != nil && *awscdk.CfnResource_IsCfnResource(child) {
		jsii.UnsafeCast(child, &resource)
	}
	return resource
}

// pathOf is the IAM path of a role, and whether it is known: that of a role of this app from its resource, that of an
// imported role from its ARN, unless that is a token.
func pathOf(role awsiam.IRole) (path string, known bool) {
	if resource := roleResource(role); resource != nil {
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

// takesNoPolicy tells whether the CDK drops what is granted to a role: one that was imported with Mutable false or from
// another account, or made with Role.WithoutPolicyUpdates. The CDK wraps a role then and has no name for that in its
// API, but who waits for the wrapper waits for the role inside: its dependency root is another construct.
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
