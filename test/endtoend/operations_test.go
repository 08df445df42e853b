package endtoend_test

import (
	"bytes"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/needed"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/dynamoserver"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/synth"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
)

// A state that was restored brings back what the table has lost, and takes back nothing that the table knows.
func TestOperations_ARestoredStateIsMerged(t *testing.T) {
	const state = "CreditCardTokenizerState"
	r := newRestore(t, "State_Key", state)
	now, restored := attributes{"RevokedAt": "200"}, attributes{"RevokedAt": "100"}
	r.put(t, state, "gone#both", now)
	r.put(t, state, "gone#later", now)
	r.put(t, state, "use##more", attributes{"Uses": "3"})
	r.put(t, state, "use##fewer", attributes{"Uses": "1"})
	r.put(t, state, "use##later", attributes{"Uses": "1"})
	r.put(t, state+"-restored", "gone#both", restored)
	r.put(t, state+"-restored", "gone#lost", restored)
	r.put(t, state+"-restored", "use##more", attributes{"Uses": "2"})
	r.put(t, state+"-restored", "use##fewer", attributes{"Uses": "2"})
	r.put(t, state+"-restored", "use#refund#lost", attributes{"Uses": "2"})

	want := map[string]attributes{
		"gone#both": now, "gone#later": now, "gone#lost": restored, "use##more": {"Uses": "3"},
		"use##fewer": {"Uses": "2"},
		"use##later": {"Uses": "1"}, "use#refund#lost": {"Uses": "2"},
	}
	for range 2 {
		r.run(t, "### Restoring the state")
		if diff := cmp.Diff(want, r.items(t, state, "State_Key")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestOperations_RestoredRowsOfRevokedTokensStayOut(t *testing.T) {
	const vault = "CreditCardTokenizerTable"
	r := newRestore(t, "Hash_Key", vault)
	r.create(t, "State_Key", "CreditCardTokenizerState")
	r.put(t, "CreditCardTokenizerState", "gone#revoked", attributes{})
	r.put(t, vault, "there", attributes{"Format": "3"})
	for _, token := range []string{"there", "lost", "revoked"} {
		r.put(t, vault+"-restored", token, attributes{"Format": "0"})
	}
	r.run(t, "### Restoring rows of the vault")
	want := map[string]attributes{"there": {"Format": "3"}, "lost": {"Format": "0"}}
	if diff := cmp.Diff(want, r.items(t, vault, "Hash_Key")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// attributes are the numbers of an item.
type attributes map[string]string

// restore is a DynamoDB in which a table was restored.
type restore struct {
	url  string
	db   *dynamodb.Client
	keys map[string]string // partition keys of the tables
}

func newRestore(t *testing.T, key, table string) *restore {
	t.Helper()
	server := httptest.NewServer(dynamoserver.New(dynamoserver.Config{AccountID: synth.Account, Region: synth.Region}))
	t.Cleanup(server.Close)
	r := &restore{url: server.URL, keys: map[string]string{}, db: dynamodb.NewFromConfig(aws.Config{
		Region: synth.Region, BaseEndpoint: &server.URL,
		Credentials: credentials.NewStaticCredentialsProvider("x", "x", ""),
	})}
	r.create(t, key, table, table+"-restored")
	return r
}

func (r *restore) create(t *testing.T, key string, tables ...string) {
	t.Helper()
	for _, table := range tables {
		r.keys[table] = key
		kit.CreateTable(t, r.db, table, key, "Account_Id")
	}
}

func (r *restore) put(t *testing.T, table, key string, numbers attributes) {
	t.Helper()
	item := map[string]types.AttributeValue{
		r.keys[table]: &types.AttributeValueMemberS{Value: key},
		"Account_Id":  &types.AttributeValueMemberS{Value: synth.Account},
	}
	for name, value := range numbers {
		item[name] = &types.AttributeValueMemberN{Value: value}
	}
	if _, err := r.db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: item}); err != nil {
		t.Fatal(err)
	}
}

func (r *restore) items(t *testing.T, table, key string) map[string]attributes {
	t.Helper()
	items := map[string]attributes{}
	for _, item := range kit.Rows(t, r.db, table) {
		numbers := attributes{}
		for name, value := range item {
			if n, ok := value.(*types.AttributeValueMemberN); ok {
				numbers[name] = n.Value
			}
		}
		items[kit.Text(item[key])] = numbers
	}
	return items
}

// run runs the script below a heading of docs/operations.md.
func (r *restore) run(t *testing.T, heading string) {
	t.Helper()
	document, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(document), "\n"+heading+"\n")
	fenced := regexp.MustCompile("(?s)\n( *)```python\n(.*?)\n *```").FindStringSubmatch(section)
	if fenced == nil {
		t.Fatalf("docs/operations.md has no script below %q", heading)
	}
	script := strings.ReplaceAll("\n"+fenced[2], "\n"+fenced[1], "\n")
	needed.PythonModule(t, "boto3")
	command := exec.CommandContext(t.Context(), "python3", "-c", script)
	command.Env = kit.ToolEnvironment("AWS_ENDPOINT_URL_DYNAMODB=" + r.url)
	var printed bytes.Buffer
	command.Stdout, command.Stderr = &printed, &printed
	if err := command.Run(); err != nil || printed.Len() > 0 {
		t.Fatalf("%v\n%s", err, printed.String())
	}
}
