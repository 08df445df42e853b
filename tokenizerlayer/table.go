package tokenizerlayer

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/constructs-go/constructs/v10"
)

// expiryAttribute is the attribute with the time after which DynamoDB removes a row.
const expiryAttribute = "ExpiresAt"

// tableProps describes a table of a vault.
type tableProps struct {
	name                  string
	partitionKey, sortKey string // attribute names of type S; sortKey "" means none
	expiryAttribute       string // "" means that rows stay
	storageKey            awskms.IKey
	destroyable           bool
}

// newTable makes a table that is encrypted with a customer key, paid per request, recoverable to any second of the last
// 35 days, and protected from deletion unless destroyable. DynamoDB removes rows whose expiry has passed, within about
// two days.
//
// Table, not TableV2: with a customer key the latter wants a concrete region, and these stacks must synthesize without.
func newTable(scope constructs.Construct, id string, props tableProps) awsdynamodb.Table {
	var sortKey *awsdynamodb.Attribute
	if props.sortKey != "" {
		sortKey = stringAttribute(props.sortKey)
	}
	return awsdynamodb.NewTable(scope, &id, &awsdynamodb.TableProps{
		TableName:    &props.name,
		PartitionKey: stringAttribute(props.partitionKey),
		SortKey:      sortKey,
		// Only purges: what must not be forged, such as an expiry that is enforced, is inside the envelope.
		TimeToLiveAttribute: orNil(props.expiryAttribute),
		BillingMode:         awsdynamodb.BillingMode_PAY_PER_REQUEST,
		Encryption:          awsdynamodb.TableEncryption_CUSTOMER_MANAGED,
		EncryptionKey:       props.storageKey,
		PointInTimeRecoverySpecification: &awsdynamodb.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: new(
			true)},
		DeletionProtection: new(!props.destroyable),
		RemovalPolicy:      removalPolicy(props.destroyable),
	})
}

// removalPolicy is the policy for something that holds data or that others still use after its stack is gone.
func removalPolicy(destroyable bool) awscdk.RemovalPolicy {
	if destroyable {
		return awscdk.RemovalPolicy_DESTROY
	}
	return awscdk.RemovalPolicy_RETAIN
}

func stringAttribute(name string) *awsdynamodb.Attribute {
	return &awsdynamodb.Attribute{Name: &name, Type: awsdynamodb.AttributeType_STRING}
}
