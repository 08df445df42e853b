package main

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/api"
)

// settings are the environment variables of the extension. The layer's construct sets them; docs/api.md lists them.
type settings struct {
	runtimeAPI   string     // AWS_LAMBDA_RUNTIME_API
	sessionToken string     // AWS_SESSION_TOKEN
	table        string     // TOKENIZER_TABLE: name of the vault's table
	keyARN       string     // TOKENIZER_KEY_ARN: ARN of the key that wraps data keys
	port         int        // TOKENIZER_PORT: default 2774
	level        slog.Level // TOKENIZER_LOG_LEVEL: DEBUG, INFO (default), WARN or ERROR
	maxBody      int64      // TOKENIZER_MAX_BODY_BYTES: of a request; default api.MaxBody
}

// loadSettings reads all settings and reports all that are wrong. What it returns is usable in any case: where a value
// is wrong, the default stands.
func loadSettings(getenv func(string) string) (settings, error) {
	s := settings{
		runtimeAPI:   getenv("AWS_LAMBDA_RUNTIME_API"),
		sessionToken: getenv("AWS_SESSION_TOKEN"),
		table:        getenv("TOKENIZER_TABLE"),
		keyARN:       getenv("TOKENIZER_KEY_ARN"),
		port:         api.DefaultPort,
		maxBody:      api.MaxBody,
	}
	var errs []error
	if s.sessionToken == "" {
		errs = append(errs, errors.New("AWS_SESSION_TOKEN is not set: the function has no credentials"))
	}
	if v := getenv("TOKENIZER_PORT"); v != "" {
		if n, err := strconv.Atoi(v); err != nil || n < 1024 || n > 65535 {
			errs = append(errs, fmt.Errorf("TOKENIZER_PORT must be a number from 1024 to 65535; the default %d is used", api.DefaultPort))
		} else {
			s.port = n
		}
	}
	if v := getenv("TOKENIZER_LOG_LEVEL"); v != "" {
		if s.level.UnmarshalText([]byte(v)) != nil {
			errs = append(errs, errors.New("TOKENIZER_LOG_LEVEL must be DEBUG, INFO, WARN or ERROR"))
		}
	}
	if v := getenv("TOKENIZER_MAX_BODY_BYTES"); v != "" {
		if n, err := strconv.ParseInt(v, 10, 64); err != nil || n < api.MinBodyLimit || n > api.MaxBody {
			errs = append(errs, fmt.Errorf("TOKENIZER_MAX_BODY_BYTES must be a number from %d to %d; the default %[2]d is used", api.MinBodyLimit, api.MaxBody))
		} else {
			s.maxBody = n
		}
	}
	return s, errors.Join(errs...)
}
