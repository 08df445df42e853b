package vault

import (
	"context"
	"crypto/subtle"
	"errors"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/envelope"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/token"
)

// Read is what a request to read a token says.
type Read struct {
	Token string
	// Context must be the one that the token was made with.
	Context map[string]string
}

// entry is a row that was opened. What it says is authenticated.
type entry struct {
	row
	payload payload
	data    Data
	// returned: the row exists although its token was revoked. A kept copy, a late retry or a restored backup has put
	// it back.
	returned bool
}

// parseToken checks a token before anything is asked about it.
func parseToken(s string) (string, error) {
	tok, ok := token.Parse(s)
	if !ok {
		return "", failure.New(failure.Invalid, "token",
			"must be a token: a UUID, or 12 to 19 digits that are not a card number")
	}
	return tok, nil
}

// open reads and opens the row of a token that lives, for a request that names its context. Every way of reading goes
// through here. With an error it returns what is known of the row, for the log.
func (v *Vault) open(ctx context.Context, in Read) (entry, error) {
	tok, err := parseToken(in.Token)
	if err != nil {
		return entry{}, err
	}
	if err := checkContext(in.Context); err != nil {
		return entry{}, err
	}
	r, gone, err := v.look(ctx, tok)
	if gone {
		return entry{row: r, returned: r.token != ""}, errRevoked
	}
	if err != nil {
		return entry{row: r}, err
	}
	plaintext, err := envelope.Open(ctx, r.message, v.context(r.ref, r.purpose), v.unwrap)
	if err != nil {
		return entry{row: r}, openError(err)
	}
	defer clear(plaintext)
	p, data, err := decodePayload(plaintext, r)
	if err != nil {
		return entry{row: r}, err
	}
	e := entry{row: r, payload: p, data: data}
	if !sameContext(p.Context, in.Context) {
		return e, failure.New(failure.BindingMismatch, "binding.context",
			"must be the context that the token was made with")
	}
	if expires := p.expires(); !expires.IsZero() && !v.now().Before(expires) {
		return e, failure.New(failure.Expired, "token", "the token's time to live has passed")
	}
	return e, nil
}

// look reads the row of a token, and whether the token was revoked, at the same time.
func (v *Vault) look(ctx context.Context, tok string) (r row, gone bool, err error) {
	type answer struct {
		gone bool
		err  error
	}
	state := make(chan answer, 1)
	go func() {
		gone, err := v.isGone(ctx, tok)
		state <- answer{gone, err}
	}()
	r, err = v.getRow(ctx, tok)
	tombstone := <-state
	if tombstone.err != nil { // nobody knows whether the token was revoked
		return r, false, tombstone.err
	}
	return r, tombstone.gone, err
}

var errRevoked = failure.New(failure.Revoked, "token", "the token was revoked")

// sameContext compares two contexts in a time that does not depend on where they differ.
func sameContext(a, b map[string]string) bool {
	return subtle.ConstantTimeCompare(digest(canonical(a)...), digest(canonical(b)...)) == 1
}

func openError(err error) error {
	if e, ok := errors.AsType[*failure.Error](err); ok {
		return e
	}
	for _, known := range []error{envelope.ErrFormat, envelope.ErrContext, envelope.ErrAuthentication} {
		if errors.Is(err, known) {
			return integrity("%s", known)
		}
	}
	return failure.New(failure.Internal, "", "the envelope cannot be opened")
}
