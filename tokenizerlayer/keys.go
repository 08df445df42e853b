package tokenizerlayer

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/constructs-go/constructs/v10"
)

// KeyProps describes one of a vault's keys.
type KeyProps struct {
	// Alias is the key's alias without "alias/"; "" means none.
	Alias string
	// Destroyable lets the key go with its stack, 7 days later. The zero value keeps it; if it is deleted by hand, that
	// can be taken back for 30 days.
	Destroyable bool
}

// StorageKeyProps describes the key that encrypts at rest.
type StorageKeyProps struct {
	KeyProps
	// LogGroups are the names of the log groups that may use the key; "*" stands for any characters. None: the key
	// encrypts tables only.
	LogGroups []string
}

// NewTokenKey makes the key that seals values. Principals of the account may be given its use by IAM, from outside AWS
// services only: no service ever uses it on anybody's behalf, and nobody can make a KMS grant for it. Decrypt is denied
// to all but roles under detokenizePath (see [DenyDecryptOutside]).
func NewTokenKey(scope constructs.Construct, id, detokenizePath string, props *KeyProps) awskms.Key {
	key := newKey(scope, id, "Seals tokenized values on the client side", props, awskms.KeySpec_SYMMETRIC_DEFAULT,
		statement("UseByRolesOfTheAccountAndByNoService", awsiam.NewAccountRootPrincipal(),
			[]string{"kms:GenerateDataKey", "kms:Decrypt"}, directly))
	DenyDecryptOutside(detokenizePath, key)
	return key
}

// NewFingerprintKey makes the key for keyed fingerprints of values (HMAC-SHA-256). KMS cannot rotate such a key: a new
// version is another key.
func NewFingerprintKey(scope constructs.Construct, id string, props *KeyProps) awskms.Key {
	return newKey(scope, id, "Makes keyed fingerprints of values", props, awskms.KeySpec_HMAC_256,
		statement("UseByRolesOfTheAccountAndByNoService", awsiam.NewAccountRootPrincipal(), []string{"kms:GenerateMac"}, directly))
}

// NewStorageKey makes the key that encrypts tables and logs at rest. Principals of the account may be given its use by
// IAM, through DynamoDB only; CloudWatch Logs uses it for the log groups of props.
func NewStorageKey(scope constructs.Construct, id string, props *StorageKeyProps) awskms.Key {
	stack := awscdk.Stack_Of(scope)
	viaDynamoDB := map[string]any{"kms:ViaService": "dynamodb." + *stack.Region() + ".amazonaws.com"}
	statements := []awsiam.PolicyStatement{
		// What DynamoDB needs of whoever creates a table, and of its users: [GrantStorage] gives these Decrypt only.
		statement("TablesThroughDynamoDB", awsiam.NewAccountRootPrincipal(), envelopeActions, conditions{"StringEquals": &viaDynamoDB}),
		statement("TablesOutliveTheirCreator", awsiam.NewAccountRootPrincipal(), []string{"kms:CreateGrant"},
			conditions{"StringEquals": &viaDynamoDB, "Bool": {"kms:GrantIsForAWSResource": "true"}}),
	}
	if len(props.LogGroups) > 0 {
		statements = append(statements, statement("TheseLogGroups",
			awsiam.NewServicePrincipal(new("logs."+*stack.Region()+".amazonaws.com"), nil), envelopeActions,
			conditions{"ArnLike": {"kms:EncryptionContext:aws:logs:arn": logGroupARNs(stack, props.LogGroups)}}))
	}
	return newKey(scope, id, "Encrypts tables and logs at rest", &props.KeyProps, awskms.KeySpec_SYMMETRIC_DEFAULT, statements...)
}

// directly holds a use of a key to calls that no AWS service makes for the caller.
var directly = conditions{"Null": {"kms:ViaService": "true"}}

// envelopeActions are those of a service that encrypts at rest.
var envelopeActions = []string{
	"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo",
}

// administrationActions keep a key in order. Left out is every use of the key, and CreateGrant, which would hand it out
// around the policy. PutKeyPolicy is in: without it nobody could ever mend the policy, and KMS refuses to make such a
// key. So an administrator can still give use away, in two steps that CloudTrail records.
var administrationActions = []string{
	"kms:CancelKeyDeletion", "kms:CreateAlias", "kms:DeleteAlias", "kms:DescribeKey", "kms:DisableKey", "kms:DisableKeyRotation",
	"kms:EnableKey", "kms:EnableKeyRotation", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListGrants", "kms:ListKeyPolicies",
	"kms:ListKeyRotations", "kms:ListResourceTags", "kms:PutKeyPolicy", "kms:RevokeGrant", "kms:RotateKeyOnDemand",
	"kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UntagResource", "kms:UpdateAlias", "kms:UpdateKeyDescription",
}

func newKey(scope constructs.Construct, id, description string, props *KeyProps, spec awskms.KeySpec, use ...awsiam.PolicyStatement) awskms.Key {
	window := 30.0 // days in which a deletion can be taken back; KMS allows 7 to 30
	if props.Destroyable {
		window = 7
	}
	administration := statement("AdministrationWithoutUse", awsiam.NewAccountRootPrincipal(), administrationActions, nil)
	statements := append([]awsiam.PolicyStatement{administration}, use...)
	key := &awskms.KeyProps{
		Description: &description,
		KeySpec:     spec,
		// In place of the CDK's default, which lets IAM give away everything.
		Policy:        awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &statements}),
		PendingWindow: awscdk.Duration_Days(&window),
		RemovalPolicy: RemovalPolicy(props.Destroyable),
	}
	if props.Alias != "" {
		key.Alias = new("alias/" + props.Alias)
	}
	if spec == awskms.KeySpec_SYMMETRIC_DEFAULT {
		key.EnableKeyRotation = new(true)
	} else {
		key.KeyUsage = awskms.KeyUsage_GENERATE_VERIFY_MAC
	}
	return awskms.NewKey(scope, &id, key)
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
			Service: new("logs"), Resource: new("log-group"), ResourceName: &name, ArnFormat: awscdk.ArnFormat_COLON_RESOURCE_NAME,
		}))
	}
	return arns
}
