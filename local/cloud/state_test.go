package cloud_test

import (
	"context"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/assembly"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/cloud"
)

// firstVersion has one resource of each type that keeps something.
const firstVersion = `{"Resources":{
	"Key":{"Type":"AWS::KMS::Key","Properties":{"KeyPolicy":{"Statement":[]}}},
	"Other":{"Type":"AWS::KMS::Key","Properties":{"KeyPolicy":{"Statement":[]}}},
	"Alias":{"Type":"AWS::KMS::Alias","Properties":{"AliasName":"alias/a","TargetKeyId":{"Ref":"Key"}}},
	"Table":{"Type":"AWS::DynamoDB::Table","Properties":{"TableName":"T",
		"KeySchema":[{"AttributeName":"Id","KeyType":"HASH"}],
		"AttributeDefinitions":[{"AttributeName":"Id","AttributeType":"S"}]}},
	"Pool":{"Type":"AWS::Cognito::UserPool"},
	"Client":{"Type":"AWS::Cognito::UserPoolClient","Properties":{"UserPoolId":{"Ref":"Pool"}}},
	"Function":{"Type":"AWS::Lambda::Function","Properties":{"Runtime":"python3.13","Handler":"index.handler",
		"Role":"arn:aws:iam::123456789012:role/r","Code":{"ZipFile":
		"def handler(event, context): return {'statusCode': 200, 'body': 'first'}"}}},
	"Api":{"Type":"AWS::ApiGateway::RestApi","Properties":{"Name":"A"}},
	"Stage":{"Type":"AWS::ApiGateway::Stage","Properties":{"RestApiId":{"Ref":"Api"},"StageName":"dev"}},
	"Method":{"Type":"AWS::ApiGateway::Method","Properties":{"RestApiId":{"Ref":"Api"},
		"ResourceId":{"Fn::GetAtt":["Api","RootResourceId"]},"HttpMethod":"GET","AuthorizationType":"NONE",
		"Integration":{"Type":"AWS_PROXY","Uri":{"Fn::Sub":"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/${Function.Arn}/invocations"}}}}},
	"Outputs":{"Key":{"Value":{"Ref":"Key"}},"Other":{"Value":{"Ref":"Other"}},"Pool":{"Value":{"Ref":"Pool"}},
		"Client":{"Value":{"Ref":"Client"}},"Api":{"Value":{"Ref":"Api"}}}}`

// versions deploys one version of an app after the other.
type versions struct {
	*testing.T
	options cloud.Options
}

func newVersions(t *testing.T) *versions {
	t.Helper()
	v := &versions{t, cloud.Options{Account: "123456789012", Region: "us-east-1", AnyApp: true}}
	var err error
	if v.options.State, err = cloud.NewState(v.options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.options.State.Close)
	return v
}

func (v *versions) deploy(template string) *cloud.Cloud {
	v.Helper()
	v.read(template)
	c, err := cloud.Deploy(v.Context(), v.options)
	if err != nil {
		v.Fatal(err)
	}
	v.Cleanup(func() { _ = c.Close() })
	return c
}

// read makes a template the next version.
func (v *versions) read(template string) {
	v.Helper()
	dir := v.TempDir()
	for name, content := range map[string]string{
		"manifest.json": `{"artifacts":{"S":{"type":"aws:cloudformation:stack","properties":{"templateFile":"t.json"}}}}`,
		"t.json":        template,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			v.Fatal(err)
		}
	}
	var err error
	if v.options.Assembly, err = assembly.LoadApp(dir, ""); err != nil {
		v.Fatal(err)
	}
}

func keyOfAlias(t *testing.T, c *cloud.Cloud) string {
	t.Helper()
	out, err := c.Clients.KMS.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: new("alias/a")})
	if err != nil {
		t.Fatal(err)
	}
	return *out.KeyMetadata.KeyId
}

func rows(t *testing.T, c *cloud.Cloud) int {
	t.Helper()
	out, err := c.Clients.DynamoDB.Scan(t.Context(), &dynamodb.ScanInput{TableName: new("T")})
	if err != nil {
		t.Fatal(err)
	}
	return len(out.Items)
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(b)
}

func TestState_LeavesWhatIsUnchangedToTheNextVersion(t *testing.T) {
	v := newVersions(t)
	first := v.deploy(firstVersion)
	if _, err := first.Clients.DynamoDB.PutItem(t.Context(), &dynamodb.PutItemInput{
		TableName: new("T"), Item: map[string]types.AttributeValue{"Id": &types.AttributeValueMemberS{Value: "1"}},
	}); err != nil {
		t.Fatal(err)
	}
	if _, body := get(t, first.Endpoints["api"]+"/"); body != "first" {
		t.Errorf("answer %q", body)
	}

	second := v.deploy(strings.NewReplacer("'first'", "'second'", `"TargetKeyId":{"Ref":"Key"}`,
		`"TargetKeyId":{"Ref":"Other"}`).Replace(firstVersion))
	if err := first.Retire(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(first.Outputs, second.Outputs); d != "" {
		t.Errorf("ids have changed: %s", d)
	}
	if d := cmp.Diff(first.Endpoints, second.Endpoints); d != "" {
		t.Errorf("addresses have changed: %s", d)
	}
	if n := rows(t, second); n != 1 || len(second.Replaced) > 0 {
		t.Errorf("%d rows, replaced %v", n, second.Replaced)
	}
	if got := keyOfAlias(t, second); got != second.Outputs["Other"] {
		t.Errorf("the alias is of %s", got)
	}
	if _, body := get(t, second.Endpoints["api"]+"/"); body != "second" {
		t.Errorf("answer %q", body)
	}
}

func TestState_ReplacesWhatIsDefinedInAnotherWay(t *testing.T) {
	v := newVersions(t)
	first := v.deploy(firstVersion)
	second := v.deploy(strings.NewReplacer(
		`"AttributeType":"S"`, `"AttributeType":"N"`, `"Pool":{"Type":"AWS::Cognito::UserPool"}`,
		`"Pool":{"Type":"AWS::Cognito::UserPool","Properties":{"AliasAttributes":["email"]}}`,
		`"Key":{"Type":"AWS::KMS::Key","Properties":{`,
		`"Key":{"Type":"AWS::KMS::Key","Properties":{"KeySpec":"HMAC_256","KeyUsage":"GENERATE_VERIFY_MAC",`,
	).Replace(firstVersion))
	want := []string{"key S/Key", "table T", "user pool S/Pool", "user pool client S/Client"}
	for i := range want {
		want[i] = "made anew, and empty: " + want[i]
	}
	if d := cmp.Diff(want, slices.Sorted(slices.Values(second.Replaced))); d != "" {
		t.Error(d)
	}
	for name, value := range maps.All(second.Outputs) {
		if changed := name != "Other" && name != "Api"; changed != (value != first.Outputs[name]) {
			t.Errorf("output %s: was %s, is %s", name, first.Outputs[name], value)
		}
	}
	if got := keyOfAlias(t, second); got != second.Outputs["Key"] {
		t.Errorf("the alias is of %s", got)
	}
}

// What was replaced is empty also if the deployment fails later, or if nothing could take its place.
func TestState_SaysWhatIsGoneIfADeploymentFails(t *testing.T) {
	v := newVersions(t)
	v.deploy(firstVersion)
	replaced := strings.ReplaceAll(firstVersion, `"AttributeType":"S"`, `"AttributeType":"N"`)
	const another = `"Z":{"Type":"AWS::DynamoDB::Table","Properties":{"TableName":"T"}},"Pool":`
	v.read(strings.Replace(replaced, `"Pool":`, another, 1))
	_, err := cloud.Deploy(t.Context(), v.options)
	for _, want := range []string{`both have the name "T"`, "\nBefore this failed: made anew, and empty: table T"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error = %v, want %q", err, want)
		}
	}
	third := v.deploy(strings.Replace(firstVersion, `"KeyType":"HASH"`, `"KeyType":"HUSH"`, 1))
	if d := cmp.Diff([]string{"gone: table T"}, third.Replaced); d != "" {
		t.Error(d)
	}
}

// A table that is gone for a while, because somebody tries something, has its rows when it is back.
func TestState_KeepsWhatIsGoneForAWhile(t *testing.T) {
	v := newVersions(t)
	first := v.deploy(firstVersion)
	if _, err := first.Clients.DynamoDB.PutItem(t.Context(), &dynamodb.PutItemInput{
		TableName: new("T"), Item: map[string]types.AttributeValue{"Id": &types.AttributeValueMemberS{Value: "1"}},
	}); err != nil {
		t.Fatal(err)
	}
	api := first.Endpoints["api"]
	second := v.deploy(`{"Resources":{}}`)
	if status, body := get(t, api+"/"); status != http.StatusNotFound || !strings.Contains(body, "does not have this API") {
		t.Errorf("status %d, body %s", status, body)
	}
	third := v.deploy(firstVersion)
	if n := rows(t, third); n != 1 || len(second.Replaced)+len(third.Replaced) > 0 {
		t.Errorf("%d rows, replaced %v and %v", n, second.Replaced, third.Replaced)
	}
	if status, _ := get(t, api+"/"); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
}

func TestRetire_TakesNoMoreInvocations(t *testing.T) {
	v := newVersions(t)
	c := v.deploy(firstVersion)
	f, err := c.Function("Function")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Retire(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Invoke(t.Context(), f, []byte("{}")); err != cloud.ErrReplaced {
		t.Errorf("error = %v", err)
	}
	if status, body := get(t, c.Endpoints["api"]+"/"); status != http.StatusServiceUnavailable {
		t.Errorf("status %d, body %s", status, body)
	}
}

// Ends can come in any order, and while something runs.
func TestCloud_EndsInAnyOrder(t *testing.T) {
	v := newVersions(t)
	c := v.deploy(firstVersion)
	f, err := c.Function("Function")
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	var wg sync.WaitGroup
	for _, do := range []func(){
		func() { _, _, _ = c.Invoke(t.Context(), f, []byte("{}")) },
		func() { _ = c.Retire(ended) },
		func() { _ = c.Retire(t.Context()) },
		func() { _ = c.Close() },
		v.options.State.Close,
	} {
		wg.Go(do)
	}
	wg.Wait()
	if _, _, err := c.Invoke(t.Context(), f, []byte("{}")); err != cloud.ErrReplaced {
		t.Errorf("error = %v", err)
	}
}

func TestState_IsOfOneAccountAndRegion(t *testing.T) {
	v := newVersions(t)
	v.deploy(firstVersion)
	v.options.Region = "eu-west-1"
	if _, err := cloud.Deploy(context.Background(), v.options); err == nil ||
		!strings.Contains(err.Error(), "region eu-west-1 now") || !strings.Contains(err.Error(), "start it again") {
		t.Errorf("error = %v", err)
	}
}
