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
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsssm"
	"github.com/aws/constructs-go/constructs/v10"
)

// DefaultParameterPath is where [NewParameters] puts the parameters unless told otherwise.
const DefaultParameterPath = "/tokenizer/"

// The names of the parameters below their path. Those of a key end in its version, those of a layer in the
// architecture.
const (
	vaultTableParameter     = "vault-table"
	stateTableParameter     = "state-table"
	indexTableParameter     = "index-table"
	storageKeyParameter     = "storage-key-arn"
	tokenKeyParameter       = "token-key-arn/"
	fingerprintKeyParameter = "fingerprint-key-arn/"
	layerVersionParameter   = "layer-version-arn/"
	layerDigestParameter    = "layer-digest/"
)

// ParametersProps describes [Parameters]. Vault, Layer or both are required.
type ParametersProps struct {
	// Path is the beginning of the parameters' names. It starts and ends with a slash, and does not begin with aws or
	// ssm; "" means [DefaultParameterPath]. Two vaults in one account and region need two paths.
	Path string
	// Vault is published with the names of its tables and the ARNs of its keys.
	Vault IVault
	// Layer is published with the ARN and the digest of its version for each architecture. It must know both.
	Layer ILayer
}

// Parameters is a construct with SSM parameters that say where a vault and a layer are. Other apps in the same account
// and region refer to both with [VaultFromParameters] and [LayerFromParameters]. The parameters hold no secret. Whoever
// may write them chooses the keys, the tables and the layer of these apps, so give ssm:PutParameter below their path to
// nobody but the security team.
type Parameters struct {
	constructs.Construct
	path string
}

// Path is the beginning of the parameters' names, as [VaultParameters] and [LayerParameters] want it.
func (p *Parameters) Path() string { return p.path }

// NewParameters makes the parameters. If a property is wrong, it makes nothing and returns an error that names it.
//
// Each parameter is named by its path and by what it says:
//
//	vault-table, state-table, index-table             the name of the table
//	storage-key-arn                                   the ARN of the key
//	token-key-arn/VERSION, fingerprint-key-arn/VERSION the same, for each version
//	layer-version-arn/arm64, layer-version-arn/x86_64 the ARN of the layer version
//	layer-digest/arm64, layer-digest/x86_64           its digest
func NewParameters(scope constructs.Construct, id string, props *ParametersProps) (*Parameters, error) {
	props = cmp.Or(props, &ParametersProps{})
	problems := []error{checkParameterPath("ParametersProps.Path", props.Path)}
	if props.Vault == nil && props.Layer == nil {
		problems = append(problems, errors.New("ParametersProps: got neither Vault nor Layer, want one of NewVault, "+
			"one of NewLayer, or both"))
	}
	if props.Layer != nil {
		problems = append(problems, checkDigests(props.Layer)...)
	}
	if err := refuse(childPath(scope, id), problems); err != nil {
		return nil, err
	}
	p := &Parameters{path: cmp.Or(props.Path, DefaultParameterPath)}
	constructs.NewConstruct_Override(p, scope, &id)
	if props.Vault != nil {
		p.publishVault(props.Vault)
	}
	if props.Layer != nil {
		p.publishLayer(props.Layer)
	}
	return p, nil
}

func (p *Parameters) publishVault(vault IVault) {
	p.publish(vaultTableParameter, "Name of the vault's table", vault.Table().TableName())
	p.publish(stateTableParameter, "Name of the vault's state table", vault.State().TableName())
	p.publish(indexTableParameter, "Name of the vault's index", vault.Index().TableName())
	p.publish(storageKeyParameter, "Key that encrypts the tables at rest", vault.StorageKey().KeyArn())
	for _, key := range vault.TokenKeys() {
		p.publish(tokenKeyParameter+key.Version, "Key that seals values", key.Key.KeyArn())
	}
	for _, key := range vault.FingerprintKeys() {
		p.publish(fingerprintKeyParameter+key.Version, "Key for keyed fingerprints", key.Key.KeyArn())
	}
}

func (p *Parameters) publishLayer(layer ILayer) {
	for _, architecture := range layer.Architectures() {
		name := string(architecture)
		p.publish(layerVersionParameter+name, "Current tokenizer layer for "+name,
			layer.Version(architecture).LayerVersionArn())
		p.publish(layerDigestParameter+name, "Digest of the current tokenizer layer for "+name,
			new(layer.Digest(architecture)))
	}
}

// checkDigests are the errors about layer versions whose digest is not known. [LayerFromParameters] reads one for each.
func checkDigests(layer ILayer) (problems []error) {
	for _, architecture := range layer.Architectures() {
		if layer.Digest(architecture) == "" {
			problems = append(problems, fmt.Errorf("ParametersProps.Layer: got one without a digest for %q: state it in "+
				"LayerAttributes.Versions", architecture))
		}
	}
	return problems
}

func (p *Parameters) publish(name, description string, value *string) {
	awsssm.NewStringParameter(p, &name, &awsssm.StringParameterProps{
		ParameterName: new(p.path + name), Description: &description, StringValue: value,
	})
}

// VaultParameters says which parameters of [NewParameters] describe a vault. Every field is optional, but the versions
// must be those of the vault.
type VaultParameters struct {
	// Path is that of [ParametersProps].
	Path string
	// TokenKeys and FingerprintKeys are the names of the keys' versions in the order of [VaultProps]; none means "1",
	// as [FirstVersion] has it.
	TokenKeys, FingerprintKeys []string
	// RolePath is as in [VaultProps].
	RolePath string
}

// VaultFromParameters refers to a vault of another app, in the account and region of the functions that will use it, by
// the parameters that [NewParameters] made there. It makes no resources. CloudFormation reads the parameters whenever
// it deploys the stack. An error says which property is wrong.
//
// Only the key's id is taken from an ARN, and nothing from a wildcard on: whatever the parameters say, functions use
// single keys and tables of their own account and region. [VaultFromAttributes] with the ARNs in your source is the
// safer form, because a change of them is a change of your source.
func VaultFromParameters(scope constructs.Construct, id string, parameters *VaultParameters) (IVault, error) {
	p := *cmp.Or(parameters, &VaultParameters{})
	tokenKeys, fingerprintKeys := p.TokenKeys, p.FingerprintKeys
	if len(tokenKeys) == 0 {
		tokenKeys = []string{"1"}
	}
	if len(fingerprintKeys) == 0 {
		fingerprintKeys = []string{"1"}
	}
	rolePath := cmp.Or(p.RolePath, DefaultRolePath)
	if err := refuse(childPath(scope, id), []error{
		checkParameterPath("VaultParameters.Path", p.Path),
		checkKeyVersions("VaultParameters.TokenKeys", tokenKeys),
		checkKeyVersions("VaultParameters.FingerprintKeys", fingerprintKeys),
		checkRolePath("VaultParameters.RolePath", rolePath),
	}); err != nil {
		return nil, err
	}
	vault := &Vault{rolePath: rolePath}
	constructs.NewConstruct_Override(vault, scope, &id)
	read := reader{vault, cmp.Or(p.Path, DefaultParameterPath)}
	vault.table = read.table("Table", vaultTableParameter)
	vault.state = read.table("State", stateTableParameter)
	vault.index = read.table("Index", indexTableParameter)
	vault.storageKey = read.key("StorageKey", storageKeyParameter)
	for _, version := range tokenKeys {
		vault.tokenKeys = append(vault.tokenKeys,
			KeyVersion{version, read.key("TokenKey"+version, tokenKeyParameter+version)})
	}
	for _, version := range fingerprintKeys {
		vault.fingerprintKeys = append(vault.fingerprintKeys,
			KeyVersion{version, read.key("FingerprintKey"+version, fingerprintKeyParameter+version)})
	}
	return vault, nil
}

// LayerParameters says which parameters of [NewParameters] describe a layer. Every field is optional.
type LayerParameters struct {
	// Path is that of [ParametersProps].
	Path string
	// Architectures are those of the functions that will get the layer; none means [ARM64] and [X86_64]. The layer must
	// have a version for each.
	Architectures []Architecture
}

// LayerFromParameters refers to a layer of another app, in the account and region of the functions that will use it, by
// the parameters that [NewParameters] made there. It makes no resources. CloudFormation reads the parameters whenever
// it deploys the stack, so a new release of the layer reaches the functions with the next deployment. An error says
// which property is wrong.
//
// Only name and version are taken from the ARN: whatever the parameters say, functions run a layer of their own account
// and region. [LayerFromAttributes] with the ARN in your source is the safer form, and the one for a layer of another
// account.
func LayerFromParameters(scope constructs.Construct, id string, parameters *LayerParameters) (ILayer, error) {
	p := *cmp.Or(parameters, &LayerParameters{})
	const property = "LayerParameters.Architectures"
	architectures := p.Architectures
	if len(architectures) == 0 {
		architectures = []Architecture{ARM64, X86_64}
	}
	if err := refuse(childPath(scope, id), append(checkArchitectures(property, architectures),
		checkParameterPath("LayerParameters.Path", p.Path))); err != nil {
		return nil, err
	}
	layer := &Layer{
		architectures: slices.Clone(architectures), releases: map[Architecture]release{}, source: property,
	}
	constructs.NewConstruct_Override(layer, scope, &id)
	read := reader{layer, cmp.Or(p.Path, DefaultParameterPath)}
	for _, architecture := range architectures {
		// arn:PARTITION:lambda:REGION:ACCOUNT:layer:NAME:VERSION
		arn := awscdk.Fn_Split(new(":"), read.value(layerVersionParameter+string(architecture)), nil)
		own := awscdk.Stack_Of(layer).FormatArn(&awscdk.ArnComponents{
			Service: new("lambda"), Resource: new("layer"), ArnFormat: awscdk.ArnFormat_COLON_RESOURCE_NAME,
			ResourceName: awscdk.Fn_Join(new(":"), &[]*string{
				awscdk.Fn_Select(new(6.0), arn), awscdk.Fn_Select(new(7.0), arn),
			}),
		})
		layer.releases[architecture] = release{
			version: awslambda.LayerVersion_FromLayerVersionArn(layer, new("Version"+architecture.constructID()), own),
			digest:  *read.value(layerDigestParameter + string(architecture)),
		}
	}
	return layer, nil
}

// reader refers to resources by parameters below a path.
type reader struct {
	scope constructs.Construct
	path  string
}

func (r reader) value(name string) *string {
	return awsssm.StringParameter_ValueForStringParameter(r.scope, new(r.path+name), nil)
}

func (r reader) table(id, parameter string) awsdynamodb.ITable {
	return awsdynamodb.Table_FromTableName(r.scope, &id, withoutWildcards(r.value(parameter)))
}

// key is the key of the account and region of the scope that has the id of a parameter's ARN. With a key of somebody
// else's account, functions would seal cards for somebody else.
func (r reader) key(id, parameter string) awskms.IKey {
	arn := awscdk.Stack_Of(r.scope).FormatArn(&awscdk.ArnComponents{
		Service: new("kms"), Resource: new("key"),
		// arn:PARTITION:kms:REGION:ACCOUNT:key/ID
		ResourceName: withoutWildcards(
			awscdk.Fn_Select(new(1.0), awscdk.Fn_Split(new("/"), r.value(parameter), nil))),
	})
	return awskms.Key_FromKeyArn(r.scope, &id, arn)
}

// withoutWildcards is what precedes the first wildcard in a value. In a policy, a wildcard would stand for every table
// or key of the account.
func withoutWildcards(value *string) *string {
	for _, wildcard := range []string{"*", "?"} {
		value = awscdk.Fn_Select(new(0.0), awscdk.Fn_Split(&wildcard, value, nil))
	}
	return value
}

var (
	parameterPathForm = regexp.MustCompile(`^/([A-Za-z0-9_.-]+/){1,10}$`)
	// SSM keeps these names for AWS: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
	reservedPathForm = regexp.MustCompile(`^/(?i:aws|ssm)`)
)

// checkParameterPath is the error about the path of parameters, which "" leaves out. The path cannot be a token: the
// names are those of parameters in the template.
func checkParameterPath(property, path string) error {
	const longest = 512 // SSM takes names of 1011 characters with the ARN's beginning
	if reservedPathForm.MatchString(path) {
		return fmt.Errorf("%s: got %q, but SSM has no parameters for you that begin with aws or ssm: choose another path",
			property, path)
	}
	if path == "" || parameterPathForm.MatchString(path) && len(path) <= longest {
		return nil
	}
	return fmt.Errorf("%s: got %q, want a path of SSM parameters that starts and ends with a slash, of A-Z a-z 0-9 "+
		"_ . -, such as %s", property, path, DefaultParameterPath)
}
