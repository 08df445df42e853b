// Package inventory lists everything in a cloud assembly that decides who can get at the data behind tokens: keys,
// tables, roles, functions, layers, and the API, with all policies.
//
//	a, err := assembly.Load("cdk.out")
//	inv, err := inventory.Read(a)
//
// If something could matter and the package does not know it, it returns an error: a type of resource, a property of
// the types that matter, a policy that is not one of the assembly, a key whose use nothing names.
package inventory

import (
	"github.com/lambda-tokenizer/lambda-tokenizer/local/policy"
)

// Inventory is what an assembly has, each kind sorted by path. Account and Region are ACCOUNT and REGION if the app
// leaves them open.
type Inventory struct {
	Account, Region string
	Keys            []*Key
	Tables          []*Table
	Roles           []*Role
	Functions       []*Function
	Layers          []*Layer
	Parameters      []*Parameter
	Routes          []*Route
	// Loose are managed policies that no role of the templates has, for somebody who is not in them.
	Loose []Policy
}

// Named is what all kinds have.
type Named struct {
	// Path is the construct's, such as KmsStack/TokenKey.
	Path string
	// ARN is what policies call the resource. What CloudFormation would choose in it is made of the path.
	ARN string
}

// Policy is a policy document, without intrinsic functions.
type Policy struct {
	Name     string // for people
	Document any
}

// KeyUse is what a key is for.
type KeyUse string

// The uses of keys.
const (
	TokenKey       KeyUse = "TokenKey"       // seals values
	FingerprintKey KeyUse = "FingerprintKey" // makes fingerprints for the index
	StorageKey     KeyUse = "StorageKey"     // encrypts tables at rest
)

// Key is a KMS key.
type Key struct {
	Named
	Use    KeyUse
	Policy Policy
}

// TableUse is what a table is for.
type TableUse string

// The uses of tables.
const (
	Vault       TableUse = "vault"       // sealed values
	State       TableUse = "state"       // uses and tombstones
	Index       TableUse = "index"       // finds tokens again
	Application TableUse = "application" // the application's own
)

// Table is a DynamoDB table.
type Table struct {
	Named
	Name       string // physical
	Use        TableUse
	StorageKey string   // ARN of the key that encrypts it
	Policies   []Policy // of the resource; none or one
}

// Role is an IAM role.
type Role struct {
	Named
	IAMPath  string // such as /tokenizer/detokenize/
	Trust    []policy.Statement
	Policies []Policy
	Boundary *Policy // nil if it has none
}

// Function is a Lambda function.
type Function struct {
	Named
	Role   string   // ARN
	Layers []string // ARNs of versions
	Invoke []Permission
	// Tokenizer tells whether it has the extension's settings.
	Tokenizer bool
	// AWSVariables are its environment variables that AWS's software reads, as NAME=value. They can redirect its calls,
	// or wrap it.
	AWSVariables []string
}

// Permission lets a principal use a function or a layer version.
type Permission struct {
	Principal, Action string
	Conditions        []policy.Condition
}

// Layer is a version of a Lambda layer.
type Layer struct {
	Named
	Shared []Permission
}

// Parameter is an SSM parameter.
type Parameter struct {
	Named
	Name, Value string
}

// Route is a method of an API.
type Route struct {
	API          string // path of the construct
	Method, Path string // such as POST, /order
	Authorizer   string // path of the user pool; "" if there is none
	Function     string // ARN; "" if the API answers by itself
}

// FunctionsOf returns the functions that run with a role.
func (inv *Inventory) FunctionsOf(roleARN string) (functions []*Function) {
	for _, f := range inv.Functions {
		if f.Role == roleARN {
			functions = append(functions, f)
		}
	}
	return functions
}
