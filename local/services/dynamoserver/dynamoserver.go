// Package dynamoserver is a DynamoDB for local runs: github.com/truora/minidyn, an in-memory engine, behind the JSON
// API that the ordinary SDK clients speak, with what minidyn lacks answered in front of it.
//
//	server := httptest.NewServer(dynamoserver.New(dynamoserver.Config{AccountID: "123456789012", Region: "us-east-1"}))
//	client := dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) { o.BaseEndpoint = &server.URL })
//
// The package adds what minidyn lacks: one lock around every call (minidyn creates tables without one); ListTables,
// and what DescribeTable tells of a table; UpdateTimeToLive and UpdateContinuousBackups, which have no effect (the
// tokenizer enforces expiry when it reads); BatchGetItem and TransactGetItems; the members of an answer that are empty
// or 0; what a Query or Scan projects, and how many items it evaluated; the removal of attributes; the item that a
// write asks for, after success or after a failed condition; every reason of a cancelled transaction; and the
// idempotency of transactions by ClientRequestToken.
//
// It still differs from DynamoDB. Keys of two parts that contain dots can collide. Empty binary values are refused.
// Only the request's size limits an item. A transaction takes longer the more items its tables have. UPDATED_OLD and
// UPDATED_NEW have the whole attribute of which an update changes a part.
//
// Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Operations_Amazon_DynamoDB.html
package dynamoserver

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/truora/minidyn/server"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/awsjson"
)

// Config says where the tables live.
type Config struct {
	AccountID string           // 12 digits, in every ARN
	Region    string           // such as us-east-1, in every ARN
	Now       func() time.Time // the clock by which ClientRequestTokens expire; nil means time.Now
}

// Server is a DynamoDB. It is safe for concurrent use.
type Server struct {
	config  Config
	service awsjson.Service

	mu     sync.Mutex // makes each call atomic, even one of several steps
	engine http.Handler
	tokens map[string]transaction // by ClientRequestToken
	tables map[string]object      // what minidyn does not describe of tables, by name
}

// object is a JSON object whose members are passed on unchanged.
type object = map[string]json.RawMessage

// New returns a DynamoDB without tables.
func New(config Config) *Server {
	if config.Now == nil {
		config.Now = time.Now
	}
	s := &Server{
		config: config, engine: server.NewServer(), tokens: map[string]transaction{}, tables: map[string]object{},
	}
	ops := map[string]awsjson.Handler{
		"CreateTable":             s.locked(s.table("CreateTable", "TableDescription")),
		"DeleteTable":             s.locked(s.table("DeleteTable", "TableDescription")),
		"DescribeTable":           s.locked(s.table("DescribeTable", "Table")),
		"ListTables":              s.locked(s.list),
		"UpdateTimeToLive":        s.locked(s.accept),
		"UpdateContinuousBackups": s.locked(s.accept),
		"PutItem":                 s.locked(s.write("PutItem")),
		"DeleteItem":              s.locked(s.write("DeleteItem")),
		"TransactWriteItems":      s.locked(s.transact),
		"GetItem":                 s.locked(s.get),
		"BatchGetItem":            s.locked(s.batchGet),
		"TransactGetItems":        s.locked(s.transactGet),
		"Query":                   s.locked(s.search("Query")),
		"Scan":                    s.locked(s.search("Scan")),
		"UpdateItem":              s.locked(s.update),
		"BatchWriteItem": s.locked(func(in object) (object, error) {
			out, err := s.call("BatchWriteItem", in)
			if err == nil && out["UnprocessedItems"] == nil {
				out["UnprocessedItems"] = empty
			}
			return out, err
		}),
	}
	s.service = awsjson.Service{Name: "DynamoDB", Target: "DynamoDB_20120810", Ops: ops}
	return s
}

// ServeHTTP answers one API call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.service.ServeHTTP(w, r) }

func (s *Server) locked(f func(object) (object, error)) awsjson.Handler {
	return awsjson.Op(func(_ context.Context, in object) (object, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return f(in)
	})
}

// call lets minidyn answer. Its error is an [*awsjson.Error] with all members of the exception.
func (s *Server) call(op string, in any) (out object, err error) {
	defer func() {
		if recover() != nil { // minidyn panics for an index that does not exist
			err = awsjson.Errorf("ValidationException",
				"the local DynamoDB failed in %s: check the names of indexes and attributes", op)
		}
	}()
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810."+op)
	w := &recorder{header: http.Header{}, status: http.StatusOK}
	s.engine.ServeHTTP(w, r)
	if err := json.Unmarshal(w.body.Bytes(), &out); err != nil {
		return nil, err
	}
	if w.status == http.StatusOK {
		return out, nil
	}
	e := &awsjson.Error{
		Code: text(out["__type"]), Message: text(out["message"]), Status: w.status, Fields: map[string]any{},
	}
	for name, value := range out {
		if name != "__type" && name != "message" {
			e.Fields[name] = value
		}
	}
	return nil, e
}

type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }

// table adds what minidyn leaves out of descriptions. Tables are ACTIVE at once, for which waiters wait.
func (s *Server) table(op, member string) func(object) (object, error) {
	return func(in object) (object, error) {
		out, err := s.call(op, in)
		if err != nil {
			return nil, err
		}
		description := object{}
		if err := json.Unmarshal(out[member], &description); err != nil {
			return nil, err
		}
		name := text(in["TableName"])
		switch op {
		case "CreateTable":
			s.tables[name] = object{
				"AttributeDefinitions": in["AttributeDefinitions"], "CreationDateTime": encode(s.config.Now().Unix()),
				"TableSizeBytes":     encode(0),
				"BillingModeSummary": encode(object{"BillingMode": in["BillingMode"]}),
			}
		case "DeleteTable":
			defer delete(s.tables, name)
		}
		maps.DeleteFunc(description, func(_ string, v json.RawMessage) bool { return string(v) == "null" })
		maps.Copy(description, s.tables[name])
		description["TableStatus"] = quote("ACTIVE")
		description["TableArn"] = quote("arn:aws:dynamodb:" + s.config.Region + ":" + s.config.AccountID +
			":table/" + name)
		out[member], err = json.Marshal(description)
		return out, err
	}
}

// accept answers an operation that has no effect here. The answer has what repeats the request. The table must exist.
func (s *Server) accept(in object) (object, error) {
	if _, err := s.call("DescribeTable", object{"TableName": in["TableName"]}); err != nil {
		return nil, err
	}
	delete(in, "TableName")
	return in, nil
}

// text returns a JSON string's value, or "".
func text(raw json.RawMessage) (s string) {
	_ = json.Unmarshal(raw, &s) // minidyn checks its input
	return s
}

func quote(s string) json.RawMessage {
	raw, _ := json.Marshal(s) // never fails for a string
	return raw
}
