package awsjson_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/awsjson"
)

type greeting struct{ Name string }

func service() awsjson.Service {
	return awsjson.Service{Name: "Greeter", Target: "GreeterService", Ops: map[string]awsjson.Handler{
		"Greet": awsjson.Op(func(_ context.Context, in greeting) (map[string]string, error) {
			switch in.Name {
			case "":
				return nil, awsjson.Errorf("ValidationException", "Name is missing")
			case "broken":
				return nil, errors.New("secret cause")
			case "conflict":
				return nil, &awsjson.Error{
					Code: "ConflictException", Message: "m", Status: 409, Fields: map[string]any{"Item": 7},
				}
			case "quiet":
				return nil, nil
			}
			return map[string]string{"Text": "hello " + in.Name}, nil
		}),
	}}
}

func post(t *testing.T, target, contentType, body string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", target)
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	service().ServeHTTP(w, r)
	return w.Result()
}

func TestHandler_GivesEachOutcomeTheProtocolsForm(t *testing.T) {
	const v10, v11 = "application/x-amz-json-1.0", "application/x-amz-json-1.1"
	for name, test := range map[string]struct {
		target, contentType, body string
		status                    int
		errorType                 string
		want                      map[string]any
	}{
		"an answer": {
			"GreeterService.Greet", v11, `{"Name":"you"}`, 200, "", map[string]any{"Text": "hello you"},
		},
		"in version 1.0": {
			"GreeterService.Greet", v10, `{"Name":"you"}`, 200, "", map[string]any{"Text": "hello you"},
		},
		"nothing to say": {"GreeterService.Greet", v11, `{"Name":"quiet"}`, 200, "", map[string]any{}},
		"a typed error": {
			"GreeterService.Greet", v11, `{}`, 400, "ValidationException",
			map[string]any{"__type": "ValidationException", "message": "Name is missing"},
		},
		"status and fields": {
			"GreeterService.Greet", v11, `{"Name":"conflict"}`, 409, "ConflictException",
			map[string]any{"__type": "ConflictException", "message": "m", "Item": 7.0},
		},
		"any other error": {
			"GreeterService.Greet", v11, `{"Name":"broken"}`, 500, "InternalFailure",
			map[string]any{"__type": "InternalFailure", "message": "the local service failed in Greet"},
		},
		"malformed JSON": {
			"GreeterService.Greet", v11, `{"Name":`, 400, "SerializationException",
			map[string]any{
				"__type":  "SerializationException",
				"message": "the request body is not JSON of this operation's shape",
			},
		},
		"a second JSON value": {
			"GreeterService.Greet", v11, `{"Name":"you"}{}`, 400, "SerializationException",
			map[string]any{
				"__type":  "SerializationException",
				"message": "the request body is not JSON of this operation's shape",
			},
		},
		"an unknown operation": {
			"GreeterService.Wave", v11, `{}`, 400, "UnknownOperationException",
			map[string]any{
				"__type":  "UnknownOperationException",
				"message": `the local Greeter lacks the operation "GreeterService.Wave": run this against AWS, or add it`,
			},
		},
		"another service": {
			"OtherService.Greet", v11, `{}`, 400, "UnknownOperationException",
			map[string]any{
				"__type":  "UnknownOperationException",
				"message": `the local Greeter lacks the operation "OtherService.Greet": run this against AWS, or add it`,
			},
		},
		"no target": {
			"", v11, `{}`, 400, "UnknownOperationException",
			map[string]any{
				"__type":  "UnknownOperationException",
				"message": `the local Greeter lacks the operation "": run this against AWS, or add it`,
			},
		},
		"a body over 1 MiB": {"GreeterService.Greet", v11, `{"Name":"` + strings.Repeat("x", awsjson.MaxBody) + `"}`,
			413, "RequestEntityTooLargeException",
			map[string]any{
				"__type":  "RequestEntityTooLargeException",
				"message": "the request body is larger than 1048576 bytes",
			}},
	} {
		t.Run(name, func(t *testing.T) {
			answer := post(t, test.target, test.contentType, test.body)
			var got map[string]any
			if err := json.NewDecoder(answer.Body).Decode(&got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			if answer.StatusCode != test.status || answer.Header.Get("X-Amzn-Errortype") != test.errorType ||
				answer.Header.Get("Content-Type") != test.contentType {
				t.Errorf("got status %d, error type %q, content type %q", answer.StatusCode,
					answer.Header.Get("X-Amzn-Errortype"), answer.Header.Get("Content-Type"))
			}
			if answer.Header.Get("X-Amzn-Requestid") == "" {
				t.Error("no request id")
			}
		})
	}
}
