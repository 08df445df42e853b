package vault

import (
	"context"
	"errors"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
)

// About is what the log may tell of a token. With an error it is what the row says, which may not be authenticated.
type About struct {
	Ref     string
	Type    api.Type
	Purpose string
	// Returned: the row exists although the token was revoked. Somebody, or a restored backup, has put it back.
	Returned bool
}

func (e entry) about() About {
	return About{Ref: e.ref, Type: e.data.kind, Purpose: e.purpose, Returned: e.returned}
}

// Detokenize asks for the data of a token.
type Detokenize struct {
	Read
	// Attempt is the caller's name for this attempt at a token of limited uses; "" for a caller that does not repeat.
	Attempt string
	// Redaction says how much the caller will show. A repeated attempt must ask for the same.
	Redaction string
}

// Opened is what a token stands for.
type Opened struct {
	About
	Data Data
}

// Detokenize returns the data of a token. A token that does not exist and one of another account are not told apart.
//
// A use of a token with limited uses counts when the table has taken it, after the data has been opened and before it
// is released: among any number of simultaneous callers the table lets through as many as there are uses. The promise
// is at most once: whoever loses the answer has lost the use, unless it repeats the same attempt within
// api.AttemptPeriod.
//
// IAM: kms:Decrypt on TokenKey; dynamodb:GetItem on the vault and on the token's items of the state; for tokens with
// limited uses dynamodb:UpdateItem on the state. Errors: Invalid, NotFound, Revoked, Expired, UsedUp, BindingMismatch,
// Denied, Integrity, Unavailable. With an error, Opened.About is what is known.
func (v *Vault) Detokenize(ctx context.Context, in Detokenize) (Opened, error) {
	if err := checkName("attempt", in.Attempt); err != nil {
		return Opened{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, v.timeout)
	defer cancel()
	e, err := v.open(ctx, in.Read)
	if err == nil && e.payload.MaxUses > 0 {
		err = v.countUse(ctx, e.row, e.payload.MaxUses, v.attemptDigest(in.Attempt, in.Redaction))
	}
	if err != nil {
		return Opened{About: e.about()}, err
	}
	return Opened{About: e.about(), Data: e.data}, nil
}

// Live reports whether a Detokenize would be answered now. It counts no use. IAM and other errors: as Detokenize,
// without UpdateItem.
func (v *Vault) Live(ctx context.Context, in Read) (live bool, about About, err error) {
	m, err := v.Metadata(ctx, in)
	if errors.Is(err, failure.NotFound) || errors.Is(err, failure.Revoked) || errors.Is(err, failure.Expired) {
		return false, m.About, nil
	}
	return err == nil && (m.MaxUses == 0 || m.Uses < m.MaxUses), m.About, err
}

// Metadata is what is known of a token besides its data.
type Metadata struct {
	About
	Created, Expires time.Time // Expires is zero for a token without a TTL
	MaxUses, Uses    int64     // Uses alone is not authenticated
	Metadata         map[string]string
}

// Metadata returns what is known of a token besides its data. It counts no use. IAM and errors: as Detokenize, without
// UpdateItem.
func (v *Vault) Metadata(ctx context.Context, in Read) (Metadata, error) {
	ctx, cancel := context.WithTimeout(ctx, v.timeout)
	defer cancel()
	e, err := v.open(ctx, in)
	if err != nil {
		return Metadata{About: e.about()}, err
	}
	m := Metadata{
		About: e.about(), Created: e.payload.created(), Expires: e.payload.expires(), MaxUses: e.payload.MaxUses,
		Metadata: e.payload.Metadata,
	}
	if m.MaxUses > 0 {
		used, err := v.getUse(ctx, e.row, m.MaxUses)
		if err != nil {
			return Metadata{About: m.About}, err
		}
		m.Uses = used.count
	}
	return m, nil
}
