// Package kmsapi has the three operations of KMS that the vault calls
// (https://docs.aws.amazon.com/kms/latest/APIReference/).
package kmsapi

import (
	"context"
	"maps"
	"slices"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/awsjson"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/wirejson"
)

// InvalidCiphertext is the exception about a data key that KMS did not wrap, or not in this context.
const InvalidCiphertext = "InvalidCiphertextException"

// GenerateDataKeyInput asks for a data key of 256 bits.
type GenerateDataKeyInput struct {
	KeyID             string
	EncryptionContext map[string]string
}

// GenerateDataKeyOutput is a new data key. The caller wipes Plaintext. That KeyID is the key that was asked for is not
// checked here.
type GenerateDataKeyOutput struct {
	KeyID                     string
	Plaintext, CiphertextBlob []byte
}

// DecryptInput asks for the data key in CiphertextBlob.
type DecryptInput struct {
	KeyID             string
	CiphertextBlob    []byte
	EncryptionContext map[string]string
}

// DecryptOutput is a data key. The caller wipes Plaintext. That KeyID is the key that was asked for is not checked
// here.
type DecryptOutput struct {
	KeyID     string
	Plaintext []byte
}

// GenerateMacInput asks for an HMAC-SHA-256.
type GenerateMacInput struct {
	KeyID   string
	Message []byte
}

// GenerateMacOutput is a MAC. That KeyID is the key that was asked for is not checked here.
type GenerateMacOutput struct {
	KeyID string
	Mac   []byte
}

// Client calls KMS. It is safe for concurrent use. Errors that KMS answers are of the type [awsjson.Error].
type Client struct{ *awsjson.Client }

// New returns a client. The error names the variable of the environment that is wrong.
func New(e awsjson.Environment, o awsjson.Options) (*Client, error) {
	c, err := awsjson.New(awsjson.Service{
		Name: "kms", Target: "TrentService", ContentType: "application/x-amz-json-1.1",
		MaxAnswer: 64 << 10, // the largest, of Decrypt, has 4 KiB in base64
	}, e, o)
	if err != nil {
		return nil, err
	}
	return &Client{c}, nil
}

// GenerateDataKey makes a data key, and wraps it under a key.
func (c *Client) GenerateDataKey(ctx context.Context, in GenerateDataKeyInput) (out GenerateDataKeyOutput, err error) {
	encode := func(to []byte) []byte {
		to = appendText(append(to, '{'), "KeyId", in.KeyID)
		to = appendText(to, "KeySpec", "AES_256")
		return append(appendContext(to, in.EncryptionContext), '}')
	}
	err = c.Do(ctx, "GenerateDataKey", encode, func(d *wirejson.Decoder) error {
		a, err := readAnswer(d)
		out = GenerateDataKeyOutput{KeyID: a.keyID, Plaintext: a.plaintext, CiphertextBlob: a.ciphertext}
		return err
	})
	if err != nil {
		clear(out.Plaintext)
		return GenerateDataKeyOutput{}, err
	}
	return out, nil
}

// Decrypt unwraps a data key.
func (c *Client) Decrypt(ctx context.Context, in DecryptInput) (out DecryptOutput, err error) {
	encode := func(to []byte) []byte {
		to = appendText(append(to, '{'), "KeyId", in.KeyID)
		to = wirejson.AppendBytes(wirejson.AppendName(to, "CiphertextBlob"), in.CiphertextBlob)
		return append(appendContext(to, in.EncryptionContext), '}')
	}
	err = c.Do(ctx, "Decrypt", encode, func(d *wirejson.Decoder) error {
		a, err := readAnswer(d)
		out = DecryptOutput{KeyID: a.keyID, Plaintext: a.plaintext}
		return err
	})
	if err != nil {
		clear(out.Plaintext)
		return DecryptOutput{}, err
	}
	return out, nil
}

// GenerateMac makes the HMAC-SHA-256 of a message.
func (c *Client) GenerateMac(ctx context.Context, in GenerateMacInput) (out GenerateMacOutput, err error) {
	encode := func(to []byte) []byte {
		to = appendText(append(to, '{'), "KeyId", in.KeyID)
		to = appendText(to, "MacAlgorithm", "HMAC_SHA_256")
		to = wirejson.AppendBytes(wirejson.AppendName(to, "Message"), in.Message)
		return append(to, '}')
	}
	err = c.Do(ctx, "GenerateMac", encode, func(d *wirejson.Decoder) error {
		a, err := readAnswer(d)
		out = GenerateMacOutput{KeyID: a.keyID, Mac: a.mac}
		return err
	})
	if err != nil {
		return GenerateMacOutput{}, err
	}
	return out, nil
}

func appendText(to []byte, name, text string) []byte {
	return wirejson.AppendString(wirejson.AppendName(to, name), text)
}

// appendContext appends an encryption context, in order, unless there is none.
func appendContext(to []byte, context map[string]string) []byte {
	if len(context) == 0 {
		return to
	}
	var few [8]string
	names := slices.AppendSeq(few[:0], maps.Keys(context))
	slices.Sort(names)
	to = append(wirejson.AppendName(to, "EncryptionContext"), '{')
	for _, name := range names {
		to = appendText(to, name, context[name])
	}
	return append(to, '}')
}

// answer is what the three operations answer.
type answer struct {
	keyID                      string
	plaintext, ciphertext, mac []byte
}

// readAnswer passes over members that it does not know. With an error, the plaintext is to be wiped too.
func readAnswer(d *wirejson.Decoder) (a answer, err error) {
	err = d.Object(func(name []byte) (err error) {
		switch string(name) {
		case "KeyId":
			a.keyID, err = d.String()
		case "Plaintext":
			a.plaintext, err = d.Bytes()
		case "CiphertextBlob":
			a.ciphertext, err = d.Bytes()
		case "Mac":
			a.mac, err = d.Bytes()
		default:
			err = d.Skip()
		}
		return err
	})
	return a, err
}
