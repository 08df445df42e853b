package vault

import (
	"context"
	"errors"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/envelope"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
)

// dataKey asks KMS for a data key bound to r.
func (v *Vault) dataKey(ctx context.Context, r row) (envelope.DataKey, error) {
	out, err := v.kms.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{
		KeyId:             &v.keyARN,
		KeySpec:           kmstypes.DataKeySpecAes256,
		EncryptionContext: v.context(r),
	})
	if err != nil {
		return envelope.DataKey{}, upstream("kms:GenerateDataKey", err)
	}
	return envelope.DataKey{
		Plaintext: out.Plaintext,
		Wrapped:   envelope.WrappedKey{Provider: envelope.KMSProvider, Info: v.keyARN, Ciphertext: out.CiphertextBlob},
	}, nil
}

// unwrap asks KMS for the data key of a message. The context is the expected one, so KMS checks it once more, on its own
// record; the key is named, so that a message under somebody else's key is refused.
func (v *Vault) unwrap(ctx context.Context, w envelope.WrappedKey, c envelope.Context) ([]byte, error) {
	if w.Provider != envelope.KMSProvider || w.Info != v.keyARN {
		return nil, failure.New(failure.Integrity, "", "the row was sealed under another key")
	}
	out, err := v.kms.Decrypt(ctx, &kms.DecryptInput{KeyId: &v.keyARN, CiphertextBlob: w.Ciphertext, EncryptionContext: c})
	if err != nil {
		if _, bad := errors.AsType[*kmstypes.InvalidCiphertextException](err); bad {
			return nil, failure.New(failure.Integrity, "", "KMS refuses the row's data key")
		}
		return nil, upstream("kms:Decrypt", err)
	}
	if out.KeyId == nil || *out.KeyId != v.keyARN {
		return nil, failure.New(failure.Integrity, "", "KMS answered for another key")
	}
	return out.Plaintext, nil
}

// errorCode is what the name of an AWS exception looks like. Names are safe to tell, texts are not.
var errorCode = regexp.MustCompile(`^[A-Za-z.]{1,80}$`)

// upstream turns an error of KMS or DynamoDB into one of ours: the operation and the name of the exception stay, its
// text (which quotes ARNs, sometimes values) goes.
func upstream(operation string, err error) error {
	var ae smithy.APIError
	if !errors.As(err, &ae) || !errorCode.MatchString(ae.ErrorCode()) {
		return failure.New(failure.Unavailable, "", "%s got no answer", operation)
	}
	switch ae.ErrorCode() {
	case "AccessDeniedException":
		return failure.New(failure.Denied, "", "the function's role may not %s here", operation)
	default:
		return failure.New(failure.Unavailable, "", "%s failed with %s", operation, ae.ErrorCode())
	}
}
