package tokenizerlayer

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/constructs-go/constructs/v10"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
)

// What a vault has unless [VaultProps] or [KeyProps] says otherwise.
const (
	DefaultVaultTable = "CreditCardTokenizerTable"
	DefaultStateTable = "CreditCardTokenizerState"
	DefaultIndexTable = "CreditCardTokenizerIndex"
	DefaultRolePath   = "/tokenizer/"
)

// IVault is a vault: one that [NewVault] makes, or one of another app that [VaultFromAttributes] refers to.
type IVault interface {
	constructs.IConstruct
	// Table is the table of sealed values. Do not use its own Grant methods: see [Grants].
	Table() awsdynamodb.ITable
	// State is the table of uses and tombstones. Do not use its own Grant methods: see [Grants].
	State() awsdynamodb.ITable
	// Index is the table that finds existing tokens. Do not use its own Grant methods: see [Grants].
	Index() awsdynamodb.ITable
	// TokenKeys are the versions of the key that seals the values, the current one first.
	TokenKeys() []KeyVersion
	// StorageKey encrypts the tables at rest.
	StorageKey() awskms.IKey
	// FingerprintKeys are the versions of the key that makes the index's fingerprints, the current one first.
	FingerprintKeys() []KeyVersion
	// RolePath is the IAM path below which the roles are that use the keys: see [TokenizePath] and the paths beside it.
	RolePath() string
	// Grants gives roles access to the vault.
	Grants() Grants
}

// KeyVersion is a version of TokenKey or of FingerprintKey.
type KeyVersion struct {
	// Version has 1 to 16 of a-z and 0-9. That of FingerprintKey is part of the rows in the index, so never give a
	// version another key.
	Version string
	// Key is one of [NewTokenKey] or [NewFingerprintKey].
	Key awskms.IKey
}

// FirstVersion is what a vault has until a key is replaced: the key as its only version, named "1".
func FirstVersion(key awskms.IKey) []KeyVersion { return []KeyVersion{{Version: "1", Key: key}} }

// VaultProps describes a [Vault].
type VaultProps struct {
	// TokenKeys are the versions of TokenKey; required, at most 4. The first seals new values; all of them open. KMS
	// rotates the material of a key each year by itself. To replace a key that may be compromised, deploy the new one
	// behind it, so that all functions can open what it will seal, and then in front of it. Grant the keys to no AWS
	// service and to no role except through [Vault.Grants].
	TokenKeys []KeyVersion
	// StorageKey encrypts the tables at rest; required, and another key than TokenKey: every role that touches a
	// table must be able to decrypt with it.
	StorageKey awskms.IKey
	// FingerprintKeys are the versions of FingerprintKey; required, at most 4. The first makes new fingerprints; those
	// after it find what earlier releases made. KMS cannot rotate an HMAC key: to rotate, put a new key in front. The
	// vault needs one even if you make no deterministic tokens, because idempotency keys use the same index.
	FingerprintKeys []KeyVersion
	// RolePath is that of the keys: see [KeyProps]. "" means [DefaultRolePath]; [AnyRolePath] says that the policies of
	// your own keys name no paths. [Layer.Attach] refuses a role that the policies would.
	RolePath string
	// TableName, StateName and IndexName are the tables' physical names; "" means [DefaultVaultTable],
	// [DefaultStateTable] and [DefaultIndexTable]. The name of the vault's table is sealed into every row: if you
	// rename it, its rows cannot be opened any more.
	TableName, StateName, IndexName string
	// Destroyable deletes the tables with their stack. The zero value keeps them and protects them from deletion.
	Destroyable bool
}

// Vault is a construct with three tables. In the vault's own, partition key Hash_Key (the token) and sort key
// Account_Id, CandidateString is the sealed value. The state, partition key State_Key, holds how often a token was
// used, and whether it was revoked. Functions that tokenize cannot write it. The index, partition key Index_Key, finds
// tokens for deterministic and repeated requests; it holds no values. DynamoDB removes rows of vault and index whose
// ExpiresAt has passed.
type Vault struct {
	constructs.Construct
	table, state, index        awsdynamodb.ITable
	tokenKeys, fingerprintKeys []KeyVersion
	storageKey                 awskms.IKey
	rolePath                   string
}

// NewVault makes the vault's tables around existing keys. If a property is wrong, it makes no table and returns an
// error that names it.
func NewVault(scope constructs.Construct, id string, props *VaultProps) (*Vault, error) {
	props = cmp.Or(props, &VaultProps{})
	if err := refuse(childPath(scope, id), props.problems()); err != nil {
		return nil, err
	}
	vault := &Vault{
		tokenKeys:       slices.Clone(props.TokenKeys),
		fingerprintKeys: slices.Clone(props.FingerprintKeys),
		storageKey:      props.StorageKey,
		rolePath:        cmp.Or(props.RolePath, DefaultRolePath),
	}
	constructs.NewConstruct_Override(vault, scope, &id)
	vault.table = newTable(vault, "Table", tableProps{
		name: cmp.Or(props.TableName, DefaultVaultTable), partitionKey: "Hash_Key", sortKey: "Account_Id",
		expiryAttribute: expiryAttribute, storageKey: props.StorageKey, destroyable: props.Destroyable,
	})
	vault.state = newTable(vault, "State", tableProps{ // without an expiry: a tombstone stays
		name: cmp.Or(props.StateName, DefaultStateTable), partitionKey: "State_Key", sortKey: "Account_Id",
		storageKey: props.StorageKey, destroyable: props.Destroyable,
	})
	vault.index = newTable(vault, "Index", tableProps{
		name: cmp.Or(props.IndexName, DefaultIndexTable), partitionKey: "Index_Key", expiryAttribute: expiryAttribute,
		storageKey: props.StorageKey, destroyable: props.Destroyable,
	})
	// Strong, whatever the app's default is: CloudFormation then refuses to replace a table or key that functions of
	// another stack still use. Losing the table or TokenKey loses every value, losing the others every way to find one
	// again.
	needed := []constructs.IConstruct{vault.table, vault.state, vault.index, props.StorageKey}
	for _, key := range slices.Concat(props.TokenKeys, props.FingerprintKeys) {
		needed = append(needed, key.Key)
	}
	for _, n := range needed {
		awscdk.CrossStackReferences_Of(n).Produce(awscdk.ReferenceStrength_STRONG)
	}
	return vault, nil
}

func (p *VaultProps) problems() (problems []error) {
	problems = slices.Concat(
		checkKeys("VaultProps.TokenKeys", "NewTokenKey", p.TokenKeys),
		checkKeys("VaultProps.FingerprintKeys", "NewFingerprintKey", p.FingerprintKeys))
	if p.StorageKey == nil {
		problems = append(problems, errors.New("VaultProps.StorageKey: got none: make one with NewStorageKey"))
	} else if slices.ContainsFunc(p.TokenKeys, func(key KeyVersion) bool { return key.Key == p.StorageKey }) {
		problems = append(problems, errors.New(
			"VaultProps.StorageKey: got TokenKey, which no role may have for storage: make another with NewStorageKey"))
	}
	if p.RolePath != "" {
		problems = append(problems, checkRolePath("VaultProps.RolePath", p.RolePath))
	}
	return append(problems, checkDistinct("VaultProps", "table", []table{
		{"TableName", cmp.Or(p.TableName, DefaultVaultTable)}, {"StateName", cmp.Or(p.StateName, DefaultStateTable)},
		{"IndexName", cmp.Or(p.IndexName, DefaultIndexTable)},
	})...)
}

// table is a property that names a table, and its value.
type table struct{ property, value string }

// checkDistinct are the errors about a table, or a key, that is named twice. Whoever tokenizes may write the vault's
// table, and may use some keys, so what must be out of its reach has to be in another one.
func checkDistinct(props, what string, tables []table) (problems []error) {
	for i, t := range tables {
		for _, earlier := range tables[:i] {
			if t.value != "" && t.value == earlier.value {
				problems = append(problems, fmt.Errorf("%s.%s: got the same %s as %s, want another %s",
					props, t.property, what, earlier.property, what))
				break
			}
		}
	}
	return problems
}

// checkKeys are the errors about the versions of a key.
func checkKeys(property, maker string, keys []KeyVersion) (problems []error) {
	var versions []string
	for _, key := range keys {
		versions = append(versions, key.Version)
		if key.Key == nil {
			problems = append(problems, fmt.Errorf("%s: got version %q without a key: make one with %s", property,
				key.Version, maker))
		}
	}
	return append(problems, checkKeyVersions(property, versions))
}

// checkKeyVersions is the error about the versions of a key.
func checkKeyVersions(property string, versions []string) error {
	seen := map[string]bool{}
	right := len(versions) >= 1 && len(versions) <= api.MaxKeyVersions
	for _, version := range versions {
		right = right && api.IsKeyVersion(version) && !seen[version]
		seen[version] = true
	}
	if right {
		return nil
	}
	return fmt.Errorf("%s: got versions %q, want 1 to %d, each of 1 to 16 of a-z and 0-9, and none twice", property,
		versions, api.MaxKeyVersions)
}

// VaultAttributes describes a vault that another app or another repository has made. ARNs can be CDK tokens, such as
// the value of an SSM parameter. Every field is required, but for RolePath.
type VaultAttributes struct {
	// TableArn, StateArn and IndexArn are the ARNs of the three tables.
	TableArn, StateArn, IndexArn string
	// StorageKeyArn is the ARN of a KMS key, not of an alias.
	StorageKeyArn string
	// TokenKeys and FingerprintKeys are the keys' versions in the order of [VaultProps].
	TokenKeys, FingerprintKeys []KeyVersionAttributes
	// RolePath is as in [VaultProps]. It cannot be a token, because it is compared when the app is synthesized.
	RolePath string
}

// KeyVersionAttributes describes a version of a key of another app.
type KeyVersionAttributes struct {
	// Version is as in [KeyVersion]. It cannot be a token.
	Version string
	// KeyArn is the ARN of a KMS key, not of an alias.
	KeyArn string
}

// VaultFromAttributes refers to a vault of another app, in the account and region of the functions that will use it. It
// makes no resources. An error says which attribute is missing or wrong.
//
// The keys' policies must let IAM give their use away inside the account, as those of [NewTokenKey],
// [NewFingerprintKey] and [NewStorageKey] do.
func VaultFromAttributes(scope constructs.Construct, id string, attributes *VaultAttributes) (IVault, error) {
	attributes = cmp.Or(attributes, &VaultAttributes{})
	if err := refuse(childPath(scope, id), attributes.problems()); err != nil {
		return nil, err
	}
	vault := &Vault{rolePath: cmp.Or(attributes.RolePath, DefaultRolePath)}
	constructs.NewConstruct_Override(vault, scope, &id)
	vault.table = awsdynamodb.Table_FromTableArn(vault, new("Table"), &attributes.TableArn)
	vault.state = awsdynamodb.Table_FromTableArn(vault, new("State"), &attributes.StateArn)
	vault.index = awsdynamodb.Table_FromTableArn(vault, new("Index"), &attributes.IndexArn)
	vault.storageKey = awskms.Key_FromKeyArn(vault, new("StorageKey"), &attributes.StorageKeyArn)
	keys := func(name string, attributes []KeyVersionAttributes) (keys []KeyVersion) {
		for _, key := range attributes {
			keys = append(keys, KeyVersion{
				Version: key.Version, Key: awskms.Key_FromKeyArn(vault, new(name+key.Version), &key.KeyArn),
			})
		}
		return keys
	}
	vault.tokenKeys = keys("TokenKey", attributes.TokenKeys)
	vault.fingerprintKeys = keys("FingerprintKey", attributes.FingerprintKeys)
	return vault, nil
}

var tableARNForm = regexp.MustCompile(`^arn:aws[a-z-]*:dynamodb:[a-z0-9-]+:[0-9]{12}:table/[A-Za-z0-9_.-]{3,255}$`)

func (a *VaultAttributes) problems() (problems []error) {
	const tableARN, keyARN = "arn:aws:dynamodb:REGION:ACCOUNT:table/NAME", "arn:aws:kms:REGION:ACCOUNT:key/ID"
	problems = []error{
		attribute("VaultAttributes.TableArn", a.TableArn, tableARNForm.MatchString, tableARN),
		attribute("VaultAttributes.StateArn", a.StateArn, tableARNForm.MatchString, tableARN),
		attribute("VaultAttributes.IndexArn", a.IndexArn, tableARNForm.MatchString, tableARN),
		attribute("VaultAttributes.StorageKeyArn", a.StorageKeyArn, api.IsKeyARN, keyARN),
	}
	problems = append(problems, checkDistinct("VaultAttributes", "table", []table{
		{"TableArn", a.TableArn}, {"StateArn", a.StateArn}, {"IndexArn", a.IndexArn},
	})...)
	everything := []table{
		{"VaultAttributes.TableArn", a.TableArn}, {"VaultAttributes.StateArn", a.StateArn},
		{"VaultAttributes.IndexArn", a.IndexArn}, {"VaultAttributes.StorageKeyArn", a.StorageKeyArn},
	}
	ofKeys := []table{{"StorageKeyArn", a.StorageKeyArn}}
	for _, keys := range []struct {
		property string
		versions []KeyVersionAttributes
	}{{"TokenKeys", a.TokenKeys}, {"FingerprintKeys", a.FingerprintKeys}} {
		var versions []string
		for _, key := range keys.versions {
			versions = append(versions, key.Version)
			property := fmt.Sprintf("%s[%q].KeyArn", keys.property, key.Version)
			problems = append(problems, attribute("VaultAttributes."+property, key.KeyArn, api.IsKeyARN, keyARN))
			everything = append(everything, table{"VaultAttributes." + property, key.KeyArn})
			ofKeys = append(ofKeys, table{property, key.KeyArn})
		}
		problems = append(problems, checkKeyVersions("VaultAttributes."+keys.property, versions))
	}
	problems = append(problems, checkDistinct("VaultAttributes", "key", ofKeys)...)
	if a.RolePath != "" {
		problems = append(problems, checkRolePath("VaultAttributes.RolePath", a.RolePath))
	}
	return append(problems, checkOnePlace(everything)...)
}

// Table implements [IVault].
func (v *Vault) Table() awsdynamodb.ITable { return v.table }

// Index implements [IVault].
func (v *Vault) Index() awsdynamodb.ITable { return v.index }

// State implements [IVault].
func (v *Vault) State() awsdynamodb.ITable { return v.state }

// TokenKeys implements [IVault].
func (v *Vault) TokenKeys() []KeyVersion { return slices.Clone(v.tokenKeys) }

// StorageKey implements [IVault].
func (v *Vault) StorageKey() awskms.IKey { return v.storageKey }

// FingerprintKeys implements [IVault].
func (v *Vault) FingerprintKeys() []KeyVersion { return slices.Clone(v.fingerprintKeys) }

// RolePath implements [IVault].
func (v *Vault) RolePath() string { return v.rolePath }

// Grants implements [IVault].
func (v *Vault) Grants() Grants { return Grants{vault: v} }
