package awsjson_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/attribute"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/awsjson"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/dynamoapi"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/kmsapi"
)

// The clients are compared with the SDK's: what they send, and what they make of answers. If AWS changes an operation,
// the SDK changes, and these tests fail after its update.

const (
	keyID   = "AKIDEXAMPLE"
	secret  = "secret of the role"
	session = "session of the role"
	region  = "eu-central-1"
)

// clients are ours and the SDK's, of one server.
type clients struct {
	kms       *kmsapi.Client
	dynamo    *dynamoapi.Client
	sdkKMS    *kms.Client
	sdkDynamo *dynamodb.Client
}

// newClients makes clients that wait shortly between attempts.
func newClients(t testing.TB, url string, o awsjson.Options) clients {
	t.Helper()
	variables := map[string]string{
		"AWS_REGION":            region,
		"AWS_ACCESS_KEY_ID":     keyID,
		"AWS_SECRET_ACCESS_KEY": secret,
		"AWS_SESSION_TOKEN":     session,
		"AWS_ENDPOINT_URL":      url,
	}
	e, err := awsjson.Load(func(name string) string { return variables[name] })
	if err != nil {
		t.Fatal(err)
	}
	if o.MaxBackoff == 0 {
		o.MaxBackoff = time.Millisecond
	}
	if o.AttemptTimeout == 0 {
		o.AttemptTimeout = 10 * time.Second // far more than a slow machine needs
	}
	c := aws.Config{
		Region:       region,
		BaseEndpoint: &url,
		Credentials:  credentials.NewStaticCredentialsProvider(keyID, secret, session),
		HTTPClient:   awshttp.NewBuildableClient().WithTimeout(o.AttemptTimeout),
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(r *retry.StandardOptions) { r.MaxBackoff = o.MaxBackoff })
		},
	}
	all := clients{sdkKMS: kms.NewFromConfig(c), sdkDynamo: dynamodb.NewFromConfig(c)}
	if all.kms, err = kmsapi.New(e, o); err != nil {
		t.Fatal(err)
	}
	if all.dynamo, err = dynamoapi.New(e, o); err != nil {
		t.Fatal(err)
	}
	return all
}

// sent is a request as it arrived.
type sent struct {
	Method, Path, Target, ContentType, Session string
	Body                                       any
	compressed                                 bool // whether a compressed answer may come
}

// recorder answers {} to everything and keeps what it was sent.
type recorder struct {
	t *testing.T

	mu   sync.Mutex
	last sent
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		r.t.Error(err)
	}
	s := sent{
		Method:      q.Method,
		Path:        q.URL.Path,
		Target:      q.Header.Get("X-Amz-Target"),
		ContentType: q.Header.Get("Content-Type"),
		Session:     q.Header.Get("X-Amz-Security-Token"),
		compressed:  q.Header.Get("Accept-Encoding") != "identity",
	}
	if err := json.Unmarshal(body, &s.Body); err != nil {
		r.t.Errorf("the body %q: %v", body, err)
	}
	if q.Header.Get("Authorization") != signature(r.t, q, body) {
		r.t.Errorf("the signature %s does not verify", q.Header.Get("Authorization"))
	}
	r.mu.Lock()
	r.last = s
	r.mu.Unlock()
	_, _ = io.WriteString(w, "{}")
}

// signature is what a request's Authorization has to be, by the SDK's signer, for the headers that it names.
func signature(t *testing.T, q *http.Request, body []byte) string {
	t.Helper()
	_, names, _ := strings.Cut(q.Header.Get("Authorization"), "SignedHeaders=")
	names, _, _ = strings.Cut(names, ",")
	again, err := http.NewRequest(q.Method, "http://"+q.Host+q.URL.Path, bytes.NewReader(body))
	if err != nil {
		t.Error(err)
	}
	for name := range strings.SplitSeq(names, ";") {
		if values := q.Header.Values(name); len(values) > 0 {
			again.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	for _, name := range []string{"host", "content-type", "x-amz-date", "x-amz-security-token", "x-amz-target"} {
		if !slices.Contains(strings.Split(names, ";"), name) {
			t.Errorf("%s is not signed", name)
		}
	}
	at, err := time.Parse("20060102T150405Z", q.Header.Get("X-Amz-Date"))
	if err != nil {
		t.Error(err)
	}
	service := "dynamodb"
	if strings.HasPrefix(q.Header.Get("X-Amz-Target"), "TrentService.") {
		service = "kms"
	}
	credentials := aws.Credentials{AccessKeyID: keyID, SecretAccessKey: secret, SessionToken: session}
	if err := v4.NewSigner().SignHTTP(t.Context(), credentials, again, hash(body), service, region, at); err != nil {
		t.Error(err)
	}
	return again.Header.Get("Authorization")
}

// unusual are texts that a careless encoder spoils.
var unusual = map[string]string{
	"plain":              "order-1",
	"quotes":             `a "b" \c\ 'd' /e/`,
	"control characters": "\x00\x01\x08\t\n\v\f\r\x1f\x7f",
	"not ASCII":          "Bahnhofstraße 日本 🔑",
	"HTML":               "<b>&amp;</b>",
	"line separators":    "\u2028\u2029",
	"long":               strings.Repeat("0123456789abcde\n", 256),
	"looks like JSON":    `{"S":"x"}`,
	"no characters":      "\uffff\ufeff", "not UTF-8": "a\xff\xc3b",
}

// both sends a request with our client and with the SDK's, and compares what arrives.
func both(t *testing.T, r *recorder, ours, sdks error, name string, before sent) {
	t.Helper()
	if ours != nil || sdks != nil {
		t.Fatalf("%s: %v; the SDK: %v", name, ours, sdks)
	}
	if before.compressed { // the checksum is of the answer as it is, and what is decompressed could grow without limit
		t.Errorf("%s: a compressed answer may come", name)
	}
	if diff := cmp.Diff(r.last, before, cmpopts.IgnoreUnexported(sent{})); diff != "" || before.Method == "" {
		t.Errorf("%s (-SDK +ours):\n%s", name, diff)
	}
}

func sdkItem(i attribute.Item) map[string]types.AttributeValue {
	if i == nil {
		return nil
	}
	out := map[string]types.AttributeValue{}
	for name, v := range i {
		if s, ok := v.Text(); ok {
			out[name] = &types.AttributeValueMemberS{Value: s}
		} else if n, ok := v.Number(); ok {
			out[name] = &types.AttributeValueMemberN{Value: n}
		} else if b, ok := v.Bytes(); ok {
			out[name] = &types.AttributeValueMemberB{Value: b}
		}
	}
	return out
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func TestKMS_SendsWhatTheSDKSends(t *testing.T) {
	r := &recorder{t: t}
	server := httptest.NewServer(r)
	defer server.Close()
	c, ctx := newClients(t, server.URL, awsjson.Options{}), t.Context()
	for name, text := range unusual {
		bound := map[string]string{"table": text, "ref": "", text: "purpose", "purpose": "refund"}
		blob := []byte(text)

		_, ours := c.kms.GenerateDataKey(ctx, kmsapi.GenerateDataKeyInput{KeyID: text, EncryptionContext: bound})
		before := r.last
		_, sdks := c.sdkKMS.GenerateDataKey(ctx,
			&kms.GenerateDataKeyInput{KeyId: &text, KeySpec: "AES_256", EncryptionContext: bound})
		both(t, r, ours, sdks, name, before)

		_, ours = c.kms.Decrypt(ctx, kmsapi.DecryptInput{KeyID: text, CiphertextBlob: blob, EncryptionContext: bound})
		before = r.last
		_, sdks = c.sdkKMS.Decrypt(ctx, &kms.DecryptInput{KeyId: &text, CiphertextBlob: blob, EncryptionContext: bound})
		both(t, r, ours, sdks, name, before)

		_, ours = c.kms.GenerateMac(ctx, kmsapi.GenerateMacInput{KeyID: text, Message: blob})
		before = r.last
		_, sdks = c.sdkKMS.GenerateMac(ctx, &kms.GenerateMacInput{
			KeyId: &text, Message: blob, MacAlgorithm: "HMAC_SHA_256",
		})
		both(t, r, ours, sdks, name, before)
	}
}

func TestDynamoDB_SendsWhatTheSDKSends(t *testing.T) {
	r := &recorder{t: t}
	server := httptest.NewServer(r)
	defer server.Close()
	c, ctx := newClients(t, server.URL, awsjson.Options{}), t.Context()
	for name, text := range unusual {
		item := attribute.Item{
			"Hash_Key":        attribute.S(text),
			text:              attribute.S(""),
			"ExpiresAt":       attribute.N("-12.50"),
			"CandidateString": attribute.B([]byte(text)),
			"Empty":           attribute.B([]byte{}),
		}
		for _, values := range []attribute.Item{nil, {":v": attribute.S(text), ":b": attribute.B([]byte{0, 255})}} {
			for _, condition := range []string{"", "attribute_not_exists(A) OR B = :v AND " + text} {
				in := dynamoapi.PutItemInput{
					TableName: "T", Item: item, ConditionExpression: condition, ExpressionAttributeValues: values,
				}
				ours := c.dynamo.PutItem(ctx, in)
				before := r.last
				_, sdks := c.sdkDynamo.PutItem(ctx, &dynamodb.PutItemInput{
					TableName:                 new("T"),
					Item:                      sdkItem(item),
					ConditionExpression:       optional(condition),
					ExpressionAttributeValues: sdkItem(values),
					ReturnValues:              types.ReturnValueNone,
				})
				both(t, r, ours, sdks, name, before)

				ours = c.dynamo.UpdateItem(ctx, dynamoapi.UpdateItemInput{
					TableName:                 "T",
					Key:                       item,
					UpdateExpression:          "SET A = :v",
					ConditionExpression:       condition,
					ExpressionAttributeValues: values,
				})
				before = r.last
				_, sdks = c.sdkDynamo.UpdateItem(ctx, &dynamodb.UpdateItemInput{
					TableName:                 new("T"),
					Key:                       sdkItem(item),
					UpdateExpression:          new("SET A = :v"),
					ConditionExpression:       optional(condition),
					ExpressionAttributeValues: sdkItem(values),
				})
				both(t, r, ours, sdks, name, before)

				ours = c.dynamo.TransactWriteItems(ctx, dynamoapi.TransactWriteItemsInput{ClientRequestToken: "token",
					TransactItems: []dynamoapi.TransactWriteItem{
						{Put: &dynamoapi.Put{
							TableName:                 "T",
							Item:                      item,
							ConditionExpression:       condition,
							ExpressionAttributeValues: values,
						}},
						{Delete: &dynamoapi.Delete{
							TableName:                 "T",
							Key:                       item,
							ConditionExpression:       condition,
							ExpressionAttributeValues: values,
						}},
					}})
				before = r.last
				_, sdks = c.sdkDynamo.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{ClientRequestToken: new(
					"token"), TransactItems: []types.TransactWriteItem{
					{Put: &types.Put{
						TableName:                 new("T"),
						Item:                      sdkItem(item),
						ConditionExpression:       optional(condition),
						ExpressionAttributeValues: sdkItem(values),
					}},
					{Delete: &types.Delete{
						TableName:                 new("T"),
						Key:                       sdkItem(item),
						ConditionExpression:       optional(condition),
						ExpressionAttributeValues: sdkItem(values),
					}},
				}})
				both(t, r, ours, sdks, name, before)
			}
		}
		_, ours := c.dynamo.GetItem(ctx, dynamoapi.GetItemInput{TableName: "T", Key: item, ConsistentRead: true})
		before := r.last
		_, sdks := c.sdkDynamo.GetItem(ctx, &dynamodb.GetItemInput{
			TableName: new("T"), Key: sdkItem(item), ConsistentRead: new(true),
		})
		both(t, r, ours, sdks, name, before)
	}
}

// reply is an answer, or a fault in place of one.
type reply struct {
	status int
	header map[string]string
	body   string
	sum    bool // with DynamoDB's checksum
	fault  func(w http.ResponseWriter)
}

// script answers every request with the same reply, and counts them.
type script struct {
	reply reply

	mu sync.Mutex
	n  int
}

func (s *script) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	_, _ = io.Copy(io.Discard, q.Body)
	s.mu.Lock()
	s.n++
	reply := s.reply
	s.mu.Unlock()
	reply.send(w)
}

func (r reply) send(w http.ResponseWriter) {
	if r.fault != nil {
		r.fault(w)
		return
	}
	for name, value := range r.header {
		w.Header().Set(name, value)
	}
	if r.sum {
		w.Header().Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE([]byte(r.body))), 10))
	}
	w.WriteHeader(r.status)
	_, _ = io.WriteString(w, r.body)
}

// set changes the reply.
func (s *script) set(r reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reply, s.n = r, 0
}

// attempts is how many requests have come since the last look.
func (s *script) attempts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.n = 0 }()
	return s.n
}

// hangUp ends the connection of a request, with or without a part of an answer. It waits for the client to do the same,
// because a connection that is closed from one side can be reset, which is another fault.
func hangUp(part string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, part)
		if err := conn.(*net.TCPConn).CloseWrite(); err == nil {
			_, _ = io.Copy(io.Discard, conn)
		}
	}
}

// replies are answers that are compared, by what they are about.
var replies = map[string]reply{
	"a name": {
		status: 400, body: `{"__type":"AccessDeniedException","message":"upstream text"}`,
	},
	"a name space": {
		status: 400,
		body:   `{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"m"}`,
	},
	"a name and an address": {
		status: 400, body: `{"__type":"ValidationException:http://internal.amazon.com/coral/"}`,
	},
	"a name space and an address": {status: 400, body: `{"__type":"aws.x#ResourceNotFoundException:http://x/"}`},
	"a name in a header": {
		status: 400,
		header: map[string]string{"X-Amzn-ErrorType": "LimitExceededException:http://x/"},
		body:   `{"__type":"Other"}`,
	},
	"a name in code":        {status: 400, body: `{"code":"SomeException"}`},
	"a name in Code":        {status: 400, body: `{"Code":"SomeException"}`},
	"a number in code":      {status: 400, body: `{"code":5}`},
	"no name":               {status: 400, body: `{}`},
	"no name at all":        {status: 400},
	"no JSON":               {status: 400, body: `<html>upstream text</html>`},
	"no JSON, for a while":  {status: 503, body: `<html>upstream text</html>`},
	"an array":              {status: 400, body: `[]`},
	"an invalid ciphertext": {status: 400, body: `{"__type":"InvalidCiphertextException"}`},
	"a disabled key":        {status: 400, body: `{"__type":"DisabledException"}`},
	"throttled by KMS":      {status: 400, body: `{"__type":"ThrottlingException"}`},
	"throttled by DynamoDB": {
		status: 400, body: `{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"}`,
	},
	"a limit": {status: 400, body: `{"__type":"RequestLimitExceeded"}`},
	"a transaction that goes on": {
		status: 400, body: `{"__type":"com.amazonaws.dynamodb.v20120810#TransactionInProgressException"}`,
	},
	"a conflict": {status: 400, body: `{"__type":"x#TransactionConflictException"}`},
	"a server's error": {
		status: 500, body: `{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError"}`,
	},
	"an error without a name":        {status: 500},
	"a bad gateway":                  {status: 502, body: "bad"},
	"a gateway's timeout":            {status: 504, body: "{}"},
	"not implemented":                {status: 501, body: "{}"},
	"KMS times out":                  {status: 500, body: `{"__type":"DependencyTimeoutException"}`},
	"an internal exception of KMS":   {status: 500, body: `{"__type":"KMSInternalException"}`},
	"a request that came too slowly": {status: 400, body: `{"__type":"RequestTimeoutException"}`},
	"a signature": {
		status: 400, body: `{"__type":"com.amazon.coral.service#InvalidSignatureException"}`,
	},
	"another time": {
		status: 400,
		header: map[string]string{"Date": "Mon, 02 Jan 2006 15:04:05 GMT"},
		body:   `{"__type":"x#InvalidSignatureException"}`,
	},
	"another time out of a cache": {
		status: 400,
		header: map[string]string{"Date": "Mon, 02 Jan 2006 15:04:05 GMT", "Age": "1"},
		body:   `{"__type":"x#InvalidSignatureException"}`,
	},
	"another time, and denied": {
		status: 400,
		header: map[string]string{"Date": "Mon, 02 Jan 2006 15:04:05 GMT"},
		body:   `{"__type":"AccessDeniedException"}`,
	},
	"a cancelled transaction": {
		status: 400, sum: true,
		body: `{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","CancellationReasons":[{"Code":"None"},{"Code":"ConditionalCheckFailed","Message":"m","Item":{"A":{"S":"x"}}},{"Code":"TransactionConflict"},{}],"Message":"m"}`,
	},
	"a cancelled transaction without reasons": {status: 400, body: `{"__type":"x#TransactionCanceledException"}`},
	"a redirection": {status: 302, header: map[string]string{"Location": "/x"}, body: "{}"},
	"success":       {status: 200, body: "{}", sum: true},
	"success, and what nobody knows": {
		status: 200, body: `{"New":{"a":[1,2.5e3,null,true]},"ConsumedCapacity":null}`, sum: true,
	},
	"success without JSON":    {status: 200, body: "<html></html>"},
	"success that is cut off": {status: 200, body: `{"KeyId":"a`},
	"lost":                    {fault: hangUp("")},
	"cut off":                 {fault: hangUp("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"KeyId\"")},
	"cut off in the head":     {fault: hangUp("HTTP/1.1 200 OK\r\nConte")},
	"cut off between chunks":  {fault: hangUp("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n")},
	"no HTTP":                 {fault: hangUp("hello\r\n\r\n")},
}

// ofSDK is what the SDK makes of an answer: the exception's name and the reasons of a transaction.
func ofSDK(err error) (code string, reasons []string) {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		code = e.ErrorCode()
	}
	if e, ok := errors.AsType[*types.TransactionCanceledException](err); ok {
		for _, reason := range e.CancellationReasons {
			reasons = append(reasons, aws.ToString(reason.Code))
		}
	}
	return code, reasons
}

func TestAnswers_MeanWhatTheyMeanToTheSDK(t *testing.T) {
	for name, r := range replies {
		t.Run(name, func(t *testing.T) {
			s := &script{reply: r}
			server := httptest.NewServer(s)
			defer server.Close()
			c, ctx := newClients(t, server.URL, awsjson.Options{}), t.Context()
			for operation, calls := range map[string]struct{ ours, sdks func() error }{
				"GenerateDataKey": {
					func() error {
						_, err := c.kms.GenerateDataKey(ctx, kmsapi.GenerateDataKeyInput{KeyID: "k"})
						return err
					},
					func() error {
						_, err := c.sdkKMS.GenerateDataKey(ctx,
							&kms.GenerateDataKeyInput{KeyId: new("k"), KeySpec: "AES_256"})
						return err
					},
				},
				"PutItem": {
					func() error { return c.dynamo.PutItem(ctx, dynamoapi.PutItemInput{TableName: "T"}) },
					func() error {
						_, err := c.sdkDynamo.PutItem(ctx,
							&dynamodb.PutItemInput{TableName: new("T"), Item: map[string]types.AttributeValue{}})
						return err
					},
				},
				"TransactWriteItems": {
					func() error {
						return c.dynamo.TransactWriteItems(ctx,
							dynamoapi.TransactWriteItemsInput{ClientRequestToken: "t"})
					},
					func() error {
						_, err := c.sdkDynamo.TransactWriteItems(ctx,
							&dynamodb.TransactWriteItemsInput{
								ClientRequestToken: new("t"), TransactItems: []types.TransactWriteItem{},
							})
						return err
					},
				},
			} {
				sdks := calls.sdks()
				sdkAttempts := s.attempts()
				ours := calls.ours()
				attempts := s.attempts()
				code, reasons := ofSDK(sdks)
				got := &awsjson.Error{}
				if e, ok := errors.AsType[*awsjson.Error](ours); ok {
					got = e
				}
				if operation == "GenerateDataKey" {
					got.Reasons = nil // KMS has no transactions
				}
				if (ours == nil) != (sdks == nil) || got.Code != code || !slices.Equal(got.Reasons, reasons) ||
					attempts != sdkAttempts {
					t.Errorf("%s: %v %v %q after %d attempts; the SDK: %v %q after %d", operation, ours, got.Reasons,
						got.Code, attempts, sdks, code, sdkAttempts)
				}
				if ours != nil && strings.Contains(fmt.Sprintf("%v %+v", ours, got), "upstream text") {
					t.Errorf("%s: the error tells too much: %v", operation, ours)
				}
			}
		})
	}
}

// A checksum that is wrong means that the answer was damaged on its way. The SDK of 2026 reads such an answer all the
// same, if the sum is a number.
func TestAnswers_OfDynamoDBHaveTheirChecksum(t *testing.T) {
	for _, sum := range []string{"1", "x", "-1", "99999999999"} {
		s := &script{reply: reply{
			status: 200, header: map[string]string{"X-Amz-Crc32": sum}, body: `{"Item":{"A":{"S":"x"}}}`,
		}}
		server := httptest.NewServer(s)
		row, err := newClients(t, server.URL, awsjson.Options{}).dynamo.GetItem(t.Context(),
			dynamoapi.GetItemInput{TableName: "T"})
		if err == nil || row != nil || s.attempts() != 1 {
			t.Errorf("sum %q: %v, %v", sum, row, err)
		}
		server.Close()
	}
}

// Nobody knows whether a service has done what a request asks for that is answered with nothing, or with something else
// than an object. The SDK takes such an answer for a success.
func TestAnswers_WithoutAnObjectAreNoSuccess(t *testing.T) {
	for _, body := range []string{"", " ", "null", "[]", `"x"`, "{}{}"} {
		server := httptest.NewServer(&script{reply: reply{status: 200, body: body}})
		if err := put(t.Context(), newClients(t, server.URL, awsjson.Options{})); err == nil {
			t.Errorf("%q is a success", body)
		}
		server.Close()
	}
}

// rows are items as DynamoDB answers them. Values of other types than the vault's are of none that it knows.
var rows = map[string]struct {
	json string
	want attribute.Item
}{
	"none":  {`{}`, nil},
	"empty": {`{"Item":{}}`, attribute.Item{}},
	"known types": {
		`{"Item":{"a":{"S":"x\u00e9\n\ud83d\udd11"},"b":{"N":"-1.5"},"c":{"B":"AAEC\/w=="}}}`,
		attribute.Item{"a": attribute.S("xé\n🔑"), "b": attribute.N("-1.5"), "c": attribute.B([]byte{0, 1, 2, 255})},
	},
	"empty values": {
		`{"Item":{"a":{"S":""},"":{"S":"x"},"c":{"B":""}}}`,
		attribute.Item{"a": attribute.S(""), "": attribute.S("x"), "c": attribute.B(nil)},
	},
	"other types": {
		`{"Item":{"a":{"BOOL":true},"b":{"NULL":true},"c":{"L":[{"S":"x"}]},"d":{"M":{"S":{"S":"x"}}},"e":{"SS":["x"]},"f":{"NS":["1"]},"g":{"BS":["AA=="]},"h":{"S":"x"}}}`,
		attribute.Item{"a": {}, "b": {}, "c": {}, "d": {}, "e": {}, "f": {}, "g": {}, "h": attribute.S("x")},
	},
	"more beside it": {
		`{"ConsumedCapacity":{"TableName":"T"},"Item":{"a":{"S":"x"}},"New":[]}`,
		attribute.Item{"a": attribute.S("x")},
	},
}

func TestRows_AreReadAsTheSDKReadsThem(t *testing.T) {
	for name, tt := range rows {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(&script{reply: reply{status: 200, body: tt.json, sum: true}})
			defer server.Close()
			c, ctx := newClients(t, server.URL, awsjson.Options{}), t.Context()
			got, err := c.dynamo.GetItem(ctx, dynamoapi.GetItemInput{TableName: "T"})
			if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
				t.Errorf("error %v (-want +got):\n%s", err, diff)
			}
			out, err := c.sdkDynamo.GetItem(ctx,
				&dynamodb.GetItemInput{TableName: new("T"), Key: map[string]types.AttributeValue{}})
			if err != nil || len(out.Item) != len(got) || (out.Item == nil) != (got == nil) {
				t.Fatalf("the SDK: %v, %v", out, err)
			}
			for name, v := range sdkItem(got) {
				if ours, sdks := fmt.Sprintf("%T %+v", v, v),
					fmt.Sprintf("%T %+v", out.Item[name], out.Item[name]); ours != sdks {
					t.Errorf("%s: %s; the SDK: %s", name, ours, sdks)
				}
			}
		})
	}
}

func TestKMS_ReadsWhatTheSDKReads(t *testing.T) {
	escaped := func(b []byte) string { // any character of a JSON string may be written so
		return strings.ReplaceAll(base64.StdEncoding.EncodeToString(b), "B", "\\u0042")
	}
	plaintext, wrapped := bytes.Repeat([]byte{4, 1, 64}, 11)[:32], []byte("wrapped/\xff\xff\xff")
	server := httptest.NewServer(&script{reply: reply{status: 200, body: `{"CiphertextBlob":"` + escaped(wrapped) +
		`","EncryptionAlgorithm":"SYMMETRIC_DEFAULT","KeyId":"arn:aws:kms:x\/y","KeyMaterialId":"m","Plaintext":"` +
		escaped(plaintext) +
		`","Mac":"` + escaped(plaintext) + `"}`}})
	defer server.Close()
	c, ctx := newClients(t, server.URL, awsjson.Options{}), t.Context()

	made, err := c.kms.GenerateDataKey(ctx, kmsapi.GenerateDataKeyInput{KeyID: "k"})
	sdkMade, sdkErr := c.sdkKMS.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: new("k"), KeySpec: "AES_256"})
	if err != nil || sdkErr != nil || made.KeyID != *sdkMade.KeyId || !bytes.Equal(made.Plaintext, sdkMade.Plaintext) ||
		!bytes.Equal(made.CiphertextBlob, sdkMade.CiphertextBlob) {
		t.Errorf("GenerateDataKey: %+v, %v; the SDK: %+v, %v", made, err, sdkMade, sdkErr)
	}
	if !bytes.Equal(made.Plaintext, plaintext) || cap(made.Plaintext) != 32 {
		t.Errorf("the plaintext has %d bytes of %d", len(made.Plaintext), cap(made.Plaintext))
	}
	opened, err := c.kms.Decrypt(ctx, kmsapi.DecryptInput{KeyID: "k"})
	if err != nil || opened.KeyID != made.KeyID || !bytes.Equal(opened.Plaintext, plaintext) {
		t.Errorf("Decrypt: %+v, %v", opened, err)
	}
	mac, err := c.kms.GenerateMac(ctx, kmsapi.GenerateMacInput{KeyID: "k"})
	if err != nil || mac.KeyID != made.KeyID || !bytes.Equal(mac.Mac, plaintext) {
		t.Errorf("GenerateMac: %+v, %v", mac, err)
	}
}

func TestCalls_EndWithTheirContext(t *testing.T) {
	s := &script{reply: reply{status: 500}}
	server := httptest.NewServer(s)
	defer server.Close()
	c := newClients(t, server.URL, awsjson.Options{MaxBackoff: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.dynamo.PutItem(ctx, dynamoapi.PutItemInput{TableName: "T"}); !errors.Is(err, context.Canceled) ||
		s.attempts() != 0 {
		t.Errorf("cancelled before: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := c.dynamo.PutItem(ctx, dynamoapi.PutItemInput{TableName: "T"}); err == nil || ctx.Err() == nil {
		t.Errorf("ended in the pause: %v", err)
	}
}

// hash is the SHA-256 that a signature has of a body.
func hash(body []byte) string { return fmt.Sprintf("%x", sha256.Sum256(body)) }
