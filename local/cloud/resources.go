package cloud

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	cognitotypes "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/authorizer"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/policy"
)

// resources creates keys, tables, user pools and roles.
type resources struct {
	state      *State
	clients    Clients
	policies   *policy.Account
	authorizer *authorizer.Authorizer
	tables     []string          // names
	keys       map[string]string // ids in the templates, by ARN
	roles      map[string]string // ARNs by name
	managed    map[string]any    // documents of managed policies, by ARN

	principalsMu sync.Mutex
	principals   map[string]bool // ARNs of those that were added to the templates'
}

func (s *resources) createKey(ctx context.Context, r *resource) (created, error) {
	document, err := json.Marshal(r.Properties["KeyPolicy"])
	if err != nil {
		return created{}, err
	}
	var tags []kmstypes.Tag
	for _, t := range r.Objects("Tags") {
		tags = append(tags, kmstypes.Tag{TagKey: t.Optional("Key"), TagValue: t.Optional("Value")})
	}
	in := &kms.CreateKeyInput{
		Description: r.Optional("Description"), Policy: new(string(document)), Tags: tags,
		KeySpec: kmstypes.KeySpec(r.Str("KeySpec")), KeyUsage: kmstypes.KeyUsageType(r.Str("KeyUsage")),
	}
	result, err := s.state.once("key "+constructPath(r.stack, r.id), []any{in.KeySpec, in.KeyUsage},
		func(*created) (created, error) {
			out, err := s.clients.KMS.CreateKey(ctx, in)
			if err != nil {
				return created{}, err
			}
			id, arn := *out.KeyMetadata.KeyId, *out.KeyMetadata.Arn
			return created{id, map[string]string{"Arn": arn, "KeyId": id}}, nil
		})
	if err != nil {
		return created{}, err
	}
	arn := result.attributes["Arn"]
	s.keys[arn] = r.id
	return result, s.policies.AddResourcePolicy(arn, "the policy of key "+r.id, r.Properties["KeyPolicy"])
}

func (s *resources) createAlias(ctx context.Context, r *resource) (_ created, err error) {
	name, key := r.Str("AliasName"), r.Str("TargetKeyId")
	s.authorizer.AddAlias(name, key)
	switch before, found := s.state.aliases[name]; {
	case !found:
		_, err = s.clients.KMS.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &name, TargetKeyId: &key})
	case before != key:
		_, err = s.clients.KMS.UpdateAlias(ctx, &kms.UpdateAliasInput{AliasName: &name, TargetKeyId: &key})
	}
	if err == nil {
		s.state.aliases[name] = key
	}
	return created{ref: name}, err
}

func (s *resources) createTable(ctx context.Context, r *resource) (created, error) {
	name := r.physicalName("TableName")
	in := &dynamodb.CreateTableInput{TableName: &name, BillingMode: dynamotypes.BillingModePayPerRequest}
	for _, a := range r.Objects("AttributeDefinitions") {
		in.AttributeDefinitions = append(in.AttributeDefinitions, dynamotypes.AttributeDefinition{
			AttributeName: a.Optional("AttributeName"),
			AttributeType: dynamotypes.ScalarAttributeType(a.Str("AttributeType")),
		})
	}
	table := authorizer.Table{StorageKeyARN: r.Object("SSESpecification").Str("KMSMasterKeyId")}
	for _, k := range r.Objects("KeySchema") {
		if k.Str("KeyType") == "HASH" {
			table.PartitionKey = k.Str("AttributeName")
		}
		in.KeySchema = append(in.KeySchema, dynamotypes.KeySchemaElement{
			AttributeName: k.Optional("AttributeName"), KeyType: dynamotypes.KeyType(k.Str("KeyType")),
		})
	}
	arn := r.arn("dynamodb", "table/"+name)
	result, err := s.state.once("table "+name, in, func(before *created) (created, error) {
		if before != nil {
			if _, err := s.clients.DynamoDB.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &name}); err != nil {
				return created{}, err
			}
		}
		_, err := s.clients.DynamoDB.CreateTable(ctx, in)
		return created{name, map[string]string{"Arn": arn}}, err
	})
	if err != nil {
		return created{}, err
	}
	s.tables = append(s.tables, name)
	s.authorizer.AddTable(name, table)
	if document := r.Object("ResourcePolicy")["PolicyDocument"]; document != nil {
		if err := s.policies.AddResourcePolicy(arn, "the policy of table "+name, document); err != nil {
			return created{}, err
		}
	}
	return result, nil
}

func (s *resources) createUserPool(ctx context.Context, r *resource) (created, error) {
	in := &cognitoidentityprovider.CreateUserPoolInput{
		PoolName:               new(r.physicalName("UserPoolName")),
		UsernameAttributes:     list[cognitotypes.UsernameAttributeType](r.Properties, "UsernameAttributes"),
		AliasAttributes:        list[cognitotypes.AliasAttributeType](r.Properties, "AliasAttributes"),
		AutoVerifiedAttributes: list[cognitotypes.VerifiedAttributeType](r.Properties, "AutoVerifiedAttributes"),
	}
	if p := r.Object("Policies").Object("PasswordPolicy"); p != nil {
		in.Policies = &cognitotypes.UserPoolPolicyType{PasswordPolicy: &cognitotypes.PasswordPolicyType{
			MinimumLength:    new(int32(p.Integer("MinimumLength"))),
			RequireLowercase: p.Boolean("RequireLowercase"), RequireUppercase: p.Boolean("RequireUppercase"),
			RequireNumbers: p.Boolean("RequireNumbers"), RequireSymbols: p.Boolean("RequireSymbols"),
		}}
	}
	if c := r.Object("UsernameConfiguration"); c != nil {
		in.UsernameConfiguration = &cognitotypes.UsernameConfigurationType{
			CaseSensitive: new(c.Boolean("CaseSensitive")),
		}
	}
	return s.state.once("user pool "+constructPath(r.stack, r.id), in, func(*created) (created, error) {
		out, err := s.clients.Cognito.CreateUserPool(ctx, in)
		if err != nil {
			return created{}, err
		}
		id := *out.UserPool.Id
		host := "cognito-idp." + r.region + ".amazonaws.com/" + id
		return created{id, map[string]string{
			"Arn":          r.arn("cognito-idp", "userpool/"+id),
			"UserPoolId":   id,
			"ProviderName": host,
			"ProviderURL":  "https://" + host,
		}}, nil
	})
}

func (s *resources) createUserPoolClient(ctx context.Context, r *resource) (created, error) {
	in := &cognitoidentityprovider.CreateUserPoolClientInput{
		UserPoolId: r.Optional("UserPoolId"), ClientName: new(r.physicalName("ClientName")),
		GenerateSecret:             r.Boolean("GenerateSecret"),
		PreventUserExistenceErrors: cognitotypes.PreventUserExistenceErrorTypes(r.Str("PreventUserExistenceErrors")),
		ExplicitAuthFlows:          list[cognitotypes.ExplicitAuthFlowsType](r.Properties, "ExplicitAuthFlows"),
	}
	return s.state.once("user pool client "+constructPath(r.stack, r.id), in, func(*created) (created, error) {
		out, err := s.clients.Cognito.CreateUserPoolClient(ctx, in)
		if err != nil {
			return created{}, err
		}
		id := *out.UserPoolClient.ClientId
		return created{id, map[string]string{"ClientId": id}}, nil
	})
}

func (s *resources) createRole(_ context.Context, r *resource) (created, error) {
	name := r.physicalName("RoleName")
	arn := "arn:aws:iam::" + r.account + ":role" + cmp.Or(r.Str("Path"), "/") + name
	for _, p := range r.Objects("Policies") {
		if err := s.policies.AddRolePolicy(arn, p.Str("PolicyName"), p["PolicyDocument"]); err != nil {
			return created{}, err
		}
	}
	if err := s.bind(arn, r.Str("PermissionsBoundary")); err != nil {
		return created{}, err
	}
	if err := s.attach(arn, r.Strings("ManagedPolicyArns")); err != nil {
		return created{}, err
	}
	s.roles[name] = arn
	return created{name, map[string]string{"Arn": arn, "RoleId": "AROA" + strings.ToUpper(rand.Text()[:17])}}, nil
}

// bind gives a role a managed policy as its boundary; "" is none.
func (s *resources) bind(role, boundary string) error {
	if boundary == "" {
		return nil
	}
	document, ok := s.managed[boundary]
	if !ok {
		return fmt.Errorf("PermissionsBoundary: %s is not one of this app's policies", boundary)
	}
	return s.policies.AddBoundary(role, boundary, document)
}

// addPrincipal makes a principal known whose own policies allow everything, once.
func (s *resources) addPrincipal(arn, boundary string) error {
	s.principalsMu.Lock()
	defer s.principalsMu.Unlock()
	if s.principals[arn] {
		return nil
	}
	if boundary != "" {
		full := ""
		for name := range s.managed {
			if strings.HasSuffix(name, boundary) {
				full = name
			}
		}
		if full == "" {
			return fmt.Errorf("the name of no managed policy ends in %q", boundary)
		}
		if err := s.bind(arn, full); err != nil {
			return err
		}
	}
	everything := map[string]any{"Sid": "Everything", "Effect": "Allow", "Action": "*", "Resource": "*"}
	if err := s.policies.AddRolePolicy(arn, "its own policies", map[string]any{"Statement": everything}); err != nil {
		return err
	}
	s.principals[arn] = true
	return nil
}

// createManagedPolicy makes a policy of roles, which can also be a role's boundary.
func (s *resources) createManagedPolicy(_ context.Context, r *resource) (created, error) {
	arn := "arn:aws:iam::" + r.account + ":policy" + cmp.Or(r.Str("Path"), "/") + r.physicalName("ManagedPolicyName")
	s.managed[arn] = r.Properties["PolicyDocument"]
	return created{arn, map[string]string{"PolicyArn": arn}}, s.addToRoles(arn, r)
}

func (s *resources) createPolicy(_ context.Context, r *resource) (created, error) {
	name := r.Str("PolicyName")
	return created{ref: name}, s.addToRoles(name, r)
}

// addToRoles gives a policy to the roles that it names.
func (s *resources) addToRoles(name string, r *resource) error {
	if r.Properties["Users"] != nil || r.Properties["Groups"] != nil {
		return errors.New("only policies of roles are evaluated here")
	}
	for _, role := range r.Strings("Roles") {
		arn, ok := s.roles[role]
		if !ok {
			return fmt.Errorf("role %s is not one of this app's", role)
		}
		if err := s.policies.AddRolePolicy(arn, name, r.Properties["PolicyDocument"]); err != nil {
			return err
		}
	}
	return nil
}
