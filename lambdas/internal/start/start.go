// Package start has the code that the functions' mains share: settings, the DynamoDB client, the log, and the call of
// Lambda's runtime.
//
//	func main() { start.Main(run) }
//
//	func run(ctx context.Context) error {
//		settings, err := start.Settings("ORDER_TABLE")
//		...
//		start.Serve(ctx, gateway.Handle)
//		return nil
//	}
package start

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// Bounds of a call to DynamoDB. Together they stay well below the functions' timeouts, so that a store in trouble is
// answered as such and not as a timeout.
const (
	attempts       = 3
	attemptTimeout = 2 * time.Second
	maxBackoff     = 300 * time.Millisecond
)

// Main runs run and exits with 1 if it fails, which Lambda takes for a failed initialization.
func Main(run func(context.Context) error) {
	if err := run(context.Background()); err != nil {
		Logger(os.Stdout).Error("initialization failed", "error", err.Error())
		os.Exit(1)
	}
}

// Serve handles invocations and does not return.
func Serve(ctx context.Context, handler any) {
	lambda.StartWithOptions(handler, lambda.WithContext(ctx))
}

// Logger writes JSON lines to w, with times in UTC.
func Logger(w io.Writer) *slog.Logger {
	inUTC := func(_ []string, a slog.Attr) slog.Attr {
		if a.Value.Kind() == slog.KindTime {
			a.Value = slog.TimeValue(a.Value.Time().UTC())
		}
		return a
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{ReplaceAttr: inUTC}))
}

// Settings returns environment variables that must be set. The error names every one that is not.
func Settings(names ...string) (map[string]string, error) {
	settings := make(map[string]string, len(names))
	var missing []string
	for _, name := range names {
		if settings[name] = os.Getenv(name); settings[name] == "" {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("not set: %s; the function's stack sets them", strings.Join(missing, ", "))
	}
	return settings, nil
}

// Days returns an environment variable that is a number of days; 0 if it is not set.
func Days(name string) (time.Duration, error) {
	value := os.Getenv(name)
	if value == "" {
		return 0, nil
	}
	days, err := strconv.Atoi(value)
	if err != nil || days < 1 || days > 3650 {
		return 0, fmt.Errorf("%s is not a number of days from 1 to 3650; the function's stack sets it", name)
	}
	return time.Duration(days) * 24 * time.Hour, nil
}

// Choice returns an environment variable that is true or false; false if it is not set.
func Choice(name string) (bool, error) {
	switch os.Getenv(name) {
	case "true":
		return true, nil
	case "", "false":
		return false, nil
	}
	return false, fmt.Errorf("%s is neither true nor false; the function's stack sets it", name)
}

// Origins are the web origins of ALLOWED_ORIGINS, separated by commas. It need not be set.
func Origins() []string {
	return strings.FieldsFunc(os.Getenv("ALLOWED_ORIGINS"), func(r rune) bool { return r == ',' })
}

// DynamoDB returns a client for the function's region and role. AWS_ENDPOINT_URL and AWS_ENDPOINT_URL_DYNAMODB are
// honoured. https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
//
// The host is that of the region, whatever the environment says: the account's own
// (<account>.ddb.<region>.amazonaws.com), which the SDK prefers when it knows the account, does not resolve in the
// functions' network.
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-account-endpoints.html
func DynamoDB(ctx context.Context) (*dynamodb.Client, error) {
	c, err := config.LoadDefaultConfig(ctx,
		config.WithAccountIDEndpointMode(aws.AccountIDEndpointModeDisabled),
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTimeout(attemptTimeout)))
	if err != nil {
		return nil, errors.New("the AWS settings in the environment cannot be read; check the AWS_ variables")
	}
	if c.Region == "" {
		return nil, errors.New("AWS_REGION is not set; Lambda sets it for every function")
	}
	return dynamodb.NewFromConfig(c, func(o *dynamodb.Options) {
		o.Retryer = retry.NewStandard(func(r *retry.StandardOptions) {
			r.MaxAttempts, r.MaxBackoff = attempts, maxBackoff
		})
	}), nil
}
