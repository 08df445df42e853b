package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
)

// javascriptCard is what the other implementation writes into an order that was placed with canary.
const javascriptCard = "5555555555554444"

// What goes into the script and comes out of it. See there.
type (
	interopRequest struct {
		Endpoint string        `json:"endpoint"`
		KeyARN   string        `json:"keyArn"`
		Open     []interopOpen `json:"open"`
		Seal     []interopSeal `json:"seal"`
	}
	interopOpen struct {
		Message []byte            `json:"message"`
		Context map[string]string `json:"context"`
	}
	interopSeal struct {
		Plaintext string            `json:"plaintext"`
		Context   map[string]string `json:"context"`
	}
	interopAnswer struct {
		Open []interopOpened `json:"open"`
		Seal []interopSealed `json:"seal"`
	}
	interopOpened struct {
		Suite     int               `json:"suite"`
		Context   map[string]string `json:"context"`
		Plaintext string            `json:"plaintext"`
		Refused   string            `json:"refused"`
	}
	interopSealed struct {
		Message []byte `json:"message"`
		Refused string `json:"refused"`
	}
)

// The AWS Encryption SDK for JavaScript opens what our extension has stored, and our extension opens what it writes. The
// refusals on both sides show that neither succeeds for want of looking at the encryption context.
func TestEnvelope_IsReadAndWrittenByTheJavaScriptEncryptionSDK(t *testing.T) {
	needJavaScriptSDK(t)
	s := shared
	theirs, ours := number(t, 1), number(t, 2)
	for _, n := range []string{theirs, ours} {
		if got := s.call(t, "/order", s.IDToken, order(n)); got.status != 201 {
			t.Fatalf("order: %d %s", got.status, got.body)
		}
	}
	read, written := s.vaultRow(t, theirs), s.vaultRow(t, ours)
	right, rightToWrite := s.context(read), s.context(written)
	message := read["CandidateString"].(*types.AttributeValueMemberB).Value
	less := maps.Clone(right)
	delete(less, "ref")

	payload := `{"v":2,"type":"card","data":"` + javascriptCard + `"}`
	got := runInterop(t, interopRequest{
		Endpoint: s.Endpoints["kms"], KeyARN: s.Outputs["KMSKeyID"],
		Open: []interopOpen{
			{message, right},
			{message, rightToWrite}, // another order's token
			{message, less},
			{message, contextWith(right, "account_id", "210987654321")},
			{message, contextWith(right, "table", "CustomerOrderTable")},
			{message, contextWith(right, "purpose", "refund")},
		},
		Seal: []interopSeal{{payload, rightToWrite}, {payload, right}, {payload, contextWith(rightToWrite, "purpose", "refund")}},
	})

	first := got.Open[0]
	if first.Refused != "" || first.Suite != 0x0478 {
		t.Fatalf("the right context: refused with %q, suite %#x", first.Refused, first.Suite)
	}
	if diff := cmp.Diff(right, first.Context); diff != "" {
		t.Errorf("context (-want +got):\n%s", diff)
	}
	var card struct {
		V          int
		Type, Data string
	}
	if err := json.Unmarshal([]byte(first.Plaintext), &card); err != nil || card.V != 2 || card.Type != "card" || card.Data != canary {
		t.Error("the plaintext is not the payload with the card") // and is not printed
	}
	for i, opened := range got.Open[1:] {
		if opened.Refused != "InvalidCiphertextException" || opened.Plaintext != "" {
			t.Errorf("wrong context %d: refused with %q", i+1, opened.Refused)
		}
	}

	for _, sealed := range got.Seal {
		if sealed.Refused != "" || bytes.Contains(sealed.Message, []byte(javascriptCard)) {
			t.Fatalf("seal: refused with %q, or not sealed at all", sealed.Refused)
		}
	}
	// Sealed for another token, then with one member too many: both are genuine messages of the right key.
	for _, sealed := range got.Seal[1:] {
		s.replaceMessage(t, written, sealed.Message)
		if got := s.call(t, "/paybill", s.IDToken, pay(ours)); got.status != 500 || got.field("code") != "vault-row-damaged" {
			t.Errorf("a message of another context: %d %s", got.status, got.body)
		}
	}
	s.replaceMessage(t, written, got.Seal[0].Message)
	if got := s.call(t, "/paybill", s.IDToken, pay(ours)); got.status != 200 || got.field("CreditCardCharged") != "************4444" {
		t.Errorf("a message of the right context: %d %s", got.status, got.body)
	}
	if strings.Contains(s.printed.String(), javascriptCard) {
		t.Error("the card was printed")
	}
}

// needJavaScriptSDK skips the test where the SDK is not installed, except in CI.
func needJavaScriptSDK(t *testing.T) {
	t.Helper()
	// Read, so that the cached result of the test depends on it.
	_, err := os.ReadFile("../node_modules/@aws-crypto/client-node/package.json")
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrNotExist) && os.Getenv("CI") == "":
		t.Skip("@aws-crypto/client-node is not installed: run `npm ci` to compare with the JavaScript Encryption SDK")
	default:
		t.Fatalf("@aws-crypto/client-node is not there (%v): run `npm ci`", err)
	}
}

func runInterop(t *testing.T, in interopRequest) interopAnswer {
	t.Helper()
	const script = "../test/interop/interop.mjs"
	if _, err := os.ReadFile(script); err != nil { // see needJavaScriptSDK
		t.Fatal(err)
	}
	stdin, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", script)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()} // no AWS settings of this machine
	cmd.Stdin = bytes.NewReader(stdin)
	cmd.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("node %s: %v\n%s", script, err, redacted(stderr.String()))
	}
	var out interopAnswer
	if err := json.Unmarshal(stdout.Bytes(), &out); err != nil {
		t.Fatal("the script's answer is not JSON")
	}
	if len(out.Open) != len(in.Open) || len(out.Seal) != len(in.Seal) {
		t.Fatalf("%d and %d answers, want %d and %d", len(out.Open), len(out.Seal), len(in.Open), len(in.Seal))
	}
	return out
}

func redacted(s string) string {
	return strings.NewReplacer(canary, "[card]", javascriptCard, "[card]").Replace(s)
}

// vaultRow is the row that an order refers to.
func (s *system) vaultRow(t *testing.T, number string) map[string]types.AttributeValue {
	t.Helper()
	token := ""
	for _, row := range s.rows(t, "CustomerOrderTable") {
		if str(row["CustomerOrder"]) == number {
			token = str(row["CreditCard"])
		}
	}
	for _, row := range s.rows(t, "CreditCardTokenizerTable") {
		if token != "" && str(row["Hash_Key"]) == token {
			return row
		}
	}
	t.Fatal("the order has no row in the vault")
	return nil
}

// context is what docs/threat-model.md says that a row's message is bound to.
func (s *system) context(row map[string]types.AttributeValue) map[string]string {
	return map[string]string{"table": "CreditCardTokenizerTable", "account_id": s.Outputs["AccountId"], "ref": str(row["Ref"])}
}

func contextWith(context map[string]string, key, value string) map[string]string {
	changed := maps.Clone(context)
	changed[key] = value
	return changed
}

func (s *system) replaceMessage(t *testing.T, row map[string]types.AttributeValue, message []byte) {
	t.Helper()
	changed := maps.Clone(row)
	changed["CandidateString"] = &types.AttributeValueMemberB{Value: message}
	_, err := dynamodb.NewFromConfig(s.endpoint("dynamodb")).PutItem(t.Context(), &dynamodb.PutItemInput{
		TableName: new("CreditCardTokenizerTable"), Item: changed,
	})
	if err != nil {
		t.Fatal(err)
	}
}
