package kit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/assembly"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/progress"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/synth"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/walkthrough"
)

// Synthesize reads the sources, and writes the app's cloud assembly, built for this machine, to dir.
func Synthesize(ctx context.Context, dir string, log io.Writer) (*assembly.Assembly, error) {
	if err := ReadSources(); err != nil {
		return nil, err
	}
	settings, err := synth.HostContext()
	if err != nil {
		return nil, err
	}
	if err := synth.Run(ctx, synth.Options{Out: dir, Context: settings, Log: log}); err != nil {
		return nil, err
	}
	return assembly.Load(dir)
}

// Simulator is `go run ./local -serve` as a process, known by the outputs file that it writes.
type Simulator struct {
	Outputs   map[string]string // of the stacks
	Endpoints map[string]string // of the services
	IDToken   string            // of the user who has placed and paid an order before the simulator served

	*Process
	dir string
}

// StartSimulator compiles the simulator and starts it. It returns when the simulator serves, after a walkthrough that
// pays with card. The caller ends it with [Simulator.Stop]: several tests may share it.
func StartSimulator(card string) (_ *Simulator, err error) {
	if err := ReadSources("local"); err != nil {
		return nil, err
	}
	s := &Simulator{}
	if s.dir, err = os.MkdirTemp("", "simulator-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(s.dir))
		}
	}()
	program, outputs := filepath.Join(s.dir, "simulator"), filepath.Join(s.dir, "outputs.json")
	if err := build("local/simulator", program); err != nil {
		return nil, err
	}
	cmd := exec.Command(program, "-serve", "-outputs", outputs, "-card", card)
	cmd.Env = withoutAWS()
	if s.Process, err = StartProcess(cmd); err != nil {
		return nil, err
	}
	if err := s.Await(s.Stdout.Seen("Serving "), BuildLimit); err != nil {
		s.Kill()
		return nil, err
	}
	written, err := os.ReadFile(outputs)
	if err == nil {
		err = json.Unmarshal(written, s)
	}
	if err != nil {
		s.Kill()
	}
	return s, err
}

// Stop ends the simulator as Ctrl-C does, and fails if that is not a good end.
func (s *Simulator) Stop() error {
	err := s.Interrupt()
	if err != nil {
		err = fmt.Errorf("the simulator's end: %w\n%s", err, s.Stderr)
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// Config is an SDK configuration for one of the services: kms, dynamodb or cognito_idp.
func (s *Simulator) Config(service string) aws.Config { return localConfig(s.Endpoints[service]) }

// localConfig is an SDK configuration for a service on this machine.
func localConfig(endpoint string) aws.Config {
	return aws.Config{
		Region: synth.Region, BaseEndpoint: &endpoint,
		Credentials: credentials.NewStaticCredentialsProvider("x", "x", ""),
	}
}

// Rows are the rows of a table.
func (s *Simulator) Rows(t *testing.T, table string) []map[string]types.AttributeValue {
	t.Helper()
	return Rows(t, dynamodb.NewFromConfig(s.Config("dynamodb")), table)
}

// Rows are the rows of a table.
func Rows(t *testing.T, db *dynamodb.Client, table string) (rows []map[string]types.AttributeValue) {
	t.Helper()
	pages := dynamodb.NewScanPaginator(db, &dynamodb.ScanInput{TableName: &table, ConsistentRead: new(true)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, page.Items...)
	}
	return rows
}

// Text is a string attribute's value, and "" of any other type.
func Text(v types.AttributeValue) string {
	s, _ := v.(*types.AttributeValueMemberS)
	if s == nil {
		return ""
	}
	return s.Value
}

// Code is the confirmation code that the simulator mailed to an address. The simulator prints it, and Code waits for
// that: what a process prints can be read a little later than what it answers.
func (s *Simulator) Code(email string) (string, error) {
	text := "mail to " + email + ": your confirmation code is "
	if err := s.Await(s.Stdout.SeenLine(text), Limit); err != nil {
		return "", fmt.Errorf("no code was mailed to %s: %w", email, err)
	}
	_, mailed, _ := strings.Cut(s.Stdout.String(), text)
	code, _, _ := strings.Cut(mailed, "\n")
	return code, nil
}

// SignUp signs a new user up and in, and returns the ID token.
func (s *Simulator) SignUp(t *testing.T) (idToken string) {
	t.Helper()
	return SignUp(t, walkthrough.System{
		Cognito: cognitoidentityprovider.NewFromConfig(s.Config("cognito_idp")), Outputs: s.Outputs, Code: s.Code,
	})
}

// SignUp signs a new user of a system up and in, and returns the ID token.
func SignUp(t *testing.T, system walkthrough.System) (idToken string) {
	t.Helper()
	w := walkthrough.Walk{System: system, Print: progress.New(io.Discard)}
	idToken, err := w.SignIn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return idToken
}

// Answer is a response of the API, read.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Field is a member of the body as text.
func (a Answer) Field(name string) string {
	var members map[string]any
	_ = json.Unmarshal([]byte(a.Body), &members)
	return fmt.Sprint(members[name])
}

// Post sends a body to the API. Several goroutines may use it.
func (s *Simulator) Post(t *testing.T, path, idToken, body string) Answer {
	t.Helper()
	answer, err := Post(t.Context(), s.Outputs["PaymentMethodApiURL"]+path, idToken, body)
	if err != nil {
		t.Error(err)
	}
	return answer
}

// Post sends JSON to a URL, with an ID token unless that is empty.
func Post(ctx context.Context, url, idToken, body string) (answer Answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return answer, err
	}
	request.Header.Set("Content-Type", "application/json")
	if idToken != "" {
		request.Header.Set("Authorization", idToken)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer, err
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	return Answer{response.StatusCode, response.Header, string(b)}, err
}

// ToolEnvironment is what a tool of AWS sees of this machine, with some variables more: no settings, no credentials and
// no proxy.
func ToolEnvironment(more ...string) []string {
	return slices.Concat(withoutAWS(), []string{
		"AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=x", "AWS_DEFAULT_REGION=" + synth.Region,
		"AWS_DEFAULT_OUTPUT=json", "AWS_PAGER=", "AWS_CONFIG_FILE=" + os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull, "NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1",
	}, more)
}

func withoutAWS() []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool { return strings.HasPrefix(variable, "AWS_") })
}
