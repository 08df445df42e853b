// Package endpoint knows where the AWS services of a local run are, and says what is wrong with one that does not work.
//
//	set, err := endpoint.FromEnvironment(os.Getenv) // services that run elsewhere
//	err = set.Check(ctx)
//	client := kms.NewFromConfig(set[endpoint.KMS].Config("us-east-1"))
//
// An endpoint can fail in three ways: nothing answers, something else answers, or what answers lacks the operation. For
// each, calls fail with an [Error] that says so and what to do, where the SDK alone would say "EOF". Errors that the
// service's own API defines pass unchanged.
package endpoint

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// The services that the system uses, by the names with which requests to them are signed.
const (
	KMS      = "kms"
	DynamoDB = "dynamodb"
	Cognito  = "cognito-idp"
)

// variables are the SDK's own settings for where a service is.
var variables = map[string]string{
	KMS:      "AWS_ENDPOINT_URL_KMS",
	DynamoDB: "AWS_ENDPOINT_URL_DYNAMODB",
	Cognito:  "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER",
}

// Config is an SDK configuration for calls to the service itself. No policy restricts them.
func (e Endpoint) Config(region string) aws.Config {
	return Config(e.URL, region, credentials.NewStaticCredentialsProvider("local", "local", ""), e.Transport(nil))
}

// Config is an SDK configuration that takes nothing from this machine: no profile, no credentials and no proxy.
func Config(at *url.URL, region string, credentials aws.CredentialsProvider, transport http.RoundTripper) aws.Config {
	return aws.Config{
		Region:           region,
		BaseEndpoint:     new(at.String()),
		Credentials:      credentials,
		HTTPClient:       &http.Client{Timeout: 10 * time.Second, Transport: transport},
		RetryMaxAttempts: 2,
	}
}

// Set holds endpoints by the signing names of their services.
type Set map[string]Endpoint

// FromEnvironment reads the SDK's endpoint settings: those of single services, and AWS_ENDPOINT_URL for the others. The
// error names every setting that is wrong.
func FromEnvironment(getenv func(string) string) (Set, error) {
	set := Set{}
	var errs []error
	for _, service := range slices.Sorted(maps.Keys(variables)) {
		setting := variables[service]
		if getenv(setting) == "" {
			setting = "AWS_ENDPOINT_URL"
		}
		if getenv(setting) == "" {
			continue
		}
		u, err := url.Parse(getenv(setting))
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			errs = append(errs, fmt.Errorf("%s is not a URL such as http://127.0.0.1:5000: correct or unset it",
				setting))
		}
		set[service] = Endpoint{service, u, setting}
	}
	return set, errors.Join(errs...)
}

// String lists which service is where. It leaves out passwords.
func (s Set) String() string {
	var parts []string
	for _, service := range slices.Sorted(maps.Keys(s)) {
		parts = append(parts, service+" at "+s[service].URL.Redacted())
	}
	return strings.Join(parts, ", ")
}

// Check finds out whether each endpoint speaks its service's API, before time is spent on anything else. It returns the
// first error. An endpoint that lacks only the operation that Check calls passes, because nothing else needs that
// operation.
func (s Set) Check(ctx context.Context) error {
	for _, service := range slices.Sorted(maps.Keys(s)) {
		config := s[service].Config("us-east-1")
		config.RetryMaxAttempts = 1
		err := probes[service](ctx, config)
		if e, ok := errors.AsType[*Error](err); err != nil && !(ok && e.Missing) {
			return Explain(err)
		}
	}
	return nil
}

// probes are calls that need no resources and change nothing.
var probes = map[string]func(context.Context, aws.Config) error{
	KMS: func(ctx context.Context, c aws.Config) error {
		_, err := kms.NewFromConfig(c).ListKeys(ctx, &kms.ListKeysInput{})
		return err
	},
	DynamoDB: func(ctx context.Context, c aws.Config) error {
		_, err := dynamodb.NewFromConfig(c).ListTables(ctx, &dynamodb.ListTablesInput{})
		return err
	},
	Cognito: func(ctx context.Context, c aws.Config) error {
		_, err := cognitoidentityprovider.NewFromConfig(c).ListUserPools(ctx,
			&cognitoidentityprovider.ListUserPoolsInput{MaxResults: new(int32(1))})
		return err
	},
}
