package cloud_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/assembly"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/cloud"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/progress"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/synth"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/walkthrough"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

const (
	vaultTable  = "CreditCardTokenizerTable"
	indexTable  = "CreditCardTokenizerIndex"
	stateTable  = "CreditCardTokenizerState"
	orderTable  = "CustomerOrderTable"
	ledgerTable = "SimulatedPaymentLedger"
	token       = "00000000-0000-4000-8000-000000000000" // of no row
)

// assemblyDir is the synthesized app. All tests read it; none changes it.
var assemblyDir string

func TestMain(m *testing.M) {
	code, err := synthesized(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func synthesized(use func() int) (code int, err error) {
	if assemblyDir, err = os.MkdirTemp("", "cloud-test-"); err != nil {
		return 1, err
	}
	defer os.RemoveAll(assemblyDir)
	if _, err := kit.Synthesize(context.Background(), assemblyDir, os.Stderr); err != nil {
		return 1, err
	}
	return use(), nil
}

func load(t *testing.T) *assembly.Assembly {
	t.Helper()
	a, err := assembly.Load(assemblyDir)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// system is a deployed assembly and its log.
type system struct {
	*cloud.Cloud
	log *kit.Buffer
}

func deploy(t *testing.T, a *assembly.Assembly) system {
	t.Helper()
	return deployWith(t, cloud.Options{Assembly: a, Account: synth.Account, Region: synth.Region})
}

func deployWith(t *testing.T, options cloud.Options) system {
	t.Helper()
	log := &kit.Buffer{}
	options.Log = log
	c, err := cloud.Deploy(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return system{c, log}
}

// use drives the application through everything that it does: an order, its repeat, its payment, the repeat of that,
// and the payment of an order that was charged by a function that died before it said so, from a token for one use. It
// returns what did not go as expected.
func (s system) use(ctx context.Context) error {
	_, err := s.used(ctx)
	return err
}

// walk is the walkthrough of a user of the system.
func (s system) walk() walkthrough.Walk {
	return walkthrough.Walk{
		System: walkthrough.System{
			Cognito:  s.Clients.Cognito,
			DynamoDB: s.Clients.DynamoDB,
			Outputs:  s.Outputs,
			Tables:   s.Tables,
			Code:     s.Code,
		},
		Order: "1", Card: walkthrough.SampleCard, Print: progress.New(io.Discard),
	}
}

// signIn signs a new user up and in, and returns the ID token.
func (s system) signIn(t *testing.T) string {
	t.Helper()
	w := s.walk()
	idToken, err := w.SignIn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return idToken
}

// used is use, and gives the user's ID token.
func (s system) used(ctx context.Context) (idToken string, err error) {
	w := s.walk()
	if idToken, err = w.SignIn(ctx); err != nil {
		return "", err
	}
	if err := w.Pay(ctx); err != nil {
		return idToken, err
	}
	order := `{"CustomerOrder":"1","CustomerName":"N","CreditCard":"` + walkthrough.SampleCard + `","Address":"A"}`
	if err := s.post(ctx, "/order", idToken, order, http.StatusConflict); err != nil {
		return idToken, err
	}
	if err := s.post(ctx, "/paybill", idToken, `{"CustomerOrder":"1"}`, http.StatusConflict); err != nil {
		return idToken, err
	}
	oneUse, err := s.token(ctx, client.TokenizeInput{MaxUses: 1})
	if err != nil {
		return idToken, err
	}
	return idToken, s.payWith(ctx, idToken, oneUse, http.StatusOK)
}

// errNoToken is the error of a test that cannot have the token it needs, which is no failure of the application.
var errNoToken = errors.New("the order function's extension gives no token")

// token tokenizes the sample card with the rights of the order function, for order 1 and its user.
func (s system) token(ctx context.Context, in client.TokenizeInput) (string, error) {
	x, err := s.StartExtension(ctx, "AppStack-Order", nil)
	if err != nil {
		return "", err
	}
	defer x.Stop()
	tokenizer, err := client.New(client.Config{Port: x.Port, SessionToken: x.SessionToken})
	if err != nil {
		return "", err
	}
	order, err := s.Clients.DynamoDB.GetItem(ctx,
		&dynamodb.GetItemInput{TableName: new(orderTable), Key: key("CustomerOrder", "1")})
	if err != nil {
		return "", err
	}
	user, _ := order.Item["Sub"].(*types.AttributeValueMemberS)
	if user == nil {
		return "", errors.New("order 1 has no user")
	}
	in.Data, in.Context = client.NewSecret(walkthrough.SampleCard), map[string]string{"order": "1", "user": user.Value}
	out, err := tokenizer.Tokenize(ctx, in)
	if err != nil {
		return "", errors.Join(errNoToken, err)
	}
	return out.Token, nil
}

// payWith pays the order once more, with another token, as if the function that charged it had died before it said so.
func (s system) payWith(ctx context.Context, idToken, token string, status int) error {
	if _, err := s.Clients.DynamoDB.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: new(orderTable), Key: key("CustomerOrder", "1"),
		UpdateExpression:         new("SET #State = :charging, LeaseUntil = :past, CreditCard = :token"),
		ExpressionAttributeNames: map[string]string{"#State": "State"},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":charging": &types.AttributeValueMemberS{Value: "CHARGING"},
			":past":     &types.AttributeValueMemberN{Value: "1"},
			":token":    &types.AttributeValueMemberS{Value: token},
		},
	}); err != nil {
		return err
	}
	return s.post(ctx, "/paybill", idToken, `{"CustomerOrder":"1"}`, status)
}

func (s system) post(ctx context.Context, path, idToken, body string, status int) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Outputs["PaymentMethodApiURL"]+path,
		strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", idToken)
	r.Header.Set("Content-Type", "application/json")
	answer, err := (&http.Client{Timeout: kit.Limit}).Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != status {
		err = fmt.Errorf("%s: status %d, want %d: %s", path, answer.StatusCode, status, text)
	}
	return err
}

// The test cache sees what a test reads, not what TestMain does, nor the child processes that build the programs under
// test.
func TestCache_DependsOnTheSources(t *testing.T) {
	if err := kit.ReadSources(); err != nil {
		t.Error(err)
	}
}

func TestRoles_AllowWhatTheApplicationDoes(t *testing.T) {
	s := deploy(t, load(t))
	if err := s.use(t.Context()); err != nil {
		t.Errorf("%v\n%s", err, s.log)
	}
	if strings.Contains(s.log.String(), "access denied") {
		t.Errorf("a call was refused:\n%s", s.log)
	}
}

// action is one action of one statement of a role's policies.
type action struct {
	policy    string // logical id
	statement int
	name      string
}

func (x action) String() string {
	return fmt.Sprintf("%s statement %d %s", x.policy, x.statement+1, x.name)
}

// document gives the document of a policy in a template, to be read or changed.
func document(a *assembly.Assembly, policy string) map[string]any {
	for _, stack := range a.Stacks {
		if resource, ok := stack.Template.Resources[policy]; ok {
			return resource.Properties["PolicyDocument"].(map[string]any)
		}
	}
	return nil
}

func statements(a *assembly.Assembly, policy string) []any {
	return document(a, policy)["Statement"].([]any)
}

func actions(statement any) []string {
	switch v := statement.(map[string]any)["Action"].(type) {
	case string:
		return []string{v}
	case []any:
		var list []string
		for _, element := range v {
			list = append(list, element.(string))
		}
		return list
	}
	return nil
}

// granted lists every action that a role is granted on a service that is simulated.
func granted(a *assembly.Assembly) []action {
	var all []action
	for _, stack := range a.Stacks {
		for id, resource := range stack.Template.Resources {
			if resource.Type != "AWS::IAM::Policy" {
				continue
			}
			for i, statement := range statements(a, id) {
				if statement.(map[string]any)["Effect"] != "Allow" {
					continue
				}
				for _, name := range actions(statement) {
					if strings.HasPrefix(name, "kms:") || strings.HasPrefix(name, "dynamodb:") {
						all = append(all, action{id, i, name})
					}
				}
			}
		}
	}
	slices.SortFunc(all, func(x, y action) int { return strings.Compare(x.String(), y.String()) })
	return all
}

// remove takes an action out of a template.
func remove(a *assembly.Assembly, x action) {
	statement := statements(a, x.policy)[x.statement].(map[string]any)
	var left []any
	for _, name := range actions(statement) {
		if name != x.name {
			left = append(left, name)
		}
	}
	if statement["Action"] = left; len(left) == 0 {
		statement["Action"] = "none:None"
	}
}

// A grant is neither larger than needed nor ignored: without any single action the application fails, and the log says
// what is missing.
func TestRoles_NeedEveryGrantedAction(t *testing.T) {
	all := granted(load(t))
	if len(all) < 20 {
		t.Fatalf("%d granted actions: the templates have more", len(all))
	}
	for _, x := range all {
		t.Run(x.String(), func(t *testing.T) {
			a := load(t)
			remove(a, x)
			s := deploy(t, a)
			if err := s.use(t.Context()); err == nil || errors.Is(err, errNoToken) {
				t.Errorf("the application does without: error = %v", err)
			}
			role := "OrderRole"
			if strings.HasPrefix(x.policy, "Paybill") {
				role = "PaybillRole"
			}
			var denial string
			for line := range strings.Lines(s.log.String()) {
				if strings.HasPrefix(line, "access denied: ") {
					denial = line
					break
				}
			}
			for _, want := range []string{
				role, ": " + x.name + " on arn:aws:", "the role's policies lack {Allow " + x.name + " on arn:aws:",
			} {
				if !strings.Contains(denial, want) {
					t.Errorf("the log says %q, which lacks %q", denial, want)
				}
			}
		})
	}
	t.Logf("%d actions, each needed", len(all))
}

// Statements whose conditions keep a grant from growing: what the roles may not do, tried with their own credentials.
func TestRoles_AllowNothingElse(t *testing.T) {
	s := deploy(t, load(t))
	if err := s.use(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, s.log)
	}
	order, paybill := s.actAs(t, "AppStack-Order"), s.actAs(t, "AppStack-Paybill")
	sealed := map[string]string{
		"table": vaultTable, "account_id": synth.Account, "ref": "00000000000000000000000000000000",
	}
	with := func(name, value string) map[string]string {
		c := map[string]string{name: value}
		for k, v := range sealed {
			if k != name {
				c[k] = v
			}
		}
		return c
	}
	dataKey, err := order.generate(t, sealed)
	if err != nil {
		t.Fatalf("order cannot make a data key: %v", err)
	}
	if err := paybill.decrypt(t, dataKey, sealed); err != nil {
		t.Fatalf("paybill cannot decrypt: %v", err)
	}
	purposed, err := s.Clients.KMS.GenerateDataKey(t.Context(), &kms.GenerateDataKeyInput{
		KeyId: new(s.Outputs["KMSKeyID"]), KeySpec: "AES_256", EncryptionContext: with("purpose", "refund"),
	})
	if err != nil {
		t.Fatal(err)
	}
	row := map[string]types.AttributeValue{
		"Hash_Key":   &types.AttributeValueMemberS{Value: token},
		"Account_Id": &types.AttributeValueMemberS{Value: synth.Account},
	}
	state := func(name string) map[string]types.AttributeValue {
		return map[string]types.AttributeValue{
			"State_Key":  &types.AttributeValueMemberS{Value: name + "#" + token},
			"Account_Id": &types.AttributeValueMemberS{Value: synth.Account},
		}
	}
	set := func(a actor, key map[string]types.AttributeValue, attribute string) error {
		return second(a.dynamo.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
			TableName: new(stateTable), Key: key, UpdateExpression: new("SET " + attribute + " = :x"),
			ExpressionAttributeValues: map[string]types.AttributeValue{":x": &types.AttributeValueMemberN{Value: "0"}},
		}))
	}
	// What paybill needs, so that the refusals below are about what is different in them.
	if err := errors.Join(paybill.get(t, stateTable, state("gone")), paybill.get(t, stateTable, state("use#")),
		set(paybill, state("use#"), "Uses")); err != nil {
		t.Fatal(err)
	}
	orderRow := func(attribute string) map[string]types.AttributeValue {
		return map[string]types.AttributeValue{
			"CustomerOrder": &types.AttributeValueMemberS{Value: "2"},
			"State":         &types.AttributeValueMemberS{Value: "PLACED"},
			attribute:       &types.AttributeValueMemberS{Value: "x"},
		}
	}
	if err := order.put(t, orderTable, orderRow("Address"), ""); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	refused := map[string]func() error{
		"order decrypts a message": func() error { return order.decrypt(t, dataKey, sealed) },
		"order reads the vault":    func() error { return order.get(t, vaultTable, row) },
		"order queries the vault":  func() error { return order.query(t, vaultTable, "Hash_Key", token) },
		"order scans the vault":    func() error { return order.scan(t, vaultTable) },
		"order asks for the row that it puts": func() error {
			return order.put(t, vaultTable, row, types.ReturnValueAllOld)
		},
		"order deletes from the vault": func() error { return order.delete(t, vaultTable, row) },
		"order reads the ledger": func() error {
			return order.get(t, ledgerTable, key("PaymentId", "1"))
		},
		"order writes to the ledger": func() error {
			return order.put(t, ledgerTable, key("PaymentId", "1"), "")
		},
		"order scans the orders": func() error { return order.scan(t, orderTable) },
		"order deletes an order": func() error {
			return order.delete(t, orderTable, key("CustomerOrder", "1"))
		},
		"order makes a key for another table": func() error {
			return second(order.generate(t, with("table", "Other")))
		},
		"order makes a key for another account": func() error {
			return second(order.generate(t, with("account_id", "210987654321")))
		},
		"order makes a key for a purpose": func() error { return second(order.generate(t, with("purpose", "refund"))) },
		"order makes a key for nothing":   func() error { return second(order.generate(t, nil)) },
		"order encrypts": func() error {
			_, err := order.kms.Encrypt(ctx,
				&kms.EncryptInput{KeyId: &order.tokenKey, Plaintext: []byte("x"), EncryptionContext: sealed})
			return err
		},
		"paybill makes a data key":       func() error { return second(paybill.generate(t, sealed)) },
		"paybill puts into the vault":    func() error { return paybill.put(t, vaultTable, row, "") },
		"paybill deletes from the vault": func() error { return paybill.delete(t, vaultTable, row) },
		"paybill scans the vault":        func() error { return paybill.scan(t, vaultTable) },
		"paybill changes a sealed row": func() error {
			return second(paybill.dynamo.UpdateItem(ctx, &dynamodb.UpdateItemInput{
				TableName: new(vaultTable), Key: row, UpdateExpression: new("SET CandidateString = :x"),
				ExpressionAttributeValues: map[string]types.AttributeValue{
					":x": &types.AttributeValueMemberB{Value: []byte("x")},
				},
			}))
		},
		"paybill changes a row under another name": func() error {
			return second(paybill.dynamo.UpdateItem(ctx, &dynamodb.UpdateItemInput{
				TableName:                new(vaultTable),
				Key:                      row,
				UpdateExpression:         new("SET #x = :x"),
				ExpressionAttributeNames: map[string]string{"#x": "Purpose"},
				ExpressionAttributeValues: map[string]types.AttributeValue{
					":x": &types.AttributeValueMemberS{Value: "x"},
				},
			}))
		},
		"paybill changes a row by the parameters of old": func() error {
			return second(paybill.dynamo.UpdateItem(ctx, &dynamodb.UpdateItemInput{
				TableName: new(vaultTable), Key: row,
				AttributeUpdates: map[string]types.AttributeValueUpdate{
					"Purpose": {Value: &types.AttributeValueMemberS{Value: "x"}},
				},
			}))
		},
		"order counts a use": func() error {
			return second(order.dynamo.UpdateItem(ctx, &dynamodb.UpdateItemInput{
				TableName: new(vaultTable), Key: row, UpdateExpression: new("SET Uses = :x"),
				ExpressionAttributeValues: map[string]types.AttributeValue{
					":x": &types.AttributeValueMemberN{Value: "0"},
				},
			}))
		},
		"order reads a tombstone":   func() error { return order.get(t, stateTable, state("gone")) },
		"order reads uses":          func() error { return order.get(t, stateTable, state("use#")) },
		"order puts uses":           func() error { return order.put(t, stateTable, state("use#"), "") },
		"order changes uses":        func() error { return set(order, state("use#"), "Uses") },
		"order deletes a tombstone": func() error { return order.delete(t, stateTable, state("gone")) },
		"order scans the state":     func() error { return order.scan(t, stateTable) },
		"paybill deletes a tombstone": func() error {
			return paybill.delete(t, stateTable, state("gone"))
		},
		"paybill deletes uses": func() error {
			return paybill.delete(t, stateTable, state("use#"))
		},
		"paybill puts a tombstone": func() error {
			return paybill.put(t, stateTable, state("gone"), "")
		},
		"paybill puts uses": func() error {
			return paybill.put(t, stateTable, state("use#"), "")
		},
		"paybill changes a tombstone": func() error { return set(paybill, state("gone"), "Uses") },
		"paybill reads uses of a purpose": func() error {
			return paybill.get(t, stateTable, state("use#refund"))
		},
		"paybill changes uses of a purpose": func() error { return set(paybill, state("use#refund"), "Uses") },
		"paybill adds to uses what is none": func() error { return set(paybill, state("use#"), "RevokedAt") },
		"paybill scans the state":           func() error { return paybill.scan(t, stateTable) },
		"paybill queries the state": func() error {
			return paybill.query(t, stateTable, "State_Key", "gone#"+token)
		},
		"order leases the order that it puts": func() error {
			return order.put(t, orderTable, orderRow("LeaseId"), "")
		},
		"order puts a payment": func() error {
			return order.put(t, orderTable, orderRow("PaidAt"), "")
		},
		"order asks for the order that it puts": func() error {
			return order.put(t, orderTable, orderRow("Address"), types.ReturnValueAllOld)
		},
		"order makes a MAC with the index's key":   func() error { return order.mac(t) },
		"paybill makes a MAC with the index's key": func() error { return paybill.mac(t) },
		"order reads the index": func() error {
			return order.get(t, indexTable, key("Index_Key", "1"))
		},
		"paybill reads the index": func() error { return paybill.get(t, indexTable, key("Index_Key", "1")) },
		"order makes a MAC with the token key": func() error {
			return second(order.kms.GenerateMac(ctx,
				&kms.GenerateMacInput{KeyId: &order.tokenKey, Message: []byte("x"), MacAlgorithm: "HMAC_SHA_256"}))
		},
		"paybill puts an order": func() error {
			return paybill.put(t, orderTable, key("CustomerOrder", "2"), "")
		},
		"paybill decrypts a purpose's key": func() error {
			return paybill.decrypt(t, purposed.CiphertextBlob, with("purpose", "refund"))
		},
		"paybill decrypts without context": func() error { return paybill.decrypt(t, dataKey, nil) },
		"paybill puts into the vault in a transaction": func() error {
			_, err := paybill.dynamo.TransactWriteItems(ctx,
				&dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
					{Put: &types.Put{TableName: new(vaultTable), Item: row}},
				}})
			return err
		},
		"order checks a vault row in a transaction": func() error {
			_, err := order.dynamo.TransactWriteItems(ctx,
				&dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
					{ConditionCheck: &types.ConditionCheck{
						TableName:           new(vaultTable),
						Key:                 row,
						ConditionExpression: new("attribute_exists(Hash_Key)"),
					}},
				}})
			return err
		},
		"paybill reads the vault in a batch": func() error {
			_, err := paybill.dynamo.BatchGetItem(ctx,
				&dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
					vaultTable: {Keys: []map[string]types.AttributeValue{row}},
				}})
			return err
		},
		"paybill reads the vault with PartiQL": func() error {
			_, err := paybill.dynamo.ExecuteStatement(ctx,
				&dynamodb.ExecuteStatementInput{Statement: new("SELECT * FROM " + vaultTable)})
			return err
		},
		"order reads the vault beside a transaction that it may do": func() error {
			_, err := order.dynamo.GetItem(ctx, &dynamodb.GetItemInput{TableName: new(vaultTable), Key: row},
				beside(map[string]any{
					"TransactItems": []any{map[string]any{"Put": map[string]any{
						"TableName": orderTable,
						"Item":      map[string]any{"CustomerOrder": map[string]string{"S": "2"}},
					}}},
				}))
			return err
		},
		"paybill decrypts with the storage key": func() error {
			_, err := paybill.kms.Decrypt(ctx, &kms.DecryptInput{
				KeyId:             new("alias/tokenizer/storage"),
				CiphertextBlob:    dataKey,
				EncryptionContext: map[string]string{"aws:dynamodb:tableName": vaultTable},
			})
			return err
		},
		"paybill decrypts without a key id": func() error {
			_, err := paybill.kms.Decrypt(ctx, &kms.DecryptInput{CiphertextBlob: dataKey, EncryptionContext: sealed})
			return err
		},
		"paybill makes a key": func() error { return second(paybill.kms.CreateKey(ctx, &kms.CreateKeyInput{})) },
		"paybill lists tables": func() error {
			return second(paybill.dynamo.ListTables(ctx, &dynamodb.ListTablesInput{}))
		},
	}
	for name, try := range refused {
		t.Run(name, func(t *testing.T) {
			if e, ok := errors.AsType[smithy.APIError](try()); !ok || e.ErrorCode() != "AccessDeniedException" {
				t.Errorf("got %v, want AccessDeniedException", e)
			}
		})
	}
	if log := s.log.String(); strings.Contains(log, token) {
		t.Error("a refusal logged the token")
	}
}

// The key's own policy has the last word: a role elsewhere cannot decrypt, whatever its policies say.
func TestKeyPolicy_OverridesARolesGrant(t *testing.T) {
	a := load(t)
	for _, stack := range a.Stacks {
		for id, resource := range stack.Template.Resources {
			if resource.Type == "AWS::IAM::Role" && strings.HasPrefix(id, "Paybill") {
				resource.Properties["Path"] = "/elsewhere/"
			}
		}
	}
	s := deploy(t, a)
	if err := s.use(t.Context()); err == nil || !strings.Contains(err.Error(), "POST /paybill") {
		t.Errorf("error = %v", err)
	}
	want := regexp.MustCompile(
		`: kms:Decrypt on \S+: "DenyDecryptOutside\w+" of the policy of key TokenKey\w* denies it `)
	if !want.MatchString(s.log.String()) {
		t.Errorf("the log lacks %s:\n%s", want, s.log)
	}
}

// place is a statement, and the id of its policy.
type place struct {
	policy    string
	statement map[string]any
}

// unbound lists the statements that allow an action for tokens without a purpose, of a role's policy and of its
// boundary.
func unbound(t *testing.T, a *assembly.Assembly, action string) (found []place) {
	t.Helper()
	for _, stack := range a.Stacks {
		for id, resource := range stack.Template.Resources {
			if resource.Type != "AWS::IAM::Policy" && resource.Type != "AWS::IAM::ManagedPolicy" {
				continue
			}
			for _, element := range statements(a, id) {
				statement := element.(map[string]any)
				condition, _ := statement["Condition"].(map[string]any)
				null, _ := condition["Null"].(map[string]any)
				if slices.Contains(actions(statement), action) && null["kms:EncryptionContext:purpose"] != nil {
					found = append(found, place{id, statement})
				}
			}
		}
	}
	if len(found) == 0 {
		t.Fatalf("no grant of %s without a purpose", action)
	}
	return found
}

// bind makes the condition of a statement for tokens of a purpose.
func bind(condition any, purpose string) map[string]any {
	bound := maps.Clone(condition.(map[string]any))
	equal := maps.Clone(bound["StringEquals"].(map[string]any))
	equal["kms:EncryptionContext:purpose"] = []any{purpose}
	bound["StringEquals"] = equal
	delete(bound, "Null")
	return bound
}

// A token that is bound to a purpose opens for a function whose grant names it. Another function is refused by KMS, by
// the policies of the templates: the extension asks KMS for the key all the same.
func TestPurpose_IsEnforcedByThePolicies(t *testing.T) {
	for _, tt := range []struct {
		name, grant, token string // purposes; "" is none
		status             int
		failing            string
	}{
		{"the right purpose", "charge", "charge", http.StatusOK, ""},
		{
			"a wrong purpose", "charge", "refund", http.StatusServiceUnavailable,
			"StringEquals kms:EncryptionContext:purpose",
		},
		{
			"a token without a purpose", "charge", "", http.StatusServiceUnavailable,
			"StringEquals kms:EncryptionContext:purpose",
		},
		{
			"a grant without a purpose", "", "refund", http.StatusServiceUnavailable,
			"Null kms:EncryptionContext:purpose",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := load(t)
			if tt.grant != "" {
				for _, at := range unbound(t, a, "kms:Decrypt") {
					at.statement["Condition"] = bind(at.statement["Condition"], tt.grant)
				}
			}
			if tt.token != "" { // the order function makes this token, besides those of orders
				at := unbound(t, a, "kms:GenerateDataKey")[0]
				like := maps.Clone(at.statement)
				like["Condition"] = bind(like["Condition"], tt.token)
				document(a, at.policy)["Statement"] = append(statements(a, at.policy), like)
			}
			s := deploy(t, a)
			idToken := s.signIn(t)
			order := `{"CustomerOrder":"1","CustomerName":"N","CreditCard":"` + walkthrough.SampleCard +
				`","Address":"A"}`
			if err := s.post(t.Context(), "/order", idToken, order, http.StatusCreated); err != nil {
				t.Fatal(err)
			}
			bound, err := s.token(t.Context(), client.TokenizeInput{Purpose: tt.token})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.payWith(t.Context(), idToken, bound, tt.status); err != nil {
				t.Errorf("%v\n%s", err, s.log)
			}
			trouble := strings.Join(s.Trouble(), "\n")
			if tt.failing == "" && trouble != "" || !strings.Contains(trouble, tt.failing) || tt.failing != "" &&
				!strings.Contains(trouble, ": kms:Decrypt on ") {
				t.Errorf("refused: %q, want a condition %q", trouble, tt.failing)
			}
		})
	}
}

func TestDeploy_NamesAPolicyThatCannotBeEvaluated(t *testing.T) {
	for want, change := range map[string]func(statement map[string]any){
		"NotAction": func(s map[string]any) { s["NotAction"] = s["Action"] },
		"DateLessThan aws:CurrentTime": func(s map[string]any) {
			s["Condition"] = object("DateLessThan", "aws:CurrentTime", "2030-01-01")
		},
		"StringEquals aws:SourceVpce": func(s map[string]any) {
			s["Condition"] = object("StringEquals", "aws:SourceVpce", "vpce-1")
		},
		"NumericEquals kms:ViaService": func(s map[string]any) {
			s["Condition"] = object("NumericEquals", "kms:ViaService", "1")
		},
		`variable in "${aws:PrincipalTag`: func(s map[string]any) { s["Resource"] = "${aws:PrincipalTag/x}" },
	} {
		a := load(t)
		x := granted(a)[0]
		change(statements(a, x.policy)[x.statement].(map[string]any))
		c, err := cloud.Deploy(t.Context(), cloud.Options{
			Assembly: a, Account: synth.Account, Region: synth.Region,
		})
		if err == nil {
			c.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), x.policy) {
			t.Errorf("%s: error = %v", want, err)
		}
	}
}

func object(operator, key, value string) map[string]any {
	return map[string]any{operator: map[string]any{key: value}}
}

// actor is a caller with a function's credentials.
type actor struct {
	kms      *kms.Client
	dynamo   *dynamodb.Client
	tokenKey string
}

func (s system) actAs(t *testing.T, function string) actor {
	t.Helper()
	config, err := s.ActAs(function)
	if err != nil {
		t.Fatal(err)
	}
	config.RetryMaxAttempts = 1
	return actor{kms.NewFromConfig(config), dynamodb.NewFromConfig(config), s.Outputs["KMSKeyID"]}
}

func (a actor) generate(t *testing.T, c map[string]string) ([]byte, error) {
	out, err := a.kms.GenerateDataKey(t.Context(),
		&kms.GenerateDataKeyInput{KeyId: &a.tokenKey, KeySpec: "AES_256", EncryptionContext: c})
	if err != nil {
		return nil, err
	}
	return out.CiphertextBlob, nil
}

func (a actor) decrypt(t *testing.T, blob []byte, c map[string]string) error {
	return second(a.kms.Decrypt(t.Context(),
		&kms.DecryptInput{KeyId: &a.tokenKey, CiphertextBlob: blob, EncryptionContext: c}))
}

// mac asks for a MAC under FingerprintKey.
func (a actor) mac(t *testing.T) error {
	return second(a.kms.GenerateMac(t.Context(), &kms.GenerateMacInput{
		KeyId: new("alias/tokenizer/fingerprint"), Message: []byte("x"), MacAlgorithm: "HMAC_SHA_256",
	}))
}

func (a actor) get(t *testing.T, table string, key map[string]types.AttributeValue) error {
	return second(a.dynamo.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: &table, Key: key}))
}

func (a actor) scan(t *testing.T, table string) error {
	return second(a.dynamo.Scan(t.Context(), &dynamodb.ScanInput{TableName: &table}))
}

func (a actor) query(t *testing.T, table, name, value string) error {
	return second(a.dynamo.Query(t.Context(), &dynamodb.QueryInput{
		TableName: &table, KeyConditionExpression: new(name + " = :v"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":v": &types.AttributeValueMemberS{Value: value}},
	}))
}

func (a actor) put(t *testing.T, table string, item map[string]types.AttributeValue, returned types.ReturnValue) error {
	return second(a.dynamo.PutItem(t.Context(),
		&dynamodb.PutItemInput{TableName: &table, Item: item, ReturnValues: returned}))
}

func (a actor) delete(t *testing.T, table string, key map[string]types.AttributeValue) error {
	return second(a.dynamo.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &table, Key: key}))
}

// beside adds members to a request's body that its operation does not have.
func beside(members map[string]any) func(*dynamodb.Options) {
	add := middleware.SerializeMiddlewareFunc("beside", func(ctx context.Context, in middleware.SerializeInput,
		next middleware.SerializeHandler) (out middleware.SerializeOutput, meta middleware.Metadata, err error) {
		request := in.Request.(*smithyhttp.Request)
		body := maps.Clone(members)
		if err := json.NewDecoder(request.GetStream()).Decode(&body); err != nil {
			return out, meta, err
		}
		text, err := json.Marshal(body)
		if err != nil {
			return out, meta, err
		}
		if in.Request, err = request.SetStream(bytes.NewReader(text)); err != nil {
			return out, meta, err
		}
		return next.HandleSerialize(ctx, in)
	})
	return dynamodb.WithAPIOptions(func(stack *middleware.Stack) error {
		return stack.Serialize.Add(add, middleware.After)
	})
}

func second[T any](_ T, err error) error { return err }

func key(name, value string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{name: &types.AttributeValueMemberS{Value: value}}
}
