package stacks

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer"
)

// logGroups makes log groups that are alike: encrypted with StorageKey, and kept for as long as the stage wants.
type logGroups struct {
	stack  awscdk.Stack
	config Config
	key    awskms.IKey
}

// make makes a log group, by CloudFormation's own name for it unless name is given. StorageKey's policy must know the
// name, or how it starts.
func (l logGroups) make(id, name string) awslogs.LogGroup {
	retention := awslogs.RetentionDays_ONE_YEAR // PCI DSS 4.0.1, requirement 10.5.1: twelve months
	if l.config.destroyable() {
		retention = awslogs.RetentionDays_ONE_WEEK
	}
	return awslogs.NewLogGroup(l.stack, &id, &awslogs.LogGroupProps{
		LogGroupName:  orNil(name),
		EncryptionKey: l.key,
		Retention:     retention,
		RemovalPolicy: tokenizerlayer.RemovalPolicy(l.config.destroyable()),
	})
}
