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

// What a vault has unless [VaultProps] or [TokenKeyProps] says otherwise.
const (
	DefaultVaultTable     = "CreditCardTokenizerTable"
	DefaultIndexTable     = "CreditCardTokenizerIndex"
	DefaultDetokenizePath = "/tokenizer/detokenize/"
)

// IVault is a vault: one that [NewVault] makes, or one of another app that [VaultFromAttributes] refers to.
type IVault interface {
	constructs.IConstruct
	// Table is the table of sealed values. Do not use its own Grant methods: see [Grants].
	Table() awsdynamodb.ITable
	// Index is the table by which tokens are found again. Do not use its own Grant methods: see [Grants].
	Index() awsdynamodb.ITable
	// TokenKey seals the values.
	TokenKey() awskms.IKey
	// StorageKey encrypts both tables at rest.
	StorageKey() awskms.IKey
	// FingerprintKeys are the versions of the key by which the same value can be found again, the current one first.
	FingerprintKeys() []FingerprintKey
	// DetokenizePath is the IAM path of the roles that TokenKey's policy lets decrypt.
	DetokenizePath() string
	// Grants gives roles access to the vault.
	Grants() Grants
}

// FingerprintKey is a version of the key by which the same value can be found again.
type FingerprintKey struct {
	// Version has 1 to 16 of a-z and 0-9. It is part of the rows in the index, so never give a version another key.
	Version string
	// Key is an HMAC_256 key: see [NewFingerprintKey].
	Key awskms.IKey
}

// VaultProps describes a [Vault].
type VaultProps struct {
	// TokenKey seals the values; required. Grant it to no AWS service and to no role except through [Vault.Grants].
	TokenKey awskms.IKey
	// StorageKey encrypts the tables at rest; required, and another key than TokenKey: every role that touches a
	// table must be able to decrypt with it.
	StorageKey awskms.IKey
	// FingerprintKeys are the versions of FingerprintKey; required, at most 4. The first makes new fingerprints; those after it
	// find what earlier releases made. KMS cannot rotate an HMAC key: to rotate, put a new key in front.
	FingerprintKeys []FingerprintKey
	// DetokenizePath is the IAM path outside which TokenKey's policy denies Decrypt: the same as [TokenKeyProps].DetokenizePath.
	// "" means [DefaultDetokenizePath]; "/" says that the policy of your own key has no such statement. [Layer.Attach] refuses
	// a role that the policy would.
	DetokenizePath string
	// TableName and IndexName are the tables' physical names; "" means [DefaultVaultTable] and [DefaultIndexTable]. The name of
	// the table is sealed into every row: if you rename it, its rows cannot be opened any more.
	TableName, IndexName string
	// Destroyable lets the tables go with their stack. The zero value keeps them: deletion protection, and retained.
	Destroyable bool
}

// Vault is a construct with two tables. In the table, partition key Hash_Key (the token) and sort key Account_Id,
// CandidateString is the sealed value. The index, partition key Index_Key, finds tokens for deterministic and repeated requests;
// it holds no values. DynamoDB removes rows whose ExpiresAt has passed.
type Vault struct {
	constructs.Construct
	table, index    awsdynamodb.ITable
	tokenKey        awskms.IKey
	storageKey      awskms.IKey
	fingerprintKeys []FingerprintKey
	detokenizePath  string
}

// NewVault makes the vault's tables around existing keys. An error says which property is wrong; no table is made then.
func NewVault(scope constructs.Construct, id string, props *VaultProps) (*Vault, error) {
	props = cmp.Or(props, &VaultProps{})
	if err := refuse(childPath(scope, id), props.problems()); err != nil {
		return nil, err
	}
	vault := &Vault{
		tokenKey: props.TokenKey, storageKey: props.StorageKey, fingerprintKeys: slices.Clone(props.FingerprintKeys),
		detokenizePath: cmp.Or(props.DetokenizePath, DefaultDetokenizePath),
	}
	constructs.NewConstruct_Override(vault, scope, &id)
	vault.table = newTable(vault, "Table", tableProps{
		name: cmp.Or(props.TableName, DefaultVaultTable), partitionKey: "Hash_Key", sortKey: "Account_Id",
		storageKey: props.StorageKey, destroyable: props.Destroyable,
	})
	vault.index = newTable(vault, "Index", tableProps{
		name: cmp.Or(props.IndexName, DefaultIndexTable), partitionKey: "Index_Key",
		storageKey: props.StorageKey, destroyable: props.Destroyable,
	})
	// Strong, whatever the app's default is: CloudFormation then refuses to replace a table or key that functions of
	// another stack still use. Losing the table or TokenKey loses every value, losing the others every way to find one again.
	needed := []constructs.IConstruct{vault.table, vault.index, props.TokenKey, props.StorageKey}
	for _, key := range props.FingerprintKeys {
		needed = append(needed, key.Key)
	}
	for _, n := range needed {
		awscdk.CrossStackReferences_Of(n).Produce(awscdk.ReferenceStrength_STRONG)
	}
	return vault, nil
}

func (p *VaultProps) problems() (problems []error) {
	if p.TokenKey == nil {
		problems = append(problems, errors.New("VaultProps.TokenKey: got none: make one with NewTokenKey"))
	}
	if p.StorageKey == nil {
		problems = append(problems, errors.New("VaultProps.StorageKey: got none: make one with NewStorageKey"))
	} else if p.TokenKey == p.StorageKey {
		problems = append(problems, errors.New("VaultProps.StorageKey: got TokenKey, which no role may have for storage: make another with NewStorageKey"))
	}
	var versions []string
	for _, key := range p.FingerprintKeys {
		versions = append(versions, key.Version)
		if key.Key == nil {
			problems = append(problems, fmt.Errorf("VaultProps.FingerprintKeys: got version %q without a key: make one with NewFingerprintKey", key.Version))
		}
	}
	problems = append(problems, checkKeyVersions("VaultProps.FingerprintKeys", versions))
	if p.DetokenizePath != "" {
		problems = append(problems, checkRolePath("VaultProps.DetokenizePath", p.DetokenizePath))
	}
	return problems
}

// checkKeyVersions is the error about the versions of FingerprintKey.
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
	return fmt.Errorf("%s: got versions %q, want 1 to %d, each of 1 to 16 of a-z and 0-9, and none twice", property, versions, api.MaxKeyVersions)
}

// VaultAttributes describes a vault that another app or another repository has made. ARNs can be CDK tokens, such as the value
// of an SSM parameter. Every field is required, but for DetokenizePath.
type VaultAttributes struct {
	// TableArn and IndexArn are the ARNs of the two tables.
	TableArn, IndexArn string
	// TokenKeyArn and StorageKeyArn are the ARNs of two KMS keys, not of aliases.
	TokenKeyArn, StorageKeyArn string
	// FingerprintKeys are the versions of FingerprintKey in the order of [VaultProps].FingerprintKeys.
	FingerprintKeys []FingerprintKeyAttributes
	// DetokenizePath is as in [VaultProps]. It cannot be a token, because it is compared when the app is synthesized.
	DetokenizePath string
}

// FingerprintKeyAttributes describes a version of FingerprintKey of another app.
type FingerprintKeyAttributes struct {
	// Version is as in [FingerprintKey]. It cannot be a token.
	Version string
	// KeyArn is the ARN of a KMS key, not of an alias.
	KeyArn string
}

// VaultFromAttributes refers to a vault of another app, in the account and region of the functions that will use it. It makes no
// resources. An error says which attribute is missing or malformed.
//
// The keys' policies must let IAM give their use away inside the account, as those of [NewTokenKey], [NewFingerprintKey] and
// [NewStorageKey] do.
func VaultFromAttributes(scope constructs.Construct, id string, attributes *VaultAttributes) (IVault, error) {
	attributes = cmp.Or(attributes, &VaultAttributes{})
	if err := refuse(childPath(scope, id), attributes.problems()); err != nil {
		return nil, err
	}
	vault := &Vault{detokenizePath: cmp.Or(attributes.DetokenizePath, DefaultDetokenizePath)}
	constructs.NewConstruct_Override(vault, scope, &id)
	vault.table = awsdynamodb.Table_FromTableArn(vault, new("Table"), &attributes.TableArn)
	vault.index = awsdynamodb.Table_FromTableArn(vault, new("Index"), &attributes.IndexArn)
	vault.tokenKey = awskms.Key_FromKeyArn(vault, new("TokenKey"), &attributes.TokenKeyArn)
	vault.storageKey = awskms.Key_FromKeyArn(vault, new("StorageKey"), &attributes.StorageKeyArn)
	for _, key := range attributes.FingerprintKeys {
		vault.fingerprintKeys = append(vault.fingerprintKeys, FingerprintKey{
			Version: key.Version, Key: awskms.Key_FromKeyArn(vault, new("FingerprintKey"+key.Version), &key.KeyArn),
		})
	}
	return vault, nil
}

var tableARNForm = regexp.MustCompile(`^arn:aws[a-z-]*:dynamodb:[a-z0-9-]+:[0-9]{12}:table/[A-Za-z0-9_.-]{3,255}$`)

func (a *VaultAttributes) problems() (problems []error) {
	const tableARN, keyARN = "arn:aws:dynamodb:REGION:ACCOUNT:table/NAME", "arn:aws:kms:REGION:ACCOUNT:key/ID"
	problems = []error{
		attribute("VaultAttributes.TableArn", a.TableArn, tableARNForm.MatchString, tableARN),
		attribute("VaultAttributes.IndexArn", a.IndexArn, tableARNForm.MatchString, tableARN),
		attribute("VaultAttributes.TokenKeyArn", a.TokenKeyArn, api.IsKeyARN, keyARN),
		attribute("VaultAttributes.StorageKeyArn", a.StorageKeyArn, api.IsKeyARN, keyARN),
	}
	if a.TokenKeyArn != "" && a.TokenKeyArn == a.StorageKeyArn {
		problems = append(problems, errors.New("VaultAttributes.StorageKeyArn: got TokenKeyArn, want the ARN of another key"))
	}
	var versions []string
	for _, key := range a.FingerprintKeys {
		versions = append(versions, key.Version)
		problems = append(problems, attribute(fmt.Sprintf("VaultAttributes.FingerprintKeys[%q].KeyArn", key.Version), key.KeyArn, api.IsKeyARN, keyARN))
	}
	problems = append(problems, checkKeyVersions("VaultAttributes.FingerprintKeys", versions))
	if a.DetokenizePath != "" {
		problems = append(problems, checkRolePath("VaultAttributes.DetokenizePath", a.DetokenizePath))
	}
	return problems
}

// Table implements [IVault].
func (v *Vault) Table() awsdynamodb.ITable { return v.table }

// Index implements [IVault].
func (v *Vault) Index() awsdynamodb.ITable { return v.index }

// TokenKey implements [IVault].
func (v *Vault) TokenKey() awskms.IKey { return v.tokenKey }

// StorageKey implements [IVault].
func (v *Vault) StorageKey() awskms.IKey { return v.storageKey }

// FingerprintKeys implements [IVault].
func (v *Vault) FingerprintKeys() []FingerprintKey { return slices.Clone(v.fingerprintKeys) }

// DetokenizePath implements [IVault].
func (v *Vault) DetokenizePath() string { return v.detokenizePath }

// Grants implements [IVault].
func (v *Vault) Grants() Grants { return Grants{vault: v} }
