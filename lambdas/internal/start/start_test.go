package start_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/lambdas/internal/start"
)

func TestSettings_NamesEveryOneThatIsMissing(t *testing.T) {
	t.Setenv("TEST_A", "a")
	t.Setenv("TEST_B", "")
	os.Unsetenv("TEST_B")
	t.Setenv("TEST_C", "")
	_, err := start.Settings("TEST_A", "TEST_B", "TEST_C")
	if err == nil || !strings.Contains(err.Error(), "not set: TEST_B, TEST_C;") {
		t.Errorf("error %v, want TEST_B and TEST_C named", err)
	}
	got, err := start.Settings("TEST_A")
	if diff := cmp.Diff(map[string]string{"TEST_A": "a"}, got); err != nil || diff != "" {
		t.Errorf("%v, settings (-want +got):\n%s", err, diff)
	}
}

func TestDynamoDB_UsesTheEndpointAndGivesUp(t *testing.T) {
	for _, variable := range []string{"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB"} {
		t.Run(variable, func(t *testing.T) {
			var calls atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				_, _ = io.Copy(io.Discard, r.Body)
				w.WriteHeader(http.StatusInternalServerError)
			}))
			t.Cleanup(server.Close)
			awsEnvironment(t)
			t.Setenv(variable, server.URL)
			client, err := start.DynamoDB(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			_, err = client.GetItem(t.Context(), &dynamodb.GetItemInput{
				TableName: new("T"),
				Key:       map[string]types.AttributeValue{"K": &types.AttributeValueMemberS{Value: "v"}},
			})
			if err == nil || calls.Load() != 3 {
				t.Errorf("error %v after %d calls, want one after 3", err, calls.Load())
			}
		})
	}
}

// hosts is a transport that notes the hosts that are asked, and answers nothing.
type hosts struct{ asked []string }

func (h *hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	h.asked = append(h.asked, r.URL.Host)
	return nil, http.ErrHandlerTimeout
}

// The network of the functions resolves the region's name of DynamoDB, and not the account's.
func TestDynamoDB_AsksTheRegionsHostWhateverTheEnvironmentSays(t *testing.T) {
	for _, mode := range []string{"", "preferred", "required"} {
		t.Run("mode "+mode, func(t *testing.T) {
			awsEnvironment(t)
			t.Setenv("AWS_ACCOUNT_ID", "123456789012")
			t.Setenv("AWS_ACCOUNT_ID_ENDPOINT_MODE", mode)
			client, err := start.DynamoDB(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			credentials, err := client.Options().Credentials.Retrieve(t.Context())
			if err != nil || credentials.AccountID != "123456789012" {
				t.Fatalf("credentials of account %q, error %v: the test needs some that carry one",
					credentials.AccountID, err)
			}
			h := &hosts{}
			_, _ = client.GetItem(t.Context(), &dynamodb.GetItemInput{
				TableName: new("T"),
				Key:       map[string]types.AttributeValue{"K": &types.AttributeValueMemberS{Value: "v"}},
			}, func(o *dynamodb.Options) { o.HTTPClient, o.RetryMaxAttempts = &http.Client{Transport: h}, 1 })
			if diff := cmp.Diff([]string{"dynamodb.us-east-1.amazonaws.com"}, slices.Compact(h.asked)); diff != "" {
				t.Errorf("hosts (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDynamoDB_NeedsARegion(t *testing.T) {
	awsEnvironment(t)
	os.Unsetenv("AWS_REGION")
	if _, err := start.DynamoDB(t.Context()); err == nil || !strings.Contains(err.Error(), "AWS_REGION") {
		t.Errorf("error %v, want AWS_REGION named", err)
	}
}

// awsEnvironment is what Lambda sets, and nothing that the machine may add.
func awsEnvironment(t *testing.T) {
	t.Helper()
	for _, v := range []string{
		"AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_MAX_ATTEMPTS",
	} {
		t.Setenv(v, "") // restores it afterwards
		os.Unsetenv(v)
	}
	for v, value := range map[string]string{
		"AWS_REGION":                  "us-east-1",
		"AWS_ACCESS_KEY_ID":           "test",
		"AWS_SECRET_ACCESS_KEY":       "test",
		"AWS_SESSION_TOKEN":           "test",
		"AWS_CONFIG_FILE":             os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
		"AWS_EC2_METADATA_DISABLED":   "true",
	} {
		t.Setenv(v, value)
	}
}

// The test binary plays a function whose initialization fails.
func TestMain(m *testing.M) {
	time.Local = time.FixedZone("two hours ahead", 2*60*60) // no line of the log may show it
	if os.Getenv("TEST_FAILING_FUNCTION") != "" {
		start.Main(func(context.Context) error {
			_, err := start.Settings("ORDER_TABLE")
			return err
		})
		return
	}
	os.Exit(m.Run())
}

func TestMain_ExitsAndNamesTheSetting(t *testing.T) {
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), executable)
	command.Env = []string{"TEST_FAILING_FUNCTION=1"}
	var out bytes.Buffer
	command.Stdout = &out
	err = command.Run()
	if command.ProcessState == nil || command.ProcessState.ExitCode() != 1 {
		t.Errorf("exit: %v, want status 1", err)
	}
	if !strings.Contains(out.String(), `"error":"not set: ORDER_TABLE; the function's stack sets them"`) {
		t.Errorf("output %s", out.String())
	}
}

func TestDays_IsANumberOfDaysOrNotSet(t *testing.T) {
	for value, want := range map[string]time.Duration{"": 0, "1": 24 * time.Hour, "3650": 3650 * 24 * time.Hour} {
		t.Setenv("TEST_DAYS", value)
		if got, err := start.Days("TEST_DAYS"); got != want || err != nil {
			t.Errorf("%q: %v, error %v, want %v", value, got, err, want)
		}
	}
	for _, value := range []string{"0", "-1", "3651", "1.5", "30d", "never"} {
		t.Setenv("TEST_DAYS", value)
		if _, err := start.Days("TEST_DAYS"); err == nil || !strings.Contains(err.Error(), "TEST_DAYS") {
			t.Errorf("%q: error %v, want one that names the variable", value, err)
		}
	}
}

func TestChoice_IsTrueOrFalseOrNotSet(t *testing.T) {
	for value, want := range map[string]bool{"": false, "false": false, "true": true} {
		t.Setenv("TEST_CHOICE", value)
		if got, err := start.Choice("TEST_CHOICE"); got != want || err != nil {
			t.Errorf("%q: %v, error %v, want %v", value, got, err, want)
		}
	}
	t.Setenv("TEST_CHOICE", "yes")
	if _, err := start.Choice("TEST_CHOICE"); err == nil || !strings.Contains(err.Error(), "TEST_CHOICE") {
		t.Errorf("error %v, want one that names the variable", err)
	}
}

func TestLogger_TimesAreInUTCWhateverTheZone(t *testing.T) {
	var out bytes.Buffer
	before := time.Now().Truncate(time.Millisecond)
	start.Logger(&out).Info("a line", "time", "the caller's own")
	var line struct{ Time string }
	if err := json.NewDecoder(strings.NewReader(out.String()[:strings.Index(out.String(), `,"level"`)] + "}")).Decode(
		&line); err != nil {
		t.Fatal(err)
	}
	at, err := time.Parse(time.RFC3339Nano, line.Time)
	if err != nil || !strings.HasSuffix(line.Time, "Z") || at.Before(before) || at.After(time.Now()) {
		t.Errorf("%v in %s", err, out.String())
	}
	if !strings.Contains(out.String(), `"msg":"a line","time":"the caller's own"`) {
		t.Errorf("line %s", out.String())
	}
}
