package orders

import (
	"cmp"
	"encoding/json"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// problemBase precedes an error's code in the type of its problem document. A person finds there what the code means.
const problemBase = "https://github.com/lambda-tokenizer/lambda-tokenizer/blob/main/docs/api.md#"

// problem is an error as a caller sees it: an RFC 9457 problem document, with the extension members code and field.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	Code   string `json:"code"`
	Field  string `json:"field,omitempty"`
}

// respondProblem returns the response for an error.
func respondProblem(e *Error) events.APIGatewayProxyResponse {
	k := e.Kind
	body, err := json.Marshal(problem{
		Type:   problemBase + k.Code,
		Title:  k.Title,
		Status: k.Status,
		Detail: cmp.Or(e.Detail, k.Advice),
		Code:   k.Code,
		Field:  e.Field,
	})
	if err != nil { // strings and an int always marshal
		panic(err)
	}
	response := respond(k.Status, "application/problem+json", body)
	if e.RetryAfter > 0 {
		seconds := (e.RetryAfter + time.Second - 1) / time.Second // rounded up: the caller must not come too early
		response.Headers["Retry-After"] = strconv.FormatInt(int64(seconds), 10)
	}
	return response
}

// respond returns a response. Nobody may keep it in a cache.
func respond(status int, media string, body []byte) events.APIGatewayProxyResponse {
	headers := map[string]string{"Content-Type": media, "Cache-Control": "no-store"}
	return events.APIGatewayProxyResponse{StatusCode: status, Headers: headers, Body: string(body)}
}
