package vault

import (
	"context"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/envelope"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/keypool"
)

// draft is a row that is sealed when it is needed, which may be never. Its entry is taken before anything is looked up.
type draft struct {
	create Create
	entry  *keypool.Entry
	row    *row // nil until the draft is sealed
}

func (v *Vault) draft(ctx context.Context, c Create) (*draft, error) {
	e, err := v.takeEntry(ctx, c.Purpose)
	if err != nil {
		return nil, err
	}
	return &draft{create: c, entry: e}, nil
}

// redraft replaces a draft that was sealed, since its token exists already.
func (v *Vault) redraft(ctx context.Context, d *draft) error {
	e, err := v.takeEntry(ctx, d.create.Purpose)
	if err != nil {
		return err
	}
	d.entry.Wipe()
	d.entry, d.row = e, nil
	return nil
}

// drop ends a draft. An entry that nothing was sealed with serves another token.
func (v *Vault) drop(d *draft) {
	if d.row == nil {
		v.pool.Return(d.create.Purpose, d.entry)
		return
	}
	d.entry.Wipe()
}

// seal makes a token for a draft and seals its row, if it is not sealed yet. A data key seals one message. The seed is
// in that message, and nowhere else once the draft is dropped.
func (v *Vault) seal(d *draft) (*row, error) {
	if d.row != nil {
		return d.row, nil
	}
	c, seed := d.create, &d.entry.Seed // no copy, which would have to be wiped too
	r := &row{token: seed.Token(c.Format, c.Data.number), ref: seed.Ref(), purpose: c.Purpose}
	now := v.now()
	if c.TTL > 0 {
		r.expires = now.Add(c.TTL)
	}
	p := newPayload(c, *seed, now, r.expires)
	defer p.wipe()
	plaintext := p.encode()
	defer clear(plaintext)
	d.row = r // whatever comes of it, the entry does not serve another token
	var err error
	if r.message, err = envelope.Seal(d.entry.Key, v.context(r.ref, r.purpose), plaintext); err != nil {
		return nil, failure.New(failure.Internal, "", "the envelope cannot be sealed")
	}
	return r, nil
}

// sealNew drafts and seals a row.
func (v *Vault) sealNew(ctx context.Context, c Create) (row, error) {
	d, err := v.draft(ctx, c)
	if err != nil {
		return row{}, err
	}
	defer v.drop(d)
	r, err := v.seal(d)
	if err != nil {
		return row{}, err
	}
	return *r, nil
}

// created is what the caller gets to know of a row that was sealed.
func (r row) created() Created { return Created{Token: r.token, Ref: r.ref, ExpiresAt: r.expires} }
