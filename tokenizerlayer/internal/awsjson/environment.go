package awsjson

import (
	"crypto/x509"
	"errors"
	"net/url"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/form"
)

// The environment variables that are read. They mean what they mean to AWS's SDKs
// (https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html).
const (
	accessKeyID     = "AWS_ACCESS_KEY_ID"
	secretAccessKey = "AWS_SECRET_ACCESS_KEY"
	sessionToken    = "AWS_SESSION_TOKEN"
	region          = "AWS_REGION"
	defaultRegion   = "AWS_DEFAULT_REGION"
	endpointURL     = "AWS_ENDPOINT_URL" // that of one service has the service's name behind it
	ignoreEndpoints = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"
	useFIPS         = "AWS_USE_FIPS_ENDPOINT"
	useDualStack    = "AWS_USE_DUALSTACK_ENDPOINT"
	caBundle        = "AWS_CA_BUNDLE"
)

// Environment is what the environment says about AWS.
type Environment struct {
	Region      string
	Credentials aws.Credentials
	// Roots are the authorities that a service's certificate must come from; nil means those of the system.
	Roots *x509.CertPool

	fips, dualStack bool
	endpoints       func(variable string) string // "" for one that is not configured
}

// String keeps an environment that is printed from listing its credentials.
func (e Environment) String() string { return "environment of " + e.Region }

// GoString is String, for %#v.
func (e Environment) GoString() string { return e.String() }

// Load reads the environment. It names all that is wrong by its variable, and never by its value. Files are read only
// for AWS_CA_BUNDLE: there are no profiles, and no other sources of credentials than the variables, which Lambda sets.
func Load(getenv func(string) string) (Environment, error) {
	l := loader{getenv: getenv}
	e := Environment{
		Region: l.region(),
		Credentials: aws.Credentials{
			AccessKeyID:     l.required(accessKeyID),
			SecretAccessKey: l.required(secretAccessKey),
			SessionToken:    getenv(sessionToken),
		},
		Roots: l.roots(),
		fips:  l.flag(useFIPS), dualStack: l.flag(useDualStack),
		endpoints: getenv,
	}
	if l.flag(ignoreEndpoints) {
		e.endpoints = func(string) string { return "" }
	}
	return e, errors.Join(l.problems...)
}

// loader reads single variables and notes what is wrong with them.
type loader struct {
	getenv   func(string) string
	problems []error
}

func (l *loader) report(variable, problem string) {
	l.problems = append(l.problems, errors.New(variable+" "+problem))
}

func (l *loader) required(variable string) string {
	value := l.getenv(variable)
	if value == "" {
		l.report(variable, "is not set: the function has no credentials")
	}
	return value
}

// isRegion tells whether a text looks like a region's name, which becomes a part of the host's name that credentials
// are used for.
func isRegion(s string) bool {
	return form.Consists(s, form.Lower+form.Digits+"-", 1, 63) && strings.Trim(s, "-") == s
}

func (l *loader) region() string {
	for _, variable := range []string{region, defaultRegion} {
		switch name := l.getenv(variable); {
		case name == "":
		case !isRegion(name):
			l.report(variable, "must be the name of a region, as in eu-central-1")
			return ""
		default:
			return name
		}
	}
	l.report(region, "is not set")
	return ""
}

func (l *loader) flag(variable string) bool {
	switch value := l.getenv(variable); {
	case strings.EqualFold(value, "true"):
		return true
	case value != "" && !strings.EqualFold(value, "false"):
		l.report(variable, "must be true or false")
	}
	return false
}

// roots are the certificates of a file, in PEM. They replace the system's, as with the SDK.
func (l *loader) roots() *x509.CertPool {
	file := l.getenv(caBundle)
	if file == "" {
		return nil
	}
	pem, err := os.ReadFile(file)
	pool := x509.NewCertPool()
	if err != nil || !pool.AppendCertsFromPEM(pem) {
		l.report(caBundle, "must be the path of a file with certificates in PEM")
		return nil
	}
	return pool
}

// endpoint is where a service is: where the environment says, or in the region.
func (e Environment) endpoint(s Service) (*url.URL, error) {
	for _, variable := range []string{s.endpointVariable(), endpointURL} {
		configured := e.endpoints(variable)
		if configured == "" {
			continue
		}
		u, err := url.Parse(configured)
		switch {
		case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil ||
			u.RawQuery != "" || u.Fragment != "":
			return nil, errors.New(variable + " must be a URL of http or https, without user, query or fragment")
		case e.fips:
			return nil, errors.New(useFIPS + " cannot be combined with " + variable)
		case e.dualStack:
			return nil, errors.New(useDualStack + " cannot be combined with " + variable)
		}
		return u, nil
	}
	return &url.URL{Scheme: "https", Host: host(s.Name, e.Region, e.fips, e.dualStack)}, nil
}

func (s Service) endpointVariable() string { return endpointURL + "_" + strings.ToUpper(s.Name) }

// partitions are those of AWS's partitions whose names end otherwise than in the commercial one, by how their regions'
// names begin.
var partitions = []struct{ regions, suffix, dualStackSuffix string }{
	{"cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"},
	{"eusc-", "amazonaws.eu", "api.amazonwebservices.eu"},
	{"us-iso-", "c2s.ic.gov", "api.aws.ic.gov"},
	{"us-isob-", "sc2s.sgov.gov", "api.aws.scloud"},
	{"eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"},
	{"us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"},
}

// host is the name of a service in a region. It is never that of an account (<account>.ddb.<region>.amazonaws.com),
// which does not resolve in a network that lets only the endpoints' names through
// (https://docs.aws.amazon.com/sdkref/latest/guide/feature-account-endpoints.html).
func host(service, region string, fips, dualStack bool) string {
	suffix, dualStackSuffix := "amazonaws.com", "api.aws"
	for _, p := range partitions {
		if strings.HasPrefix(region, p.regions) {
			suffix, dualStackSuffix = p.suffix, p.dualStackSuffix
		}
	}
	if dualStack {
		suffix = dualStackSuffix
	}
	// All of DynamoDB in GovCloud is validated, under its usual name.
	if fips && !(service == "dynamodb" && strings.HasPrefix(region, "us-gov-") && !dualStack) {
		service += "-fips"
	}
	return service + "." + region + "." + suffix
}
