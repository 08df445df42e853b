package main

import (
	"net/http"
	"os"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/google/go-cmp/cmp"
)

// hosts is a transport that notes the hosts that are asked, and answers nothing.
type hosts struct{ asked []string }

func (h *hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	h.asked = append(h.asked, r.URL.Host)
	return nil, http.ErrHandlerTimeout
}

// The network of the functions resolves these two names, and not the account's own name of DynamoDB.
func TestAWSConfig_AsksTheRegionsHostsWhateverTheEnvironmentSays(t *testing.T) {
	for _, mode := range []string{"", "preferred", "required"} {
		t.Run("mode "+mode, func(t *testing.T) {
			for name, value := range map[string]string{
				"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_SESSION_TOKEN": "test",
				"AWS_PROFILE": "", "AWS_ENDPOINT_URL": "", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
				"AWS_ACCOUNT_ID": "123456789012", "AWS_ACCOUNT_ID_ENDPOINT_MODE": mode,
			} {
				t.Setenv(name, value)
			}
			config, err := awsConfig(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			credentials, err := config.Credentials.Retrieve(t.Context())
			if err != nil || credentials.AccountID != "123456789012" {
				t.Fatalf("credentials of account %q, error %v: the test needs some that carry one", credentials.AccountID, err)
			}
			h := &hosts{}
			config.HTTPClient = &http.Client{Transport: h}
			config.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
			_, _ = dynamodb.NewFromConfig(config).GetItem(t.Context(), &dynamodb.GetItemInput{
				TableName: new("T"), Key: map[string]types.AttributeValue{"K": &types.AttributeValueMemberS{Value: "v"}},
			})
			_, _ = kms.NewFromConfig(config).Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: []byte("x")})
			want := []string{"dynamodb.us-east-1.amazonaws.com", "kms.us-east-1.amazonaws.com"}
			if diff := cmp.Diff(want, slices.Compact(h.asked)); diff != "" {
				t.Errorf("hosts (-want +got):\n%s", diff)
			}
		})
	}
}
