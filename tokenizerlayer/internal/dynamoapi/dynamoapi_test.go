package dynamoapi_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/attribute"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/awsjson"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/dynamoapi"
)

// service answers every request with the same text, and keeps what it was asked last.
type service struct {
	status               int // 0 means 200
	answer, target, body string
}

func (s *service) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, _ := io.ReadAll(q.Body)
	s.target, s.body = q.Header.Get("X-Amz-Target")+" "+q.Header.Get("Content-Type"), string(body)
	w.WriteHeader(max(s.status, http.StatusOK))
	_, _ = io.WriteString(w, s.answer)
}

func environment(t *testing.T, url string) awsjson.Environment {
	t.Helper()
	variables := map[string]string{
		"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_ENDPOINT_URL": url,
	}
	e, err := awsjson.Load(func(name string) string { return variables[name] })
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func newService(t *testing.T, s *service) *dynamoapi.Client {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	c, err := dynamoapi.New(environment(t, server.URL), awsjson.Options{Attempts: 1})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNew_RefusesAnEndpointThatIsNone(t *testing.T) {
	c, err := dynamoapi.New(environment(t, "ftp://dynamodb"), awsjson.Options{})
	if err == nil || c != nil || !strings.HasPrefix(err.Error(), "AWS_ENDPOINT_URL ") {
		t.Errorf("%v, %v", c, err)
	}
}

var (
	key    = attribute.Item{"K": attribute.S("é")}
	row    = attribute.Item{"K": attribute.S("é"), "N": attribute.N("1")}
	values = attribute.Item{":now": attribute.N("2")}
)

// Each operation with everything that it may have, and with as little as possible: what is empty is left out.
func TestClient_SendsWhatItIsGiven(t *testing.T) {
	const rowJSON, keyJSON = `{"K":{"S":"é"},"N":{"N":"1"}}`, `{"K":{"S":"é"}}`
	transact := func(items ...dynamoapi.TransactWriteItem) func(context.Context, *dynamoapi.Client) error {
		return func(ctx context.Context, c *dynamoapi.Client) error {
			return c.TransactWriteItems(ctx, dynamoapi.TransactWriteItemsInput{
				TransactItems: items, ClientRequestToken: "same",
			})
		}
	}
	get := func(in dynamoapi.GetItemInput) func(context.Context, *dynamoapi.Client) error {
		return func(ctx context.Context, c *dynamoapi.Client) error { _, err := c.GetItem(ctx, in); return err }
	}
	for name, tt := range map[string]struct {
		operation, body string
		do              func(context.Context, *dynamoapi.Client) error
	}{
		"GetItem, consistent": {
			"GetItem", `{"TableName":"T","Key":` + keyJSON + `,"ConsistentRead":true}`,
			get(dynamoapi.GetItemInput{TableName: "T", Key: key, ConsistentRead: true}),
		},
		"GetItem": {
			"GetItem", `{"TableName":"T","Key":` + keyJSON + `}`, get(dynamoapi.GetItemInput{TableName: "T", Key: key}),
		},
		"PutItem": {
			"PutItem", `{"TableName":"T","Item":` + rowJSON + `,"ReturnValues":"NONE"}`,
			func(ctx context.Context, c *dynamoapi.Client) error {
				return c.PutItem(ctx, dynamoapi.PutItemInput{TableName: "T", Item: row})
			},
		},
		"PutItem, conditional": {
			"PutItem", `{"TableName":"T","Item":` + rowJSON + `,"ConditionExpression":"K < :now",` +
				`"ExpressionAttributeValues":{":now":{"N":"2"}},"ReturnValues":"NONE"}`,
			func(ctx context.Context, c *dynamoapi.Client) error {
				return c.PutItem(ctx, dynamoapi.PutItemInput{
					TableName: "T", Item: row, ConditionExpression: "K < :now", ExpressionAttributeValues: values,
				})
			},
		},
		"UpdateItem": {
			"UpdateItem", `{"TableName":"T","Key":` + keyJSON + `,"UpdateExpression":"SET N = :now",` +
				`"ConditionExpression":"N < :now","ExpressionAttributeValues":{":now":{"N":"2"}}}`,
			func(ctx context.Context, c *dynamoapi.Client) error {
				return c.UpdateItem(ctx, dynamoapi.UpdateItemInput{
					TableName: "T", Key: key, UpdateExpression: "SET N = :now", ConditionExpression: "N < :now",
					ExpressionAttributeValues: values,
				})
			},
		},
		"UpdateItem, without values": {
			"UpdateItem", `{"TableName":"T","Key":` + keyJSON + `,"UpdateExpression":"REMOVE N"}`,
			func(ctx context.Context, c *dynamoapi.Client) error {
				return c.UpdateItem(ctx, dynamoapi.UpdateItemInput{
					TableName: "T", Key: key, UpdateExpression: "REMOVE N",
					ExpressionAttributeValues: attribute.Item{},
				})
			},
		},
		"TransactWriteItems": {
			"TransactWriteItems", `{"TransactItems":[` +
				`{"Put":{"TableName":"T","Item":` + rowJSON + `,"ConditionExpression":"a",` +
				`"ExpressionAttributeValues":{":now":{"N":"2"}}}},` +
				`{"Delete":{"TableName":"D","Key":` + keyJSON + `,"ConditionExpression":"b",` +
				`"ExpressionAttributeValues":{":now":{"N":"2"}}}},` +
				`{"Put":{"TableName":"T","Item":` + keyJSON + `}}],"ClientRequestToken":"same"}`,
			transact(
				dynamoapi.TransactWriteItem{Put: &dynamoapi.Put{
					TableName: "T", Item: row, ConditionExpression: "a", ExpressionAttributeValues: values,
				}},
				dynamoapi.TransactWriteItem{Delete: &dynamoapi.Delete{
					TableName: "D", Key: key, ConditionExpression: "b", ExpressionAttributeValues: values,
				}},
				dynamoapi.TransactWriteItem{Put: &dynamoapi.Put{TableName: "T", Item: key}},
			),
		},
		"TransactWriteItems, of one": {
			"TransactWriteItems",
			`{"TransactItems":[{"Delete":{"TableName":"D","Key":` + keyJSON + `}}],"ClientRequestToken":"same"}`,
			transact(dynamoapi.TransactWriteItem{Delete: &dynamoapi.Delete{TableName: "D", Key: key}}),
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &service{answer: `{}`}
			if err := tt.do(t.Context(), newService(t, s)); err != nil {
				t.Error(err)
			}
			want := []string{"DynamoDB_20120810." + tt.operation + " application/x-amz-json-1.0", tt.body}
			if diff := cmp.Diff(want, []string{s.target, s.body}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestGetItem_ReadsTheRow(t *testing.T) {
	for answer, want := range map[string]attribute.Item{
		`{}`:            nil,
		`{"Item":null}`: nil,
		`{"Item":{}}`:   {},
		`{"ConsumedCapacity":{"Item":{}},"Item":{"K":{"S":"é"},"N":{"N":"1"}},"More":[1]}`: row,
	} {
		got, err := newService(t, &service{answer: answer}).GetItem(t.Context(), dynamoapi.GetItemInput{Key: key})
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", answer, err, diff)
		}
	}
}

// A refusal keeps its name and reasons. An answer that is cut off, or no document, is an error as well, of each
// operation: a write whose answer cannot be read may not have happened.
func TestClient_ReportsWhatFails(t *testing.T) {
	operations := map[string]func(*dynamoapi.Client) error{
		"GetItem": func(c *dynamoapi.Client) error {
			row, err := c.GetItem(t.Context(), dynamoapi.GetItemInput{})
			if row != nil {
				t.Errorf("the row %v stands beside the error", row)
			}
			return err
		},
		"PutItem":    func(c *dynamoapi.Client) error { return c.PutItem(t.Context(), dynamoapi.PutItemInput{}) },
		"UpdateItem": func(c *dynamoapi.Client) error { return c.UpdateItem(t.Context(), dynamoapi.UpdateItemInput{}) },
		"TransactWriteItems": func(c *dynamoapi.Client) error {
			return c.TransactWriteItems(t.Context(), dynamoapi.TransactWriteItemsInput{})
		},
	}
	const refusal = `{"__type":"x#TransactionCanceledException",` +
		`"CancellationReasons":[{"Code":"None"},{"Code":"ConditionalCheckFailed"}]}`
	for name, do := range operations {
		err := do(newService(t, &service{status: 400, answer: refusal}))
		if awsjson.Code(err) != dynamoapi.TransactionCanceledException ||
			!slices.Equal(err.(*awsjson.Error).Reasons, []string{"None", dynamoapi.ConditionalCheckFailed}) {
			t.Errorf("%s: error = %v", name, err)
		}
		for _, answer := range []string{`{"Item":{"K":{"S":"x"}}`, `{"Item":{"K":`, `{"Item":{"K":{"S":"x"}}}}`, `[]`} {
			if err := do(newService(t, &service{answer: answer})); err == nil {
				t.Errorf("%s: the answer %s passes", name, answer)
			}
		}
	}
	for _, answer := range []string{
		`{"Item":[]}`, `{"Item":{"K":{"S":1}}}`, `{"Item":{"K":{"B":"?"}}}`, `{"Item":{"K":{"B":"?"}}`,
		`{"Item":{"K":{"B":"?"}`,
	} {
		if err := operations["GetItem"](newService(t, &service{answer: answer})); err == nil {
			t.Errorf("GetItem: the answer %s passes", answer)
		}
	}
}

// An answer may have 4 MiB.
func TestClient_BoundsAnAnswer(t *testing.T) {
	for size, fits := range map[int]bool{4 << 20: true, 4<<20 + 1: false} {
		const answer = `{"Item":{"K":{"S":"é"}}}`
		c := newService(t, &service{answer: answer + strings.Repeat(" ", size-len(answer))})
		got, err := c.GetItem(t.Context(), dynamoapi.GetItemInput{})
		if (err == nil) != fits || (len(got) == 1) != fits {
			t.Errorf("%d bytes: %v, error = %v", size, got, err)
		}
	}
}
