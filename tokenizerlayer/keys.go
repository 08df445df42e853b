package tokenizerlayer

import (
	"cmp"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/constructs-go/constructs/v10"
)

// KeyProps describes TokenKey or FingerprintKey. Every field is optional.
type KeyProps struct {
	// RolePath is the IAM path below which the roles are that use the key. It must be that of the vault. "" means
	// [DefaultRolePath]. The key's policy denies each use to everyone but the roles that need it: see [TokenizePath]
	// and the paths beside it. [AnyRolePath] denies nothing.
	RolePath string
	// Alias is the key's alias without "alias/"; "" means none.
	Alias string
	// Destroyable deletes the key 7 days after its stack. The zero value keeps it: only roles below [AdministerPath]
	// can disable it or schedule its deletion, no sooner than in 30 days.
	Destroyable bool
}

// StorageKeyProps describes the key that encrypts at rest. Every field is optional.
type StorageKeyProps struct {
	// LogGroups are the names of the log groups that may use the key; "*" stands for any characters. None means that
	// the key encrypts tables only.
	LogGroups []string
	// RolePath is as in [KeyProps]. It says who may disable or delete the key, not who may use it.
	RolePath string
	// Alias is the key's alias without "alias/"; "" means none.
	Alias string
	// Destroyable is as in [KeyProps].
	Destroyable bool
}

// NewTokenKey makes the key that seals values. IAM may give its use to principals of the account, for calls of their
// own only: no AWS service can use it on anybody's behalf, and nobody can make a KMS grant for it. GenerateDataKey is
// denied to everyone but roles below [TokenizePath] and [OperatePath], Decrypt to everyone but roles below
// [DetokenizePath] and [OperatePath]. props may be nil.
//
// A path that is malformed ends the synthesis with an error.
func NewTokenKey(scope constructs.Construct, id string, props *KeyProps) awskms.Key {
	return newUsedKey(scope, id, props, keyProps{
		description: "Seals tokenized values on the client side", spec: awskms.KeySpec_SYMMETRIC_DEFAULT,
	}, []string{"kms:Decrypt", "kms:GenerateDataKey"}, func(i int) []string { return rolePaths[i].tokenKey })
}

// NewFingerprintKey makes the key for keyed fingerprints of values (HMAC-SHA-256). IAM may give its use to principals
// of the account, for calls of their own only. GenerateMac is denied to everyone but roles below [IndexPath] and
// [OperatePath]. KMS cannot rotate such a key: a new version is another key. props may be nil.
//
// A path that is malformed ends the synthesis with an error.
func NewFingerprintKey(scope constructs.Construct, id string, props *KeyProps) awskms.Key {
	return newUsedKey(scope, id, props, keyProps{
		description: "Makes keyed fingerprints of values", spec: awskms.KeySpec_HMAC_256,
	}, []string{"kms:GenerateMac"}, func(i int) []string { return rolePaths[i].fingerprintKey })
}

// newUsedKey makes a key whose uses are each for the roles below some paths.
func newUsedKey(scope constructs.Construct, id string, from *KeyProps, props keyProps, uses []string,
	list func(i int) []string) awskms.Key {
	from = cmp.Or(from, &KeyProps{})
	props.rolePath, props.property, props.alias, props.destroyable = from.RolePath, "KeyProps.RolePath", from.Alias,
		from.Destroyable
	props.use = []awsiam.PolicyStatement{
		statement("UseByRolesOfTheAccountAndByNoService", awsiam.NewAccountRootPrincipal(), uses, directly),
	}
	key := newKey(scope, id, props)
	if path := cmp.Or(props.rolePath, DefaultRolePath); path != AnyRolePath {
		for _, use := range uses {
			denyOutside(key, "Deny"+strings.TrimPrefix(use, "kms:")+"OutsideItsRoles", use, path, pathsOf(use, list))
		}
	}
	return key
}

// NewStorageKey makes the key that encrypts tables and logs at rest. IAM may give its use to principals of the account,
// through DynamoDB only; CloudWatch Logs uses it for the log groups of props. props may be nil.
func NewStorageKey(scope constructs.Construct, id string, props *StorageKeyProps) awskms.Key {
	props = cmp.Or(props, &StorageKeyProps{})
	stack := awscdk.Stack_Of(scope)
	viaDynamoDB := map[string]any{"kms:ViaService": "dynamodb." + *stack.Region() + ".amazonaws.com"}
	use := []awsiam.PolicyStatement{
		// What DynamoDB needs of whoever creates a table, and of its users: [Grants] give these Decrypt only.
		statement("TablesThroughDynamoDB", awsiam.NewAccountRootPrincipal(), envelopeActions,
			conditions{"StringEquals": &viaDynamoDB}),
		statement("TablesOutliveTheirCreator", awsiam.NewAccountRootPrincipal(), []string{"kms:CreateGrant"},
			conditions{"StringEquals": &viaDynamoDB, "Bool": {"kms:GrantIsForAWSResource": "true"}}),
	}
	if len(props.LogGroups) > 0 {
		use = append(use, statement("TheseLogGroups",
			awsiam.NewServicePrincipal(new("logs."+*stack.Region()+".amazonaws.com"), nil), envelopeActions,
			conditions{"ArnLike": {"kms:EncryptionContext:aws:logs:arn": logGroupARNs(stack, props.LogGroups)}}))
	}
	return newKey(scope, id, keyProps{
		description: "Encrypts tables and logs at rest", spec: awskms.KeySpec_SYMMETRIC_DEFAULT, use: use,
		rolePath:    props.RolePath,
		property:    "StorageKeyProps.RolePath",
		alias:       props.Alias,
		destroyable: props.Destroyable,
	})
}

// directly holds a use of a key to calls that no AWS service makes for the caller.
var directly = conditions{"Null": {"kms:ViaService": "true"}}

// envelopeActions are those of a service that encrypts at rest.
var envelopeActions = []string{
	"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom",
	"kms:ReEncryptTo",
}

// administrationActions keep a key in order. Left out is every use of the key, and CreateGrant, which would hand it out
// around the policy. PutKeyPolicy is in: without it nobody could ever correct the policy, and KMS refuses to make such
// a key. So an administrator can still give use away, in two steps that CloudTrail records.
var administrationActions = []string{
	"kms:CancelKeyDeletion", "kms:CreateAlias", "kms:DeleteAlias", "kms:DescribeKey", "kms:DisableKey",
	"kms:DisableKeyRotation", "kms:EnableKey", "kms:EnableKeyRotation", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus",
	"kms:ListGrants", "kms:ListKeyPolicies", "kms:ListKeyRotations", "kms:ListResourceTags", "kms:PutKeyPolicy",
	"kms:RevokeGrant", "kms:RotateKeyOnDemand", "kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UntagResource",
	"kms:UpdateAlias", "kms:UpdateKeyDescription",
}

// keyProps describes any of a vault's keys.
type keyProps struct {
	description string
	spec        awskms.KeySpec
	rolePath    string // "" means DefaultRolePath
	property    string // that rolePath comes from
	alias       string // without "alias/"; "" means none
	destroyable bool
	use         []awsiam.PolicyStatement // beside administration
}

func newKey(scope constructs.Construct, id string, props keyProps) awskms.Key {
	window := 30.0 // days in which a deletion can be taken back; KMS allows 7 to 30
	if props.destroyable {
		window = 7
	}
	administration := statement("AdministrationWithoutUse", awsiam.NewAccountRootPrincipal(), administrationActions,
		nil)
	statements := append([]awsiam.PolicyStatement{administration}, props.use...)
	key := &awskms.KeyProps{
		Description: &props.description,
		KeySpec:     props.spec,
		// In place of the CDK's default, which lets IAM give away everything.
		Policy:        awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &statements}),
		PendingWindow: awscdk.Duration_Days(&window),
		RemovalPolicy: removalPolicy(props.destroyable),
	}
	if props.alias != "" {
		key.Alias = new("alias/" + props.alias)
	}
	if props.spec == awskms.KeySpec_SYMMETRIC_DEFAULT {
		key.EnableKeyRotation = new(true)
	} else {
		key.KeyUsage = awskms.KeyUsage_GENERATE_VERIFY_MAC
	}
	made := awskms.NewKey(scope, &id, key)
	path := cmp.Or(props.rolePath, DefaultRolePath)
	if err := checkRolePath(props.property, path); err != nil {
		made.Node().AddValidation(&refusal{err})
	}
	if !props.destroyable {
		protect(made, path)
	}
	return made
}

// protect keeps a key from being lost: only administrators' roles can disable it or schedule its deletion, and not
// sooner than in 30 days. Everybody else who may administer the key can still take a deletion back.
func protect(key awskms.Key, rolePath string) {
	deny(key, "DenyDeletionWithoutNotice", "kms:ScheduleKeyDeletion", map[string]any{
		"NumericLessThan": map[string]any{"kms:ScheduleKeyDeletionPendingWindowInDays": "30"},
	})
	if rolePath == AnyRolePath {
		return
	}
	list := func(i int) []string { return rolePaths[i].anyKey }
	for _, action := range []string{"kms:DisableKey", "kms:ScheduleKeyDeletion"} {
		denyOutside(key, "Deny"+strings.TrimPrefix(action, "kms:")+"OutsideItsRoles", action, rolePath,
			pathsOf(action, list))
	}
}

// statement is one of a key's policy, where "*" means this key.
func statement(sid string, principal awsiam.IPrincipal, actions []string, only conditions) awsiam.PolicyStatement {
	props := &awsiam.PolicyStatementProps{
		Sid:        &sid,
		Principals: &[]awsiam.IPrincipal{principal},
		Actions:    pointers(actions),
		Resources:  &[]*string{new("*")},
	}
	if only != nil {
		props.Conditions = &map[string]any{}
		for operator, operands := range only {
			(*props.Conditions)[operator] = *operands
		}
	}
	return awsiam.NewPolicyStatement(props)
}

func logGroupARNs(stack awscdk.Stack, names []string) []*string {
	var arns []*string
	for _, name := range names {
		arns = append(arns, stack.FormatArn(&awscdk.ArnComponents{
			Service:      new("logs"),
			Resource:     new("log-group"),
			ResourceName: &name,
			ArnFormat:    awscdk.ArnFormat_COLON_RESOURCE_NAME,
		}))
	}
	return arns
}
