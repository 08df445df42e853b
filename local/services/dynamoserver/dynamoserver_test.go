package dynamoserver_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/dynamoserver"
)

// The tables are those of the stacks.
const (
	vault  = "CreditCardTokenizerTable"
	orders = "CustomerOrderTable"
)

type item = map[string]types.AttributeValue

func s(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
func n(v int) types.AttributeValue    { return &types.AttributeValueMemberN{Value: fmt.Sprint(v)} }
func b(v string) types.AttributeValue { return &types.AttributeValueMemberB{Value: []byte(v)} }

type world struct {
	*dynamodb.Client
	t   *testing.T
	url string

	mu  sync.Mutex
	now time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	server := httptest.NewServer(dynamoserver.New(dynamoserver.Config{
		AccountID: "123456789012", Region: "us-east-1",
		Now: func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now },
	}))
	t.Cleanup(server.Close)
	w.url = server.URL
	w.Client = dynamodb.New(dynamodb.Options{
		BaseEndpoint: &server.URL, Region: "us-east-1", RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", ""),
	})
	w.createTable(vault, "Hash_Key", "Account_Id")
	w.createTable(orders, "CustomerOrder")
	return w
}

func (w *world) createTable(name string, keys ...string) {
	w.t.Helper()
	in := &dynamodb.CreateTableInput{TableName: &name, BillingMode: types.BillingModePayPerRequest}
	for i, key := range keys {
		in.AttributeDefinitions = append(in.AttributeDefinitions,
			types.AttributeDefinition{AttributeName: &key, AttributeType: types.ScalarAttributeTypeS})
		in.KeySchema = append(in.KeySchema, types.KeySchemaElement{
			AttributeName: &key, KeyType: []types.KeyType{types.KeyTypeHash, types.KeyTypeRange}[i],
		})
	}
	if _, err := w.CreateTable(w.t.Context(), in); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) get(table string, key item) item {
	w.t.Helper()
	out, err := w.GetItem(w.t.Context(), &dynamodb.GetItemInput{TableName: &table, Key: key, ConsistentRead: new(true)})
	if err != nil {
		w.t.Fatal(err)
	}
	return out.Item
}

func (w *world) order(number string) item { return w.get(orders, item{"CustomerOrder": s(number)}) }

func (w *world) put(table string, row item) {
	w.t.Helper()
	if _, err := w.PutItem(w.t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: row}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) count(table string) int {
	w.t.Helper()
	out, err := w.Scan(w.t.Context(), &dynamodb.ScanInput{TableName: &table})
	if err != nil {
		w.t.Fatal(err)
	}
	return len(out.Items)
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	if e, ok := errors.AsType[smithy.APIError](err); !ok || e.ErrorCode() != code {
		t.Errorf("got error %v, want %s", err, code)
	}
}

func wantItem(t *testing.T, got, want item) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(types.AttributeValueMemberS{},
		types.AttributeValueMemberN{}, types.AttributeValueMemberB{})); diff != "" {
		t.Errorf("item (-want +got):\n%s", diff)
	}
}

func row(token, envelope string) item {
	return item{"Hash_Key": s(token), "Account_Id": s("123456789012"), "CandidateString": b(envelope)}
}

func key(row item) item { return item{"Hash_Key": row["Hash_Key"], "Account_Id": row["Account_Id"]} }

// putSame is plain tokenize's write, which may be repeated.
func (w *world) putSame(row item) error {
	_, err := w.PutItem(w.t.Context(), &dynamodb.PutItemInput{
		TableName: new(vault), Item: row,
		ConditionExpression:       new("attribute_not_exists(Hash_Key) OR CandidateString = :same"),
		ExpressionAttributeValues: item{":same": row["CandidateString"]},
	})
	return err
}

func TestPutItem_OfTheSameBytesMayBeRepeatedAndNoOther(t *testing.T) {
	w := newWorld(t)
	for range 2 {
		if err := w.putSame(row("token", "\x00\xff envelope")); err != nil {
			t.Fatal(err)
		}
	}
	for _, other := range []string{"\x00\xfe envelope", "\x00\xff envelope."} {
		wantCode(t, w.putSame(row("token", other)), "ConditionalCheckFailedException")
	}
	wantItem(t, w.get(vault, key(row("token", ""))), row("token", "\x00\xff envelope"))
}

func TestTables_AreDescribedAsActive(t *testing.T) {
	w := newWorld(t)
	if err := dynamodb.NewTableExistsWaiter(w).Wait(t.Context(), &dynamodb.DescribeTableInput{TableName: new(vault)},
		time.Second); err != nil {
		t.Fatal(err)
	}
	out, err := w.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: new(vault)})
	if err != nil {
		t.Fatal(err)
	}
	if want := "arn:aws:dynamodb:us-east-1:123456789012:table/" + vault; *out.Table.TableArn != want {
		t.Errorf("ARN %s, want %s", *out.Table.TableArn, want)
	}
}

func TestTables_AcceptSettingsIfTheyExist(t *testing.T) {
	w := newWorld(t)
	for table, want := range map[string]string{vault: "", "None": "ResourceNotFoundException"} {
		_, ttl := w.UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{
			TableName: &table, TimeToLiveSpecification: &types.TimeToLiveSpecification{
				AttributeName: new("ExpiresAt"), Enabled: new(true),
			}})
		_, backups := w.UpdateContinuousBackups(t.Context(), &dynamodb.UpdateContinuousBackupsInput{
			TableName: &table,
			PointInTimeRecoverySpecification: &types.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: new(
				true)}})
		for _, err := range []error{ttl, backups} {
			if want != "" {
				wantCode(t, err, want)
			} else if err != nil {
				t.Error(err)
			}
		}
	}
}

// place commits an order and its vault row, both if absent.
func place(order, token, envelope string) *dynamodb.TransactWriteItemsInput {
	return &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Put: &types.Put{TableName: new(orders), Item: item{"CustomerOrder": s(order), "CreditCard": s(token)},
			ConditionExpression:                 new("attribute_not_exists(CustomerOrder)"),
			ReturnValuesOnConditionCheckFailure: "ALL_OLD"}},
		{Put: &types.Put{
			TableName:           new(vault),
			Item:                row(token, envelope),
			ConditionExpression: new("attribute_not_exists(Hash_Key)"),
		}},
	}}
}

func TestTransaction_GivesEachReasonInOrderAndWritesNothingWhenCancelled(t *testing.T) {
	for name, test := range map[string]struct {
		order, token string
		want         []string
	}{
		"the order is taken": {"1", "free", []string{"ConditionalCheckFailed", "None"}},
		"the token is taken": {"free", "token", []string{"None", "ConditionalCheckFailed"}},
		"both are taken":     {"1", "token", []string{"ConditionalCheckFailed", "ConditionalCheckFailed"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if _, err := w.TransactWriteItems(t.Context(), place("1", "token", "first")); err != nil {
				t.Fatal(err)
			}
			_, err := w.TransactWriteItems(t.Context(), place(test.order, test.token, "second"))
			cancelled, ok := errors.AsType[*types.TransactionCanceledException](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			var codes []string
			for _, reason := range cancelled.CancellationReasons {
				codes = append(codes, *reason.Code)
			}
			if diff := cmp.Diff(test.want, codes); diff != "" {
				t.Errorf("reasons (-want +got):\n%s", diff)
			}
			if !strings.Contains(*cancelled.Message, "["+strings.Join(test.want, ", ")+"]") {
				t.Errorf("message %q", *cancelled.Message)
			}
			if test.order == "1" { // the only one that asked for it
				wantItem(t, cancelled.CancellationReasons[0].Item,
					item{"CustomerOrder": s("1"), "CreditCard": s("token")})
			}
			if w.count(orders) != 1 || w.count(vault) != 1 {
				t.Errorf("%d orders and %d vault rows, want 1 and 1", w.count(orders), w.count(vault))
			}
			wantItem(t, w.get(vault, key(row("token", ""))), row("token", "first"))
		})
	}
}

func TestTransaction_GivesReasonsForEveryKindOfMember(t *testing.T) {
	w := newWorld(t)
	if _, err := w.TransactWriteItems(t.Context(), place("1", "token", "e")); err != nil {
		t.Fatal(err)
	}
	order := func(number string) item { return item{"CustomerOrder": s(number)} }
	_, err := w.TransactWriteItems(t.Context(),
		&dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
			{Put: &types.Put{TableName: new(orders), Item: order("2")}},
			{Update: &types.Update{TableName: new(orders), Key: order("3"), UpdateExpression: new("SET #a = :new"),
				ConditionExpression:       new("#b = :old"),
				ExpressionAttributeNames:  map[string]string{"#a": "A", "#b": "B"},
				ExpressionAttributeValues: item{":new": s("x"), ":old": s("y")}}},
			{Delete: &types.Delete{
				TableName:           new(orders),
				Key:                 order("4"),
				ConditionExpression: new("attribute_exists(CustomerOrder)"),
			}},
			{ConditionCheck: &types.ConditionCheck{
				TableName:           new(orders),
				Key:                 order("1"),
				ConditionExpression: new("attribute_exists(CustomerOrder)"),
			}},
		}})
	cancelled, ok := errors.AsType[*types.TransactionCanceledException](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	var codes []string
	for _, reason := range cancelled.CancellationReasons {
		codes = append(codes, *reason.Code)
	}
	if diff := cmp.Diff([]string{"None", "ConditionalCheckFailed", "ConditionalCheckFailed", "None"},
		codes); diff != "" {
		t.Errorf("reasons (-want +got):\n%s", diff)
	}
	if w.count(orders) != 1 {
		t.Error("a cancelled transaction wrote")
	}
}

func TestTransaction_RefusesTwoOperationsOnOneItem(t *testing.T) {
	w := newWorld(t)
	in := place("1", "token", "e")
	in.TransactItems = append(in.TransactItems, in.TransactItems[0])
	in.ClientRequestToken = new("request-1")
	for range 2 { // a refused request is not remembered as done
		_, err := w.TransactWriteItems(t.Context(), in)
		wantCode(t, err, "ValidationException")
	}
	if w.count(orders) != 0 {
		t.Error("it wrote")
	}
}

func TestTransaction_IsDoneOnceForEachToken(t *testing.T) {
	w := newWorld(t)
	in, other := place("1", "token", "e"), place("2", "token2", "e")
	in.ClientRequestToken, other.ClientRequestToken = new("request-1"), new("request-1")
	for range 3 {
		if _, err := w.TransactWriteItems(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	}
	_, err := w.TransactWriteItems(t.Context(), other)
	wantCode(t, err, "IdempotentParameterMismatchException")
	w.mu.Lock()
	w.now = w.now.Add(10 * time.Minute)
	w.mu.Unlock()
	_, err = w.TransactWriteItems(t.Context(), in)
	wantCode(t, err, "TransactionCanceledException")
	if _, err := w.TransactWriteItems(t.Context(), other); err != nil {
		t.Error("the token is free again, but:", err)
	}
}

func TestTransaction_MayBeRepeatedUnderItsTokenWhenCancelled(t *testing.T) {
	w := newWorld(t)
	w.put(orders, item{"CustomerOrder": s("1")})
	in := place("1", "token", "e")
	in.ClientRequestToken = new("request-1")
	_, err := w.TransactWriteItems(t.Context(), in)
	wantCode(t, err, "TransactionCanceledException")
	if _, err := w.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{
		TableName: new(orders), Key: item{"CustomerOrder": s("1")},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.TransactWriteItems(t.Context(), in); err != nil {
		t.Error(err)
	}
}

// charge moves an order to CHARGING, as paybill does.
func (w *world) charge(order, sub string, now int) (item, error) {
	out, err := w.UpdateItem(w.t.Context(), &dynamodb.UpdateItemInput{
		TableName: new(orders), Key: item{"CustomerOrder": s(order)},
		UpdateExpression: new("SET #s = :charging, LeaseUntil = :until"),
		ConditionExpression: new(
			"attribute_exists(CustomerOrder) AND #sub = :sub AND (#s = :placed OR (#s = :charging AND LeaseUntil < :now))"),
		ExpressionAttributeNames: map[string]string{"#s": "Status", "#sub": "Sub"}, // both are reserved words
		ExpressionAttributeValues: item{":sub": s(sub), ":placed": s("PLACED"), ":charging": s("CHARGING"),
			":now": n(now), ":until": n(now + 30)},
		ReturnValues: types.ReturnValueAllNew,
	})
	if err != nil {
		return nil, err
	}
	return out.Attributes, nil
}

func TestUpdateItem_TakesAnOrdersLeaseForItsOwnerWhileFree(t *testing.T) {
	w := newWorld(t)
	w.put(orders, item{"CustomerOrder": s("1"), "Sub": s("jane"), "Status": s("PLACED"), "CreditCard": s("token")})
	for _, refused := range []struct{ order, sub string }{{"2", "jane"}, {"1", "joan"}} {
		_, err := w.charge(refused.order, refused.sub, 1000)
		wantCode(t, err, "ConditionalCheckFailedException")
	}
	if w.count(orders) != 1 {
		t.Fatal("a refused update made an item")
	}
	got, err := w.charge("1", "jane", 1000)
	if err != nil {
		t.Fatal(err)
	}
	want := item{
		"CustomerOrder": s("1"),
		"Sub":           s("jane"),
		"Status":        s("CHARGING"),
		"CreditCard":    s("token"),
		"LeaseUntil":    n(1030),
	}
	wantItem(t, got, want)
	for _, early := range []int{1001, 1030} {
		_, err = w.charge("1", "jane", early)
		wantCode(t, err, "ConditionalCheckFailedException")
	}
	wantItem(t, w.order("1"), want)
	if _, err := w.charge("1", "jane", 1031); err != nil {
		t.Error("the lease is over, but:", err)
	}
	// As numbers, not as text: 999 is before 1061.
	_, err = w.charge("1", "jane", 999)
	wantCode(t, err, "ConditionalCheckFailedException")
}

func TestUpdateItem_LeavesTheItemAloneWhenItFails(t *testing.T) {
	w := newWorld(t)
	w.put(orders, item{"CustomerOrder": s("1"), "Name": s("text")})
	_, err := w.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
		TableName: new(orders), Key: item{"CustomerOrder": s("1")},
		UpdateExpression:          new("SET A = :one, B = PaymentId + :one"),
		ExpressionAttributeValues: item{":one": n(1)},
	})
	wantCode(t, err, "ValidationException")
	wantItem(t, w.order("1"), item{"CustomerOrder": s("1"), "Name": s("text")})
}

func TestGetItem_ProjectsAndTellsAbsence(t *testing.T) {
	w := newWorld(t)
	w.put(orders, item{"CustomerOrder": s("1"), "Status": s("PAID"), "Address": s("x")})
	out, err := w.GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: new(orders), Key: item{"CustomerOrder": s("1")}, ConsistentRead: new(true),
		ProjectionExpression:     new("CustomerOrder, #s, PaymentId"),
		ExpressionAttributeNames: map[string]string{"#s": "Status"},
	})
	if err != nil {
		t.Fatal(err)
	}
	wantItem(t, out.Item, item{"CustomerOrder": s("1"), "Status": s("PAID")})
	if got := w.order("2"); got != nil {
		t.Errorf("an absent item is %v, want nil", got)
	}
}

func TestReturnValues_GiveTheOldItemWhereAskedForOnly(t *testing.T) {
	w := newWorld(t)
	first, second := item{"CustomerOrder": s("1"), "V": n(1)}, item{"CustomerOrder": s("1"), "V": n(2)}
	put := func(row item, returns types.ReturnValue) item {
		out, err := w.PutItem(t.Context(), &dynamodb.PutItemInput{
			TableName: new(orders), Item: row, ReturnValues: returns,
		})
		if err != nil {
			t.Fatal(err)
		}
		return out.Attributes
	}
	wantItem(t, put(first, ""), nil)
	wantItem(t, put(second, "ALL_OLD"), first)
	remove := func(onFailure types.ReturnValuesOnConditionCheckFailure) item {
		_, err := w.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{
			TableName: new(orders), Key: item{"CustomerOrder": s("1")}, ConditionExpression: new("V = :v"),
			ExpressionAttributeValues: item{":v": n(7)}, ReturnValuesOnConditionCheckFailure: onFailure})
		failed, ok := errors.AsType[*types.ConditionalCheckFailedException](err)
		if !ok {
			t.Fatalf("got %v", err)
		}
		return failed.Item
	}
	wantItem(t, remove("NONE"), nil)
	wantItem(t, remove("ALL_OLD"), second)
	_, err := w.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: new(orders), Item: first,
		ConditionExpression:                 new("attribute_not_exists(CustomerOrder)"),
		ReturnValuesOnConditionCheckFailure: "ALL_OLD"})
	failed, ok := errors.AsType[*types.ConditionalCheckFailedException](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	wantItem(t, failed.Item, second)
	out, err := w.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{
		TableName: new(orders), Key: item{"CustomerOrder": s("1")}, ReturnValues: "ALL_OLD",
	})
	if err != nil {
		t.Fatal(err)
	}
	wantItem(t, out.Attributes, second)
	wantItem(t, put(first, "ALL_OLD"), nil)
}

// race runs f 50 times at once and returns how many of them succeeded; the others must fail with code.
func race(t *testing.T, code string, f func(i int) error) int {
	t.Helper()
	var group sync.WaitGroup
	var won atomic.Int32
	for i := range 50 {
		group.Go(func() {
			if err := f(i); err == nil {
				won.Add(1)
			} else {
				wantCode(t, err, code)
			}
		})
	}
	group.Wait()
	return int(won.Load())
}

func TestConditions_LetOneOfFiftyConcurrentCallersWin(t *testing.T) {
	w := newWorld(t)
	w.put(orders, item{"CustomerOrder": s("paid"), "Sub": s("jane"), "Status": s("PLACED")})
	for name, test := range map[string]struct {
		code string
		f    func(i int) error
	}{
		"putting": {"ConditionalCheckFailedException", func(i int) error {
			return w.putSame(row("put", fmt.Sprint("envelope", i)))
		}},
		"charging": {"ConditionalCheckFailedException", func(int) error {
			_, err := w.charge("paid", "jane", 1000)
			return err
		}},
		"committing": {"TransactionCanceledException", func(i int) error {
			_, err := w.TransactWriteItems(t.Context(), place("1", fmt.Sprint("token", i), "e"))
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if won := race(t, test.code, test.f); won != 1 {
				t.Errorf("%d callers won", won)
			}
		})
	}
	if orders, rows := w.count(orders), w.count(vault); orders != 2 || rows != 2 {
		t.Errorf("%d orders and %d vault rows, want 2 and 2", orders, rows)
	}
}

func TestTables_MayBeMadeWhileOthersAreUsed(t *testing.T) {
	w := newWorld(t)
	if won := race(t, "", func(i int) error {
		w.createTable(fmt.Sprint("Table", i), "K")
		return w.putSame(row(fmt.Sprint("token", i), "e"))
	}); won != 50 {
		t.Errorf("%d of 50 succeeded", won)
	}
}

func TestPages_AreGivenByScansAndQueries(t *testing.T) {
	w := newWorld(t)
	var want []string
	for i := range 7 {
		token := fmt.Sprint("token", i)
		w.put(vault, row(token, "e"))
		want = append(want, token)
	}
	var got []string
	pages := dynamodb.NewScanPaginator(w, &dynamodb.ScanInput{TableName: new(vault), Limit: new(int32(3))})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range page.Items {
			got = append(got, row["Hash_Key"].(*types.AttributeValueMemberS).Value)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("scanned (-want +got):\n%s", diff)
	}
	out, err := w.Query(t.Context(), &dynamodb.QueryInput{
		TableName:                 new(vault),
		KeyConditionExpression:    new("Hash_Key = :k"),
		ExpressionAttributeValues: item{":k": s("token3")},
	})
	if err != nil || len(out.Items) != 1 {
		t.Errorf("queried %v, %v", out, err)
	}
}

func TestServer_AnswersWrongRequestsWithTypedErrors(t *testing.T) {
	w := newWorld(t)
	get := func(table string, key item) error {
		_, err := w.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &table, Key: key})
		return err
	}
	put := func(in dynamodb.PutItemInput) error { _, err := w.PutItem(t.Context(), &in); return err }
	_, noIndex := w.Query(t.Context(), &dynamodb.QueryInput{
		TableName:                 new(orders),
		IndexName:                 new("none"),
		KeyConditionExpression:    new("A = :a"),
		ExpressionAttributeValues: item{":a": s("x")},
	})
	_, unknown := w.ListBackups(t.Context(), &dynamodb.ListBackupsInput{})
	for name, test := range map[string]struct {
		err  error
		code string
	}{
		"no such table":         {get("None", item{"K": s("1")}), "ResourceNotFoundException"},
		"half a key":            {get(vault, item{"Hash_Key": s("1")}), "ValidationException"},
		"a key of another type": {get(orders, item{"CustomerOrder": n(1)}), "ValidationException"},
		"an item without a key": {
			put(dynamodb.PutItemInput{TableName: new(orders), Item: item{"A": s("1")}}), "ValidationException",
		},
		"that asks for the old": {put(dynamodb.PutItemInput{
			TableName: new(orders), Item: item{"A": s("1")}, ReturnValues: "ALL_OLD",
		}), "ValidationException"},
		"into no table": {put(dynamodb.PutItemInput{
			TableName: new("None"), Item: item{"A": s("1")}, ReturnValues: "ALL_OLD",
		}), "ResourceNotFoundException"},
		"a malformed condition": {put(dynamodb.PutItemInput{
			TableName:           new(orders),
			Item:                item{"CustomerOrder": s("1")},
			ConditionExpression: new("attribute_not_exists("),
		}), "ValidationException"},
		"a reserved word": {put(dynamodb.PutItemInput{
			TableName:                 new(orders),
			Item:                      item{"CustomerOrder": s("1")},
			ConditionExpression:       new("Sub = :x"),
			ExpressionAttributeValues: item{":x": s("1")},
		}), "ValidationException"},
		"an unused value": {put(dynamodb.PutItemInput{
			TableName:                 new(orders),
			Item:                      item{"CustomerOrder": s("1")},
			ExpressionAttributeValues: item{":x": s("1")},
		}), "ValidationException"},
		"an index not there":   {noIndex, "ValidationException"},
		"an unknown operation": {unknown, "UnknownOperationException"},
	} {
		t.Run(name, func(t *testing.T) { wantCode(t, test.err, test.code) })
	}
	if unknown != nil && !strings.Contains(unknown.Error(), "ListBackups") {
		t.Errorf("%v does not name the operation", unknown)
	}
	// A panicking engine must not stay locked.
	w.put(orders, item{"CustomerOrder": s("after")})
}
