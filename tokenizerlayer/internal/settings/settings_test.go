package settings_test

import (
	"log/slog"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/settings"
)

const (
	testKey  = "arn:aws:kms:us-east-1:123456789012:key/22222222-2222-3333-4444-555555555555"
	otherKey = "arn:aws:kms:us-east-1:123456789012:key/33333333-2222-3333-4444-555555555555"
)

// least is what has to be set.
var least = map[string]string{
	"AWS_SESSION_TOKEN":          "session",
	"TOKENIZER_TABLE":            "Vault",
	"TOKENIZER_STATE_TABLE":      "State",
	"TOKENIZER_TOKEN_KEYS":       "1=" + testKey,
	"TOKENIZER_FINGERPRINT_KEYS": "1=" + otherKey,
}

// load reads least and what is set besides.
func load(set map[string]string) (settings.Settings, error) {
	all := maps.Clone(least)
	maps.Copy(all, set)
	return settings.Load(func(name string) string { return all[name] })
}

func TestLoad_HasSafeDefaults(t *testing.T) {
	got, err := load(nil)
	want := settings.Settings{
		SessionToken:    "session",
		Table:           "Vault",
		StateTable:      "State",
		TokenKeys:       []settings.Key{{Version: "1", ARN: testKey}},
		FingerprintKeys: []settings.Key{{Version: "1", ARN: otherKey}},
		Port:            2774,
		LogLevel:        slog.LevelInfo,
		MaxBodyBytes:    32768,
		ReadRate:        100,
		MaxConnections:  64,
		KeysAhead:       64,
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestLoad_ReadsEverySetting(t *testing.T) {
	got, err := load(map[string]string{
		"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001", "AWS_LAMBDA_FUNCTION_NAME": "f", "TOKENIZER_INDEX_TABLE": "Index",
		"TOKENIZER_TOKEN_KEYS":        "3=" + otherKey + ",1=" + testKey,
		"TOKENIZER_FINGERPRINT_KEYS":  "2=" + otherKey + ",1=" + testKey,
		"TOKENIZER_IDEMPOTENCY_SCOPE": "orders", "TOKENIZER_PORT": "3000", "TOKENIZER_LOG_LEVEL": "WARN",
		"TOKENIZER_MAX_BODY_BYTES": "64", "TOKENIZER_READ_RATE": "10000", "TOKENIZER_MAX_CONNECTIONS": "1",
		"TOKENIZER_ACCOUNT_ID": "123456789012",
		"TOKENIZER_ACCESS":     "tokenize",
		"TOKENIZER_PURPOSES":   "payment,refund",
		"TOKENIZER_KEYS_AHEAD": "0",
	})
	want := settings.Settings{
		SessionToken:     "session",
		RuntimeAPI:       "127.0.0.1:9001",
		FunctionName:     "f",
		Table:            "Vault",
		StateTable:       "State",
		IndexTable:       "Index",
		IdempotencyScope: "orders",
		TokenKeys:        []settings.Key{{Version: "3", ARN: otherKey}, {Version: "1", ARN: testKey}},
		FingerprintKeys:  []settings.Key{{Version: "2", ARN: otherKey}, {Version: "1", ARN: testKey}},
		Port:             3000, LogLevel: slog.LevelWarn, MaxBodyBytes: 64, ReadRate: 10_000, MaxConnections: 1,
		AccountID: "123456789012", Access: "tokenize", Purposes: []string{"payment", "refund"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestLoad_NamesNumbersOutOfRangeAndUsesTheDefault(t *testing.T) {
	want, err := load(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range map[string][]string{
		"TOKENIZER_READ_RATE":       {"0", "-1", "10001", "1e3", "1.5", "x", " 5", "99999999999999999999"},
		"TOKENIZER_MAX_CONNECTIONS": {"0", "-1", "1025", "many", "0x10"},
		"TOKENIZER_MAX_BODY_BYTES":  {"63", "32769", "32KiB"},
		"TOKENIZER_PORT":            {"1023", "65536", "http"},
		"TOKENIZER_KEYS_AHEAD":      {"-1", "257", "all"},
	} {
		for _, value := range values {
			got, err := load(map[string]string{name: value})
			if err == nil || !strings.Contains(err.Error(), name+" must be a number from ") {
				t.Errorf("%s=%s: error = %v", name, value, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s=%s (-default +got):\n%s", name, value, diff)
			}
		}
	}
}

func TestLoad_NamesWrongSettingsWithoutTheirValue(t *testing.T) {
	const keys = "TOKENIZER_FINGERPRINT_KEYS"
	for name, tt := range map[string]struct{ variable, value string }{
		"no session token":            {"AWS_SESSION_TOKEN", ""},
		"log level":                   {"TOKENIZER_LOG_LEVEL", "LOUD"},
		"table: none":                 {"TOKENIZER_TABLE", ""},
		"table: an ARN":               {"TOKENIZER_TABLE", "arn:aws:dynamodb:us-east-1:123456789012:table/Vault"},
		"index: short":                {"TOKENIZER_INDEX_TABLE", "qq"},
		"index: an ARN":               {"TOKENIZER_INDEX_TABLE", "arn:aws:dynamodb:us-east-1:123456789012:table/Index"},
		"state: none":                 {"TOKENIZER_STATE_TABLE", ""},
		"state: the vault":            {"TOKENIZER_STATE_TABLE", "Vault"},
		"scope: a space":              {"TOKENIZER_IDEMPOTENCY_SCOPE", "a b"},
		"token keys: none":            {"TOKENIZER_TOKEN_KEYS", ""},
		"token keys: commas":          {"TOKENIZER_TOKEN_KEYS", ",,"},
		"token keys: an ARN":          {"TOKENIZER_TOKEN_KEYS", testKey},
		"account: eleven digits":      {"TOKENIZER_ACCOUNT_ID", "12345678901"},
		"access: a large letter":      {"TOKENIZER_ACCESS", "Tokenize"},
		"purposes: a space":           {"TOKENIZER_PURPOSES", "a, b"},
		"purposes: a star":            {"TOKENIZER_PURPOSES", "*"},
		"keys: no version":            {keys, testKey},
		"keys: an alias":              {keys, "1=alias/fingerprint"},
		"keys: a large letter":        {keys, "A=" + testKey},
		"keys: a space":               {keys, "2=" + otherKey + ", 1=" + testKey},
		"keys: a version twice":       {keys, "1=" + testKey + ",1=" + otherKey},
		"keys: a version three times": {keys, "1=" + testKey + ",1=" + otherKey + ",1=" + testKey},
		"keys: five": {
			keys, "1=" + testKey + ",2=" + testKey + ",3=" + testKey + ",4=" + testKey + ",5=" + testKey,
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(map[string]string{tt.variable: tt.value})
			if err == nil || !strings.HasPrefix(err.Error(), tt.variable+" ") || strings.Contains(err.Error(), "\n") {
				t.Errorf("error = %v, want one about %s", err, tt.variable)
			}
			if err != nil && tt.value != "" && tt.value != "Vault" && strings.Contains(err.Error(), tt.value) {
				t.Errorf("the value is repeated: %v", err)
			}
		})
	}
}

func TestLoad_TheIndexNeedsFingerprintKeys(t *testing.T) {
	for _, list := range []string{"", ",,"} {
		_, err := load(map[string]string{"TOKENIZER_INDEX_TABLE": "Index", "TOKENIZER_FINGERPRINT_KEYS": list})
		if err == nil || !strings.HasPrefix(err.Error(), "TOKENIZER_FINGERPRINT_KEYS ") {
			t.Errorf("%q: error = %v", list, err)
		}
	}
}

func TestLoad_ReportsEveryProblemAtOnce(t *testing.T) {
	_, err := settings.Load(func(string) string { return "" })
	for _, name := range []string{
		"AWS_SESSION_TOKEN", "TOKENIZER_TABLE", "TOKENIZER_STATE_TABLE", "TOKENIZER_TOKEN_KEYS",
	} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error = %v, want one that names %s", err, name)
		}
	}
}

func TestSettings_TokenizeForWhatIsTold(t *testing.T) {
	for name, tt := range map[string]struct {
		set  map[string]string
		want []string
	}{
		"nothing": {nil, nil},
		"unbound": {map[string]string{"TOKENIZER_ACCESS": "tokenize"}, []string{""}},
		"bound": {
			map[string]string{"TOKENIZER_ACCESS": "tokenize", "TOKENIZER_PURPOSES": "a,b"}, []string{"a", "b"},
		},
		"detokenize": {map[string]string{"TOKENIZER_ACCESS": "detokenize", "TOKENIZER_PURPOSES": "a"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := load(tt.set)
			if diff := cmp.Diff(tt.want, s.TokenizeFor()); diff != "" || err != nil {
				t.Error(err, diff)
			}
		})
	}
}
