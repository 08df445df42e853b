package awsjson_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/attribute"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/awsjson"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/dynamoapi"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/kmsapi"
)

// The benchmarks call a handler on the loopback interface in the same process. Beside the time they report the CPU time
// of the process, that of the handler included, in microseconds for each call.

var (
	bound = map[string]string{
		"table":      "CreditCardTokenizerTable",
		"account_id": "123456789012",
		"ref":        "0123456789abcdef0123456789abcdef",
		"purpose":    "refund",
	}
	blob = bytes.Repeat([]byte("wrapped!"), 23) // as long as a data key that KMS has wrapped
	row  = attribute.Item{
		"Hash_Key": attribute.S("5b0c5e5e-1c1f-4a35-8d9b-0a7b1f1f6d0a"), "Account_Id": attribute.S("123456789012"),
		"CandidateString": attribute.B(bytes.Repeat([]byte("sealed!!"), 75)),
		"Ref":             attribute.S("0123456789abcdef0123456789abcdef"),
		"Format":          attribute.N("3"), "ExpiresAt": attribute.N("1767323105"),
	}
	same = attribute.Item{":same": row["CandidateString"]}
)

const (
	benchmarkKey       = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
	benchmarkCondition = "attribute_not_exists(Hash_Key) OR CandidateString = :same"
)

func benchmark(b *testing.B, call func(clients) error) {
	answer := []byte(`{"CiphertextBlob":"` + base64.StdEncoding.EncodeToString(blob) + `","KeyId":"` + benchmarkKey +
		`","Plaintext":"` +
		base64.StdEncoding.EncodeToString(make([]byte, 32)) + `"}`)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		_, _ = io.Copy(io.Discard, q.Body)
		if q.Header.Get("X-Amz-Target") == "DynamoDB_20120810.PutItem" {
			w.Header().Set("X-Amz-Crc32", "2745614147") // of {}
			_, _ = io.WriteString(w, "{}")
			return
		}
		_, _ = w.Write(answer)
	}))
	defer server.Close()
	c := newClients(b, server.URL, awsjson.Options{})
	if err := call(c); err != nil { // opens the connection
		b.Fatal(err)
	}
	b.ReportAllocs()
	before := cpu()
	for b.Loop() {
		if err := call(c); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-us/op")
}

// cpu is the CPU time of the process in microseconds.
func cpu() int64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return (used.Utime.Sec+used.Stime.Sec)*1_000_000 + used.Utime.Usec + used.Stime.Usec
}

func BenchmarkClientGenerateDataKey(b *testing.B) {
	benchmark(b, func(c clients) error {
		_, err := c.kms.GenerateDataKey(b.Context(),
			kmsapi.GenerateDataKeyInput{KeyID: benchmarkKey, EncryptionContext: bound})
		return err
	})
}

func BenchmarkSDKGenerateDataKey(b *testing.B) {
	benchmark(b, func(c clients) error {
		_, err := c.sdkKMS.GenerateDataKey(b.Context(),
			&kms.GenerateDataKeyInput{KeyId: new(benchmarkKey), KeySpec: "AES_256", EncryptionContext: bound})
		return err
	})
}

func BenchmarkClientDecrypt(b *testing.B) {
	benchmark(b, func(c clients) error {
		_, err := c.kms.Decrypt(b.Context(),
			kmsapi.DecryptInput{KeyID: benchmarkKey, CiphertextBlob: blob, EncryptionContext: bound})
		return err
	})
}

func BenchmarkSDKDecrypt(b *testing.B) {
	benchmark(b, func(c clients) error {
		_, err := c.sdkKMS.Decrypt(b.Context(),
			&kms.DecryptInput{KeyId: new(benchmarkKey), CiphertextBlob: blob, EncryptionContext: bound})
		return err
	})
}

func BenchmarkClientPutItem(b *testing.B) {
	benchmark(b, func(c clients) error {
		return c.dynamo.PutItem(b.Context(), dynamoapi.PutItemInput{
			TableName:                 "CreditCardTokenizerTable",
			Item:                      row,
			ConditionExpression:       benchmarkCondition,
			ExpressionAttributeValues: same,
		})
	})
}

func BenchmarkSDKPutItem(b *testing.B) {
	benchmark(b, func(c clients) error {
		_, err := c.sdkDynamo.PutItem(b.Context(), &dynamodb.PutItemInput{
			TableName:                 new("CreditCardTokenizerTable"),
			Item:                      sdkItem(row),
			ConditionExpression:       new(benchmarkCondition),
			ExpressionAttributeValues: sdkItem(same), ReturnValues: types.ReturnValueNone,
		})
		return err
	})
}

// BenchmarkHandler is what the handler and net/http cost without a client of AWS.
func BenchmarkHandler(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		_, _ = io.Copy(io.Discard, q.Body)
		_, _ = io.WriteString(w, "{}")
	}))
	defer server.Close()
	body := make([]byte, 1000)
	b.ReportAllocs()
	before := cpu()
	for b.Loop() {
		answer, err := http.Post(server.URL, "application/json", bytes.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
	b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-us/op")
}
