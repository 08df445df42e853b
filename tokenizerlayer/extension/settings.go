package main

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/vault"
)

// settings are the environment variables of the extension. The layer's construct sets them; docs/api.md lists them.
type settings struct {
	runtimeAPI   string                 // AWS_LAMBDA_RUNTIME_API
	sessionToken string                 // AWS_SESSION_TOKEN
	actor        string                 // AWS_LAMBDA_FUNCTION_NAME
	table        string                 // TOKENIZER_TABLE: name of the vault's table
	keyARN       string                 // TOKENIZER_KEY_ARN: ARN of the key that wraps data keys
	port         int                    // TOKENIZER_PORT: default 2774
	level        slog.Level             // TOKENIZER_LOG_LEVEL: DEBUG, INFO (default), WARN or ERROR
	maxBody      int64                  // TOKENIZER_MAX_BODY_BYTES: of a request; default api.MaxBody
	index        string                 // TOKENIZER_INDEX_TABLE: name of the index table; unset leaves out what needs it
	fingerprints []vault.FingerprintKey // TOKENIZER_FINGERPRINT_KEYS: VERSION=ARN, the current one first, separated by commas
	readRate     int                    // TOKENIZER_READ_RATE: tokens opened a second; default api.DefaultReadRate
	connections  int                    // TOKENIZER_MAX_CONNECTIONS: at a time; default api.DefaultConnections
}

// loadSettings reads all settings and reports all that are wrong. What it returns is usable in any case: where a value
// is wrong, the default stands.
func loadSettings(getenv func(string) string) (settings, error) {
	s := settings{
		runtimeAPI:   getenv("AWS_LAMBDA_RUNTIME_API"),
		sessionToken: getenv("AWS_SESSION_TOKEN"),
		table:        getenv("TOKENIZER_TABLE"),
		keyARN:       getenv("TOKENIZER_KEY_ARN"),
		index:        getenv("TOKENIZER_INDEX_TABLE"),
		fingerprints: fingerprintKeys(getenv("TOKENIZER_FINGERPRINT_KEYS")),
		actor:        getenv("AWS_LAMBDA_FUNCTION_NAME"),
	}
	var errs []error
	if s.sessionToken == "" {
		errs = append(errs, errors.New("AWS_SESSION_TOKEN is not set: the function has no credentials"))
	}
	number := func(name string, standard, least, most int) int {
		v := getenv(name)
		if v == "" {
			return standard
		}
		n, err := strconv.Atoi(v)
		if err != nil || n < least || n > most {
			errs = append(errs, fmt.Errorf("%s must be a number from %d to %d; the default %d is used", name, least, most, standard))
			return standard
		}
		return n
	}
	s.port = number("TOKENIZER_PORT", api.DefaultPort, 1024, 65535)
	s.maxBody = int64(number("TOKENIZER_MAX_BODY_BYTES", api.MaxBody, api.MinBodyLimit, api.MaxBody))
	s.readRate = number("TOKENIZER_READ_RATE", api.DefaultReadRate, 1, api.MaxReadRate)
	s.connections = number("TOKENIZER_MAX_CONNECTIONS", api.DefaultConnections, 1, api.MaxConnections)
	if v := getenv("TOKENIZER_LOG_LEVEL"); v != "" {
		if s.level.UnmarshalText([]byte(v)) != nil {
			errs = append(errs, errors.New("TOKENIZER_LOG_LEVEL must be DEBUG, INFO, WARN or ERROR"))
		}
	}
	return s, errors.Join(errs...)
}

// fingerprintKeys takes a list apart; the vault finds out what is wrong with it.
func fingerprintKeys(list string) (keys []vault.FingerprintKey) {
	for entry := range strings.SplitSeq(list, ",") {
		if version, arn, _ := strings.Cut(entry, "="); entry != "" {
			keys = append(keys, vault.FingerprintKey{Version: version, ARN: arn})
		}
	}
	return keys
}
