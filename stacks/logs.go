package stacks

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
)

// logGroups makes log groups that are alike: encrypted with StorageKey, with what looks like a card number masked, and
// kept as long as is required or, if they may be deleted with their stack, for a week.
type logGroups struct {
	stack       awscdk.Stack
	key         awskms.IKey
	destroyable bool
}

// make makes a log group, by CloudFormation's own name for it unless name is given. StorageKey's policy must know the
// name, or how it starts.
func (l logGroups) make(id, name string) awslogs.LogGroup {
	retention := awslogs.RetentionDays_ONE_YEAR // PCI DSS 4.0.1, requirement 10.5.1: twelve months
	if l.destroyable {
		retention = awslogs.RetentionDays_ONE_WEEK
	}
	return awslogs.NewLogGroup(l.stack, &id, &awslogs.LogGroupProps{
		LogGroupName:  orNil(name),
		EncryptionKey: l.key,
		Retention:     retention,
		RemovalPolicy: removalPolicy(l.destroyable),
		// Nothing writes a card number into a log; this is a net below that.
		DataProtectionPolicy: awslogs.NewDataProtectionPolicy(&awslogs.DataProtectionPolicyProps{
			Name:        new("card-numbers"),
			Description: new("Masks card numbers, and counts them in the metric LogEventsWithFindings"),
			Identifiers: &[]awslogs.DataIdentifier{
				awslogs.DataIdentifier_CREDITCARDNUMBER(),
				awslogs.NewCustomDataIdentifier(new("CardLikeDigits"), new(cardLikeDigits)),
			},
		}),
	})
}

// cardLikeDigits are those that AWS's own identifier overlooks: it checks Luhn's digit, but wants a word such as "card"
// within 30 characters. 13 digits are left to it, for they are a time in milliseconds too
// (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/protect-sensitive-log-data-types-financial.html).
const cardLikeDigits = `[0-9]{14,19}|[0-9]{4}[ -][0-9]{4}[ -][0-9]{4}[ -][0-9]{4}|[0-9]{4}[ -][0-9]{6}[ -][0-9]{5}`
