package endpoint_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/endpoint"
)

func TestFromEnvironment_PrefersTheSettingOfTheService(t *testing.T) {
	set, err := endpoint.FromEnvironment(func(name string) string {
		return map[string]string{
			"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_KMS": "https://user:password@kms.test",
		}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	want := "cognito-idp at http://127.0.0.1:1, dynamodb at http://127.0.0.1:1, kms at https://user:xxxxx@kms.test"
	if set.String() != want || set["kms"].Setting != "AWS_ENDPOINT_URL_KMS" ||
		set["dynamodb"].Setting != "AWS_ENDPOINT_URL" {
		t.Errorf("endpoints are %s, want %s", set, want)
	}
}

func TestCheck_NamesAnEndpointThatDoesNotWork(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	for at, want := range map[string]string{gone.URL: "does not answer", web.URL: "no JSON of this API"} {
		u, err := url.Parse(at)
		if err != nil {
			t.Fatal(err)
		}
		err = endpoint.Set{"kms": {Service: "kms", URL: u, Setting: "AWS_ENDPOINT_URL"}}.Check(t.Context())
		if err == nil {
			t.Fatalf("%s passes", at)
		}
		for _, part := range []string{"kms ListKeys: " + at, want, "set by AWS_ENDPOINT_URL"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q lacks %q", err, part)
			}
		}
	}
}
