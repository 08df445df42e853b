package vault

import (
	"errors"
	"slices"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/awsjson"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/dynamoapi"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/form"
)

// isErrorCode tells whether a text looks like the name of an AWS exception. Names are safe to tell, texts are not.
func isErrorCode(s string) bool { return form.Consists(s, form.Letters+".", 1, 80) }

// upstream turns an error of KMS or DynamoDB into one of ours. The operation and the name of the exception stay; its
// text, which quotes ARNs and sometimes values, goes.
func upstream(operation string, err error) error {
	code := awsjson.Code(err)
	if !isErrorCode(code) {
		return failure.New(failure.Unavailable, "", "%s got no answer", operation)
	}
	if code == "AccessDeniedException" {
		return failure.New(failure.Denied, "", "the function's role may not %s here", operation)
	}
	return failure.New(failure.Unavailable, "", "%s failed with %s", operation, code)
}

// isRefused reports that the condition of a single write did not hold.
func isRefused(err error) bool { return awsjson.Code(err) == dynamoapi.ConditionalCheckFailedException }

// isCancelled reports that a transaction was cancelled because a condition did not hold.
func isCancelled(err error) bool { return hasReason(err, dynamoapi.ConditionalCheckFailed) }

// isConflict reports that a transaction was cancelled for another on the same rows, or for a passing lack of capacity.
func isConflict(err error) bool {
	return hasReason(err, "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded")
}

// reasons are why a transaction was cancelled, by the position of its items; nil if it was not.
func reasons(err error) (codes []string) {
	e, ok := errors.AsType[*awsjson.Error](err)
	if !ok || e.Code != dynamoapi.TransactionCanceledException {
		return nil
	}
	return e.Reasons
}

func hasReason(err error, codes ...string) bool {
	return slices.ContainsFunc(reasons(err), func(code string) bool { return slices.Contains(codes, code) })
}

// failedAt reports that the condition of a transaction's i-th item did not hold.
func failedAt(err error, i int) bool {
	codes := reasons(err)
	return i < len(codes) && codes[i] == dynamoapi.ConditionalCheckFailed
}

// integrity is the error about something stored that was altered, or does not belong where it is.
func integrity(format string, args ...any) *failure.Error {
	return failure.New(failure.Integrity, "", format, args...)
}
