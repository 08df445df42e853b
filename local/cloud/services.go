package cloud

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/cognitoserver"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/dynamoserver"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/kmsserver"
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

// services are KMS, DynamoDB and Cognito, served in process or elsewhere.
type services struct {
	endpoints map[string]*url.URL
	external  map[string]bool
	servers   servers
	mail      mailbox
}

// startServices serves in process what the environment names no endpoint for.
func startServices(o Options) (*services, error) {
	s := &services{endpoints: map[string]*url.URL{}, external: map[string]bool{}}
	inProcess := map[string]http.Handler{
		serviceKMS:      kmsserver.New(kmsserver.Config{AccountID: o.Account, Region: o.Region}),
		serviceDynamoDB: dynamoserver.New(dynamoserver.Config{AccountID: o.Account, Region: o.Region}),
		serviceCognito:  cognitoserver.New(cognitoserver.Config{AccountID: o.Account, Region: o.Region, Mail: s.mail.deliverTo(o.Log)}),
	}
	for name, handler := range inProcess {
		given, err := externalEndpoint(name, o.Getenv)
		if err != nil {
			return nil, errors.Join(err, s.servers.close())
		}
		if given != nil {
			s.endpoints[name], s.external[name] = given, true
			continue
		}
		if s.endpoints[name], err = s.servers.serve("127.0.0.1:0", handler); err != nil {
			return nil, errors.Join(err, s.servers.close())
		}
	}
	return s, nil
}

// CheckEndpoints reports a wrong endpoint setting, before time is spent on anything else.
func CheckEndpoints(getenv func(string) string) error {
	var errs []error
	for service := range endpointVariables {
		_, err := externalEndpoint(service, getenv)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func externalEndpoint(service string, getenv func(string) string) (*url.URL, error) {
	for _, variable := range []string{endpointVariables[service], "AWS_ENDPOINT_URL"} {
		v := getenv(variable)
		if v == "" {
			continue
		}
		u, err := url.Parse(v)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, fmt.Errorf("%s is not a URL such as http://127.0.0.1:5000: mend or unset it", variable)
		}
		return u, nil
	}
	return nil, nil
}

// sdkConfig is an SDK configuration that takes nothing from the machine: no profile, no credentials, no proxy.
func sdkConfig(endpoint *url.URL, region string, credentials aws.CredentialsProvider) aws.Config {
	return aws.Config{
		Region:           region,
		BaseEndpoint:     new(endpoint.String()),
		Credentials:      credentials,
		HTTPClient:       &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{Proxy: nil, MaxIdleConnsPerHost: 16}},
		RetryMaxAttempts: 2,
	}
}

// administrator is the configuration for a service itself, past the proxy.
func (s *services) administrator(service, region string) aws.Config {
	return sdkConfig(s.endpoints[service], region, credentials.NewStaticCredentialsProvider("local", "local", ""))
}

// Clients are SDK clients of the services, with an administrator's view.
type Clients struct {
	KMS      *kms.Client
	DynamoDB *dynamodb.Client
	Cognito  *cognitoidentityprovider.Client
}

func (s *services) clients(region string) Clients {
	return Clients{
		KMS:      kms.NewFromConfig(s.administrator(serviceKMS, region)),
		DynamoDB: dynamodb.NewFromConfig(s.administrator(serviceDynamoDB, region)),
		Cognito:  cognitoidentityprovider.NewFromConfig(s.administrator(serviceCognito, region)),
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
