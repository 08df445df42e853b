package stacks

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
)

type tableProps struct {
	// Name is the table's physical name.
	Name string
	// PartitionKey is the name of an attribute of type S.
	PartitionKey string
	// StorageKey encrypts the table at rest.
	StorageKey  awskms.IKey
	Destroyable bool
}

// newTable makes a table of the application, with the same protection as the vault's.
func newTable(stack awscdk.Stack, id string, props tableProps) awsdynamodb.Table {
	table := awsdynamodb.NewTable(stack, &id, &awsdynamodb.TableProps{
		TableName: &props.Name,
		PartitionKey: &awsdynamodb.Attribute{
			Name: &props.PartitionKey, Type: awsdynamodb.AttributeType_STRING,
		},
		BillingMode:   awsdynamodb.BillingMode_PAY_PER_REQUEST,
		Encryption:    awsdynamodb.TableEncryption_CUSTOMER_MANAGED,
		EncryptionKey: props.StorageKey,
		PointInTimeRecoverySpecification: &awsdynamodb.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: new(
			true)},
		DeletionProtection: new(!props.Destroyable),
		RemovalPolicy:      removalPolicy(props.Destroyable),
	})
	acceptTable(table)
	return table
}

// grantTable grants exact actions on a table, and the use of the key that it is encrypted with: DynamoDB reads and
// writes such a table with its caller's right to the key
// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html).
func grantTable(grantee awsiam.IGrantable, storageKey awskms.IKey, table awsdynamodb.Table, actions ...string) {
	grantItems(grantee, storageKey, table, actions...)
	// It has no encryption context, hence a statement of its own.
	grantKey(grantee, storageKey, "kms:DescribeKey", map[string]any{"kms:ViaService": viaDynamoDB(table)})
}

// grantItems is grantTable for a role that may have DynamoDB describe the key already, as one that reads a vault may.
func grantItems(grantee awsiam.IGrantable, storageKey awskms.IKey, table awsdynamodb.Table, actions ...string) {
	// Grant, unlike GrantReadData and GrantWriteData, gives what it is told, and no right to the key.
	table.Grant(grantee, *pointers(actions)...)
	// For this table only.
	grantKey(grantee, storageKey, "kms:Decrypt", map[string]any{
		"kms:ViaService": viaDynamoDB(table), "kms:EncryptionContext:aws:dynamodb:tableName": table.TableName(),
	})
}

func grantKey(grantee awsiam.IGrantable, key awskms.IKey, action string, equal map[string]any) {
	awsiam.Grant_AddToPrincipal(&awsiam.GrantOnPrincipalOptions{
		Grantee: grantee, Actions: &[]*string{&action}, ResourceArns: &[]*string{key.KeyArn()},
		Conditions: &map[string]*map[string]any{"StringEquals": &equal},
	})
}

func viaDynamoDB(table awsdynamodb.Table) string {
	return "dynamodb." + *table.Env().Region + ".amazonaws.com"
}

// removalPolicy is the policy for something that holds data.
func removalPolicy(destroyable bool) awscdk.RemovalPolicy {
	if destroyable {
		return awscdk.RemovalPolicy_DESTROY
	}
	return awscdk.RemovalPolicy_RETAIN
}
