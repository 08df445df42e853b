package tokenizerlayer

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/constructs-go/constructs/v10"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
)

// The names of a vault's tables unless [VaultProps] says otherwise.
const (
	DefaultVaultTable = "CreditCardTokenizerTable"
	DefaultIndexTable = "CreditCardTokenizerIndex"
)

// FingerprintKey is a version of the key by which the same value can be found again.
type FingerprintKey struct {
	// Version has 1 to 16 of a-z and 0-9. It stands in the index, so a version never gets another key.
	Version string
	Key     awskms.IKey
}

// VaultProps describes a [Vault].
type VaultProps struct {
	// TokenKey seals the values; required. Grant it to no AWS service and to no role except through [Vault.Grants].
	TokenKey awskms.IKey
	// StorageKey encrypts the table at rest; required, and another key than TokenKey: every role that touches the
	// table must be able to decrypt with it.
	StorageKey awskms.IKey
	// FingerprintKeys are the versions of FingerprintKey; required, at most 4. The first makes new fingerprints; those after it
	// find what earlier releases made. KMS cannot rotate an HMAC key: to rotate, put a new key in front.
	FingerprintKeys []FingerprintKey
	// DetokenizePath is the IAM path outside which TokenKey's policy denies Decrypt (see [DenyDecryptOutside]);
	// "" means that it has no such policy. [Layer.Attach] refuses roles that the policy would.
	DetokenizePath string
	// TableName and IndexName are the tables' physical names; "" means [DefaultVaultTable] and [DefaultIndexTable].
	TableName, IndexName string
	// Destroyable lets the table go with its stack. The zero value keeps it: deletion protection, and retained.
	Destroyable bool
}

// Vault is a table of sealed values: partition key Hash_Key (the token), sort key Account_Id, and the sealed value in
// CandidateString. Beside it is the index, partition key Index_Key, by which deterministic tokens and repeated requests find a
// token; it holds no values. DynamoDB removes rows whose ExpiresAt has passed.
type Vault struct {
	table, index    awsdynamodb.Table
	tokenKey        awskms.IKey
	storageKey      awskms.IKey
	fingerprintKeys []FingerprintKey
	detokenizePath  string
}

// NewVault makes the vault's tables around existing keys. An error says which key is missing or named in a way that the index
// cannot keep.
func NewVault(scope constructs.Construct, id string, props *VaultProps) (*Vault, error) {
	if err := props.validate(); err != nil {
		return nil, fmt.Errorf("%s/%s: %w", *scope.Node().Path(), id, err)
	}
	vault := &Vault{
		tokenKey: props.TokenKey, storageKey: props.StorageKey, fingerprintKeys: props.FingerprintKeys, detokenizePath: props.DetokenizePath,
	}
	scope = constructs.NewConstruct(scope, &id)
	vault.table = NewTable(scope, "Table", &TableProps{
		Name:         cmp.Or(props.TableName, DefaultVaultTable),
		PartitionKey: "Hash_Key",
		SortKey:      "Account_Id",
		// Only purges: what must not be forged, such as an expiry that is enforced, is inside the envelope.
		ExpiryAttribute: "ExpiresAt",
		StorageKey:      props.StorageKey,
		Destroyable:     props.Destroyable,
	})
	vault.index = NewTable(scope, "Index", &TableProps{
		Name:            cmp.Or(props.IndexName, DefaultIndexTable),
		PartitionKey:    "Index_Key",
		ExpiryAttribute: "ExpiresAt",
		StorageKey:      props.StorageKey,
		Destroyable:     props.Destroyable,
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

func (p *VaultProps) validate() error {
	if p.TokenKey == nil || p.StorageKey == nil || p.TokenKey == p.StorageKey {
		return errors.New("TokenKey and StorageKey are required, and must be two keys: make them with NewTokenKey and NewStorageKey")
	}
	if n := len(p.FingerprintKeys); n < 1 || n > api.MaxKeyVersions {
		return fmt.Errorf("FingerprintKeys: got %d, want 1 to %d: make one with NewFingerprintKey", n, api.MaxKeyVersions)
	}
	seen := map[string]bool{}
	for _, key := range p.FingerprintKeys {
		if key.Key == nil || seen[key.Version] || !api.IsKeyVersion(key.Version) {
			return fmt.Errorf("FingerprintKeys: got version %q, want 1 to 16 of a-z 0-9, each once and with its key", key.Version)
		}
		seen[key.Version] = true
	}
	return nil
}

// Table is the table of sealed values. Do not use its own Grant methods: see [Grants].
func (v *Vault) Table() awsdynamodb.ITable { return v.table }

// Index is the table by which tokens are found again. Do not use its own Grant methods: see [Grants].
func (v *Vault) Index() awsdynamodb.ITable { return v.index }

// FingerprintKeys are the versions of the key by which the same value can be found again, the current one first.
func (v *Vault) FingerprintKeys() []FingerprintKey { return v.fingerprintKeys }

func (v *Vault) fingerprintARNs() []*string {
	var arns []*string
	for _, key := range v.fingerprintKeys {
		arns = append(arns, key.Key.KeyArn())
	}
	return arns
}

// TokenKey seals the values.
func (v *Vault) TokenKey() awskms.IKey { return v.tokenKey }

// StorageKey encrypts the table at rest.
func (v *Vault) StorageKey() awskms.IKey { return v.storageKey }

// Grants gives roles access to the vault.
func (v *Vault) Grants() Grants { return Grants{vault: v} }
