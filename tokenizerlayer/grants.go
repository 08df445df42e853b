package tokenizerlayer

import (
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
)

// Grants gives roles access to a vault, one of this app or of another ([IVault]): exact actions, on exact resources, under conditions. It replaces the CDK's
// own Table.GrantReadData and GrantWriteData, which add scans, batch operations and deletion, and Key.GrantDecrypt,
// which adds no condition.
type Grants struct{ vault IVault }

// permission is one statement of a grant.
type permission struct {
	actions    []string
	resources  []*string
	conditions conditions
}

type conditions = map[string]*map[string]any

// on is a permission without conditions.
func on(resource *string, actions ...string) permission {
	return permission{actions, []*string{resource}, nil}
}

// Tokenize lets grantee turn values into tokens, and nothing more: tokens that are bound to one of the purposes or, without
// purposes, tokens that are bound to none.
//
// On TokenKey: GenerateDataKey. Left out: Encrypt (the envelope needs a fresh data key for each token) and Decrypt
// (it would read every value).
// On the table: PutItem, which TransactWriteItems is authorized as too. Left out: GetItem, Query and Scan (a writer has
// no use for sealed rows), UpdateItem and DeleteItem (rows never change).
// On FingerprintKey: GenerateMac, for the log's token hash.
func (g Grants) Tokenize(grantee awsiam.IGrantable, purposes ...string) awsiam.Grant {
	return grantAll(grantee, append(g.common(),
		permission{[]string{"kms:GenerateDataKey"}, []*string{g.vault.TokenKey().KeyArn()}, g.sealedHere(grantee, purposes)},
		permission{[]string{"dynamodb:PutItem"}, []*string{g.vault.Table().TableArn()}, noOldRow},
	))
}

// noOldRow: PutItem can be asked for the row it replaces, a read through the back door. IfExists, because requests that ask for
// nothing need not carry the key.
var noOldRow = conditions{"StringEqualsIfExists": {"dynamodb:ReturnValues": "NONE"}}

// Index lets grantee, which may tokenize, make deterministic tokens and idempotent requests too.
//
// On the index: GetItem and PutItem. Left out: Query and Scan, and changing or deleting what is there. The vault stays
// write-only. On FingerprintKey: GenerateMac in all versions. It can try values against the index, one call each, which
// CloudTrail records.
func (g Grants) Index(grantee awsiam.IGrantable) awsiam.Grant {
	return grantAll(grantee, append(storagePermissions(g.vault.StorageKey(), g.vault.Index()),
		permission{[]string{"kms:GenerateMac"}, g.fingerprintARNs(), nil},
		on(g.vault.Index().TableArn(), "dynamodb:GetItem"),
		permission{[]string{"dynamodb:PutItem"}, []*string{g.vault.Index().TableArn()}, noOldRow},
	))
}

// Detokenize lets grantee read values back: those that are bound to one of the purposes or, without purposes, those that are
// bound to none. KMS itself refuses others. If a key policy ties Decrypt on TokenKey to a role path (see
// [DenyDecryptOutside]), the role must be under that path: a grant cannot override the key's Deny.
//
// On TokenKey: Decrypt. Left out: GenerateDataKey and Encrypt (a reader must not be able to forge a row).
// On the table: GetItem, and UpdateItem of the attributes that count uses. Left out: Query and Scan (a token is known or it
// is not; nobody lists the vault) and every other kind of write.
// On FingerprintKey: GenerateMac, for the log's token hash.
func (g Grants) Detokenize(grantee awsiam.IGrantable, purposes ...string) awsiam.Grant {
	return grantAll(grantee, append(g.common(),
		permission{[]string{"kms:Decrypt"}, []*string{g.vault.TokenKey().KeyArn()}, g.sealedHere(grantee, purposes)},
		on(g.vault.Table().TableArn(), "dynamodb:GetItem"),
		permission{[]string{"dynamodb:UpdateItem"}, []*string{g.vault.Table().TableArn()}, conditions{
			"ForAllValues:StringEquals": {"dynamodb:Attributes": []string{"Account_Id", "Hash_Key", "LastAttempt", "LastAttemptAt", "Uses"}},
		}},
	))
}

// Revoke lets grantee delete tokens that it knows, with what the index has of them. It opens nothing.
//
// On table and index: DeleteItem. On the table also GetItem, which tells where in the index the token is. Left out: Query and
// Scan. On FingerprintKey: GenerateMac, for the log's token hash.
func (g Grants) Revoke(grantee awsiam.IGrantable) awsiam.Grant {
	return grantAll(grantee, slices.Concat(g.common(), storagePermissions(g.vault.StorageKey(), g.vault.Index()), []permission{
		on(g.vault.Table().TableArn(), "dynamodb:DeleteItem", "dynamodb:GetItem"),
		on(g.vault.Index().TableArn(), "dynamodb:DeleteItem"),
	}))
}

// sealedHere holds a use of TokenKey to messages of this vault, of the grantee's account and of these purposes. The token
// itself is in the encryption context as well, but needs no condition: KMS already binds a data key to it.
func (g Grants) sealedHere(grantee awsiam.IGrantable, purposes []string) conditions {
	account := grantee.GrantPrincipal().PrincipalAccount()
	if account == nil {
		account = g.vault.Table().Env().Account
	}
	equal := map[string]any{
		"kms:EncryptionContext:table":      g.vault.Table().TableName(),
		"kms:EncryptionContext:account_id": account,
	}
	if len(purposes) > 0 {
		equal["kms:EncryptionContext:purpose"] = purposes
		return conditions{"StringEquals": &equal}
	}
	// A grant that names no purpose is not a grant for every purpose.
	return conditions{"StringEquals": &equal, "Null": {"kms:EncryptionContext:purpose": "true"}}
}

// common is what every operation needs: the use of the table's key, and the key of the log's token hash.
func (g Grants) common() []permission {
	return append(storagePermissions(g.vault.StorageKey(), g.vault.Table()), on(g.vault.FingerprintKeys()[0].Key.KeyArn(), "kms:GenerateMac"))
}

func (g Grants) fingerprintARNs() (arns []*string) {
	for _, key := range g.vault.FingerprintKeys() {
		arns = append(arns, key.Key.KeyArn())
	}
	return arns
}

// storagePermissions let a role use a table that storageKey encrypts at rest. DynamoDB reads and writes such a table with
// the *caller's* right to the key, so every role that touches it needs this, next to its own DynamoDB actions
// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html).
//
// Left out: Encrypt, GenerateDataKey, ReEncrypt and CreateGrant, which whoever creates the table needs, not its users.
func storagePermissions(storageKey awskms.IKey, table awsdynamodb.ITable) []permission {
	viaDynamoDB := "dynamodb." + *table.Env().Region + ".amazonaws.com"
	return []permission{
		{[]string{"kms:Decrypt"}, []*string{storageKey.KeyArn()}, conditions{"StringEquals": {
			// Through DynamoDB only, for this table only: the role cannot use the key by itself.
			"kms:ViaService": viaDynamoDB,
			"kms:EncryptionContext:aws:dynamodb:tableName": table.TableName(),
		}}},
		// DescribeKey has no encryption context, hence a statement of its own.
		{[]string{"kms:DescribeKey"}, []*string{storageKey.KeyArn()}, conditions{"StringEquals": {"kms:ViaService": viaDynamoDB}}},
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
			ResourceArns: &permission.resources,
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
