package main

import (
	"log/slog"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/vault"
)

const (
	testKey  = "arn:aws:kms:us-east-1:123456789012:key/22222222-2222-3333-4444-555555555555"
	otherKey = "arn:aws:kms:us-east-1:123456789012:key/33333333-2222-3333-4444-555555555555"
)

// load reads settings from a map.
func load(set map[string]string) (settings, error) {
	return loadSettings(func(name string) string { return set[name] })
}

func TestSettingsAreReadAndHaveSafeDefaults(t *testing.T) {
	for name, tt := range map[string]struct {
		set  map[string]string
		want settings
	}{
		"nothing but the session": {
			map[string]string{"AWS_SESSION_TOKEN": session},
			settings{sessionToken: session, port: 2774, maxBody: 32768, readRate: 100, connections: 64},
		},
		"everything": {
			map[string]string{
				"AWS_SESSION_TOKEN": session, "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001", "AWS_LAMBDA_FUNCTION_NAME": "f",
				"TOKENIZER_TABLE": "Vault", "TOKENIZER_INDEX_TABLE": "Index", "TOKENIZER_KEY_ARN": testKey,
				"TOKENIZER_FINGERPRINT_KEYS": "2=" + otherKey + ",1=" + testKey, "TOKENIZER_PORT": "3000", "TOKENIZER_LOG_LEVEL": "WARN",
				"TOKENIZER_MAX_BODY_BYTES": "64", "TOKENIZER_READ_RATE": "10000", "TOKENIZER_MAX_CONNECTIONS": "1",
			},
			settings{
				sessionToken: session, runtimeAPI: "127.0.0.1:9001", actor: "f", table: "Vault", index: "Index", keyARN: testKey,
				fingerprints: []vault.FingerprintKey{{Version: "2", ARN: otherKey}, {Version: "1", ARN: testKey}},
				port:         3000, level: slog.LevelWarn, maxBody: 64, readRate: 10_000, connections: 1,
			},
		},
	} {
		got, err := load(tt.set)
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(settings{})); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

func TestANumberThatIsOutOfRangeIsNamedAndTheDefaultStands(t *testing.T) {
	want, err := load(map[string]string{"AWS_SESSION_TOKEN": session})
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range map[string][]string{
		"TOKENIZER_READ_RATE":       {"0", "-1", "10001", "1e3", "1.5", "x", " 5", "99999999999999999999"},
		"TOKENIZER_MAX_CONNECTIONS": {"0", "-1", "1025", "many", "0x10"},
		"TOKENIZER_MAX_BODY_BYTES":  {"63", "32769", "32KiB"},
		"TOKENIZER_PORT":            {"1023", "65536", "http"},
	} {
		for _, value := range values {
			got, err := load(map[string]string{"AWS_SESSION_TOKEN": session, name: value})
			if err == nil || !strings.Contains(err.Error(), name+" must be a number from ") {
				t.Errorf("%s=%s: error = %v", name, value, err)
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(settings{})); diff != "" {
				t.Errorf("%s=%s (-default +got):\n%s", name, value, diff)
			}
		}
	}
}

// What the vault makes of a setting, as GET /ping tells it.
func TestWrongIndexSettingsAreNamed(t *testing.T) {
	keys := func(list string) map[string]string { return map[string]string{"TOKENIZER_FINGERPRINT_KEYS": list} }
	for name, tt := range map[string]struct {
		set  map[string]string
		want string
	}{
		"index: short":         {map[string]string{"TOKENIZER_INDEX_TABLE": "ab"}, "TOKENIZER_INDEX_TABLE"},
		"index: an ARN":        {map[string]string{"TOKENIZER_INDEX_TABLE": "arn:aws:dynamodb:us-east-1:123456789012:table/Index"}, "TOKENIZER_INDEX_TABLE"},
		"keys: none":           {keys(""), "TOKENIZER_FINGERPRINT_KEYS"},
		"keys: commas":         {keys(",,"), "TOKENIZER_FINGERPRINT_KEYS"},
		"keys: no version":     {keys(testKey), "TOKENIZER_FINGERPRINT_KEYS"},
		"keys: an alias":       {keys("1=alias/fingerprint"), "TOKENIZER_FINGERPRINT_KEYS"},
		"keys: a large letter": {keys("A=" + testKey), "TOKENIZER_FINGERPRINT_KEYS"},
		"keys: a space":        {keys("2=" + otherKey + ", 1=" + testKey), "TOKENIZER_FINGERPRINT_KEYS"},
		"keys: a version twice": {
			keys("1=" + testKey + ",1=" + otherKey), "TOKENIZER_FINGERPRINT_KEYS",
		},
		"keys: a version three times": {
			keys("1=" + testKey + ",1=" + otherKey + ",1=" + testKey), "TOKENIZER_FINGERPRINT_KEYS",
		},
		"keys: five": {
			keys("1=" + testKey + ",2=" + testKey + ",3=" + testKey + ",4=" + testKey + ",5=" + testKey), "TOKENIZER_FINGERPRINT_KEYS",
		},
		"a good index": {map[string]string{"TOKENIZER_INDEX_TABLE": "CreditCardTokenizerIndex"}, ""},
		"two good keys": {
			keys("2=" + otherKey + ",1=" + testKey), "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			port := freePort(t)
			l, asked := &lambda{account: "123456789012"}, false
			l.atNext = func() {
				asked = true
				_, err := ping(t, port)
				if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
					t.Errorf("error = %v, want one that names %q", err, tt.want)
				}
				if err != nil && strings.Contains(err.Error(), testKey) {
					t.Errorf("the value is repeated: %v", err)
				}
			}
			env := environment(t, l, port)
			for k, v := range tt.set {
				env[k] = v
			}
			if err := run(t.Context(), "/opt/extensions/tokenizer", func(k string) string { return env[k] }); err != nil || !asked {
				t.Fatalf("asked = %v, error = %v", asked, err)
			}
		})
	}
}

func TestMoreConnectionsThanTheLimitWait(t *testing.T) {
	port := freePort(t)
	l := &lambda{account: "123456789012"}
	l.atNext = func() {
		held, err := net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			t.Error(err)
			return
		}
		hasty, err := client.New(client.Config{Port: port, SessionToken: session, Timeout: 50 * time.Millisecond})
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := hasty.Ping(t.Context()); err == nil {
			t.Error("a second connection was served")
		}
		held.Close()
		if _, err := ping(t, port); err != nil {
			t.Errorf("after the first was closed: %v", err)
		}
	}
	env := environment(t, l, port)
	env["TOKENIZER_MAX_CONNECTIONS"] = "1"
	if err := run(t.Context(), "/opt/extensions/tokenizer", func(k string) string { return env[k] }); err != nil {
		t.Fatal(err)
	}
}
