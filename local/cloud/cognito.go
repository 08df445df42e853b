package cloud

import (
	"context"

	cognito "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
)

// userPools creates Cognito user pools and their app clients.
type userPools struct{ client *cognito.Client }

func (u userPools) createPool(ctx context.Context, r *resource) (created, error) {
	in := &cognito.CreateUserPoolInput{PoolName: new(r.physicalName("UserPoolName"))}
	for _, v := range r.strings("UsernameAttributes") {
		in.UsernameAttributes = append(in.UsernameAttributes, types.UsernameAttributeType(v))
	}
	for _, v := range r.strings("AliasAttributes") {
		in.AliasAttributes = append(in.AliasAttributes, types.AliasAttributeType(v))
	}
	for _, v := range r.strings("AutoVerifiedAttributes") {
		in.AutoVerifiedAttributes = append(in.AutoVerifiedAttributes, types.VerifiedAttributeType(v))
	}
	if p := r.object("Policies").object("PasswordPolicy"); p != nil {
		in.Policies = &types.UserPoolPolicyType{PasswordPolicy: &types.PasswordPolicyType{
			MinimumLength:    new(int32(p.integer("MinimumLength"))),
			RequireLowercase: p.boolean("RequireLowercase"), RequireUppercase: p.boolean("RequireUppercase"),
			RequireNumbers: p.boolean("RequireNumbers"), RequireSymbols: p.boolean("RequireSymbols"),
		}}
	}
	out, err := u.client.CreateUserPool(ctx, in)
	if err != nil {
		return created{}, err
	}
	id := *out.UserPool.Id
	host := "cognito-idp." + r.region + ".amazonaws.com/" + id
	return created{id, map[string]string{
		"Arn": r.arn("cognito-idp", "userpool/"+id), "UserPoolId": id, "ProviderName": host, "ProviderURL": "https://" + host,
	}}, nil
}

func (u userPools) createClient(ctx context.Context, r *resource) (created, error) {
	in := &cognito.CreateUserPoolClientInput{
		UserPoolId: r.optional("UserPoolId"), ClientName: new(r.physicalName("ClientName")),
		GenerateSecret:             r.boolean("GenerateSecret"),
		PreventUserExistenceErrors: types.PreventUserExistenceErrorTypes(r.str("PreventUserExistenceErrors")),
	}
	for _, v := range r.strings("ExplicitAuthFlows") {
		in.ExplicitAuthFlows = append(in.ExplicitAuthFlows, types.ExplicitAuthFlowsType(v))
	}
	out, err := u.client.CreateUserPoolClient(ctx, in)
	if err != nil {
		return created{}, err
	}
	id := *out.UserPoolClient.ClientId
	return created{id, map[string]string{"ClientId": id}}, nil
}
