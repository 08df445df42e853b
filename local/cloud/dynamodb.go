package cloud

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/authorizer"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/policy"
)

// tables creates DynamoDB tables.
type tables struct {
	client     *dynamodb.Client
	policies   *policy.Account
	authorizer *authorizer.Authorizer

	names []string
}

func (t *tables) createTable(ctx context.Context, r *resource) (created, error) {
	name := r.physicalName("TableName")
	in := &dynamodb.CreateTableInput{TableName: &name, BillingMode: types.BillingModePayPerRequest}
	for _, a := range r.list("AttributeDefinitions") {
		in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{
			AttributeName: a.optional("AttributeName"), AttributeType: types.ScalarAttributeType(a.str("AttributeType")),
		})
	}
	for _, k := range r.list("KeySchema") {
		in.KeySchema = append(in.KeySchema, types.KeySchemaElement{
			AttributeName: k.optional("AttributeName"), KeyType: types.KeyType(k.str("KeyType")),
		})
	}
	if _, err := t.client.CreateTable(ctx, in); err != nil {
		return created{}, err
	}
	t.names = append(t.names, name)
	arn := r.arn("dynamodb", "table/"+name)
	t.authorizer.AddTable(name, authorizer.Table{
		PartitionKey: partitionKey(in.KeySchema), StorageKeyARN: r.object("SSESpecification").str("KMSMasterKeyId"),
	})
	if document := r.object("ResourcePolicy")["PolicyDocument"]; document != nil {
		if err := t.policies.AddResourcePolicy(arn, "the policy of table "+name, document); err != nil {
			return created{}, err
		}
	}
	return created{name, map[string]string{"Arn": arn}}, nil
}

func partitionKey(schema []types.KeySchemaElement) string {
	for _, k := range schema {
		if k.KeyType == types.KeyTypeHash && k.AttributeName != nil {
			return *k.AttributeName
		}
	}
	return ""
}
