package dynamoserver_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
)

// raw returns an answer as it is sent, in which a missing member differs from an empty one.
func (w *world) raw(operation, body string) string {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.url, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810."+operation)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(answer)
}

// wantJSON compares answers whose members may be in any order.
func wantJSON(t *testing.T, got, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Fatalf("%s: %v", got, err)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatalf("%s: %v", want, err)
	}
	if diff := cmp.Diff(w, g); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAnswers_HaveTheirEmptyMembers(t *testing.T) {
	w := newWorld(t)
	w.put(vault, item{"Hash_Key": s("b"), "Account_Id": s("1"), "X": s("x")})
	w.put(vault, item{"Hash_Key": s("a"), "Account_Id": s("1")})
	const (
		none  = `{"Items":[],"Count":0,"ScannedCount":0}`
		empty = `"TableName":"CustomerOrderTable"`
		full  = `"TableName":"CreditCardTokenizerTable"`
		key   = `"Key":{"CustomerOrder":{"S":"1"}}`
		a     = `"Key":{"Hash_Key":{"S":"a"},"Account_Id":{"S":"1"}}`
		two   = `[{"Hash_Key":{"S":"a"}},{"Hash_Key":{"S":"b"}}]`
	)
	type test struct{ name, operation, body, want string }
	tests := []test{
		{"scan", "Scan", `{` + empty + `}`, none},
		{"scan counts", "Scan", `{` + empty + `,"Select":"COUNT"}`, `{"Count":0,"ScannedCount":0}`},
		{"scan with a filter", "Scan", `{` + full + `,"FilterExpression":"X = :x",
			"ExpressionAttributeValues":{":x":{"S":"y"}}}`, `{"Items":[],"Count":0,"ScannedCount":2}`},
		{"scan with a filter, counted", "Scan", `{` + full + `,"FilterExpression":"#x = :x","Select":"COUNT",
			"ExpressionAttributeNames":{"#x":"X"},"ExpressionAttributeValues":{":x":{"S":"x"}}}`,
			`{"Count":1,"ScannedCount":2}`},
		{"scan projects", "Scan",
			`{` + full + `,"ProjectionExpression":"#h","ExpressionAttributeNames":{"#h":"Hash_Key"}}`,
			`{"Items":` + two + `,"Count":2,"ScannedCount":2}`},
		{"scan projects nothing", "Scan", `{` + full + `,"ProjectionExpression":"Nothing"}`,
			`{"Items":[{},{}],"Count":2,"ScannedCount":2}`},
		{"scan filters and projects", "Scan", `{` + full + `,"ProjectionExpression":"Hash_Key","FilterExpression":"#x = :x",
			"ExpressionAttributeNames":{"#x":"X"},"ExpressionAttributeValues":{":x":{"S":"x"}}}`,
			`{"Items":[{"Hash_Key":{"S":"b"}}],"Count":1,"ScannedCount":2}`},
		{"query", "Query", `{` + empty + `,"KeyConditionExpression":"CustomerOrder = :k",
			"ExpressionAttributeValues":{":k":{"S":"1"}}}`, none},
		{"query with a filter", "Query", `{` + full + `,"KeyConditionExpression":"#h = :k","FilterExpression":"X = :x",
			"ExpressionAttributeNames":{"#h":"Hash_Key"},"ExpressionAttributeValues":{":k":{"S":"b"},":x":{"S":"y"}}}`,
			`{"Items":[],"Count":0,"ScannedCount":1}`},
		{"query projects", "Query", `{` + full + `,"KeyConditionExpression":"Hash_Key = :k","ProjectionExpression":"X",
			"ExpressionAttributeValues":{":k":{"S":"b"}}}`, `{"Items":[{"X":{"S":"x"}}],"Count":1,"ScannedCount":1}`},
		{"no item", "GetItem", `{` + empty + `,` + key + `}`, `{}`},
		{"no item to project", "GetItem", `{` + empty + `,` + key + `,"ProjectionExpression":"X"}`, `{}`},
		{"nothing of an item", "GetItem", `{` + full + `,` + a + `,"ProjectionExpression":"X"}`, `{"Item":{}}`},
		{"batch", "BatchGetItem", `{"RequestItems":{"CustomerOrderTable":{"Keys":[{"CustomerOrder":{"S":"1"}}]}}}`,
			`{"Responses":{"CustomerOrderTable":[]},"UnprocessedKeys":{}}`},
		{"batch of two tables", "BatchGetItem", `{"RequestItems":{
			"CustomerOrderTable":{"Keys":[{"CustomerOrder":{"S":"1"}}]},
			"CreditCardTokenizerTable":{"ProjectionExpression":"Hash_Key","Keys":[
				{"Hash_Key":{"S":"a"},"Account_Id":{"S":"1"}},{"Hash_Key":{"S":"c"},"Account_Id":{"S":"1"}},
				{"Hash_Key":{"S":"b"},"Account_Id":{"S":"1"}}]}}}`,
			`{"Responses":{"CustomerOrderTable":[],"CreditCardTokenizerTable":` + two + `},"UnprocessedKeys":{}}`},
		{"transaction", "TransactGetItems",
			`{"TransactItems":[{"Get":{` + empty + `,` + key + `}},{"Get":{` + full + `,` + a + `}}]}`,
			`{"Responses":[{},{"Item":{"Hash_Key":{"S":"a"},"Account_Id":{"S":"1"}}}]}`},
		{"batch of writes", "BatchWriteItem",
			`{"RequestItems":{"CustomerOrderTable":[{"DeleteRequest":{` + key + `}}]}}`,
			`{"UnprocessedItems":{}}`},
		{"put", "PutItem", `{` + empty + `,"Item":{"CustomerOrder":{"S":"put"}}}`, `{}`},
		{"put over nothing", "PutItem",
			`{` + empty + `,"Item":{"CustomerOrder":{"S":"put2"}},"ReturnValues":"ALL_OLD"}`, `{}`},
		{"put over an item", "PutItem", `{` + empty + `,"Item":{"CustomerOrder":{"S":"put"}},"ReturnValues":"ALL_OLD"}`,
			`{"Attributes":{"CustomerOrder":{"S":"put"}}}`},
		{"put with another wish", "PutItem",
			`{` + empty + `,"Item":{"CustomerOrder":{"S":"put"}},"ReturnValues":"ALL_NEW"}`,
			`{"__type":"ValidationException","message":"ReturnValues can only be ALL_OLD or NONE"}`},
		{"delete nothing", "DeleteItem", `{` + empty + `,` + key + `,"ReturnValues":"ALL_OLD"}`, `{}`},
	}
	update := `{` + empty + `,"Key":{"CustomerOrder":{"S":"up-%s"}},"UpdateExpression":"SET A = :a",
		"ExpressionAttributeValues":{":a":{"S":"a"}},"ReturnValues":%q}`
	for _, returns := range []struct{ kind, first, again string }{
		{"NONE", `{}`, `{}`},
		{"ALL_OLD", `{}`, `{"Attributes":{"CustomerOrder":{"S":"up-ALL_OLD"},"A":{"S":"a"}}}`},
		{"ALL_NEW", `{"Attributes":{"CustomerOrder":{"S":"up-ALL_NEW"},"A":{"S":"a"}}}`,
			`{"Attributes":{"CustomerOrder":{"S":"up-ALL_NEW"},"A":{"S":"a"}}}`},
		{"UPDATED_OLD", `{}`, `{"Attributes":{"A":{"S":"a"}}}`},
		{"UPDATED_NEW", `{"Attributes":{"A":{"S":"a"}}}`, `{"Attributes":{"A":{"S":"a"}}}`},
	} {
		body := fmt.Sprintf(update, returns.kind, returns.kind)
		tests = append(tests, test{"update " + returns.kind, "UpdateItem", body, returns.first},
			test{"update again " + returns.kind, "UpdateItem", body, returns.again})
	}
	tests = append(tests, []test{
		{"an update of many kinds", "UpdateItem", `{` + empty + `,"Key":{"CustomerOrder":{"S":"up-ALL_NEW"}},
			"UpdateExpression":"SET #a = if_not_exists(B, :a), C = :n REMOVE D ADD E :n","ReturnValues":"UPDATED_NEW",
			"ExpressionAttributeNames":{"#a":"A"},"ExpressionAttributeValues":{":a":{"S":"a"},":n":{"N":"1"}}}`,
			`{"Attributes":{"A":{"S":"a"},"C":{"N":"1"},"E":{"N":"1"}}}`},
		{"an update that removes", "UpdateItem", `{` + empty + `,"Key":{"CustomerOrder":{"S":"up-ALL_NEW"}},
			"UpdateExpression":"REMOVE C, E","ReturnValues":"UPDATED_OLD"}`,
			`{"Attributes":{"C":{"N":"1"},"E":{"N":"1"}}}`},
		{"an update that leaves nothing", "UpdateItem", `{` + empty + `,"Key":{"CustomerOrder":{"S":"up-ALL_NEW"}},
			"UpdateExpression":"REMOVE #a","ExpressionAttributeNames":{"#a":"A"},"ReturnValues":"UPDATED_NEW"}`, `{}`},
		{"what is left", "GetItem", `{` + empty + `,"Key":{"CustomerOrder":{"S":"up-ALL_NEW"}}}`,
			`{"Item":{"CustomerOrder":{"S":"up-ALL_NEW"}}}`},
		{"an update of a map", "UpdateItem", `{` + empty + `,"Key":{"CustomerOrder":{"S":"up-ALL_NEW"}},
			"UpdateExpression":"SET M = :m","ReturnValues":"UPDATED_NEW",
			"ExpressionAttributeValues":{":m":{"M":{"x":{"S":"x"},"y":{"S":"y"}}}}}`,
			`{"Attributes":{"M":{"M":{"x":{"S":"x"},"y":{"S":"y"}}}}}`},
		{"an update that removes a part", "UpdateItem", `{` + empty + `,"Key":{"CustomerOrder":{"S":"up-ALL_NEW"}},
			"UpdateExpression":"REMOVE M.x","ReturnValues":"ALL_NEW"}`,
			`{"Attributes":{"CustomerOrder":{"S":"up-ALL_NEW"},"M":{"M":{"y":{"S":"y"}}}}}`},
	}...)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { wantJSON(t, w.raw(test.operation, test.body), test.want) })
	}
}

func TestReads_AreBounded(t *testing.T) {
	w := newWorld(t)
	keys := func(n, repeat int) []item {
		var keys []item
		for i := range n {
			keys = append(keys, item{"CustomerOrder": s(fmt.Sprint(i % (n - repeat)))})
		}
		return keys
	}
	batch := func(keys []item) error {
		_, err := w.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{
			RequestItems: map[string]types.KeysAndAttributes{orders: {Keys: keys}},
		})
		return err
	}
	transact := func(keys []item) error {
		in := &dynamodb.TransactGetItemsInput{TransactItems: []types.TransactGetItem{}}
		for _, key := range keys {
			in.TransactItems = append(in.TransactItems,
				types.TransactGetItem{Get: &types.Get{TableName: new(orders), Key: key}})
		}
		_, err := w.TransactGetItems(t.Context(), in)
		return err
	}
	for name, read := range map[string]func([]item) error{"batch": batch, "transaction": transact} {
		if err := read(keys(100, 0)); err != nil {
			t.Errorf("%s of 100: %v", name, err)
		}
		wantCode(t, read(keys(101, 0)), "ValidationException")
		wantCode(t, read([]item{}), "ValidationException")
		wantCode(t, read([]item{{"Wrong": s("1")}}), "ValidationException")
	}
	wantCode(t, batch(keys(3, 1)), "ValidationException")
	_, err := w.BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{
		RequestItems: map[string]types.KeysAndAttributes{"None": {Keys: keys(1, 0)}},
	})
	wantCode(t, err, "ResourceNotFoundException")
}

func TestListTables_Pages(t *testing.T) {
	w := newWorld(t)
	w.createTable("Another", "K")
	if _, err := w.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: new(orders)}); err != nil {
		t.Fatal(err)
	}
	w.createTable("Last", "K")
	var got [][]string
	pages := dynamodb.NewListTablesPaginator(w, &dynamodb.ListTablesInput{Limit: new(int32(2))})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, page.TableNames)
	}
	if diff := cmp.Diff([][]string{{"Another", vault}, {"Last"}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, limit := range []int32{0, 101} {
		_, err := w.ListTables(t.Context(), &dynamodb.ListTablesInput{Limit: &limit})
		wantCode(t, err, "ValidationException")
	}
	wantJSON(t, w.raw("ListTables", `{"ExclusiveStartTableName":"Last"}`), `{"TableNames":[]}`)
}

func TestDescribeTable_SaysHowTheTableWasMade(t *testing.T) {
	w := newWorld(t)
	w.put(orders, item{"CustomerOrder": s("1")})
	out, err := w.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: new(orders)})
	if err != nil {
		t.Fatal(err)
	}
	d := out.Table
	if *d.TableName != orders || *d.ItemCount != 1 || len(d.KeySchema) != 1 || len(d.AttributeDefinitions) != 1 ||
		*d.AttributeDefinitions[0].AttributeName != "CustomerOrder" ||
		d.BillingModeSummary.BillingMode != types.BillingModePayPerRequest || !d.CreationDateTime.Equal(w.now) {
		t.Errorf("%+v", d)
	}
	if raw := w.raw("DescribeTable", `{"TableName":"`+orders+`"}`); strings.Contains(raw, "null") {
		t.Errorf("members that say nothing: %s", raw)
	}
}
