package tokenizerlayer

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
)

// Grants gives roles access to a [Vault]: exact actions, on exact resources, under conditions. It replaces the CDK's
// own Table.GrantReadData and GrantWriteData, which add scans, batch operations and deletion, and Key.GrantDecrypt,
// which adds no condition.
type Grants struct{ vault *Vault }

// permission is one statement of a grant.
type permission struct {
	actions    []string
	resource   *string
	conditions conditions
}

type conditions = map[string]*map[string]any

// Tokenize lets grantee turn values into tokens, and nothing more.
//
// On TokenKey: GenerateDataKey. Left out: Encrypt (the envelope needs a fresh data key for each token) and Decrypt
// (it would read every value).
// On the table: PutItem, which TransactWriteItems is authorized as too. Left out: GetItem, Query and Scan (a writer has
// no use for sealed rows), UpdateItem and DeleteItem (rows never change).
func (g Grants) Tokenize(grantee awsiam.IGrantable) awsiam.Grant {
	return grantAll(grantee, append(g.storage(),
		permission{[]string{"kms:GenerateDataKey"}, g.vault.tokenKey.KeyArn(), g.sealedHere(grantee)},
		permission{[]string{"dynamodb:PutItem"}, g.vault.table.TableArn(), conditions{
			// PutItem can be asked for the row it replaces: a read through the back door. IfExists, because requests
			// that ask for nothing need not carry the key.
			"StringEqualsIfExists": {"dynamodb:ReturnValues": "NONE"},
		}},
	))
}

// Detokenize lets grantee read values back. If a key policy ties Decrypt on TokenKey to a role path
// (see [DenyDecryptOutside]), the role must be under that path: a grant cannot override the key's Deny.
//
// On TokenKey: Decrypt. Left out: GenerateDataKey and Encrypt (a reader must not be able to forge a row).
// On the table: GetItem. Left out: Query and Scan (a token is known or it is not; nobody lists the vault) and every
// kind of write.
func (g Grants) Detokenize(grantee awsiam.IGrantable) awsiam.Grant {
	return grantAll(grantee, append(g.storage(),
		permission{[]string{"kms:Decrypt"}, g.vault.tokenKey.KeyArn(), g.sealedHere(grantee)},
		permission{[]string{"dynamodb:GetItem"}, g.vault.table.TableArn(), nil},
	))
}

// sealedHere holds a use of TokenKey to messages of this vault and of the grantee's account. The token itself is in
// the encryption context as well, but needs no condition: KMS already binds a data key to it.
func (g Grants) sealedHere(grantee awsiam.IGrantable) conditions {
	account := grantee.GrantPrincipal().PrincipalAccount()
	if account == nil {
		account = g.vault.table.Stack().Account()
	}
	return conditions{
		"StringEquals": {
			"kms:EncryptionContext:table":      g.vault.table.TableName(),
			"kms:EncryptionContext:account_id": account,
		},
		// A grant that names no purpose is not a grant for every purpose.
		"Null": {"kms:EncryptionContext:purpose": "true"},
	}
}

func (g Grants) storage() []permission { return storagePermissions(g.vault.storageKey, g.vault.table) }

// GrantStorage lets grantee use a table that storageKey encrypts at rest. DynamoDB reads and writes such a table with
// the *caller's* right to the key, so every role that touches it needs this, next to its own DynamoDB actions
// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html).
// [Grants] include it for the vault's table.
//
// Left out: Encrypt, GenerateDataKey, ReEncrypt and CreateGrant, which whoever creates the table needs, not its users.
func GrantStorage(grantee awsiam.IGrantable, storageKey awskms.IKey, table awsdynamodb.ITable) awsiam.Grant {
	return grantAll(grantee, storagePermissions(storageKey, table))
}

func storagePermissions(storageKey awskms.IKey, table awsdynamodb.ITable) []permission {
	viaDynamoDB := "dynamodb." + *table.Stack().Region() + ".amazonaws.com"
	return []permission{
		{[]string{"kms:Decrypt"}, storageKey.KeyArn(), conditions{"StringEquals": {
			// Through DynamoDB only, for this table only: the role cannot use the key by itself.
			"kms:ViaService": viaDynamoDB,
			"kms:EncryptionContext:aws:dynamodb:tableName": table.TableName(),
		}}},
		// DescribeKey has no encryption context, hence a statement of its own.
		{[]string{"kms:DescribeKey"}, storageKey.KeyArn(), conditions{"StringEquals": {"kms:ViaService": viaDynamoDB}}},
	}
}

// grantAll adds permissions to the grantee's own policy. Key and table policies stay untouched: naming a role of a
// later stack there would make the stacks depend on each other in a circle.
func grantAll(grantee awsiam.IGrantable, permissions []permission) awsiam.Grant {
	var grant awsiam.Grant
	for _, permission := range permissions {
		next := awsiam.Grant_AddToPrincipal(&awsiam.GrantOnPrincipalOptions{
			Grantee:      grantee,
			Actions:      pointers(permission.actions),
			ResourceArns: &[]*string{permission.resource},
			Conditions:   permission.jsiiConditions(),
		})
		if grant != nil {
			next = grant.Combine(next)
		}
		grant = next
	}
	return grant
}

func (p permission) jsiiConditions() *map[string]*map[string]any {
	if p.conditions == nil {
		return nil // a pointer to a nil map would reach CDK as null and fail
	}
	return &p.conditions
}

func pointers(values []string) *[]*string {
	list := make([]*string, len(values))
	for i := range values {
		list[i] = &values[i]
	}
	return &list
}
