package vault

import (
	"errors"
	"regexp"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
)

// errorCode is what the name of an AWS exception looks like. Names are safe to tell, texts are not.
var errorCode = regexp.MustCompile(`^[A-Za-z.]{1,80}$`)

// upstream turns an error of KMS or DynamoDB into one of ours. The operation and the name of the exception stay; its text, which
// quotes ARNs and sometimes values, goes.
func upstream(operation string, err error) error {
	var ae smithy.APIError
	if !errors.As(err, &ae) || !errorCode.MatchString(ae.ErrorCode()) {
		return failure.New(failure.Unavailable, "", "%s got no answer", operation)
	}
	if ae.ErrorCode() == "AccessDeniedException" {
		return failure.New(failure.Denied, "", "the function's role may not %s here", operation)
	}
	return failure.New(failure.Unavailable, "", "%s failed with %s", operation, ae.ErrorCode())
}

// isRefused reports that the condition of a single write did not hold.
func isRefused(err error) bool {
	_, ok := errors.AsType[*types.ConditionalCheckFailedException](err)
	return ok
}

// isCancelled reports that a transaction was cancelled because a condition did not hold.
func isCancelled(err error) bool { return hasReason(err, conditionFailed) }

// isConflict reports that a transaction was cancelled for another on the same rows, or for a passing lack of capacity.
func isConflict(err error) bool {
	return hasReason(err, "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded")
}

const conditionFailed = "ConditionalCheckFailed"

// reasons are why a transaction was cancelled, by the position of its items; nil if it was not.
func reasons(err error) (codes []string) {
	cancelled, ok := errors.AsType[*types.TransactionCanceledException](err)
	if !ok {
		return nil
	}
	for _, reason := range cancelled.CancellationReasons {
		code := ""
		if reason.Code != nil {
			code = *reason.Code
		}
		codes = append(codes, code)
	}
	return codes
}

func hasReason(err error, codes ...string) bool {
	return slices.ContainsFunc(reasons(err), func(code string) bool { return slices.Contains(codes, code) })
}

// failedAt reports that the condition of a transaction's i-th item did not hold.
func failedAt(err error, i int) bool {
	codes := reasons(err)
	return i < len(codes) && codes[i] == conditionFailed
}

// integrity is the error about something stored that was altered, or does not belong where it is.
func integrity(format string, args ...any) *failure.Error {
	return failure.New(failure.Integrity, "", format, args...)
}
