package tokenizerlayer

import (
	"maps"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
)

// Grants gives roles access to a vault, one of this app or of another ([IVault]): exact actions, on exact resources,
// under conditions. It replaces the CDK's own Table.GrantReadData and GrantWriteData, which add scans, batch operations
// and deletion, and Key.GrantDecrypt, which adds no condition.
//
// A purpose that no token can have ends the synthesis with an error.
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

// Tokenize lets grantee turn values into tokens, and nothing more: tokens that are bound to one of the purposes or,
// without purposes, tokens that are bound to none. The role must be below [TokenizePath]: a grant cannot override the
// key's Deny.
//
//   - On TokenKey's current version: GenerateDataKey. Left out: Encrypt (the envelope needs a fresh data key for each token) and
//     Decrypt (it would read every value).
//   - On the vault: PutItem, which TransactWriteItems is authorized as too. Left out: GetItem, Query and Scan (a writer has no use for
//     sealed rows), UpdateItem and DeleteItem (rows never change).
//   - On the state: nothing, so that it cannot take back a revocation or a use.
func (g Grants) Tokenize(grantee awsiam.IGrantable, purposes ...string) awsiam.Grant {
	g.check(purposes)
	g.checkGrantee(grantee)
	return grantAll(grantee, append(g.storage(g.vault.Table()),
		permission{
			[]string{"kms:GenerateDataKey"}, keyARNs(g.vault.TokenKeys()[:1]),
			g.sealedHere(accountOf(grantee), purposes),
		},
		permission{[]string{"dynamodb:PutItem"}, []*string{g.vault.Table().TableArn()}, noOldRow},
	))
}

// noOldRow: PutItem can be asked for the row it replaces, a read through the back door. IfExists, because requests that
// ask for nothing need not carry the key.
var noOldRow = conditions{"StringEqualsIfExists": {"dynamodb:ReturnValues": "NONE"}}

// Index lets grantee, which may tokenize, make deterministic tokens and idempotent requests too. The role must be below
// [IndexPath].
//
// Treat this as a grant to read deterministic tokens: grantee can try card numbers against the index, one call each,
// which CloudTrail records, and learn which of them are in the vault and under which token. It can also point an entry
// of the index at another token. Give it to one small function.
//
//   - On the index: GetItem and PutItem. Left out: Query and Scan, and changing or deleting entries. The vault stays write-only.
//   - On FingerprintKey: GenerateMac in all versions.
func (g Grants) Index(grantee awsiam.IGrantable) awsiam.Grant {
	g.checkGrantee(grantee)
	return grantAll(grantee, append(g.storage(g.vault.Index()),
		permission{[]string{"kms:GenerateMac"}, keyARNs(g.vault.FingerprintKeys()), nil},
		on(g.vault.Index().TableArn(), "dynamodb:GetItem"),
		permission{[]string{"dynamodb:PutItem"}, []*string{g.vault.Index().TableArn()}, noOldRow},
	))
}

// Detokenize lets grantee read values back: those that are bound to one of the purposes or, without purposes, those
// that are bound to none. KMS itself refuses others. The role must be below [DetokenizePath]: a grant cannot override
// the key's Deny.
//
//   - On TokenKey: Decrypt, in all versions. Left out: GenerateDataKey and Encrypt (a reader must not be able to forge a row).
//   - On the vault: GetItem. Left out: Query and Scan (nobody lists the vault: a caller knows a token or does not) and every kind of
//     write.
//   - On the state: GetItem of tombstones and of the uses of its own purposes, and UpdateItem of the latter. Left out: PutItem and
//     DeleteItem (nothing in the state can be removed).
func (g Grants) Detokenize(grantee awsiam.IGrantable, purposes ...string) awsiam.Grant {
	g.check(purposes)
	g.checkGrantee(grantee)
	return grantAll(grantee, slices.Concat(g.readingStorage(), g.reading(accountOf(grantee), purposes)))
}

// readingStorage is the use of StorageKey that reading needs.
func (g Grants) readingStorage() []permission {
	return slices.Concat(g.storage(g.vault.Table()), g.storage(g.vault.State()))
}

// reading is what [Grants.Detokenize] gives to a role of an account, without the use of StorageKey.
func (g Grants) reading(account *string, purposes []string) []permission {
	uses := usesOf(purposes)
	counting := onItems(uses)
	counting["ForAllValues:StringEquals"] = &map[string]any{
		"dynamodb:Attributes": []string{"Account_Id", "LastAttempt", "LastAttemptAt", "State_Key", "Uses"},
	}
	(*counting["Null"])["dynamodb:Attributes"] = "false"
	return []permission{
		{[]string{"kms:Decrypt"}, keyARNs(g.vault.TokenKeys()), g.sealedHere(account, purposes)},
		on(g.vault.Table().TableArn(), "dynamodb:GetItem"),
		{
			[]string{"dynamodb:GetItem"}, []*string{g.vault.State().TableArn()},
			onItems(append([]string{tombstones}, uses...)),
		},
		{[]string{"dynamodb:UpdateItem"}, []*string{g.vault.State().TableArn()}, counting},
	}
}

// check ends the synthesis if there is a purpose that no token can have. In the conditions of [Grants.Detokenize], a
// "*" in a purpose would stand for every purpose.
func (g Grants) check(purposes []string) {
	for _, purpose := range purposes {
		if err := checkPurpose("Grants", purpose); err != nil {
			g.vault.Node().AddValidation(&refusal{err})
		}
	}
}

// onItems holds an operation to items whose partition key is like one of keys. ForAllValues also holds for a request
// without partition keys, so Null demands that there is one.
func onItems(keys []string) conditions {
	return conditions{
		"ForAllValues:StringLike": {"dynamodb:LeadingKeys": keys}, "Null": {"dynamodb:LeadingKeys": "false"},
	}
}

// tombstones are the keys of the state's items that say that a token was revoked.
const tombstones = "gone#*"

// usesOf are the keys of the state's items that count the uses of tokens of these purposes or, without purposes, of
// tokens that are bound to none.
func usesOf(purposes []string) (keys []string) {
	if len(purposes) == 0 {
		return []string{"use##*"}
	}
	for _, purpose := range purposes {
		keys = append(keys, "use#"+purpose+"#*")
	}
	return keys
}

// Revoke lets grantee revoke tokens that it knows, and deletes their entries in the index. It opens nothing, and uses
// neither TokenKey nor FingerprintKey, so the role can have any path.
//
//   - On vault and index: DeleteItem, and GetItem, which tells where in the index the token is.
//   - On the state: PutItem of tombstones. Left out: Query and Scan, and deleting tombstones.
func (g Grants) Revoke(grantee awsiam.IGrantable) awsiam.Grant {
	g.checkGrantee(grantee)
	return grantAll(grantee, slices.Concat(g.readingStorage(), g.storage(g.vault.Index()), g.revoking()))
}

// revoking is what [Grants.Revoke] gives, without the use of StorageKey.
func (g Grants) revoking() []permission {
	burying := onItems([]string{tombstones})
	burying["StringEqualsIfExists"] = noOldRow["StringEqualsIfExists"]
	return []permission{
		on(g.vault.Table().TableArn(), "dynamodb:DeleteItem", "dynamodb:GetItem"),
		on(g.vault.Index().TableArn(), "dynamodb:DeleteItem", "dynamodb:GetItem"),
		{[]string{"dynamodb:PutItem"}, []*string{g.vault.State().TableArn()}, burying},
	}
}

// accountOf is the account of a grantee; nil if the CDK does not know it.
func accountOf(grantee awsiam.IGrantable) *string { return grantee.GrantPrincipal().PrincipalAccount() }

// sealedHere holds a use of TokenKey to messages of this vault, of an account (nil for the vault's) and of these
// purposes. The token's ref is in the encryption context as well, but needs no condition: KMS already binds a data key
// to it.
func (g Grants) sealedHere(account *string, purposes []string) conditions {
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

func keyARNs(keys []KeyVersion) (arns []*string) {
	for _, key := range keys {
		arns = append(arns, key.Key.KeyArn())
	}
	return arns
}

// storage is the use of the key that encrypts one of the vault's tables.
func (g Grants) storage(table awsdynamodb.ITable) []permission {
	return storagePermissions(g.vault.StorageKey(), table)
}

// storagePermissions let a role use a table that storageKey encrypts at rest. DynamoDB reads and writes such a table
// with the *caller's* right to the key, so every role that touches it needs this, next to its own DynamoDB actions
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
		{
			[]string{"kms:DescribeKey"}, []*string{storageKey.KeyArn()},
			conditions{"StringEquals": {"kms:ViaService": viaDynamoDB}},
		},
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

// calledBy adds to permissions that the caller is a function.
func calledBy(function *string, permissions []permission) []permission {
	bound := make([]permission, len(permissions))
	for i, p := range permissions {
		bound[i] = permission{p.actions, p.resources, conditions{"ArnLike": {"lambda:SourceFunctionArn": function}}}
		maps.Copy(bound[i].conditions, p.conditions)
	}
	return bound
}

// statement is the permission as a statement of a policy.
func (p permission) statement() awsiam.PolicyStatement {
	props := &awsiam.PolicyStatementProps{Actions: pointers(p.actions), Resources: &p.resources}
	if p.conditions != nil {
		props.Conditions = &map[string]any{}
		for operator, operands := range p.conditions {
			(*props.Conditions)[operator] = *operands
		}
	}
	return awsiam.NewPolicyStatement(props)
}

func (p permission) jsiiConditions() *map[string]*map[string]any {
	if p.conditions == nil {
		return nil // a pointer to a nil map would reach CDK as null and fail
	}
	return &p.conditions
}
