package orders_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/lambdas/internal/orders"
)

func TestGateway_AnswersTheDocumentedBodies(t *testing.T) {
	w := newWorld(t)
	headers := map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store"}
	got := w.handle(t.Context(), "order", w.place(),
		event(alice, strings.ReplaceAll(orderBody("123456789"), "4111-1111-1111-1111", "0000-0000-0000-0000")))
	row := w.order()
	wanted := events.APIGatewayProxyResponse{StatusCode: 201, Headers: headers,
		Body: `{"message":"Order Created Successfully","CustomerOrder":"123456789","CreditCardToken":"` +
			row["CreditCard"] + `","CardBrand":"unknown","CardLastFour":"0000"}`}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	got = w.postBill(alice, "123456789")
	wanted = events.APIGatewayProxyResponse{StatusCode: 200, Headers: headers,
		Body: `{"message":"Payment Submitted Successfully","CustomerOrder":"123456789","CreditCardCharged":"************0000","PaymentId":"78b34cee-5ed5-8392-8b79-cd678d85b88d"}`}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Errorf("paybill (-want +got):\n%s", diff)
	}
}

func TestPlace_NamesTheFieldOfAnInvalidRequest(t *testing.T) {
	valid := map[string]any{"CustomerOrder": "1", "CustomerName": "A", "CreditCard": canary, "Address": "B"}
	long := func(n int) string { return strings.Repeat("é", n) }
	for _, tt := range []struct {
		name, field string
		value       any // nil removes the field
		reason      string
	}{
		{"number missing", "CustomerOrder", nil, "is required"},
		{"number empty", "CustomerOrder", "", "is required"},
		{"number of another type", "CustomerOrder", 1234512345, "has the wrong type"},
		{"number too long", "CustomerOrder", strings.Repeat("a", 65), "at most 64"},
		{"number with a space", "CustomerOrder", "zzz zzz", "letters, digits"},
		{"number not ASCII", "CustomerOrder", "zzz\u0661", "letters, digits"},
		{"number with a line break", "CustomerOrder", "zzz\n", "letters, digits"},
		{"number is the card", "CustomerOrder", canary, "looks like"},
		{"number is a 12-digit card", "CustomerOrder", "000000000000", "looks like"},
		{"number holds the card", "CustomerOrder", "order-4111.1111_1111-1111", "looks like"},
		{"name missing", "CustomerName", nil, "is required"},
		{"name blank", "CustomerName", " \t ", "is required"},
		{"name too long", "CustomerName", long(201), "at most 200"},
		{"name with a control character", "CustomerName", "zzz\x00zzz", "control characters"},
		{"name is the card", "CustomerName", "Visa " + canary, "looks like"},
		{"address missing", "Address", nil, "is required"},
		{"address too long", "Address", long(501), "at most 500"},
		{"address with a line break", "Address", "zzz\nzzz", "control characters"},
		{"address holds the card", "Address", "7 Main St, 12 4111 1111 1111 1111", "looks like"},
		{"card missing", "CreditCard", nil, "must not be empty"},
		{"card null", "CreditCard", json.RawMessage("null"), "must not be null"},
		{"card a number", "CreditCard", json.Number(canary), "has the wrong type"},
		{"card too short", "CreditCard", "41111111111", "12 to 19"},
		{"card fails Luhn", "CreditCard", "4111111111111112", "check digit"},
		{"card not ASCII", "CreditCard", "\u0664111111111111111", "ASCII"},
		{"unknown field", "Coupon", "zzzzzz", "not a known member"},
		{"wrong case", "creditCard", "zzzzzz", "not a known member"},
		{"CVV", "CVV", "a-cvv", "must never be sent"},
		{"track data", "Track2", "zzzzzz", "must never be sent"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			request := map[string]any{}
			for k, v := range valid {
				request[k] = v
			}
			if request[tt.field] = tt.value; tt.value == nil {
				delete(request, tt.field)
			}
			body, err := json.Marshal(request)
			if err != nil {
				t.Fatal(err)
			}
			r := w.handle(t.Context(), "order", w.place(), event(alice, string(body)))
			want(t, r, 400, "invalid-request")
			var got struct{ Field, Detail string }
			if err := json.Unmarshal([]byte(r.Body), &got); err != nil {
				t.Fatal(err)
			}
			if got.Field != tt.field || !strings.HasPrefix(got.Detail, tt.field+" ") ||
				!strings.Contains(got.Detail, tt.reason) {
				t.Errorf("field %q, detail %q; want %q, %q", got.Field, got.Detail, tt.field, tt.reason)
			}
			if value, ok := tt.value.(string); ok && len(value) > 2 && strings.Contains(r.Body+w.log.String(), value) {
				t.Errorf("the value is echoed: %s", r.Body)
			}
			if len(w.calls) > 0 {
				t.Errorf("calls %v before the request was found invalid", w.calls)
			}
		})
	}
}

func TestPay_NamesTheFieldOfAnInvalidRequest(t *testing.T) {
	for body, field := range map[string]string{
		`{}`:                                   "CustomerOrder",
		`{"CustomerOrder":"` + canary + `"}`:   "CustomerOrder",
		`{"CustomerOrder":"1","CVV":"123"}`:    "CVV",
		`{"CustomerOrder":"1","CreditCard":1}`: "CreditCard",
		`{"` + canary + `":"1"}`:               "",
		`{"CustomerOrder":"1"`:                 "",
		``:                                     "",
	} {
		t.Run(body, func(t *testing.T) {
			w := newWorld(t)
			r := w.handle(t.Context(), "paybill", w.pay(), event(alice, body))
			want(t, r, 400, "invalid-request")
			var got struct{ Field string }
			if err := json.Unmarshal([]byte(r.Body), &got); err != nil || got.Field != field {
				t.Errorf("field %q (%v), want %q", got.Field, err, field)
			}
		})
	}
}

func TestPlace_TakesStrictJSONOnly(t *testing.T) {
	good := orderBody("1")
	twice := func(name string) string { return strings.Replace(good, "{", `{"`+name+`":"zzz",`, 1) }
	for _, tt := range []struct{ name, body, field, reason string }{
		{"nothing", "", "", "the body must be a JSON object"},
		{"null", "null", "", "the body must be a JSON object"},
		{"an array", "[" + good + "]", "", "the body must be a JSON object"},
		{"a text", `"zzz"`, "", "the body must be a JSON object"},
		{"a byte order mark", "\ufeff" + good, "", "the body must be a JSON object"},
		{"cut off", good[:len(good)-1], "", "the body is not valid JSON"},
		{"a comment", strings.Replace(good, "{", "{/*zzz*/", 1), "", "the body is not valid JSON"},
		{"a trailing comma", strings.Replace(good, "}", ",}", 1), "", "the body is not valid JSON"},
		{"two documents", good + good, "", "the body is not valid JSON"},
		{"half a surrogate pair", strings.Replace(good, "Amazon", `\ud800`, 1), "", "the body is not valid JSON"},
		{"a member twice", twice("CustomerOrder"), "CustomerOrder", "CustomerOrder is given twice"},
		{"a member twice, escaped", twice(`\u0043ustomerOrder`), "CustomerOrder", "CustomerOrder is given twice"},
		{"a card twice", twice("CreditCard"), "CreditCard", "CreditCard is given twice"},
		{
			"invalid UTF-8", strings.Replace(good, "Amazon", "zzz\xff", 1), "CustomerName",
			"CustomerName is not valid UTF-8",
		},
		{
			"invalid UTF-8 in a name", strings.Replace(good, "CustomerName", "zzz\xff", 1), "",
			"the body is not valid UTF-8",
		},
		{
			"an object", strings.Replace(good, `"1"`, `{"zzz":"1"}`, 1), "CustomerOrder",
			"CustomerOrder has the wrong type",
		},
		{"true", strings.Replace(good, `"1"`, `true`, 1), "CustomerOrder", "CustomerOrder has the wrong type"},
		{"a card as a name", twice(canary), "", "the body has an unknown member"},
		{"a long name", twice(strings.Repeat("z", 65)), "", "the body has an unknown member"},
		{"a name with a slash", twice("zzz/zzz"), "", "the body has an unknown member"},
		{"a code's name with separators", twice("card.cvv"), "card.cvv", "card.cvv is sensitive authentication data"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			r := w.handle(t.Context(), "order", w.place(), event(alice, tt.body))
			want(t, r, 400, "invalid-request")
			var got struct{ Field, Detail string }
			if err := json.Unmarshal([]byte(r.Body), &got); err != nil || got.Field != tt.field ||
				!strings.HasPrefix(got.Detail, tt.reason) {
				t.Errorf("field %q, detail %q (%v); want %q, %q", got.Field, got.Detail, err, tt.field, tt.reason)
			}
			if strings.Contains(r.Body+w.log.String(), "zzz") {
				t.Errorf("the input is echoed: %s", r.Body)
			}
			w.wantRows(orderTable, 0)
		})
	}
}

func TestPlace_TakesNoOrdinaryTextForACard(t *testing.T) {
	for field, values := range map[string][]string{
		"CustomerOrder": {"123456789", "2026-01-02_0001", "a.b-c_D", strings.Repeat("z", 64)},
		"CustomerName":  {strings.Repeat("é", 200), "O'Neill, \"Zoë\" 山田"},
		"Address": {
			strings.Repeat("é", 500), "1 Main St, 89109-1234, +1 702 555 0100", "40000000000000000000000000",
		},
	} {
		for _, value := range values {
			w := newWorld(t)
			request := map[string]any{"CustomerOrder": "1", "CustomerName": "A", "CreditCard": canary, "Address": "B"}
			request[field] = value
			body, err := json.Marshal(request)
			if err != nil {
				t.Fatal(err)
			}
			want(t, w.handle(t.Context(), "order", w.place(), event(alice, string(body))), 201, "")
			if got := w.order()[field]; got != value {
				t.Errorf("%s %q stored as %q", field, value, got)
			}
		}
	}
}

func TestGateway_TakesBoundedJSONOnly(t *testing.T) {
	// padded returns a valid order of n bytes.
	padded := func(n int) string { return orderBody("1") + strings.Repeat(" ", n-len(orderBody("1"))) }
	encode := base64.StdEncoding.EncodeToString
	for _, tt := range []struct {
		name, media, body string
		encoded           bool
		status            int
		code              string
	}{
		{"charset", "Application/JSON; charset=utf-8", orderBody("1"), false, 201, ""},
		{"no type", "", orderBody("1"), false, 415, "unsupported-media-type"},
		{"text", "text/plain", orderBody("1"), false, 415, "unsupported-media-type"},
		{"form", "application/x-www-form-urlencoded", orderBody("1"), false, 415, "unsupported-media-type"},
		{"malformed type", "application/json; =", orderBody("1"), false, 415, "unsupported-media-type"},
		{"largest", "application/json", padded(orders.MaxBody), false, 201, ""},
		{"too large", "application/json", padded(orders.MaxBody + 1), false, 413, "request-too-large"},
		{"base64", "application/json", encode([]byte(orderBody("1"))), true, 201, ""},
		{"largest base64", "application/json", encode([]byte(padded(orders.MaxBody))), true, 201, ""},
		{
			"too large base64", "application/json", encode([]byte(padded(orders.MaxBody + 1))), true, 413,
			"request-too-large",
		},
		{
			"much too large base64", "application/json", encode([]byte(padded(2 * orders.MaxBody))), true, 413,
			"request-too-large",
		},
		{"not base64", "application/json", orderBody("1"), true, 400, "invalid-request"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			r := event(alice, tt.body)
			r.Headers = map[string]string{"CONTENT-type": tt.media}
			r.IsBase64Encoded = tt.encoded
			want(t, w.handle(t.Context(), "order", w.place(), r), tt.status, tt.code)
		})
	}
}

func TestGateway_TakesTheVerifiedSubjectForTheCaller(t *testing.T) {
	for name, authorizer := range map[string]map[string]any{
		"no authorizer":      nil,
		"no claims":          {"principalId": alice},
		"claims of no shape": {"claims": "sub=" + alice},
		"no subject":         {"claims": map[string]any{"email": "a@example.com"}},
		"empty subject":      {"claims": map[string]any{"sub": ""}},
		"subject no text":    {"claims": map[string]any{"sub": 7}},
		"subject too long":   {"claims": map[string]any{"sub": strings.Repeat("a", 129)}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			r := event(alice, orderBody("1"))
			r.RequestContext.Authorizer = authorizer
			r.Headers["sub"] = alice
			want(t, w.handle(t.Context(), "order", w.place(), r), 401, "caller-unknown")
			want(t, w.handle(t.Context(), "paybill", w.pay(), r), 401, "caller-unknown")
			w.wantRows(orderTable, 0)
		})
	}
}

func TestGateway_LeavesTimeToCleanUpAndAnswer(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	deadline, _ := ctx.Deadline()
	do := func(ctx context.Context, _ string, _ []byte) (orders.Answer, error) {
		if got, _ := ctx.Deadline(); deadline.Sub(got) != 2*time.Second {
			t.Errorf("the operation has until %v, want 2 s before %v", got, deadline)
		}
		return orders.Answer{Status: 200}, nil
	}
	w.handle(ctx, "order", do, event(alice, "{}"))
}

func TestGateway_ContainsAPanic(t *testing.T) {
	w := newWorld(t)
	do := func(context.Context, string, []byte) (orders.Answer, error) { panic(upstreamText + canary) }
	want(t, w.handle(t.Context(), "order", do, event(alice, orderBody("1"))), 500, "internal-error")
	if !strings.Contains(w.log.String(), "TestGateway_ContainsAPanic") {
		t.Errorf("the log does not say where it panicked: %s", w.log)
	}
}

func TestGateway_SaysNothingOfAnUnknownError(t *testing.T) {
	w := newWorld(t)
	do := func(context.Context, string, []byte) (orders.Answer, error) {
		return orders.Answer{}, errors.New(upstreamText + canary)
	}
	want(t, w.handle(t.Context(), "order", do, event(alice, orderBody("1"))), 500, "internal-error")
}

func TestGateway_AnswersWhatDoesNotMarshalAsADefect(t *testing.T) {
	w := newWorld(t)
	do := func(context.Context, string, []byte) (orders.Answer, error) {
		return orders.Answer{Status: 200, Body: func() {}}, nil
	}
	want(t, w.handle(t.Context(), "order", do, event(alice, orderBody("1"))), 500, "internal-error")
}

func TestGateway_LogsOneLineARequest(t *testing.T) {
	w := newWorld(t)
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "lambda-request-1"})
	w.handle(ctx, "order", w.place(), event(alice, orderBody("my-order")))
	w.failWith("lease", false, errLost)
	w.handle(ctx, "paybill", w.pay(), event(alice, billBody("my-order")))

	common := map[string]any{
		"msg": "request", "requestId": "lambda-request-1", "apiRequestId": "api-request-1", "durationMs": 0.0,
	}
	wanted := []map[string]any{
		{"level": "INFO", "operation": "order", "outcome": "ok", "status": 201.0},
		{
			"level":     "ERROR",
			"operation": "paybill",
			"outcome":   "unavailable",
			"status":    503.0,
			"cause":     "lease order: no usable answer",
		},
	}
	lines := strings.Split(strings.TrimSpace(w.log.String()), "\n")
	if len(lines) != len(wanted) {
		t.Fatalf("%d log lines, want %d:\n%s", len(lines), len(wanted), w.log)
	}
	for i, line := range lines {
		for k, v := range common {
			wanted[i][k] = v
		}
		var got map[string]any
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		delete(got, "time")
		if diff := cmp.Diff(wanted[i], got); diff != "" {
			t.Errorf("line %d (-want +got):\n%s", i, diff)
		}
	}
}

func TestGateway_LetsScriptsOfTheGivenOriginsReadAnswers(t *testing.T) {
	refuse := func(context.Context, string, []byte) (orders.Answer, error) {
		return orders.Answer{}, &orders.Error{Kind: orders.ErrNotFound}
	}
	g := orders.Gateway{
		Name: "order", Do: refuse, Log: slog.New(slog.DiscardHandler), Origins: []string{"https://a.example"},
	}
	for origin, want := range map[string]string{
		"https://a.example": "https://a.example", "https://b.example": "", "": "",
	} {
		r := event(alice, "{}")
		r.Headers["origin"] = origin
		response, err := g.Handle(t.Context(), r)
		if got := response.Headers["Access-Control-Allow-Origin"]; err != nil || got != want ||
			(response.Headers["Vary"] == "Origin") != (want != "") {
			t.Errorf("%q: answer allows %q (%v), want %q", origin, got, response.Headers, want)
		}
	}
}
