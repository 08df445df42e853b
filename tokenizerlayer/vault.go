package tokenizerlayer

import (
	"cmp"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/constructs-go/constructs/v10"
)

// DefaultVaultTable is the name of a vault's table unless [VaultProps] says otherwise.
const DefaultVaultTable = "CreditCardTokenizerTable"

// VaultProps describes a [Vault].
type VaultProps struct {
	// TokenKey seals the values; required. Grant it to no AWS service and to no role except through [Vault.Grants].
	TokenKey awskms.IKey
	// StorageKey encrypts the table at rest; required, and another key than TokenKey: every role that touches the
	// table must be able to decrypt with it.
	StorageKey awskms.IKey
	// DetokenizePath is the IAM path outside which TokenKey's policy denies Decrypt (see [DenyDecryptOutside]);
	// "" means that it has no such policy. [Layer.Attach] refuses roles that the policy would.
	DetokenizePath string
	// TableName is the table's physical name; "" means [DefaultVaultTable].
	TableName string
	// Destroyable lets the table go with its stack. The zero value keeps it: deletion protection, and retained.
	Destroyable bool
}

// Vault is a table of sealed values: partition key Hash_Key (the token), sort key Account_Id, and the sealed value in
// CandidateString. DynamoDB removes rows whose ExpiresAt has passed.
type Vault struct {
	table          awsdynamodb.Table
	tokenKey       awskms.IKey
	storageKey     awskms.IKey
	detokenizePath string
}

// NewVault makes the vault's table around two existing keys.
func NewVault(scope constructs.Construct, id string, props *VaultProps) *Vault {
	vault := &Vault{tokenKey: props.TokenKey, storageKey: props.StorageKey, detokenizePath: props.DetokenizePath}
	vault.table = NewTable(constructs.NewConstruct(scope, &id), "Table", &TableProps{
		Name:         cmp.Or(props.TableName, DefaultVaultTable),
		PartitionKey: "Hash_Key",
		SortKey:      "Account_Id",
		// Only purges: what must not be forged, such as an expiry that is enforced, is inside the envelope.
		ExpiryAttribute: "ExpiresAt",
		StorageKey:      props.StorageKey,
		Destroyable:     props.Destroyable,
	})
	// Strong, whatever the app's default is: CloudFormation then refuses to replace a table or key that functions of
	// another stack still use. Losing either loses every value.
	for _, needed := range []constructs.IConstruct{vault.table, props.TokenKey, props.StorageKey} {
		awscdk.CrossStackReferences_Of(needed).Produce(awscdk.ReferenceStrength_STRONG)
	}
	return vault
}

// Table is the table of sealed values. Do not use its own Grant methods: see [Grants].
func (v *Vault) Table() awsdynamodb.ITable { return v.table }

// TokenKey seals the values.
func (v *Vault) TokenKey() awskms.IKey { return v.tokenKey }

// StorageKey encrypts the table at rest.
func (v *Vault) StorageKey() awskms.IKey { return v.storageKey }

// Grants gives roles access to the vault.
func (v *Vault) Grants() Grants { return Grants{vault: v} }
