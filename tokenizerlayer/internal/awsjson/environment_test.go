package awsjson

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/wirejson"
)

var (
	ofKMS      = Service{Name: "kms"}
	ofDynamoDB = Service{Name: "dynamodb"}
)

// variables is an environment.
func variables(of map[string]string) func(string) string {
	all := map[string]string{
		"AWS_REGION":            "us-east-1",
		"AWS_ACCESS_KEY_ID":     "id",
		"AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_SESSION_TOKEN":     "session",
	}
	for name, value := range of {
		all[name] = value
	}
	return func(name string) string { return all[name] }
}

// regions are some of each partition, and some that do not exist yet.
var regions = []string{
	"us-east-1", "us-east-2", "us-west-1", "us-west-2", "af-south-1", "ap-east-1", "ap-south-1", "ap-south-2",
	"ap-southeast-1", "ap-southeast-5", "ap-northeast-1", "ca-central-1", "ca-west-1", "eu-central-1", "eu-central-2",
	"eu-west-1", "eu-north-1", "eu-south-2", "il-central-1", "me-central-1", "mx-central-1", "sa-east-1",
	"eu-nowhere-9", "cn-north-1", "cn-northwest-1", "cn-nowhere-9",
	"us-gov-east-1", "us-gov-west-1", "us-gov-nowhere-9",
	"us-iso-east-1", "us-iso-west-1", "us-isob-east-1", "us-isob-west-1", "eu-isoe-west-1", "us-isof-south-1",
	"us-isof-east-1", "eusc-de-east-1", "xx-nowhere-1",
}

func TestEndpoint_IsTheSDKsInEveryPartition(t *testing.T) {
	for _, region := range regions {
		for _, fips := range []bool{false, true} {
			for _, dual := range []bool{false, true} {
				e := Environment{Region: region, fips: fips, dualStack: dual, endpoints: func(string) string {
					return ""
				}}
				of, kmsErr := kms.NewDefaultEndpointResolverV2().ResolveEndpoint(t.Context(), kms.EndpointParameters{
					Region: &region, UseFIPS: &fips, UseDualStack: &dual,
				})
				dynamo, dynamoErr := dynamodb.NewDefaultEndpointResolverV2().ResolveEndpoint(t.Context(),
					dynamodb.EndpointParameters{
						Region:                &region,
						UseFIPS:               &fips,
						UseDualStack:          &dual,
						AccountId:             new("123456789012"),
						AccountIdEndpointMode: new("disabled"),
					})
				if kmsErr != nil || dynamoErr != nil {
					t.Fatal(kmsErr, dynamoErr)
				}
				for s, want := range map[Service]url.URL{ofKMS: of.URI, ofDynamoDB: dynamo.URI} {
					got, err := e.endpoint(s)
					if err != nil || got.String() != want.String() {
						t.Errorf("%s in %s, FIPS %v, dual stack %v: %v, %v; the SDK says %s", s.Name, region, fips,
							dual, got, err, &want)
					}
				}
			}
		}
	}
}

// The network of the functions resolves the region's names, and not the account's own name of DynamoDB.
func TestEndpoint_IsNeverTheAccounts(t *testing.T) {
	for _, mode := range []string{"", "preferred", "required"} {
		e, err := Load(variables(map[string]string{
			"AWS_ACCOUNT_ID": "123456789012", "AWS_ACCOUNT_ID_ENDPOINT_MODE": mode,
		}))
		if err != nil {
			t.Fatal(err)
		}
		for s, want := range map[Service]string{
			ofKMS: "kms.us-east-1.amazonaws.com:443", ofDynamoDB: "dynamodb.us-east-1.amazonaws.com:443",
		} {
			var asked []string
			c, err := New(s, e, Options{Attempts: 1,
				Dial: func(_ context.Context, _, address string) (net.Conn, error) {
					asked = append(asked, address)
					return nil, errors.New("no network")
				}})
			if err != nil {
				t.Fatal(err)
			}
			err = c.Do(t.Context(), "Operation", func(to []byte) []byte {
				return append(to, "{}"...)
			}, (*wirejson.Decoder).Skip)
			if err == nil || !slices.Equal(asked, []string{want}) {
				t.Errorf("mode %q: %v, %v", mode, asked, err)
			}
		}
	}
}

func TestEndpoint_IsWhatIsConfigured(t *testing.T) {
	const one, all = "http://127.0.0.1:1", "https://proxy.example/base"
	for name, tt := range map[string]struct {
		of              map[string]string
		ofKMS, ofDynamo string
	}{
		"nothing": {nil, "https://kms.us-east-1.amazonaws.com", "https://dynamodb.us-east-1.amazonaws.com"},
		"one service": {
			map[string]string{"AWS_ENDPOINT_URL_KMS": one}, one, "https://dynamodb.us-east-1.amazonaws.com",
		},
		"all":  {map[string]string{"AWS_ENDPOINT_URL": all}, all, all},
		"both": {map[string]string{"AWS_ENDPOINT_URL": all, "AWS_ENDPOINT_URL_DYNAMODB": one}, all, one},
		"ignored": {
			map[string]string{
				"AWS_ENDPOINT_URL": all, "AWS_ENDPOINT_URL_KMS": one, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "True",
			},
			"https://kms.us-east-1.amazonaws.com", "https://dynamodb.us-east-1.amazonaws.com",
		},
		"not ignored": {
			map[string]string{"AWS_ENDPOINT_URL": all, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false"}, all, all,
		},
		"FIPS and dual stack": {
			map[string]string{
				"AWS_USE_FIPS_ENDPOINT":      "true",
				"AWS_USE_DUALSTACK_ENDPOINT": "TRUE",
				"AWS_REGION":                 "",
				"AWS_DEFAULT_REGION":         "us-west-2",
			},
			"https://kms-fips.us-west-2.api.aws", "https://dynamodb-fips.us-west-2.api.aws",
		},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := Load(variables(tt.of))
			if err != nil {
				t.Fatal(err)
			}
			for s, want := range map[Service]string{ofKMS: tt.ofKMS, ofDynamoDB: tt.ofDynamo} {
				if got, err := e.endpoint(s); err != nil || got.String() != want {
					t.Errorf("%s: %v, %v, want %s", s.Name, got, err, want)
				}
			}
		})
	}
}

func TestLoad_NamesWhatIsWrongWithoutItsValue(t *testing.T) {
	const value = "n0t_valid"
	empty := filepath.Join(t.TempDir(), value)
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		of   map[string]string
		want []string
	}{
		"no region":           {map[string]string{"AWS_REGION": ""}, []string{"AWS_REGION"}},
		"no region's name":    {map[string]string{"AWS_REGION": value}, []string{"AWS_REGION"}},
		"a host for a region": {map[string]string{"AWS_REGION": "x." + value}, []string{"AWS_REGION"}},
		"another region's name": {
			map[string]string{"AWS_REGION": "", "AWS_DEFAULT_REGION": value}, []string{"AWS_DEFAULT_REGION"},
		},
		"nothing": {
			map[string]string{"AWS_REGION": "", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
			[]string{"AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"},
		},
		"flags": {
			map[string]string{
				"AWS_USE_FIPS_ENDPOINT":               value,
				"AWS_USE_DUALSTACK_ENDPOINT":          value,
				"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": value,
			},
			[]string{"AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"},
		},
		"no file of authorities": {map[string]string{"AWS_CA_BUNDLE": "/" + value}, []string{"AWS_CA_BUNDLE"}},
		"a file without any":     {map[string]string{"AWS_CA_BUNDLE": empty}, []string{"AWS_CA_BUNDLE"}},
		"an endpoint's scheme": {
			map[string]string{"AWS_ENDPOINT_URL_KMS": "ftp://" + value}, []string{"AWS_ENDPOINT_URL_KMS"},
		},
		"an endpoint's host": {
			map[string]string{"AWS_ENDPOINT_URL": "http:///" + value}, []string{"AWS_ENDPOINT_URL"},
		},
		"an endpoint's password": {
			map[string]string{"AWS_ENDPOINT_URL": "http://me:" + value + "@x"}, []string{"AWS_ENDPOINT_URL"},
		},
		"an endpoint's query": {
			map[string]string{"AWS_ENDPOINT_URL": "http://x/?" + value}, []string{"AWS_ENDPOINT_URL"},
		},
		"an endpoint's escapes": {
			map[string]string{"AWS_ENDPOINT_URL": "http://x/%zz" + value}, []string{"AWS_ENDPOINT_URL"},
		},
		"FIPS elsewhere": {map[string]string{
			"AWS_USE_FIPS_ENDPOINT": "true", "AWS_ENDPOINT_URL": "http://" + "x",
		}, []string{"AWS_USE_FIPS_ENDPOINT", "AWS_ENDPOINT_URL"}},
		"the dual stack elsewhere": {map[string]string{
			"AWS_USE_DUALSTACK_ENDPOINT": "true", "AWS_ENDPOINT_URL_KMS": "http://x",
		}, []string{"AWS_USE_DUALSTACK_ENDPOINT", "AWS_ENDPOINT_URL_KMS"}},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := Load(variables(tt.of))
			if err == nil {
				_, err = New(ofKMS, e, Options{})
			}
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v does not name %s", err, want)
				}
			}
			if err != nil && strings.Contains(err.Error(), value) {
				t.Errorf("error %v tells the value", err)
			}
		})
	}
}
