package vault

import (
	"context"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/envelope"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
)

// seal makes a token for c and seals c for it. The seed is in the envelope, and nowhere else afterwards.
func (v *Vault) seal(ctx context.Context, c Create) (row, error) {
	seed := v.newSeed()
	defer clear(seed[:])
	r := row{token: seed.Token(c.Format, c.Data.number), ref: seed.Ref(), purpose: c.Purpose}
	now := v.now()
	if c.TTL > 0 {
		r.expires = now.Add(c.TTL)
	}
	key, err := v.dataKey(ctx, r.ref, r.purpose)
	if err != nil {
		return row{}, err
	}
	defer clear(key.Plaintext)
	p := newPayload(c, seed, now, r.expires)
	defer p.wipe()
	plaintext := p.encode()
	defer clear(plaintext)
	if r.message, err = envelope.Seal(key, v.context(r.ref, r.purpose), plaintext); err != nil {
		return row{}, failure.New(failure.Internal, "", "the envelope cannot be sealed")
	}
	return r, nil
}

// created is what the caller gets to know of a row that was sealed.
func (r row) created() Created { return Created{Token: r.token, Ref: r.ref, ExpiresAt: r.expires} }
