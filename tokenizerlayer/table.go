package tokenizerlayer

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/constructs-go/constructs/v10"
)

// TableProps describes a table made by [NewTable].
type TableProps struct {
	// Name is the table's physical name. It takes part in encryption contexts, so renaming a vault's table makes its
	// rows unreadable.
	Name string
	// PartitionKey and SortKey are attribute names of type S; SortKey "" means none.
	PartitionKey, SortKey string
	// ExpiryAttribute is the attribute with the time (seconds since 1970) after which DynamoDB removes a row, within
	// about two days; "" means that rows stay.
	ExpiryAttribute string
	// StorageKey encrypts the table at rest.
	StorageKey awskms.IKey
	// Destroyable lets the table go with its stack. The zero value keeps it: deletion protection, and retained.
	Destroyable bool
}

// NewTable makes a table with the options that a vault and its neighbours share: encrypted with a customer key, paid
// per request, recoverable to any second of the last 35 days, and protected from deletion unless Destroyable.
//
// Table, not TableV2: with a customer key the latter wants a concrete region, and these stacks must synthesize without.
func NewTable(scope constructs.Construct, id string, props *TableProps) awsdynamodb.Table {
	var sortKey *awsdynamodb.Attribute
	if props.SortKey != "" {
		sortKey = stringAttribute(props.SortKey)
	}
	return awsdynamodb.NewTable(scope, &id, &awsdynamodb.TableProps{
		TableName:                        &props.Name,
		PartitionKey:                     stringAttribute(props.PartitionKey),
		SortKey:                          sortKey,
		TimeToLiveAttribute:              orNil(props.ExpiryAttribute),
		BillingMode:                      awsdynamodb.BillingMode_PAY_PER_REQUEST,
		Encryption:                       awsdynamodb.TableEncryption_CUSTOMER_MANAGED,
		EncryptionKey:                    props.StorageKey,
		PointInTimeRecoverySpecification: &awsdynamodb.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: new(true)},
		DeletionProtection:               new(!props.Destroyable),
		RemovalPolicy:                    RemovalPolicy(props.Destroyable),
	})
}

// RemovalPolicy is the policy for something that holds data or that others still use after its stack is gone.
func RemovalPolicy(destroyable bool) awscdk.RemovalPolicy {
	if destroyable {
		return awscdk.RemovalPolicy_DESTROY
	}
	return awscdk.RemovalPolicy_RETAIN
}

func orNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func stringAttribute(name string) *awsdynamodb.Attribute {
	return &awsdynamodb.Attribute{Name: &name, Type: awsdynamodb.AttributeType_STRING}
}
