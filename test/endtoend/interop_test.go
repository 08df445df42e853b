package endtoend_test

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/needed"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
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
		Payload   map[string]any    `json:"payload"`
		Context   map[string]string `json:"context"`
		WrongSeed bool              `json:"wrongSeed"`
	}
	interopAnswer struct {
		Open []interopOpened `json:"open"`
		Seal []interopSealed `json:"seal"`
	}
	interopOpened struct {
		Suite   int               `json:"suite"`
		Context map[string]string `json:"context"`
		Payload *interopPayload   `json:"payload"`
		Token   string            `json:"token"`
		Ref     string            `json:"ref"`
		Refused string            `json:"refused"`
	}
	interopPayload struct {
		Version int               `json:"v"`
		Seed    []byte            `json:"r"`
		Type    string            `json:"type"`
		Data    string            `json:"data"`
		Created int64             `json:"iat"`
		Context map[string]string `json:"ctx"`
	}
	interopSealed struct {
		Message []byte `json:"message"`
		Token   string `json:"token"`
		Ref     string `json:"ref"`
		Refused string `json:"refused"`
	}
)

// The AWS Encryption SDK for JavaScript opens what our extension has stored, and computes the same token and ref from
// its seed.
func TestEnvelope_IsReadByTheJavaScriptEncryptionSDK(t *testing.T) {
	needed.NPMFile(t, "../../node_modules/@aws-crypto/client-node/package.json")
	s := simulator(t)
	mine, other := placed(t, s, number(t, 1)), placed(t, s, number(t, 2))
	row := vaultRow(t, s, mine)
	right := contextOf(s, row)
	less := maps.Clone(right)
	delete(less, "ref")
	message := row["CandidateString"].(*types.AttributeValueMemberB).Value

	open := runInterop(t, interopRequest{
		Endpoint: s.Endpoints["kms"], KeyARN: s.Outputs["KMSKeyID"], Seal: []interopSeal{},
		Open: []interopOpen{
			{message, right},
			{message, contextOf(s, vaultRow(t, s, other))}, // another order's token
			{message, less},
			{message, contextWith(right, "account_id", "210987654321")},
			{message, contextWith(right, "table", "CustomerOrderTable")},
			{message, contextWith(right, "purpose", "refund")},
		},
	}).Open
	first := open[0]
	if first.Refused != "" || first.Suite != 0x0478 || first.Payload == nil {
		t.Fatalf("the right context: refused with %q, suite %#x", first.Refused, first.Suite)
	}
	if diff := cmp.Diff(right, first.Context); diff != "" {
		t.Errorf("context (-want +got):\n%s", diff)
	}
	if first.Token != kit.Text(row["Hash_Key"]) || first.Ref != kit.Text(row["Ref"]) {
		t.Errorf("of the seed come token %s and ref %s, the row has %s and %s", first.Token, first.Ref,
			kit.Text(row["Hash_Key"]), kit.Text(row["Ref"]))
	}
	if p := first.Payload; p.Version != 3 || p.Type != "card" || p.Data != canary || len(p.Seed) != 32 ||
		p.Created == 0 {
		t.Error("the plaintext is not the payload with the card") // and is not printed
	}
	if diff := cmp.Diff(bindingOf(mine), first.Payload.Context); diff != "" {
		t.Errorf("binding (-want +got):\n%s", diff)
	}
	for i, opened := range open[1:] {
		if opened.Refused != "InvalidCiphertextException" || opened.Payload != nil {
			t.Errorf("wrong context %d: refused with %q", i+1, opened.Refused)
		}
	}
}

// The extension opens what the AWS Encryption SDK for JavaScript writes. What it refuses is sealed in the same way, so
// that nothing but what is wrong with it can be the reason.
func TestEnvelope_IsWrittenByTheJavaScriptEncryptionSDK(t *testing.T) {
	needed.NPMFile(t, "../../node_modules/@aws-crypto/client-node/package.json")
	s := simulator(t)
	placed := placed(t, s, number(t, 1))
	context := map[string]string{"table": "CreditCardTokenizerTable", "account_id": s.Outputs["AccountId"]}
	payload := map[string]any{"v": 3, "type": "card", "data": javascriptCard, "iat": time.Now().Unix(),
		"ctx": bindingOf(placed)}
	with := func(name string, value any) map[string]any {
		changed := maps.Clone(payload)
		changed[name] = value
		return changed
	}
	for _, tt := range []struct {
		name   string
		seal   interopSeal
		status int
		code   string
	}{
		{"another seed than the token's", interopSeal{payload, context, true}, 500, "vault-row-damaged"},
		{"a purpose that the row does not name", interopSeal{payload, contextWith(context, "purpose", "refund"), false},
			500, "vault-row-damaged"},
		{"another account", interopSeal{payload, contextWith(context, "account_id", "210987654321"), false}, 500,
			"vault-row-damaged"},
		{"a payload of version 2", interopSeal{with("v", 2), context, false}, 500, "vault-row-damaged"},
		{"a card that is none", interopSeal{with("data", "5555555555554443"), context, false}, 500,
			"vault-row-damaged"},
		{"another user's order",
			interopSeal{with("ctx", map[string]string{"order": kit.Text(placed["CustomerOrder"]), "user": "x"}),
				context, false}, 500, "card-of-another-order"},
		{"all of it right", interopSeal{payload, context, false}, 200, ""},
	} {
		sealed := runInterop(t, interopRequest{
			Endpoint: s.Endpoints["kms"], KeyARN: s.Outputs["KMSKeyID"], Open: []interopOpen{},
			Seal: []interopSeal{tt.seal},
		}).Seal[0]
		if sealed.Refused != "" || bytes.Contains(sealed.Message, []byte(javascriptCard)) {
			t.Fatalf("%s: refused with %q, or not sealed at all", tt.name, sealed.Refused)
		}
		exchangeToken(t, s, placed, sealed)
		got := s.Post(t, "/paybill", s.IDToken, pay(kit.Text(placed["CustomerOrder"])))
		if got.Status != tt.status || tt.code != "" && got.Field("code") != tt.code {
			t.Errorf("%s: %d %s", tt.name, got.Status, got.Body)
		}
		if tt.status == 200 && got.Field("CreditCardCharged") != "************4444" {
			t.Errorf("%s: %s", tt.name, got.Body)
		}
	}
	if strings.Contains(s.Stdout.String(), javascriptCard) {
		t.Error("the card was printed")
	}
}

func runInterop(t *testing.T, in interopRequest) interopAnswer {
	t.Helper()
	const script = "interop.mjs"
	if _, err := os.ReadFile(script); err != nil { // see needJavaScriptSDK
		t.Fatal(err)
	}
	stdin, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), kit.Limit)
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

// placed places an order, and returns its row.
func placed(t *testing.T, s *kit.Simulator, number string) map[string]types.AttributeValue {
	t.Helper()
	if got := s.Post(t, "/order", s.IDToken, order(number)); got.Status != 201 {
		t.Fatalf("order: %d %s", got.Status, got.Body)
	}
	for _, row := range s.Rows(t, "CustomerOrderTable") {
		if kit.Text(row["CustomerOrder"]) == number {
			return row
		}
	}
	t.Fatal("the order has no row")
	return nil
}

// vaultRow is the row that an order refers to.
func vaultRow(t *testing.T, s *kit.Simulator, order map[string]types.AttributeValue) map[string]types.AttributeValue {
	t.Helper()
	for _, row := range s.Rows(t, "CreditCardTokenizerTable") {
		if kit.Text(row["Hash_Key"]) == kit.Text(order["CreditCard"]) {
			return row
		}
	}
	t.Fatal("the order has no row in the vault")
	return nil
}

// contextOf is what docs/adr/0007 says that a row's message is bound to.
func contextOf(s *kit.Simulator, row map[string]types.AttributeValue) map[string]string {
	return map[string]string{"table": "CreditCardTokenizerTable", "account_id": s.Outputs["AccountId"],
		"ref": kit.Text(row["Ref"])}
}

func contextWith(context map[string]string, key, value string) map[string]string {
	changed := maps.Clone(context)
	changed[key] = value
	return changed
}

// bindingOf is what the order function binds an order's card to.
func bindingOf(order map[string]types.AttributeValue) map[string]string {
	return map[string]string{"order": kit.Text(order["CustomerOrder"]), "user": kit.Text(order["Sub"])}
}

// exchangeToken puts a row into the vault in place of an order's own, and has the order refer to it.
func exchangeToken(t *testing.T, s *kit.Simulator, order map[string]types.AttributeValue, sealed interopSealed) {
	t.Helper()
	db := dynamodb.NewFromConfig(s.Config("dynamodb"))
	row := vaultRow(t, s, order)
	key := map[string]types.AttributeValue{"Hash_Key": row["Hash_Key"], "Account_Id": row["Account_Id"]}
	if _, err := db.DeleteItem(t.Context(),
		&dynamodb.DeleteItemInput{TableName: new("CreditCardTokenizerTable"), Key: key}); err != nil {
		t.Fatal(err)
	}
	row["Hash_Key"] = &types.AttributeValueMemberS{Value: sealed.Token}
	row["Ref"] = &types.AttributeValueMemberS{Value: sealed.Ref}
	row["CandidateString"] = &types.AttributeValueMemberB{Value: sealed.Message}
	order["CreditCard"] = row["Hash_Key"]
	for table, item := range map[string]map[string]types.AttributeValue{"CreditCardTokenizerTable": row,
		"CustomerOrderTable": order} {
		if _, err := db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: item}); err != nil {
			t.Fatal(err)
		}
	}
}
