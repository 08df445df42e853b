package orders_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"
	minidyn "github.com/truora/minidyn/server"

	"github.com/lambda-tokenizer/lambda-tokenizer/lambdas/internal/orders"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

// canary is the card that every test pays with, and that must not be seen anywhere.
const canary = "4111111111111111"

// What the tests' callers are called.
const (
	alice = "0a1b2c3d-0000-4000-8000-00000000a11c"
	bob   = "0a1b2c3d-0000-4000-8000-000000000b0b"
)

const (
	orderTable  = "CustomerOrderTable"
	ledgerTable = "SimulatedPaymentLedger"
	vaultTable  = "CreditCardTokenizerTable"
)

// world is everything outside of the functions: the tables in an emulator of DynamoDB behind the real SDK, a tokenizer
// layer that keeps the cards in memory, the clock, and trouble on request. Its end checks that the canary leaked
// nowhere.
type world struct {
	t      *testing.T
	dynamo *dynamodb.Client
	log    *kit.Buffer

	mu        sync.Mutex
	now       time.Time
	calls     []string                     // every upstream call so far, in order
	cards     map[string]string            // by the vault row's CandidateString
	contexts  map[string]map[string]string // likewise
	seals     int
	nextToken func() string
	charged   []orders.Charge
	answers   []string
	// fail, if set, is asked before (done false) and after (done true) every upstream call. Its error replaces the call
	// or the answer to it.
	fail func(call string, done bool) error
}

func newWorld(t *testing.T) *world {
	t.Helper()
	server := httptest.NewServer(minidyn.NewServer())
	t.Cleanup(server.Close)
	w := &world{
		t:         t,
		log:       &kit.Buffer{},
		cards:     map[string]string{},
		contexts:  map[string]map[string]string{},
		nextToken: uuid.NewString,
		now:       time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		dynamo: dynamodb.New(dynamodb.Options{
			BaseEndpoint: &server.URL, Region: "us-east-1", RetryMaxAttempts: 1,
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
			}),
		}),
	}
	w.createTable(orderTable, "CustomerOrder")
	w.createTable(ledgerTable, "PaymentId")
	w.createTable(vaultTable, "Hash_Key", "Account_Id")
	t.Cleanup(w.noLeak)
	return w
}

func (w *world) createTable(name string, keys ...string) {
	w.t.Helper()
	in := &dynamodb.CreateTableInput{TableName: &name, BillingMode: types.BillingModePayPerRequest}
	for i, k := range keys {
		in.AttributeDefinitions = append(in.AttributeDefinitions,
			types.AttributeDefinition{AttributeName: &k, AttributeType: types.ScalarAttributeTypeS})
		in.KeySchema = append(in.KeySchema,
			types.KeySchemaElement{
				AttributeName: &k, KeyType: []types.KeyType{types.KeyTypeHash, types.KeyTypeRange}[i],
			})
	}
	if _, err := w.dynamo.CreateTable(w.t.Context(), in); err != nil {
		w.t.Fatalf("create table %s: %v", name, err)
	}
}

// rows returns a table's rows with every attribute as text.
func (w *world) rows(table string) []map[string]string {
	w.t.Helper()
	out, err := w.dynamo.Scan(context.Background(), &dynamodb.ScanInput{TableName: &table})
	if err != nil {
		w.t.Fatalf("scan %s: %v", table, err)
	}
	var rows []map[string]string
	for _, item := range out.Items {
		row := map[string]string{}
		for name, v := range item {
			switch v := v.(type) {
			case *types.AttributeValueMemberS:
				row[name] = v.Value
			case *types.AttributeValueMemberN:
				row[name] = v.Value
			case *types.AttributeValueMemberB:
				row[name] = string(v.Value)
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// order returns the one row of the order table.
func (w *world) order() map[string]string {
	w.t.Helper()
	rows := w.rows(orderTable)
	if len(rows) != 1 {
		w.t.Fatalf("order table has %d rows, want 1", len(rows))
	}
	return rows[0]
}

// put writes a row, numbers among its attributes by the order table's convention.
func (w *world) put(table string, row map[string]string) {
	w.t.Helper()
	item := map[string]types.AttributeValue{}
	for name, v := range row {
		if item[name] = (&types.AttributeValueMemberS{Value: v}); name == "LeaseUntil" {
			item[name] = &types.AttributeValueMemberN{Value: v}
		}
	}
	if _, err := w.dynamo.PutItem(context.Background(),
		&dynamodb.PutItemInput{TableName: &table, Item: item}); err != nil {
		w.t.Fatalf("put %s: %v", table, err)
	}
}

func (w *world) putOrder(row map[string]string) { w.t.Helper(); w.put(orderTable, row) }

func (w *world) wantRows(table string, n int) {
	w.t.Helper()
	if rows := w.rows(table); len(rows) != n {
		w.t.Errorf("%s has %d rows, want %d", table, len(rows), n)
	}
}

func (w *world) clock() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now }

func (w *world) advance(d time.Duration) { w.mu.Lock(); defer w.mu.Unlock(); w.now = w.now.Add(d) }

// failWith makes one kind of call fail before it is sent, or, done, after it was carried out.
func (w *world) failWith(call string, done bool, err error) {
	w.fail = func(c string, d bool) error {
		if c == call && d == done {
			return err
		}
		return nil
	}
}

// failOnce is failWith for the first such call only.
func (w *world) failOnce(call string, done bool, err error) {
	var once sync.Once
	w.fail = func(c string, d bool) (failure error) {
		if c == call && d == done {
			once.Do(func() { failure = err })
		}
		return failure
	}
}

// upstream makes a call, with trouble where it was ordered.
func upstream[T any](ctx context.Context, w *world, name string, call func() (T, error)) (T, error) {
	var none T
	w.mu.Lock()
	w.calls = append(w.calls, name)
	w.mu.Unlock()
	if w.fail != nil {
		if err := w.fail(name, false); err != nil {
			return none, err
		}
	}
	if err := ctx.Err(); err != nil {
		return none, err
	}
	out, err := call()
	if w.fail != nil && err == nil {
		if err := w.fail(name, true); err != nil {
			return none, err
		}
	}
	return out, err
}

func (w *world) called(name string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.calls {
		if c == name {
			n++
		}
	}
	return n
}

// tables is DynamoDB as the functions see it. The names of its calls say what they are for.
type tables struct{ *world }

func (d tables) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput,
	_ ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	return upstream(ctx, d.world, "place", func() (*dynamodb.TransactWriteItemsOutput, error) {
		return d.dynamo.TransactWriteItems(ctx, in)
	})
}

func (d tables) GetItem(ctx context.Context, in *dynamodb.GetItemInput,
	_ ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	if in.ConsistentRead == nil || !*in.ConsistentRead {
		d.t.Error("GetItem without ConsistentRead")
	}
	name := map[string]string{orderTable: "read order", ledgerTable: "read ledger"}[*in.TableName]
	return upstream(ctx, d.world, name, func() (*dynamodb.GetItemOutput, error) { return d.dynamo.GetItem(ctx, in) })
}

func (d tables) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput,
	_ ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	name := "release"
	switch {
	case strings.HasPrefix(*in.UpdateExpression, "SET #State = :charging"):
		name = "lease"
	case strings.HasPrefix(*in.UpdateExpression, "SET #State = :paid"):
		name = "record"
	}
	return upstream(ctx, d.world, name, func() (*dynamodb.UpdateItemOutput, error) {
		return d.dynamo.UpdateItem(ctx, in)
	})
}

func (d tables) PutItem(ctx context.Context, in *dynamodb.PutItemInput,
	_ ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	return upstream(ctx, d.world, "charge", func() (*dynamodb.PutItemOutput, error) {
		return d.dynamo.PutItem(ctx, in)
	})
}

// layer is the tokenizer layer as the functions see it.
type layer struct{ *world }

func (l layer) Seal(ctx context.Context, in client.SealInput) (client.SealOutput, error) {
	return upstream(ctx, l.world, "seal", func() (client.SealOutput, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.seals++
		token, ciphertext := l.nextToken(), "ciphertext-"+strconv.Itoa(l.seals)
		l.cards[ciphertext], l.contexts[ciphertext] = in.Data.Reveal(), in.Context
		digits := in.Data.Reveal()
		facts := client.Card{Brand: "unknown", LastFour: digits[len(digits)-4:], Length: len(digits)}
		if strings.HasPrefix(digits, "4") {
			facts.Brand = "visa"
		}
		return client.SealOutput{Token: token, Card: facts, Put: types.TransactWriteItem{Put: &types.Put{
			TableName: new(vaultTable),
			Item: map[string]types.AttributeValue{
				"Hash_Key":        &types.AttributeValueMemberS{Value: token},
				"Account_Id":      &types.AttributeValueMemberS{Value: "123456789012"},
				"CandidateString": &types.AttributeValueMemberB{Value: []byte(ciphertext)},
			},
			ConditionExpression: new("attribute_not_exists(Hash_Key)"),
		}}}, nil
	})
}

func (l layer) Detokenize(ctx context.Context, in client.DetokenizeInput) (client.DetokenizeOutput, error) {
	if in.Redaction != client.PlainText {
		l.t.Errorf("detokenize with redaction %q", in.Redaction)
	}
	return upstream(ctx, l.world, "detokenize", func() (client.DetokenizeOutput, error) {
		card, context, err := l.open(in.Token)
		if err == nil && !maps.Equal(context, in.Context) {
			return client.DetokenizeOutput{},
				client.NewError(client.ErrBindingMismatch, "binding.context", "another context")
		}
		return client.DetokenizeOutput{Data: card, Redaction: in.Redaction}, err
	})
}

// open returns what a token stands for, and what it is bound to.
func (w *world) open(token string) (client.Secret, map[string]string, error) {
	for _, row := range w.rows(vaultTable) {
		if row["Hash_Key"] == token {
			w.mu.Lock()
			defer w.mu.Unlock()
			return client.NewSecret(w.cards[row["CandidateString"]]), w.contexts[row["CandidateString"]], nil
		}
	}
	return client.Secret{}, nil, client.NewError(client.ErrNotFound, "", "no such token")
}

// witness is a processor that writes down what the one behind it was asked.
type witness struct {
	*world
	orders.Processor
}

func (p witness) Charge(ctx context.Context, c orders.Charge) (orders.Receipt, error) {
	p.mu.Lock()
	p.charged = append(p.charged, c)
	p.mu.Unlock()
	return p.Processor.Charge(ctx, c)
}

// place and pay are the operations of a function that has just started.
func (w *world) place() orders.Operation {
	return orders.PlaceOperation(&orders.Orders{
		Store: &orders.Store{DynamoDB: tables{w}, Table: orderTable}, Sealer: layer{w}, Now: w.clock,
	})
}

func (w *world) pay() orders.Operation {
	return orders.PayOperation(&orders.Payments{
		Account: "123456789012",
		Store:   &orders.Store{DynamoDB: tables{w}, Table: orderTable}, Revealer: layer{w}, Now: w.clock,
		Processor: witness{w, &orders.SimulatedProcessor{DynamoDB: tables{w}, Table: ledgerTable, Now: w.clock}},
	})
}

// handle sends an event through the gateway adapter.
func (w *world) handle(ctx context.Context, name string, do orders.Operation,
	r events.APIGatewayProxyRequest) events.APIGatewayProxyResponse {
	w.t.Helper()
	logger := slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	g := orders.Gateway{Name: name, Do: do, Log: logger, Now: w.clock}
	response, err := g.Handle(ctx, r)
	if err != nil {
		w.t.Errorf("Handle: %v", err)
	}
	b, err := json.Marshal(response)
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	w.answers = append(w.answers, string(b))
	w.mu.Unlock()
	return response
}

func (w *world) postOrder(sub, number string) events.APIGatewayProxyResponse {
	w.t.Helper()
	return w.handle(w.t.Context(), "order", w.place(), event(sub, orderBody(number)))
}

func (w *world) postBill(sub, number string) events.APIGatewayProxyResponse {
	w.t.Helper()
	return w.handle(w.t.Context(), "paybill", w.pay(), event(sub, billBody(number)))
}

// placed places order 1 of alice.
func (w *world) placed() {
	w.t.Helper()
	want(w.t, w.postOrder(alice, "1"), 201, "")
}

func orderBody(number string) string {
	return `{"CustomerOrder":"` + number +
		`","CustomerName":"Amazon Web Services","CreditCard":"4111-1111-1111-1111","Address":"Reinvent2019, Las Vegas, USA"}`
}

func billBody(number string) string { return `{"CustomerOrder":"` + number + `"}` }

func event(sub, body string) events.APIGatewayProxyRequest {
	r := events.APIGatewayProxyRequest{
		HTTPMethod: "POST", Headers: map[string]string{"content-type": "application/json"}, Body: body,
	}
	r.RequestContext.RequestID = "api-request-1"
	r.RequestContext.Authorizer = map[string]any{"claims": map[string]any{"sub": sub}}
	return r
}

// want checks a response's status and, for problems, its code and what every problem has in common.
func want(t *testing.T, r events.APIGatewayProxyResponse, status int, code string) {
	t.Helper()
	media := "application/json"
	var body struct {
		Status int
		Code   string
		Type   string
	}
	if err := json.Unmarshal([]byte(r.Body), &body); err != nil {
		t.Fatalf("body %q: %v", r.Body, err)
	}
	if code != "" {
		media = "application/problem+json"
		if body.Status != status || !strings.HasSuffix(body.Type, "#"+code) {
			t.Errorf("problem %s, want status %d and a type ending in #%s", r.Body, status, code)
		}
	}
	if r.StatusCode != status || body.Code != code {
		t.Errorf("answer %d %q, want %d %q (%s)", r.StatusCode, body.Code, status, code, r.Body)
	}
	if got := r.Headers["Content-Type"]; got != media {
		t.Errorf("Content-Type %q, want %q", got, media)
	}
	if got := r.Headers["Cache-Control"]; got != "no-store" {
		t.Errorf("Cache-Control %q, want no-store", got)
	}
}

// noLeak looks for the card in everything that came out.
func (w *world) noLeak() {
	w.mu.Lock()
	out := strings.Join(w.answers, "\n") + w.log.String()
	w.mu.Unlock()
	for _, table := range []string{orderTable, ledgerTable, vaultTable} {
		for _, row := range w.rows(table) {
			for _, v := range row {
				out += "\n" + v
			}
		}
	}
	for _, secret := range []string{canary, "4111-1111", "1111 1111", "1111-1111-1111-1111", upstreamText} {
		if strings.Contains(out, secret) {
			w.t.Errorf("%q leaked:\n%s", secret, out)
		}
	}
}

// upstreamText is in every error that the tests make up, and must not come out.
const upstreamText = "upstream says"

// errLost is a connection that broke.
var errLost = errors.New(upstreamText + " " + canary)
