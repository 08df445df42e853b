package kmsserver_test

import (
	"bytes"
	"errors"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/kmsserver"
)

func newClient(t *testing.T) *kms.Client {
	t.Helper()
	server := httptest.NewServer(kmsserver.New(kmsserver.Config{AccountID: "123456789012", Region: "us-east-1"}))
	t.Cleanup(server.Close)
	return kms.New(kms.Options{
		BaseEndpoint: &server.URL, Region: "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", ""),
	})
}

func createKey(t *testing.T, client *kms.Client) *types.KeyMetadata {
	t.Helper()
	out, err := client.CreateKey(t.Context(), &kms.CreateKeyInput{Description: new("token key")})
	if err != nil {
		t.Fatal(err)
	}
	return out.KeyMetadata
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	if e, ok := errors.AsType[smithy.APIError](err); !ok || e.ErrorCode() != code {
		t.Errorf("got error %v, want %s", err, code)
	}
}

func TestCreateKey_MakesAKeyThatDescribesItself(t *testing.T) {
	client := newClient(t)
	created := createKey(t, client)
	if want := "arn:aws:kms:us-east-1:123456789012:key/" + *created.KeyId; *created.Arn != want {
		t.Errorf("ARN %q, want %q", *created.Arn, want)
	}
	if *created.Description != "token key" || created.KeyState != types.KeyStateEnabled ||
		created.KeyUsage != types.KeyUsageTypeEncryptDecrypt ||
		created.KeySpec != types.KeySpecSymmetricDefault || created.CreationDate.IsZero() ||
		*created.AWSAccountId != "123456789012" {
		t.Errorf("metadata %+v", created)
	}
	described, err := client.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: created.Arn})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(created, described.KeyMetadata, cmp.FilterPath(func(p cmp.Path) bool {
		return p.Last().String() == ".noSmithyDocumentSerde"
	}, cmp.Ignore())); diff != "" {
		t.Errorf("described otherwise than created (-created +described):\n%s", diff)
	}
}

func TestKey_KeepsPolicyAndRotation(t *testing.T) {
	client := newClient(t)
	policy := `{"Version":"2012-10-17","Statement":[]}`
	created, err := client.CreateKey(t.Context(), &kms.CreateKeyInput{Policy: &policy})
	if err != nil {
		t.Fatal(err)
	}
	id := created.KeyMetadata.KeyId
	kept, err := client.GetKeyPolicy(t.Context(), &kms.GetKeyPolicyInput{KeyId: id})
	if err != nil || *kept.Policy != policy {
		t.Errorf("policy %v, %v", kept, err)
	}
	for _, want := range []bool{false, true} {
		status, err := client.GetKeyRotationStatus(t.Context(), &kms.GetKeyRotationStatusInput{KeyId: id})
		if err != nil || status.KeyRotationEnabled != want {
			t.Errorf("rotation %v, %v; want %v", status, err, want)
		}
		if _, err := client.EnableKeyRotation(t.Context(), &kms.EnableKeyRotationInput{KeyId: id}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestKey_IsNamedByAllFourReferencesAndAnswersCarryItsARN(t *testing.T) {
	client := newClient(t)
	key := createKey(t, client)
	if _, err := client.CreateAlias(t.Context(),
		&kms.CreateAliasInput{AliasName: new("alias/tokens"), TargetKeyId: key.KeyId}); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{
		*key.KeyId, *key.Arn, "alias/tokens", "arn:aws:kms:us-east-1:123456789012:alias/tokens",
	} {
		made, err := client.GenerateDataKey(t.Context(),
			&kms.GenerateDataKeyInput{KeyId: &ref, KeySpec: types.DataKeySpecAes256})
		if err != nil {
			t.Fatalf("%s: %v", ref, err)
		}
		opened, err := client.Decrypt(t.Context(), &kms.DecryptInput{KeyId: &ref, CiphertextBlob: made.CiphertextBlob})
		if err != nil {
			t.Fatalf("%s: %v", ref, err)
		}
		if *made.KeyId != *key.Arn || *opened.KeyId != *key.Arn {
			t.Errorf("%s: answers name %s and %s, want %s", ref, *made.KeyId, *opened.KeyId, *key.Arn)
		}
		if len(made.Plaintext) != 32 || !bytes.Equal(made.Plaintext, opened.Plaintext) {
			t.Errorf("%s: data key did not come back", ref)
		}
	}
}

func TestDecrypt_OpensACiphertextWithExactlyItsContext(t *testing.T) {
	client := newClient(t)
	key := createKey(t, client)
	context := map[string]string{"table": "T", "account_id": "1", "ref": "k"}
	sealed, err := client.Encrypt(t.Context(),
		&kms.EncryptInput{KeyId: key.KeyId, Plaintext: []byte("plain"), EncryptionContext: context})
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed.CiphertextBlob, []byte("plain")) {
		t.Fatal("the blob holds the plaintext")
	}
	opened, err := client.Decrypt(t.Context(), &kms.DecryptInput{
		CiphertextBlob:    sealed.CiphertextBlob,
		EncryptionContext: map[string]string{"ref": "k", "account_id": "1", "table": "T"},
	})
	if err != nil || string(opened.Plaintext) != "plain" {
		t.Fatalf("got %v, %v", opened, err)
	}
	for name, other := range map[string]map[string]string{
		"none":          nil,
		"fewer":         {"table": "T", "account_id": "1"},
		"more":          {"table": "T", "account_id": "1", "ref": "k", "x": ""},
		"another value": {"table": "T", "account_id": "1", "ref": "K"},
		"swapped":       {"table": "1", "account_id": "T", "ref": "k"},
		"joined":        {"table": "T", "account_id": `1","ref":"k`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := client.Decrypt(t.Context(),
				&kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: other})
			wantCode(t, err, "InvalidCiphertextException")
		})
	}
}

func TestContext_NoneIsTheSameAsAnEmptyOne(t *testing.T) {
	client := newClient(t)
	key := createKey(t, client)
	sealed, err := client.Encrypt(t.Context(), &kms.EncryptInput{KeyId: key.KeyId, Plaintext: []byte("p")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Decrypt(t.Context(),
		&kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob, EncryptionContext: map[string]string{}}); err != nil {
		t.Error(err)
	}
}

func TestDecrypt_RefusesAChangedBlob(t *testing.T) {
	client := newClient(t)
	key := createKey(t, client)
	sealed, err := client.Encrypt(t.Context(), &kms.EncryptInput{KeyId: key.KeyId, Plaintext: []byte("p")})
	if err != nil {
		t.Fatal(err)
	}
	blob := sealed.CiphertextBlob
	for i := range blob {
		changed := bytes.Clone(blob)
		changed[i] ^= 1
		_, err := client.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: changed})
		want := "InvalidCiphertextException"
		if i >= 1 && i <= 16 {
			want = "AccessDeniedException" // another key's id
		}
		wantCode(t, err, want)
	}
	for _, short := range []int{1, 16, 17, len(blob) - 1} {
		_, err := client.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: blob[:short]})
		wantCode(t, err, "InvalidCiphertextException")
	}
}

func TestKey_DoesNothingWhileDisabled(t *testing.T) {
	client := newClient(t)
	key := createKey(t, client)
	sealed, err := client.Encrypt(t.Context(), &kms.EncryptInput{KeyId: key.KeyId, Plaintext: []byte("p")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: key.KeyId}); err != nil {
		t.Fatal(err)
	}
	_, err = client.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
	wantCode(t, err, "DisabledException")
	_, err = client.GenerateDataKey(t.Context(),
		&kms.GenerateDataKeyInput{KeyId: key.KeyId, KeySpec: types.DataKeySpecAes256})
	wantCode(t, err, "DisabledException")
	if _, err := client.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: key.KeyId}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob}); err != nil {
		t.Error(err)
	}
}

func TestUpdateAlias_LetsItStandForAnotherKey(t *testing.T) {
	client := newClient(t)
	key, other := createKey(t, client), createKey(t, client)
	name := new("alias/a")
	_, err := client.UpdateAlias(t.Context(), &kms.UpdateAliasInput{AliasName: name, TargetKeyId: key.KeyId})
	wantCode(t, err, "NotFoundException")
	if _, err := client.CreateAlias(t.Context(),
		&kms.CreateAliasInput{AliasName: name, TargetKeyId: key.KeyId}); err != nil {
		t.Fatal(err)
	}
	_, err = client.UpdateAlias(t.Context(), &kms.UpdateAliasInput{AliasName: name, TargetKeyId: new("none")})
	wantCode(t, err, "NotFoundException")
	if _, err := client.UpdateAlias(t.Context(),
		&kms.UpdateAliasInput{AliasName: name, TargetKeyId: other.KeyId}); err != nil {
		t.Fatal(err)
	}
	described, err := client.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: name})
	if err != nil || *described.KeyMetadata.KeyId != *other.KeyId {
		t.Errorf("%v, the alias is of %v", err, described)
	}
}

func TestServer_RefusesWithTheNamesOfKMS(t *testing.T) {
	client := newClient(t)
	key, other := createKey(t, client), createKey(t, client)
	if _, err := client.CreateAlias(t.Context(),
		&kms.CreateAliasInput{AliasName: new("alias/taken"), TargetKeyId: key.KeyId}); err != nil {
		t.Fatal(err)
	}
	sealed, err := client.Encrypt(t.Context(), &kms.EncryptInput{KeyId: key.KeyId, Plaintext: []byte("p")})
	if err != nil {
		t.Fatal(err)
	}
	dataKey := func(in kms.GenerateDataKeyInput) error {
		if in.KeyId == nil {
			in.KeyId = key.KeyId
		}
		_, err := client.GenerateDataKey(t.Context(), &in)
		return err
	}
	alias := func(name, target string) error {
		_, err := client.CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: &name, TargetKeyId: &target})
		return err
	}
	create := func(in kms.CreateKeyInput) error { _, err := client.CreateKey(t.Context(), &in); return err }
	decrypt := func(in kms.DecryptInput) error { _, err := client.Decrypt(t.Context(), &in); return err }
	encrypt := func(plaintext []byte) error {
		_, err := client.Encrypt(t.Context(), &kms.EncryptInput{KeyId: key.KeyId, Plaintext: plaintext})
		return err
	}
	const unknown = "00000000-0000-4000-8000-000000000000"
	aes256 := types.DataKeySpecAes256
	for name, test := range map[string]struct {
		err  error
		code string
	}{
		"no size": {dataKey(kms.GenerateDataKeyInput{}), "ValidationException"},
		"two sizes": {
			dataKey(kms.GenerateDataKeyInput{KeySpec: aes256, NumberOfBytes: new(int32(32))}),
			"ValidationException",
		},
		"0 bytes": {
			dataKey(kms.GenerateDataKeyInput{NumberOfBytes: new(int32(0))}), "ValidationException",
		},
		"1025 bytes": {
			dataKey(kms.GenerateDataKeyInput{NumberOfBytes: new(int32(1025))}), "ValidationException",
		},
		"an unknown spec": {dataKey(kms.GenerateDataKeyInput{KeySpec: "AES_512"}), "ValidationException"},
		"too large a context": {dataKey(kms.GenerateDataKeyInput{
			KeySpec: aes256, EncryptionContext: map[string]string{"k": strings.Repeat("v", 8192)},
		}), "ValidationException"},
		"an unknown id": {
			dataKey(kms.GenerateDataKeyInput{KeyId: new(unknown), KeySpec: aes256}), "NotFoundException",
		},
		"no key id": {
			dataKey(kms.GenerateDataKeyInput{KeyId: new("nonsense"), KeySpec: aes256}), "NotFoundException",
		},
		"an empty id": {
			dataKey(kms.GenerateDataKeyInput{KeyId: new(""), KeySpec: aes256}), "ValidationException",
		},
		"another region": {dataKey(kms.GenerateDataKeyInput{KeyId: new(strings.Replace(*key.Arn, "us-east-1",
			"us-west-2", 1)), KeySpec: aes256}), "NotFoundException"},
		"an unknown alias": {
			dataKey(kms.GenerateDataKeyInput{KeyId: new("alias/free"), KeySpec: aes256}), "NotFoundException",
		},
		"nothing to encrypt":  {encrypt([]byte{}), "ValidationException"},
		"too much to encrypt": {encrypt(make([]byte, 4097)), "ValidationException"},
		"the wrong key": {
			decrypt(kms.DecryptInput{KeyId: other.KeyId, CiphertextBlob: sealed.CiphertextBlob}),
			"IncorrectKeyException",
		},
		"no such key": {
			decrypt(kms.DecryptInput{KeyId: new(unknown), CiphertextBlob: sealed.CiphertextBlob}),
			"NotFoundException",
		},
		"another algorithm": {decrypt(kms.DecryptInput{
			CiphertextBlob: sealed.CiphertextBlob, EncryptionAlgorithm: types.EncryptionAlgorithmSpecRsaesOaepSha1,
		}), "InvalidKeyUsageException"},
		"too long a blob": {decrypt(kms.DecryptInput{CiphertextBlob: make([]byte, 6145)}), "ValidationException"},
		"an RSA key": {create(kms.CreateKeyInput{
			KeySpec: types.KeySpecRsa2048, KeyUsage: types.KeyUsageTypeSignVerify,
		}), "UnsupportedOperationException"},
		"an HMAC key's usage": {create(kms.CreateKeyInput{KeySpec: types.KeySpecHmac256}), "ValidationException"},
		"a wrong usage": {
			create(kms.CreateKeyInput{KeyUsage: types.KeyUsageTypeSignVerify}), "ValidationException",
		},
		"a multi-Region key":   {create(kms.CreateKeyInput{MultiRegion: new(true)}), "UnsupportedOperationException"},
		"a malformed policy":   {create(kms.CreateKeyInput{Policy: new("{")}), "MalformedPolicyDocumentException"},
		"an alias twice":       {alias("alias/taken", *other.KeyId), "AlreadyExistsException"},
		"an alias of AWS":      {alias("alias/aws/x", *key.KeyId), "ValidationException"},
		"an alias unprefixed":  {alias("tokens", *key.KeyId), "ValidationException"},
		"an alias of an alias": {alias("alias/second", "alias/taken"), "NotFoundException"},
	} {
		t.Run(name, func(t *testing.T) { wantCode(t, test.err, test.code) })
	}
	_, err = client.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: key.KeyId})
	wantCode(t, err, "UnknownOperationException")
	if !strings.Contains(err.Error(), "ScheduleKeyDeletion") {
		t.Errorf("%v does not name the operation", err)
	}
}

func TestGenerateDataKey_GivesTheSizeAskedFor(t *testing.T) {
	client := newClient(t)
	key := createKey(t, client)
	for want, in := range map[int]kms.GenerateDataKeyInput{
		16:   {KeySpec: types.DataKeySpecAes128},
		32:   {KeySpec: types.DataKeySpecAes256},
		1:    {NumberOfBytes: new(int32(1))},
		1024: {NumberOfBytes: new(int32(1024))},
	} {
		in.KeyId = key.KeyId
		out, err := client.GenerateDataKey(t.Context(), &in)
		if err != nil || len(out.Plaintext) != want {
			t.Errorf("want %d bytes, got %v, %v", want, out, err)
		}
	}
}

func TestDecrypt_GivesConcurrentCallersTheirOwnKeyBack(t *testing.T) {
	client := newClient(t)
	key := createKey(t, client)
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			made, err := client.GenerateDataKey(t.Context(),
				&kms.GenerateDataKeyInput{KeyId: key.Arn, KeySpec: types.DataKeySpecAes256})
			if err != nil {
				t.Error(err)
				return
			}
			opened, err := client.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: made.CiphertextBlob})
			if err != nil || !bytes.Equal(opened.Plaintext, made.Plaintext) {
				t.Errorf("got %v, %v", opened, err)
			}
			createKey(t, client)
			if _, err := client.EnableKeyRotation(t.Context(),
				&kms.EnableKeyRotationInput{KeyId: key.KeyId}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

func TestHMACKey_MakesMACsAndNothingElse(t *testing.T) {
	client := newClient(t)
	ctx := t.Context()
	hmacKey := func() string {
		out, err := client.CreateKey(ctx, &kms.CreateKeyInput{
			KeySpec: types.KeySpecHmac256, KeyUsage: types.KeyUsageTypeGenerateVerifyMac,
		})
		if err != nil {
			t.Fatal(err)
		}
		if m := out.KeyMetadata; m.KeySpec != types.KeySpecHmac256 || len(m.MacAlgorithms) != 1 ||
			m.MacAlgorithms[0] != types.MacAlgorithmSpecHmacSha256 || m.EncryptionAlgorithms != nil {
			t.Errorf("metadata %+v", m)
		}
		return *out.KeyMetadata.Arn
	}
	mac := func(key, message string, algorithm types.MacAlgorithmSpec) ([]byte, error) {
		out, err := client.GenerateMac(ctx, &kms.GenerateMacInput{
			KeyId: &key, Message: []byte(message), MacAlgorithm: algorithm,
		})
		if err != nil {
			return nil, err
		}
		return out.Mac, nil
	}
	one, other := hmacKey(), hmacKey()
	first, err := mac(one, "message", types.MacAlgorithmSpecHmacSha256)
	if err != nil || len(first) != 32 {
		t.Fatalf("%d bytes, %v", len(first), err)
	}
	again, _ := mac(one, "message", types.MacAlgorithmSpecHmacSha256)
	otherMessage, _ := mac(one, "massage", types.MacAlgorithmSpecHmacSha256)
	otherKey, _ := mac(other, "message", types.MacAlgorithmSpecHmacSha256)
	if !bytes.Equal(first, again) || bytes.Equal(first, otherMessage) || bytes.Equal(first, otherKey) {
		t.Error("a MAC does not depend on key and message alone")
	}
	symmetric, err := client.CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = mac(*symmetric.KeyMetadata.Arn, "message", types.MacAlgorithmSpecHmacSha256)
	wantCode(t, err, "InvalidKeyUsageException")
	_, err = mac(one, "message", types.MacAlgorithmSpecHmacSha512)
	wantCode(t, err, "InvalidKeyUsageException")
	_, err = client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &one, KeySpec: types.DataKeySpecAes256})
	wantCode(t, err, "InvalidKeyUsageException")
}
