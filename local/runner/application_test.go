package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/needed"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/lambdahost/runtimes"
)

const echo = "def handler(event, context): return event"

func TestRun_HandsOneAnswerToTheNextInvocation(t *testing.T) {
	dir := newApp(t, map[string]code{
		"Echo": python(echo), "Count": node("export const handler = async (e) => e.list"),
	}, nil)
	got := start(t, "-app", dir, "-invoke", "Echo", "-payload", `{"list": [{"n": 12345678901234567890}, 2]}`,
		"-invoke", "S/Count", "-payload", `{"list": "@answer.list.0"}`, "-invoke", "Echo", "-payload", `"@answer"`)
	const want = "{\"list\": [{\"n\": 12345678901234567890}, 2]}\n"
	if got.err != nil || !strings.HasPrefix(got.stdout, want) || strings.Count(got.stdout, "\n") != 3 {
		t.Errorf("%v, printed %s", got.err, got.stdout)
	}
}

func TestRun_SaysWhatIsWrong(t *testing.T) {
	good := newApp(t, map[string]code{"Pay": python(echo), "PayBill": python(echo), "Order": python(echo)}, nil)
	image := python(echo)
	image.properties = map[string]any{"PackageType": "Image", "Code": map[string]any{"ImageUri": "x"}}
	ruby := python(echo)
	ruby.runtime = "ruby3.4"
	foreign := python(echo)
	foreign.properties = map[string]any{"Layers": []string{"arn:aws:lambda:us-east-1:123456789012:layer:other:1"}}
	needs := python(echo)
	needs.properties = map[string]any{"Role": map[string]any{"Fn::GetAtt": []string{"Queue", "Arn"}}}
	administrator := templates{"Role": map[string]any{"Type": "AWS::IAM::Role", "Properties": map[string]any{
		"ManagedPolicyArns": []string{"arn:aws:iam::aws:policy/AdministratorAccess"},
	}}}
	queue := templates{"Queue": map[string]any{"Type": "AWS::SQS::Queue"}}
	removed := newApp(t, map[string]code{"F": python(echo)}, nil)
	if err := os.RemoveAll(filepath.Join(removed, "asset.F")); err != nil {
		t.Fatal(err)
	}
	newer := newApp(t, map[string]code{"F": python(echo)}, nil)
	writeFile(t, filepath.Join(newer, "manifest.json"), `{"version": "999.0.0"}`)
	noApp := t.TempDir()
	writeFile(t, filepath.Join(noApp, "cdk.json"), "{}")
	failing := t.TempDir()
	writeFile(t, filepath.Join(failing, "cdk.json"), `{"app": "echo not this way; exit 3"}`)
	long := t.TempDir()
	writeFile(t, filepath.Join(long, "cdk.json"), `{"app": "printf '%0500d' 0 | tr 0 x; exit 1"}`)
	silent := t.TempDir()
	writeFile(t, filepath.Join(silent, "cdk.json"), `{"app": "true"}`)
	for name, tt := range map[string]struct {
		args []string
		want []string
	}{
		"an unknown function": {[]string{"-app", good, "-invoke", "Refund"},
			[]string{`no function "Refund"`, "S/Order, S/Pay, S/PayBill"}},
		"an ambiguous function": {[]string{"-app", good, "-invoke", "Bil", "-invoke", "y"},
			[]string{`"y" may be any of S/Pay, S/PayBill`}},
		"a placeholder too early": {[]string{"-app", good, "-invoke", "Order", "-payload", `"@answer.x"`},
			[]string{"S/Order", "@answer.x", "no answer before"}},
		"a placeholder of nothing": {
			[]string{"-app", good, "-invoke", "Order", "-invoke", "Order", "-payload", `"@answer.x"`},
			[]string{"S/Order", `the answer before has no "x"`}},
		"a payload too early": {[]string{"-app", good, "-payload", "{}"},
			[]string{"-payload", "-invoke FUNCTION before it"}},
		"two payloads": {[]string{"-app", good, "-invoke", "Order", "-payload", "{}", "-payload", "{}"},
			[]string{"one -payload for each -invoke"}},
		"no JSON": {[]string{"-app", good, "-invoke", "Order", "-payload", "{card}"},
			[]string{"-payload", "not JSON"}},
		"no app":       {[]string{"-invoke", "Order"}, []string{"-app is missing"}},
		"an open port": {[]string{"-app", good, "-serve", "-addr", "0.0.0.0:1"}, []string{"-addr", "loopback"}},
		"an argument":  {[]string{"-app", good, "Order"}, []string{`unexpected argument "Order"`}},
		"no directory": {[]string{"-app", "no-such-directory"},
			[]string{"no-such-directory", "no such file", "-app takes the directory of a CDK app"}},
		"no directory to watch": {[]string{"-app", "no-such-directory", "-serve", "-watch"},
			[]string{"no-such-directory", "-app takes the directory of a CDK app"}},
		"a file": {[]string{"-app", filepath.Join(noApp, "cdk.json")},
			[]string{"cdk.json is a file: -app takes"}},
		"only watching": {[]string{"-app", good, "-watch"}, []string{"-watch", "add -serve"}},
		"an unknown stage": {[]string{"-app", good, "-only", "Prod"},
			[]string{`no stage and no stack "Prod": it has the stacks S`}},
		"a long line":    {[]string{"-app", long}, []string{strings.Repeat("x", 400) + "…"}},
		"neither":        {[]string{"-app", t.TempDir()}, []string{"neither a cdk.json", "nor a manifest.json"}},
		"no command":     {[]string{"-app", noApp}, []string{`has no "app"`}},
		"a failing app":  {[]string{"-app", failing}, []string{"exit status 3", "not this way"}},
		"a silent app":   {[]string{"-app", silent}, []string{"has written no cloud assembly", "CDK_OUTDIR"}},
		"a newer schema": {[]string{"-app", newer}, []string{"schema has version 999.0.0", "use a newer release"}},
		"a missing asset": {[]string{"-app", removed, "-invoke", "F"},
			[]string{"S/F", `asset "asset.F" is not in the assembly`, "synthesize again"}},
		"a container image": {[]string{"-app", newApp(t, map[string]code{"F": image}, nil), "-invoke", "F"},
			[]string{"S/F", "container image", "from a folder or a zip file"}},
		"an unknown runtime": {[]string{"-app", newApp(t, map[string]code{"F": ruby}, nil), "-invoke", "F"},
			[]string{"S/F", `"ruby3.4" is not simulated`}},
		"a layer of another app": {[]string{"-app", newApp(t, map[string]code{"F": foreign}, nil), "-invoke", "F"},
			[]string{"S/F", "layer:other:1 is not one of this app's"}},
		"a role that is not simulated": {
			[]string{"-app", newApp(t, map[string]code{"F": needs}, queue), "-invoke", "F"},
			[]string{"S/F", "Role needs Arn of S/Queue (AWS::SQS::Queue), which is not simulated"}},
		"a policy of AWS's that is not known": {
			[]string{"-app", newApp(t, map[string]code{"F": python(echo)}, administrator), "-invoke", "F"},
			[]string{"S/F", "Role needs Arn of S/Role", "what arn:aws:iam::aws:policy/AdministratorAccess allows"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := start(t, tt.args...)
			if got.err == nil || errors.Is(got.err, errFunction) {
				t.Fatalf("error = %v", got.err)
			}
			for _, want := range tt.want {
				if !strings.Contains(got.err.Error(), want) {
					t.Errorf("error = %v, want %q", got.err, want)
				}
			}
			if errors.As(got.err, &saidError{}) != strings.Contains(got.stderr, "FAIL") {
				t.Errorf("it is said twice or never: %s", got.stderr)
			}
		})
	}
}

func TestRun_NamesARuntimeThatIsNotInstalled(t *testing.T) {
	dir := newApp(t, map[string]code{"P": python(echo), "N": node("export const handler = async () => 1")}, nil)
	t.Setenv("PATH", t.TempDir())
	for function, want := range map[string]string{
		"P": "S/P (AWS::Lambda::Function): the function has the runtime python3.13, and python3 is not on the PATH: install",
		"N": "S/N (AWS::Lambda::Function): the function has the runtime nodejs22.x, and node is not on the PATH: install",
	} {
		got := start(t, "-app", dir, "-invoke", function)
		if got.err == nil || !strings.Contains(got.err.Error(), want) {
			t.Errorf("error = %v", got.err)
		}
	}
	if _, err := new(runtimes.Finder).Find(t.Context(), "provided.al2023", ""); err != nil {
		t.Errorf("a function in Go needs no program: %v", err)
	}
}

// A function in Go has a program of its own, which may be of no use here.
func TestRun_SaysWhyAProgramCannotStart(t *testing.T) {
	for name, tt := range map[string]struct {
		file string
		mode os.FileMode
		want string
	}{
		"for another machine": {"bootstrap", 0o700,
			"it must be built for this machine, " + runtime.GOOS + "/" + runtime.GOARCH},
		"not executable": {"bootstrap", 0o600, "make the file executable with chmod +x"},
		"another name":   {"main", 0o700, "the function's code has no program bootstrap: build it with this name"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := newApp(t, map[string]code{"F": {
				runtime: "provided.al2023", handler: "bootstrap",
				files: map[string]string{tt.file: "\x7fELF for another"},
			}}, nil)
			if err := os.Chmod(filepath.Join(dir, "asset.F", tt.file), tt.mode); err != nil {
				t.Fatal(err)
			}
			got := start(t, "-app", dir, "-invoke", "F")
			if got.err == nil || !strings.Contains(got.err.Error(), "S/F: ") ||
				!strings.Contains(got.err.Error(), tt.want) {
				t.Errorf("error = %v", got.err)
			}
		})
	}
}

// An app has much that is not simulated. Its functions run all the same.
func TestRun_ListsWhatIsNotSimulated(t *testing.T) {
	f := python("import os\ndef handler(event, context): return os.environ['QUEUE']")
	f.properties = map[string]any{"Environment": map[string]any{"Variables": map[string]any{
		"QUEUE": map[string]any{"Ref": "Queue"}, "SECRET": "{{resolve:secretsmanager:db.main:SecretString:::}}",
	}}}
	bad := python(echo)
	bad.runtime = "java21"
	dir := newApp(t, map[string]code{"F": f, "Bad": bad}, templates{
		"Queue": map[string]any{"Type": "AWS::SQS::Queue"},
		"Policy": map[string]any{"Type": "AWS::IAM::Policy", "Properties": map[string]any{
			"PolicyName": "P", "Roles": []any{map[string]any{"Ref": "Role"}},
			"PolicyDocument": map[string]any{"Statement": []any{map[string]any{
				"Effect": "Allow", "Action": "sqs:SendMessage",
				"Resource": map[string]any{"Fn::GetAtt": []string{"Queue", "Arn"}},
			}}},
		}},
	})
	got := start(t, "-app", dir)
	for _, want := range []string{
		"S/Queue (AWS::SQS::Queue): this type of resource is not simulated",
		"S/F: the variable QUEUE needs Ref of S/Queue (AWS::SQS::Queue), which is not simulated",
		"S/F: the variable SECRET needs {{resolve:secretsmanager:db.main:SecretString:::}}, which is not simulated",
		"  S/F\n", "  S/Bad (cannot run here)\n",
	} {
		if got.err != nil || got.stdout != "" || !strings.Contains(got.stderr, want) {
			t.Errorf("%v, printed %q and %s, want %q", got.err, got.stdout, got.stderr, want)
		}
	}
	invoked := start(t, "-app", dir, "-invoke", "F")
	if invoked.err != nil || !strings.Contains(invoked.stdout, "not-simulated:S/Queue") {
		t.Errorf("%+v", invoked)
	}
}

func TestRun_EnforcesPermissions(t *testing.T) {
	needed.PythonModule(t, "boto3")
	f := python(`
import boto3
def handler(event, context):
    return boto3.client("dynamodb").get_item(TableName="T", Key={"Id": {"S": "1"}}).get("Item", "none")`)
	table := map[string]any{"Type": "AWS::DynamoDB::Table", "Properties": map[string]any{
		"TableName": "T", "KeySchema": []any{map[string]any{"AttributeName": "Id", "KeyType": "HASH"}},
		"AttributeDefinitions": []any{map[string]any{"AttributeName": "Id", "AttributeType": "S"}},
	}}
	role := func(policies ...any) map[string]any {
		return map[string]any{"Type": "AWS::IAM::Role", "Properties": map[string]any{
			"Policies": policies,
			"ManagedPolicyArns": []string{
				"arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole",
				"arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole",
				"arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess",
			},
		}}
	}
	other := f
	other.properties = map[string]any{"Role": map[string]any{"Fn::GetAtt": []string{"Other", "Arn"}}}
	dir := newApp(t, map[string]code{"Allowed": f, "Denied": other}, templates{
		"T": table, "Other": role(), "Role": role(map[string]any{
			"PolicyName": "P", "PolicyDocument": map[string]any{"Statement": []any{map[string]any{
				"Effect": "Allow", "Action": "dynamodb:GetItem",
				"Resource": map[string]any{"Fn::GetAtt": []string{"T", "Arn"}},
			}}},
		}),
	})
	got := start(t, "-app", dir, "-invoke", "Allowed", "-invoke", "Denied")
	allowed, denied, _ := strings.Cut(got.stdout, "\n")
	if allowed != `"none"` {
		t.Errorf("with the permission: %+v", got)
	}
	if !errors.Is(got.err, errFunction) || !strings.Contains(denied, "AccessDenied") ||
		!strings.Contains(got.stderr, "the role's policies lack {Allow dynamodb:GetItem on ") {
		t.Errorf("without the permission: %+v", got)
	}
}

// Two functions may state one port for their extensions, as on Lambda.
func TestRun_GivesFunctionsPortsOfTheirOwn(t *testing.T) {
	f := python("import os\ndef handler(event, context): return os.environ['TOKENIZER_PORT']")
	f.properties = map[string]any{"Environment": map[string]any{"Variables": map[string]any{"TOKENIZER_PORT": "2773"}}}
	dir := newApp(t, map[string]code{"A": f, "B": f}, nil)
	got := start(t, "-app", dir, "-invoke", "A", "-invoke", "B")
	a, b, _ := strings.Cut(strings.TrimSpace(got.stdout), "\n")
	if got.err != nil || a == b || a == `"2773"` || b == `"2773"` {
		t.Errorf("%+v", got)
	}
}

// serve runs an app with -serve. It returns what that has printed when it serves, and how to end it.
func serve(t *testing.T, dir string) (printed string, stop func() error) {
	t.Helper()
	s := startServing(t, "-app", dir, "-serve")
	return s.stderr.String(), s.stop
}

// serving is an app that is served.
type serving struct {
	stderr  *buffer
	running context.Context // ends when it does
	stop    func() error
}

func startServing(t *testing.T, args ...string) *serving {
	t.Helper()
	ended := make(chan error, 1)
	stoppable, end := context.WithCancel(t.Context())
	running, over := context.WithCancel(t.Context())
	s := &serving{newBuffer(), running, func() error {
		end()
		return <-ended
	}}
	go func() {
		defer over()
		ended <- run(stoppable, args, io.Discard, s.stderr)
	}()
	s.stderr.await(running, "until Ctrl-C")
	return s
}

var served = regexp.MustCompile(`Serving (http://127\.0\.0\.1:[0-9]+) until Ctrl-C`)

func TestServe_AnswersTheAWSCommandLine(t *testing.T) {
	needed.Program(t, "aws")
	dir := newApp(t, map[string]code{
		"Echo": python(echo), "Fail": python("def handler(event, context): raise ValueError('no')"),
	}, nil)
	printed, stop := serve(t, dir)
	url := served.FindStringSubmatch(printed)
	if url == nil {
		t.Fatalf("printed %s", printed)
	}
	command := exec.CommandContext(t.Context(), "aws", "lambda", "invoke", "--endpoint-url", url[1], "--function-name",
		"S-Echo",
		"--payload", `{"a": 1}`, filepath.Join(t.TempDir(), "answer"))
	// Release 2 takes base64 otherwise. Release 1 does not know this setting.
	config := filepath.Join(t.TempDir(), "config")
	writeFile(t, config, "[default]\ncli_binary_format = raw-in-base64-out\n")
	command.Env = append(os.Environ(), "AWS_CONFIG_FILE="+config, "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=x",
		"AWS_DEFAULT_REGION=us-east-1", "AWS_PAGER=")
	output, err := command.CombinedOutput()
	answer, _ := os.ReadFile(command.Args[len(command.Args)-1])
	if err != nil || string(answer) != `{"a": 1}` || !strings.Contains(string(output), `"StatusCode": 200`) {
		t.Errorf("%v, answered %q, printed %s", err, answer, output)
	}
	response, err := http.Post(url[1]+"/2015-03-31/functions/Fail/invocations", "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.Header.Get("X-Amz-Function-Error") != "Unhandled" {
		t.Errorf("a failure has the headers %v", response.Header)
	}
	if err := stop(); err != nil {
		t.Errorf("error = %v", err)
	}
}

func TestServe_SaysThatAPortIsTaken(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	app := newApp(t, map[string]code{"F": python(echo)}, nil)
	got := start(t, "-app", app, "-serve", "-addr", listener.Addr().String())
	if got.err == nil || !strings.Contains(got.err.Error(), "choose another port") {
		t.Errorf("error = %v", got.err)
	}
}

// A route without a function, such as an answer for CORS, is left out, and the others are served.
func TestServe_ServesTheRoutesOfAnAPI(t *testing.T) {
	get := func(resource, attribute string) any {
		return map[string]any{"Fn::GetAtt": []string{resource, attribute}}
	}
	ref := func(resource string) any { return map[string]any{"Ref": resource} }
	method := func(verb string, of any, integration map[string]any) any {
		return map[string]any{"Type": "AWS::ApiGateway::Method", "Properties": map[string]any{
			"RestApiId": ref("Api"), "ResourceId": of, "HttpMethod": verb,
			"AuthorizationType": "NONE", "Integration": integration,
		}}
	}
	root := get("Api", "RootResourceId")
	toFunction := map[string]any{"Type": "AWS_PROXY", "Uri": map[string]any{"Fn::Join": []any{"", []any{
		"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/", get("F", "Arn"), "/invocations",
	}}}}
	dir := newApp(t, map[string]code{"F": python(`
def handler(event, context):
    return {"statusCode": 201, "body": event["httpMethod"] + str(event["pathParameters"])}`)}, templates{
		"Api": map[string]any{"Type": "AWS::ApiGateway::RestApi", "Properties": map[string]any{"Name": "A"}},
		"Stage": map[string]any{"Type": "AWS::ApiGateway::Stage", "Properties": map[string]any{
			"RestApiId": ref("Api"), "StageName": "dev",
		}},
		"Get":     method("GET", root, toFunction),
		"Options": method("OPTIONS", root, map[string]any{"Type": "MOCK"}),
		"Proxy": map[string]any{"Type": "AWS::ApiGateway::Resource", "Properties": map[string]any{
			"RestApiId": ref("Api"), "ParentId": root, "PathPart": "{proxy+}",
		}},
		"Any": method("ANY", ref("Proxy"), toFunction), // as the CDK's LambdaRestApi has
	})
	printed, stop := serve(t, dir)
	url := regexp.MustCompile(`API (http://127\.0\.0\.1:[0-9]+/dev)`).FindStringSubmatch(printed)
	if url == nil || !strings.Contains(printed, "S/Options: only Lambda proxy integrations are simulated") {
		t.Fatalf("printed %s", printed)
	}
	for path, want := range map[string]string{"/": "GETNone", "/cards/7": "GET{'proxy': 'cards/7'}"} {
		response, err := http.Get(url[1] + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != http.StatusCreated || string(body) != want {
			t.Errorf("%s: %v, status %d, body %s", path, err, response.StatusCode, body)
		}
	}
	if err := stop(); err != nil {
		t.Errorf("error = %v", err)
	}
}

func TestRun_SaysThatAnAppHasNoFunctions(t *testing.T) {
	got := start(t, "-app", newApp(t, nil, templates{"Queue": map[string]any{"Type": "AWS::SQS::Queue"}}))
	if got.err != nil || !strings.Contains(got.stderr, "The app has no functions.") {
		t.Errorf("%v, printed %s", got.err, got.stderr)
	}
}
