package awsjson

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/wirejson"
)

// Error is a service's answer that something failed. Of the answer it has only what is safe to be told: names, never a
// text.
type Error struct {
	// Code is the exception's name, such as AccessDeniedException; "" for an answer that names none, because it is not
	// of the service.
	Code   string
	Status int // of HTTP
	// Reasons are why DynamoDB cancelled a transaction: codes by the position of its items, "None" for an item that was
	// not the reason.
	Reasons []string
}

func (e *Error) Error() string {
	if e.Code == "" {
		return "the answer has the status " + strconv.Itoa(e.Status)
	}
	return e.Code
}

// ErrorCode is the exception's name, for the SDK's decision about a retry.
func (e *Error) ErrorCode() string { return e.Code }

// HTTPStatusCode is the status, for the SDK's decision about a retry.
func (e *Error) HTTPStatusCode() int { return e.Status }

// Code is the name of the exception that err is about; "" if no answer has come that names one.
func Code(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}

// errAnswer is the error about an answer that cannot be read: it is cut off or too large, is no JSON, or has another
// checksum.
var errAnswer = errors.New("the answer cannot be read")

// sendError is the error about a request that got no answer. Its text leaves out the cause's, which names addresses.
type sendError struct{ cause error }

func (e *sendError) Error() string { return "no answer" }
func (e *sendError) Unwrap() error { return e.cause }

// ConnectionError has the SDK retry, unless the service's name does not exist.
func (e *sendError) ConnectionError() bool { return true }

// readError is the error about an answer whose body ended early. The SDK decides by the cause whether to retry.
type readError struct{ cause error }

func (e *readError) Error() string { return errAnswer.Error() }
func (e *readError) Unwrap() error { return e.cause }

// skewError is the error about a signature that was refused although only the clock is wrong. The SDK retries it.
type skewError struct{ refused *Error }

func (e *skewError) Error() string        { return e.refused.Error() }
func (e *skewError) Unwrap() error        { return e.refused }
func (e *skewError) RetryableError() bool { return true }

// decodeError reads the answer about a failure, as tolerantly as the SDK does.
func decodeError(status int, header http.Header, body []byte) *Error {
	e := &Error{Status: status}
	var kind, code string
	err := wirejson.Decode(body, func(d *wirejson.Decoder) error {
		return d.Object(func(name []byte) (err error) {
			switch {
			case strings.EqualFold(string(name), "__type") && d.IsString():
				kind, err = d.String()
			case strings.EqualFold(string(name), "code") && d.IsString():
				code, err = d.String()
			case string(name) == "CancellationReasons":
				e.Reasons, err = readReasons(d)
			default:
				err = d.Skip()
			}
			return err
		})
	})
	if err != nil && len(body) > 0 {
		e.Reasons = nil
		return e
	}
	e.Code = "UnknownError"
	for _, named := range []string{header.Get("X-Amzn-ErrorType"), kind, code} {
		if named != "" {
			e.Code = exception(named)
			break
		}
	}
	return e
}

func readReasons(d *wirejson.Decoder) (codes []string, err error) {
	err = d.Array(func() error {
		code := ""
		err := d.Object(func(name []byte) (err error) {
			if string(name) != "Code" {
				return d.Skip()
			}
			code, err = d.String()
			return err
		})
		codes = append(codes, exception(code))
		return err
	})
	return codes, err
}

// exception is the name in com.amazonaws.dynamodb.v20120810#NAME, NAME:http://..., or both; "" for what is no name.
func exception(named string) string {
	named, _, _ = strings.Cut(named, ":")
	if _, after, found := strings.Cut(named, "#"); found {
		named = after
	}
	letter := func(r rune) bool { return 'a' <= r|0x20 && r|0x20 <= 'z' || '0' <= r && r <= '9' || r == '.' }
	if len(named) > 80 || strings.ContainsFunc(named, func(r rune) bool { return !letter(r) }) {
		return ""
	}
	return named
}
