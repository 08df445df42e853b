package cloud_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/cloud"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/endpoint"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/awsjson"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/dynamoserver"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/synth"
)

// externalDynamoDB is a DynamoDB elsewhere that answers one operation in its own way.
func externalDynamoDB(t *testing.T, operation string, answer http.HandlerFunc) endpoint.Set {
	t.Helper()
	service := dynamoserver.New(dynamoserver.Config{AccountID: synth.Account, Region: synth.Region})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if awsjson.Operation(r) == operation {
			answer(w, r)
			return
		}
		service.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	external, err := endpoint.FromEnvironment(func(name string) string {
		return map[string]string{"AWS_ENDPOINT_URL_DYNAMODB": server.URL}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	return external
}

func lacking(w http.ResponseWriter, r *http.Request) {
	awsjson.WriteError(w, r, awsjson.Errorf("UnknownOperationException", "no"))
}

func foreign(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }

func TestExternalEndpoint_IsUsedAndItsTroubleNamed(t *testing.T) {
	options := cloud.Options{Assembly: load(t), Account: synth.Account, Region: synth.Region}
	t.Run("it works", func(t *testing.T) {
		options.External = externalDynamoDB(t, "", nil)
		s := deployWith(t, options)
		if err := s.use(t.Context()); err != nil {
			t.Errorf("%v\n%s", err, s.log)
		}
		if s.Endpoints["dynamodb"] != options.External["dynamodb"].URL.String() {
			t.Errorf("DynamoDB is at %s", s.Endpoints["dynamodb"])
		}
	})
	t.Run("it lacks what creation needs", func(t *testing.T) {
		options.External = externalDynamoDB(t, "CreateTable", lacking)
		if err := options.External.Check(t.Context()); err != nil {
			t.Errorf("check: %v", err)
		}
		c, err := cloud.Deploy(t.Context(), options)
		if err == nil {
			c.Close()
			t.Fatal("it was deployed")
		}
		wantAll(t, err.Error(), "dynamodb CreateTable: "+options.External["dynamodb"].URL.String(),
			"lacks this operation", "unset it")
	})
	for operation, path := range map[string]string{"TransactWriteItems": "/order", "UpdateItem": "/paybill"} {
		for problem, answer := range map[string]http.HandlerFunc{
			"lacks this operation": lacking, "no JSON of this API": foreign,
		} {
			t.Run(operation+" "+problem, func(t *testing.T) {
				options.External = externalDynamoDB(t, operation, answer)
				s := deployWith(t, options)
				err := s.use(t.Context())
				if err == nil {
					t.Fatal("there is no error, although the service cannot do this")
				}
				wantAll(t, err.Error(), path)
				wantAll(t, strings.Join(s.Trouble(), "\n"), "dynamodb "+operation+": "+
					options.External["dynamodb"].URL.String(), problem, "AWS_ENDPOINT_URL_DYNAMODB")
			})
		}
	}
}

func wantAll(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q lacks %q", text, part)
		}
	}
}

func TestDeploy_ListensOnTheLoopbackAlone(t *testing.T) {
	s := deploy(t, load(t))
	for name, endpoint := range s.Endpoints {
		if !strings.HasPrefix(endpoint, "http://127.0.0.1:") {
			t.Errorf("%s is served at %s", name, endpoint)
		}
	}
	if api := s.Outputs["PaymentMethodApiURL"]; !strings.HasPrefix(api, "http://127.0.0.1:") || len(s.Endpoints) != 4 {
		t.Errorf("the API is at %s, and the endpoints are %v", api, s.Endpoints)
	}
}
