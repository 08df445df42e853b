package inmemory

import (
	"context"
	"slices"
	"strings"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/attribute"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/dynamoapi"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/fakeaws"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/kmsapi"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/vault"
)

// Rights are the grants that a function has. They allow and refuse the calls that the policies of docs/permissions.md
// allow and refuse, which a test of package vault compares. What the policies say to stop a hostile function, which
// would not use the vault's code, is left out.
type Rights struct {
	Tokenize, Index, Detokenize, Revoke bool
	// Purposes are those that Tokenize and Detokenize are granted for. Without any, they are granted for tokens that
	// are bound to no purpose.
	Purposes []string
}

// Denial is a call that was refused.
type Denial struct {
	Action string // such as kms:Decrypt
	On     string // what the call was about: a table or a key
	// Purpose tells that the function has the right, but not for the purpose of this token.
	Purpose bool
}

// mayUse tells whether TokenKey may be used with an encryption context.
func (r Rights) mayUse(encryptionContext map[string]string) bool {
	purpose, bound := encryptionContext["purpose"]
	if len(r.Purposes) == 0 {
		return !bound
	}
	return bound && slices.Contains(r.Purposes, purpose)
}

// mayTouch tells whether an operation on an item of a table is granted.
func (r Rights) mayTouch(table, operation string, item attribute.Item) bool {
	switch table + " " + operation {
	case VaultTable + " PutItem":
		return r.Tokenize
	case VaultTable + " GetItem":
		return r.Detokenize || r.Revoke
	case IndexTable + " PutItem":
		return r.Index
	case IndexTable + " GetItem":
		return r.Index || r.Revoke
	case VaultTable + " DeleteItem", IndexTable + " DeleteItem":
		return r.Revoke
	case StateTable + " GetItem":
		return r.Detokenize && (isTombstone(item) || r.countsUsesIn(item))
	case StateTable + " UpdateItem":
		return r.Detokenize && r.countsUsesIn(item)
	case StateTable + " PutItem":
		return r.Revoke && isTombstone(item)
	}
	return false
}

func stateKey(item attribute.Item) string {
	key, _ := item["State_Key"].Text()
	return key
}

func isTombstone(item attribute.Item) bool { return strings.HasPrefix(stateKey(item), "gone#") }

// countsUsesIn tells whether an item of the state counts the uses of a token that the rights are for.
func (r Rights) countsUsesIn(item attribute.Item) bool {
	if len(r.Purposes) == 0 {
		return strings.HasPrefix(stateKey(item), "use##")
	}
	return slices.ContainsFunc(r.Purposes, func(purpose string) bool {
		return strings.HasPrefix(stateKey(item), "use#"+purpose+"#")
	})
}

// guard refuses calls that a function's rights do not allow, with the error that IAM gives.
type guard struct {
	Rights
	denied func(Denial)
}

func (g guard) require(allowed bool, d Denial) error {
	if allowed {
		return nil
	}
	if g.denied != nil {
		g.denied(d)
	}
	return fakeaws.Exception("AccessDeniedException")
}

func (g guard) requireKey(granted bool, action string, encryptionContext map[string]string) error {
	return g.require(granted && g.mayUse(encryptionContext), Denial{Action: action, On: "TokenKey", Purpose: granted})
}

func (g guard) requireItem(table, operation string, item attribute.Item) error {
	return g.require(g.mayTouch(table, operation, item), Denial{Action: "dynamodb:" + operation, On: table})
}

// guardedKMS is KMS as a function with a guard may use it.
type guardedKMS struct {
	guard
	kms vault.KMS
}

func (g guardedKMS) GenerateDataKey(ctx context.Context,
	in kmsapi.GenerateDataKeyInput) (kmsapi.GenerateDataKeyOutput, error) {
	if err := g.requireKey(g.Tokenize, "kms:GenerateDataKey", in.EncryptionContext); err != nil {
		return kmsapi.GenerateDataKeyOutput{}, err
	}
	return g.kms.GenerateDataKey(ctx, in)
}

func (g guardedKMS) Decrypt(ctx context.Context, in kmsapi.DecryptInput) (kmsapi.DecryptOutput, error) {
	if err := g.requireKey(g.Detokenize, "kms:Decrypt", in.EncryptionContext); err != nil {
		return kmsapi.DecryptOutput{}, err
	}
	return g.kms.Decrypt(ctx, in)
}

func (g guardedKMS) GenerateMac(ctx context.Context, in kmsapi.GenerateMacInput) (kmsapi.GenerateMacOutput, error) {
	if err := g.require(g.Index, Denial{Action: "kms:GenerateMac", On: "FingerprintKey"}); err != nil {
		return kmsapi.GenerateMacOutput{}, err
	}
	return g.kms.GenerateMac(ctx, in)
}

// guardedStore is DynamoDB as a function with a guard may use it.
type guardedStore struct {
	guard
	store vault.Store
}

func (g guardedStore) PutItem(ctx context.Context, in dynamoapi.PutItemInput) error {
	if err := g.requireItem(in.TableName, "PutItem", in.Item); err != nil {
		return err
	}
	return g.store.PutItem(ctx, in)
}

func (g guardedStore) GetItem(ctx context.Context, in dynamoapi.GetItemInput) (attribute.Item, error) {
	if err := g.requireItem(in.TableName, "GetItem", in.Key); err != nil {
		return nil, err
	}
	return g.store.GetItem(ctx, in)
}

func (g guardedStore) UpdateItem(ctx context.Context, in dynamoapi.UpdateItemInput) error {
	if err := g.requireItem(in.TableName, "UpdateItem", in.Key); err != nil {
		return err
	}
	return g.store.UpdateItem(ctx, in)
}

// TransactWriteItems needs the permissions of its members.
func (g guardedStore) TransactWriteItems(ctx context.Context, in dynamoapi.TransactWriteItemsInput) error {
	for _, item := range in.TransactItems {
		if err := g.requireMember(item); err != nil {
			return err
		}
	}
	return g.store.TransactWriteItems(ctx, in)
}

func (g guardedStore) requireMember(item dynamoapi.TransactWriteItem) error {
	if put := item.Put; put != nil {
		return g.requireItem(put.TableName, "PutItem", put.Item)
	}
	return g.requireItem(item.Delete.TableName, "DeleteItem", item.Delete.Key)
}
