package measure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/load"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/bench/internal/process"
)

// Paths of the loopback API, and bodies of requests.
const (
	pathTokenize      = "/v1/tokenize"
	pathTokenizeBatch = "/v1/tokenize/batch"
	pathDetokenize    = "/v1/detokenize"
	pathRevoke        = "/v1/revoke"
	pathPing          = "/ping"
)

var (
	tokenizeBody = []byte(`{"data":"4111111111111111"}`)
	refusedBody  = []byte(`{"data":""}`)
)

// tenant is a running extension, and what is done with it.
type tenant struct {
	ext      *process.Extension
	detokens [][]byte // a body of a detokenize for each client
	note     func(format string, args ...any)
}

// attempts is how often a slice is tried.
const attempts = 3

// slice is run for slices that can be done again. On a machine that is busy with something else, an extension may give
// a call of a service up. Then the slice is done again, and the run says so.
func (t *tenant) slice(ctx context.Context, clients, total int,
	do func(c *load.Conn, client int) error) (r load.Result, err error) {
	for range attempts {
		if r, err = t.run(ctx, clients, total, do); err == nil || ctx.Err() != nil {
			return r, err
		}
		t.note("a slice with %d clients failed and was done again: %v", clients, firstOf(err))
		t.ext.Disconnect()
	}
	return r, err
}

// firstOf is the first line of an error, in which several are joined.
func firstOf(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// run has clients do total requests together, each on a connection of its own.
func (t *tenant) run(ctx context.Context, clients, total int,
	do func(c *load.Conn, client int) error) (load.Result, error) {
	conns, err := t.ext.Conns(clients)
	if err != nil {
		return load.Result{}, err
	}
	return load.Run(ctx, clients, total, func(client int) error { return do(conns[client], client) })
}

func (t *tenant) tokenize(ctx context.Context, clients, total int) (load.Result, error) {
	return t.slice(ctx, clients, total, func(c *load.Conn, _ int) error {
		_, err := c.Post(pathTokenize, tokenizeBody)
		return err
	})
}

// detokenize has every client read a token of its own. prepare comes first.
func (t *tenant) detokenize(ctx context.Context, clients, total int) (load.Result, error) {
	return t.slice(ctx, clients, total, func(c *load.Conn, client int) error {
		_, err := c.Post(pathDetokenize, t.detokens[client])
		return err
	})
}

// refused has every request refused for its empty data.
func (t *tenant) refused(ctx context.Context, clients, total int) (load.Result, error) {
	return t.slice(ctx, clients, total, func(c *load.Conn, _ int) error {
		status, answer, err := c.Do("POST", pathTokenize, refusedBody)
		if err == nil && status != http.StatusBadRequest {
			err = fmt.Errorf("empty data is answered %d %s", status, answer)
		}
		return err
	})
}

func (t *tenant) ping(ctx context.Context, total int) (load.Result, error) {
	return t.slice(ctx, 1, total, func(c *load.Conn, _ int) error {
		status, answer, err := c.Do("GET", pathPing, nil)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("GET /ping is answered %d %s", status, answer)
		}
		return err
	})
}

// prepare makes a token for each client.
func (t *tenant) prepare(ctx context.Context, clients int) error {
	t.detokens = make([][]byte, clients)
	_, err := t.run(ctx, clients, clients, func(c *load.Conn, client int) error {
		token, err := tokenOf(c.Post(pathTokenize, tokenizeBody))
		t.detokens[client] = detokenizeBody(token)
		return err
	})
	return err
}

func detokenizeBody(token string) []byte { return []byte(`{"token":"` + token + `"}`) }

// tokenOf reads the token from the answer to a tokenize.
func tokenOf(answer []byte, err error) (string, error) {
	if err != nil {
		return "", err
	}
	_, rest, found := bytes.Cut(answer, []byte(`"token":"`))
	token, _, ended := bytes.Cut(rest, []byte(`"`))
	if !found || !ended || len(token) == 0 {
		return "", errors.New("the answer has no token")
	}
	return string(token), nil
}

// card makes the n-th of many card numbers with a valid check digit.
func card(n int) string {
	digits := fmt.Sprintf("400000%09d", n)
	sum := 0
	for i, d := range digits {
		v := int(d - '0')
		if i%2 == 0 { // doubled: with the check digit there are sixteen
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return fmt.Sprintf("%s%d", digits, (10-sum%10)%10)
}
