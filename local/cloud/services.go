package cloud

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/awsproxy"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/endpoint"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/cognitoserver"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/dynamoserver"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/kmsserver"
)

// Signing names of the services that the system uses.
const (
	serviceKMS      = "kms"
	serviceDynamoDB = "dynamodb"
	serviceCognito  = "cognito-idp"
)

// endpointVariables are the SDK's own settings for another implementation of a service.
var endpointVariables = map[string]string{
	serviceKMS:      "AWS_ENDPOINT_URL_KMS",
	serviceDynamoDB: "AWS_ENDPOINT_URL_DYNAMODB",
	serviceCognito:  "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER",
}

// External says where services are that are not served in process, by signing name.
type External map[string]Endpoint

// Endpoint is another implementation of a service.
type Endpoint struct {
	URL     *url.URL
	Setting string // the variable that names it
}

// ExternalEndpoints reads the SDK's endpoint settings. An error names every setting that is wrong.
func ExternalEndpoints(getenv func(string) string) (External, error) {
	external := External{}
	var errs []error
	for _, service := range slices.Sorted(maps.Keys(endpointVariables)) {
		setting := endpointVariables[service]
		if getenv(setting) == "" {
			setting = "AWS_ENDPOINT_URL"
		}
		if getenv(setting) == "" {
			continue
		}
		u, err := url.Parse(getenv(setting))
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			errs = append(errs, fmt.Errorf("%s is not a URL such as http://127.0.0.1:5000: mend or unset it", setting))
		}
		external[service] = Endpoint{u, setting}
	}
	return external, errors.Join(errs...)
}

// String lists what is where.
func (x External) String() string {
	var parts []string
	for _, service := range slices.Sorted(maps.Keys(x)) {
		parts = append(parts, service+" at "+x[service].URL.Redacted())
	}
	return strings.Join(parts, ", ")
}

// Check finds out whether the endpoints speak their services' APIs, before time is spent on anything else. It ends at the first
// that does not. One that lacks the operation that is tried is not refused for it: nothing else here needs it.
func (x External) Check(ctx context.Context) error {
	for _, service := range slices.Sorted(maps.Keys(x)) {
		config := administrator(service, x[service], "us-east-1")
		config.RetryMaxAttempts = 1
		err := probes[service](ctx, config)
		if e, ok := errors.AsType[*endpoint.Error](err); err != nil && !(ok && e.Missing) {
			return endpoint.Explain(err)
		}
	}
	return nil
}

// probes are calls that need nothing and change nothing.
var probes = map[string]func(context.Context, aws.Config) error{
	serviceKMS: func(ctx context.Context, c aws.Config) error {
		_, err := kms.NewFromConfig(c).ListKeys(ctx, &kms.ListKeysInput{})
		return err
	},
	serviceDynamoDB: func(ctx context.Context, c aws.Config) error {
		_, err := dynamodb.NewFromConfig(c).ListTables(ctx, &dynamodb.ListTablesInput{})
		return err
	},
	serviceCognito: func(ctx context.Context, c aws.Config) error {
		_, err := cognitoidentityprovider.NewFromConfig(c).ListUserPools(ctx, &cognitoidentityprovider.ListUserPoolsInput{MaxResults: new(int32(1))})
		return err
	},
}

// services are KMS, DynamoDB and Cognito, served in process or elsewhere.
type services struct {
	endpoints External // all of them; those in process have no Setting
	servers   servers
	mail      mailbox
}

// startServices serves in process what is not external.
func startServices(o Options) (*services, error) {
	s := &services{endpoints: maps.Clone(o.External)}
	if s.endpoints == nil {
		s.endpoints = External{}
	}
	inProcess := map[string]http.Handler{
		serviceKMS:      kmsserver.New(kmsserver.Config{AccountID: o.Account, Region: o.Region}),
		serviceDynamoDB: dynamoserver.New(dynamoserver.Config{AccountID: o.Account, Region: o.Region}),
		serviceCognito:  cognitoserver.New(cognitoserver.Config{AccountID: o.Account, Region: o.Region, Mail: s.mail.deliverTo(o.Log)}),
	}
	for name, handler := range inProcess {
		if _, given := s.endpoints[name]; given {
			continue
		}
		u, err := s.servers.serve("127.0.0.1:0", handler)
		if err != nil {
			return nil, errors.Join(err, s.servers.close())
		}
		s.endpoints[name] = Endpoint{URL: u}
	}
	return s, nil
}

// sdkConfig is an SDK configuration that takes nothing from the machine: no profile, no credentials, no proxy.
func sdkConfig(endpoint *url.URL, region string, credentials aws.CredentialsProvider, transport http.RoundTripper) aws.Config {
	return aws.Config{
		Region:           region,
		BaseEndpoint:     new(endpoint.String()),
		Credentials:      credentials,
		HTTPClient:       &http.Client{Timeout: 10 * time.Second, Transport: transport},
		RetryMaxAttempts: 2,
	}
}

// administrator is the configuration for a service itself, past the proxy.
func administrator(service string, at Endpoint, region string) aws.Config {
	return sdkConfig(at.URL, region, credentials.NewStaticCredentialsProvider("local", "local", ""), &endpoint.Transport{
		Service: service, URL: at.URL, Setting: at.Setting, Base: awsproxy.NewTransport(),
	})
}

// Clients are SDK clients of the services, with an administrator's view.
type Clients struct {
	KMS      *kms.Client
	DynamoDB *dynamodb.Client
	Cognito  *cognitoidentityprovider.Client
}

func (s *services) clients(region string) Clients {
	return Clients{
		KMS:      kms.NewFromConfig(administrator(serviceKMS, s.endpoints[serviceKMS], region)),
		DynamoDB: dynamodb.NewFromConfig(administrator(serviceDynamoDB, s.endpoints[serviceDynamoDB], region)),
		Cognito:  cognitoidentityprovider.NewFromConfig(administrator(serviceCognito, s.endpoints[serviceCognito], region)),
	}
}

// servers are HTTP servers that end together.
type servers struct {
	mu      sync.Mutex
	running []*http.Server
	wg      sync.WaitGroup
}

// serve starts a server and returns its URL.
func (s *servers) serve(addr string, h http.Handler) (*url.URL, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	s.mu.Lock()
	s.running = append(s.running, srv)
	s.mu.Unlock()
	s.wg.Go(func() { _ = srv.Serve(ln) })
	return &url.URL{Scheme: "http", Host: ln.Addr().String()}, nil
}

func (s *servers) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, srv := range s.running {
		if srv.Shutdown(ctx) != nil {
			_ = srv.Close()
		}
	}
	s.wg.Wait()
	return nil
}

// mailbox keeps the last confirmation code mailed to each address.
type mailbox struct {
	mu    sync.Mutex
	codes map[string]string
}

// deliverTo prints each mail as well, for a person who signs up by hand.
func (m *mailbox) deliverTo(log io.Writer) func(to, code string) {
	m.codes = map[string]string{}
	return func(to, code string) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.codes[to] = code
		fmt.Fprintf(log, "mail to %s: your confirmation code is %s\n", to, code)
	}
}

func (m *mailbox) code(email string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if code, ok := m.codes[email]; ok {
		return code, nil
	}
	return "", errors.New("no code has been mailed to this address")
}
