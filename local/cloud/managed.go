package cloud

import (
	"fmt"
	"strings"
)

// awsManaged are what AWS's managed policies allow, as far as functions use them: lists of actions on all resources.
// https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html
var awsManaged = map[string][]string{
	"service-role/AWSLambdaBasicExecutionRole": logActions,
	"service-role/AWSLambdaVPCAccessExecutionRole": append([]string{
		"ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets",
		"ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses",
	}, logActions...),
	"service-role/AWSLambdaDynamoDBExecutionRole": append([]string{
		"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams",
	}, logActions...),
	"service-role/AWSLambdaSQSQueueExecutionRole": append([]string{
		"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes",
	}, logActions...),
	"AWSXRayDaemonWriteAccess": traceActions,
	"AWSXrayWriteOnlyAccess":   traceActions,
	"CloudWatchLambdaInsightsExecutionRolePolicy": {
		"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents",
	},
}

var (
	logActions   = []string{"logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"}
	traceActions = []string{
		"xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets",
		"xray:GetSamplingStatisticSummaries",
	}
)

// attach gives a role managed policies: AWS's, or the app's own.
func (s *resources) attach(role string, policies []string) error {
	for _, arn := range policies {
		document, ok := s.managed[arn]
		if !ok {
			actions, known := awsManaged[strings.TrimPrefix(arn, "arn:aws:iam::aws:policy/")]
			if !known {
				return fmt.Errorf("ManagedPolicyArns: the local run does not know what %s allows: give the role exact "+
					"permissions of its own", arn)
			}
			document = allowing(actions)
		}
		if err := s.policies.AddRolePolicy(role, arn, document); err != nil {
			return err
		}
	}
	return nil
}

// allowing is the document of a policy that allows actions on all resources.
func allowing(actions []string) any {
	list := make([]any, len(actions))
	for i, action := range actions {
		list[i] = action
	}
	return map[string]any{"Statement": []any{
		map[string]any{"Effect": "Allow", "Action": list, "Resource": "*"},
	}}
}
