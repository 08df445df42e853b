package cloud

import (
	"context"
	"encoding/json"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/authorizer"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/policy"
)

// keys creates KMS keys and aliases.
type keys struct {
	client     *kms.Client
	policies   *policy.Account
	authorizer *authorizer.Authorizer
}

func (k keys) createKey(ctx context.Context, r *resource) (created, error) {
	document, err := json.Marshal(r.properties["KeyPolicy"])
	if err != nil {
		return created{}, err
	}
	out, err := k.client.CreateKey(ctx, &kms.CreateKeyInput{
		Description: r.optional("Description"), Policy: new(string(document)),
		KeySpec: types.KeySpec(r.str("KeySpec")), KeyUsage: types.KeyUsageType(r.str("KeyUsage")),
	})
	if err != nil {
		return created{}, err
	}
	id, arn := *out.KeyMetadata.KeyId, *out.KeyMetadata.Arn
	err = k.policies.AddResourcePolicy(arn, "the policy of key "+r.id, r.properties["KeyPolicy"])
	return created{id, map[string]string{"Arn": arn, "KeyId": id}}, err
}

func (k keys) createAlias(ctx context.Context, r *resource) (created, error) {
	name := r.str("AliasName")
	k.authorizer.AddAlias(name, r.str("TargetKeyId"))
	_, err := k.client.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &name, TargetKeyId: r.optional("TargetKeyId")})
	return created{ref: name}, err
}
