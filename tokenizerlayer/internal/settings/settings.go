// Package settings has the extension's settings: the names of the environment variables, which the constructs set, and
// what the extension reads from them. docs/api.md describes them for people.
package settings

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
)

// The environment variables that [tokenizerlayer.ILayer] sets for a function.
const (
	Table            = "TOKENIZER_TABLE"             // name of the vault's table
	IndexTable       = "TOKENIZER_INDEX_TABLE"       // name of the index table; unset leaves out what needs it
	StateTable       = "TOKENIZER_STATE_TABLE"       // name of the state table
	TokenKeys        = "TOKENIZER_TOKEN_KEYS"        // VERSION=ARN, the current one first, separated by commas
	FingerprintKeys  = "TOKENIZER_FINGERPRINT_KEYS"  // as TOKENIZER_TOKEN_KEYS; unset where there is no index table
	IdempotencyScope = "TOKENIZER_IDEMPOTENCY_SCOPE" // name space of idempotency keys; default the function's name
	Port             = "TOKENIZER_PORT"              // default api.DefaultPort
	LogLevel         = "TOKENIZER_LOG_LEVEL"         // DEBUG, INFO (default), WARN or ERROR
	MaxBodyBytes     = "TOKENIZER_MAX_BODY_BYTES"    // of a request; default api.MaxBody
	ReadRate         = "TOKENIZER_READ_RATE"         // tokens opened a second; default api.DefaultReadRate
	MaxConnections   = "TOKENIZER_MAX_CONNECTIONS"   // at a time; default api.DefaultConnections
	// AWS account of the function, so that it is known before Lambda tells it
	AccountID = "TOKENIZER_ACCOUNT_ID"
	// AccessTokenize, AccessDetokenize or AccessRevoke: what the function was granted
	Access = "TOKENIZER_ACCESS"
	// for which it was granted that, separated by commas; unset means tokens of no purpose
	Purposes = "TOKENIZER_PURPOSES"
	// data keys of one purpose held before they are needed; default api.DefaultKeysAhead
	KeysAhead   = "TOKENIZER_KEYS_AHEAD"
	LayerDigest = "TOKENIZER_LAYER_DIGEST" // of the layer's content; the extension does not read it
)

// The values of Access.
const (
	AccessTokenize   = "tokenize"
	AccessDetokenize = "detokenize"
	AccessRevoke     = "revoke"
)

// The environment variables that Lambda sets for every function.
const (
	RuntimeAPI   = "AWS_LAMBDA_RUNTIME_API"
	SessionToken = "AWS_SESSION_TOKEN"
	FunctionName = "AWS_LAMBDA_FUNCTION_NAME"
)

// Settings are what the environment says. What is not set has its default.
type Settings struct {
	RuntimeAPI       string
	SessionToken     string
	FunctionName     string
	Table            string
	IndexTable       string
	StateTable       string
	TokenKeys        []Key
	FingerprintKeys  []Key
	IdempotencyScope string
	Port             int
	LogLevel         slog.Level
	MaxBodyBytes     int64
	ReadRate         int
	MaxConnections   int
	AccountID        string // "" if it is not told
	Access           string // "" if it is not told
	Purposes         []string
	KeysAhead        int
}

// TokenizeFor are the purposes that the function may tokenize for, as far as that is told; "" stands for tokens that
// are bound to none.
func (s Settings) TokenizeFor() []string {
	switch {
	case s.Access != AccessTokenize:
		return nil
	case len(s.Purposes) == 0:
		return []string{""}
	default:
		return s.Purposes
	}
}

// Key is a version of a key.
type Key struct{ Version, ARN string }

// Load reads all settings and reports all that are wrong, each by its variable and without its value. The settings are
// usable in any case: where a value is wrong, the default stands.
func Load(getenv func(string) string) (Settings, error) {
	l := loader{getenv: getenv}
	s := Settings{
		RuntimeAPI:       getenv(RuntimeAPI),
		SessionToken:     getenv(SessionToken),
		FunctionName:     getenv(FunctionName),
		Table:            getenv(Table),
		IndexTable:       getenv(IndexTable),
		StateTable:       getenv(StateTable),
		TokenKeys:        keys(getenv(TokenKeys)),
		FingerprintKeys:  keys(getenv(FingerprintKeys)),
		IdempotencyScope: getenv(IdempotencyScope),
		Port:             l.number(Port, api.DefaultPort, api.MinPort, api.MaxPort),
		LogLevel:         l.level(LogLevel),
		MaxBodyBytes:     int64(l.number(MaxBodyBytes, api.MaxBody, api.MinBodyLimit, api.MaxBody)),
		ReadRate:         l.number(ReadRate, api.DefaultReadRate, 1, api.MaxReadRate),
		MaxConnections:   l.number(MaxConnections, api.DefaultConnections, 1, api.MaxConnections),
		AccountID:        getenv(AccountID),
		Access:           getenv(Access),
		Purposes:         list(getenv(Purposes)),
		KeysAhead:        l.number(KeysAhead, api.DefaultKeysAhead, 0, api.MaxKeysAhead),
	}
	l.require(s.SessionToken != "", SessionToken, "is not set: the function has no credentials")
	const tableForm = "must be the name of a table (3 to 255 of A-Z a-z 0-9 _ . -)"
	l.require(api.IsTableName(s.Table), Table, tableForm)
	l.require(s.IndexTable == "" || api.IsTableName(s.IndexTable), IndexTable, tableForm)
	l.require(api.IsTableName(s.StateTable) && s.StateTable != s.Table, StateTable,
		tableForm+", and of another one than "+Table)
	keysForm := fmt.Sprintf("must have 1 to %d versions of the key, each once, as in "+
		"2=arn:aws:kms:REGION:ACCOUNT:key/ID,1=arn:...", api.MaxKeyVersions)
	l.require(len(s.TokenKeys) > 0 && validKeys(s.TokenKeys), TokenKeys, keysForm)
	l.require((len(s.FingerprintKeys) > 0 || s.IndexTable == "") && validKeys(s.FingerprintKeys), FingerprintKeys,
		keysForm)
	l.require(s.IdempotencyScope == "" || api.IsName(s.IdempotencyScope), IdempotencyScope,
		"must have 1 to 128 of A-Z a-z 0-9 . _ : -, the first a letter or digit")
	l.require(s.AccountID == "" || api.IsAccountID(s.AccountID), AccountID,
		"must have 12 digits; leave it out if you do not know it")
	l.require(slices.Contains([]string{"", AccessTokenize, AccessDetokenize, AccessRevoke}, s.Access), Access,
		"must be tokenize, detokenize or revoke")
	l.require(!slices.ContainsFunc(s.Purposes, func(p string) bool { return !api.IsPurpose(p) }), Purposes,
		"must be purposes, separated by commas, each with 1 to 64 of a-z 0-9 _ -, the first a letter or digit")
	return s, errors.Join(l.problems...)
}

// loader reads single variables and notes what is wrong with them.
type loader struct {
	getenv   func(string) string
	problems []error
}

func (l *loader) require(ok bool, variable, problem string) {
	if !ok {
		l.problems = append(l.problems, fmt.Errorf("%s %s", variable, problem))
	}
}

func (l *loader) number(variable string, standard, least, most int) int {
	value := l.getenv(variable)
	if value == "" {
		return standard
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < least || n > most {
		l.require(false, variable, fmt.Sprintf("must be a number from %d to %d; the default %d is used", least, most,
			standard))
		return standard
	}
	return n
}

func (l *loader) level(variable string) (level slog.Level) {
	if value := l.getenv(variable); value != "" {
		l.require(level.UnmarshalText([]byte(value)) == nil, variable, "must be DEBUG, INFO, WARN or ERROR")
	}
	return level
}

// list takes a list apart.
func list(value string) (entries []string) {
	for entry := range strings.SplitSeq(value, ",") {
		if entry != "" {
			entries = append(entries, entry)
		}
	}
	return entries
}

// keys takes a list of VERSION=ARN apart.
func keys(value string) (keys []Key) {
	for _, entry := range list(value) {
		version, arn, _ := strings.Cut(entry, "=")
		keys = append(keys, Key{Version: version, ARN: arn})
	}
	return keys
}

func validKeys(keys []Key) bool {
	versions := map[string]bool{}
	for _, key := range keys {
		if !api.IsKeyVersion(key.Version) || !api.IsKeyARN(key.ARN) || versions[key.Version] {
			return false
		}
		versions[key.Version] = true
	}
	return len(keys) <= api.MaxKeyVersions
}
