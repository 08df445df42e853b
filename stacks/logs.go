package stacks

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
)

// logGroups makes log groups that are alike: encrypted with StorageKey, and kept as long as is required or, if they may go with
// their stack, for a week.
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
	})
}
