package orders

import (
	"context"
	"errors"
	"regexp"

	"github.com/aws/smithy-go"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

// fromUpstream is the error of an operation that failed with err, of which the log gets the name.
func fromUpstream(operation string, err error) *Error {
	return &Error{Kind: ErrUnavailable, Cause: operation + ": " + errorName(err)}
}

// fromTokenizer translates an error of the tokenizer layer.
func fromTokenizer(operation string, err error) *Error {
	kind := ErrUnavailable
	switch {
	case errors.Is(err, client.ErrExpired):
		kind = ErrCardExpired
	case errors.Is(err, client.ErrNotFound), errors.Is(err, client.ErrRevoked), errors.Is(err, client.ErrUsedUp):
		kind = ErrVaultMissing // an order's token has no limit of uses, and is revoked after the payment only
	case errors.Is(err, client.ErrBindingMismatch):
		kind = ErrForeignCard
	case errors.Is(err, client.ErrIntegrity):
		kind = ErrVaultDamaged
	case errors.Is(err, client.ErrInvalid):
		kind = ErrInternal // the request that was sent had been validated here
	}
	return &Error{Kind: kind, Cause: operation + ": " + errorName(err)}
}

// safeName is what the code of an AWS error may look like to be logged: it comes from the answer of a server.
var safeName = regexp.MustCompile(`^[A-Za-z]{1,64}$`)

// errorName names err without its text, which may repeat a request: an AWS error code, a kind of this package's or the
// layer's errors, or what became of the connection.
func errorName(err error) string {
	if aws, ok := errors.AsType[smithy.APIError](err); ok && safeName.MatchString(aws.ErrorCode()) {
		return aws.ErrorCode()
	}
	if layer, ok := errors.AsType[*client.Error](err); ok {
		return layer.Unwrap().Error()
	}
	if own, ok := errors.AsType[*Error](err); ok {
		return own.Kind.Title
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return "out of time"
	}
	return "no usable answer"
}
