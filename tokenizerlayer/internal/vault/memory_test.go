package vault_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/heapdump"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/attribute"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/fakeaws"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/kmsapi"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/token"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/vault"
)

// keepingKMS keeps the very slices of the data keys that it gives. spoil changes an answer on its way.
type keepingKMS struct {
	vault.KMS
	spoil func(keyID *string, plaintext *[]byte)

	mu   sync.Mutex
	kept [][]byte
}

func (k *keepingKMS) keep(keyID *string, plaintext *[]byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.spoil != nil {
		k.spoil(keyID, plaintext)
	}
	k.kept = append(k.kept, *plaintext)
}

func (k *keepingKMS) GenerateDataKey(ctx context.Context,
	in kmsapi.GenerateDataKeyInput) (kmsapi.GenerateDataKeyOutput, error) {
	out, err := k.KMS.GenerateDataKey(ctx, in)
	k.keep(&out.KeyID, &out.Plaintext)
	return out, err
}

func (k *keepingKMS) Decrypt(ctx context.Context, in kmsapi.DecryptInput) (kmsapi.DecryptOutput, error) {
	out, err := k.KMS.Decrypt(ctx, in)
	k.keep(&out.KeyID, &out.Plaintext)
	return out, err
}

// secretText is the canary of this file's tests. Its base64 stands in payloads only.
const secretText = "the text that nobody may find in memory, canary"

// memory is a vault whose data keys are kept and whose seeds are known.
type memory struct {
	fixture
	keys  *keepingKMS
	seeds int
}

// seed is the i-th seed, without a copy that stays.
func seed(i int) token.Seed { return sha256.Sum256(fmt.Appendf(nil, "seed %d", i)) }

func newMemory(t *testing.T, change ...func(*vault.Config)) *memory {
	t.Helper()
	m := &memory{}
	m.fixture = newVault(t, append(change, func(c *vault.Config) {
		m.keys = &keepingKMS{KMS: c.KMS}
		c.KMS, c.NewSeed = m.keys, func() token.Seed { m.seeds++; return seed(m.seeds) }
	})...)
	return m
}

func (m *memory) text(t *testing.T, change ...func(*vault.Create)) (vault.Created, error) {
	t.Helper()
	c := vault.Create{Data: textData(t, secretText)}
	for _, ch := range change {
		ch(&c)
	}
	return m.Create(t.Context(), c)
}

// wantCleared checks that of each data key nothing is left, and that there was one.
func (m *memory) wantCleared(t *testing.T, name string) {
	t.Helper()
	m.keys.mu.Lock()
	defer m.keys.mu.Unlock()
	for i, key := range m.keys.kept {
		if len(bytes.Trim(key, "\x00")) != 0 {
			t.Errorf("%s: data key %d of %d is left in memory", name, i+1, len(m.keys.kept))
		}
	}
	if len(m.keys.kept) == 0 {
		t.Errorf("%s: KMS was not asked", name)
	}
	m.keys.kept = nil
}

// However making a token ends, its data key is cleared.
func TestCreate_LeavesNoDataKeyInMemory(t *testing.T) {
	trouble := errors.New("trouble")
	only := func(operations ...string) func(string) error {
		return func(operation string) error {
			for _, o := range operations {
				if o == operation {
					return trouble
				}
			}
			return nil
		}
	}
	otherKey := func(keyID *string, _ *[]byte) { *keyID = fakeaws.OldKeyARN }
	longKey := func(_ *string, plaintext *[]byte) { *plaintext = append(*plaintext, 1) }
	for name, tt := range map[string]struct {
		change  []func(*vault.Create)
		trouble func(*memory)
		fails   bool
	}{
		"stored":          {},
		"deterministic":   {change: []func(*vault.Create){deterministic("s")}},
		"idempotent":      {change: []func(*vault.Create){idempotent("k")}},
		"the store fails": {trouble: func(m *memory) { m.store.Fail = only("PutItem") }, fails: true},
		"a transaction fails": {[]func(*vault.Create){deterministic("s")}, func(m *memory) {
			m.store.Fail = only("TransactWriteItems")
		}, true},
		"the index fails": {[]func(*vault.Create){deterministic("s")}, func(m *memory) {
			m.store.Fail = only("GetItem")
		}, true},
		"the fingerprint fails": {[]func(*vault.Create){idempotent("k")}, func(m *memory) {
			m.kms.Fail = only("GenerateMac")
		}, true},
		"KMS answers for another key": {trouble: func(m *memory) { m.keys.spoil = otherKey }, fails: true},
		"KMS answers with a long key": {trouble: func(m *memory) { m.keys.spoil = longKey }, fails: true},
	} {
		m := newMemory(t)
		if tt.trouble != nil {
			tt.trouble(m)
		}
		if _, err := m.text(t, tt.change...); (err != nil) != tt.fails {
			t.Errorf("%s: error = %v", name, err)
		}
		m.wantCleared(t, name)
	}

	m := newMemory(t)
	if _, _, err := m.Seal(t.Context(), vault.Create{Data: textData(t, secretText)}); err != nil {
		t.Error(err)
	}
	m.wantCleared(t, "sealed")
	for range 2 { // the second finds the token, and needs no key
		if _, err := m.text(t, deterministic("")); err != nil {
			t.Error(err)
		}
	}
	m.wantCleared(t, "found")
}

// A token that exists already costs a draft, whose data key is cleared as well.
func TestCreate_LeavesNoDataKeyOfATakenTokenInMemory(t *testing.T) {
	for name, change := range map[string][]func(*vault.Create){"stored": nil, "deterministic": {deterministic("s")}} {
		again := 0
		m := newMemory(t, func(c *vault.Config) {})
		same := newVault(t, func(c *vault.Config) {
			c.KMS, c.Store, c.NewSeed = m.keys, m.store, func() token.Seed { again++; return seed(max(1, again-1)) }
		})
		m.Vault = same.Vault
		for range 2 {
			c := vault.Create{Data: textData(t, secretText+name+fmt.Sprint(again))}
			for _, ch := range change {
				ch(&c)
			}
			if _, err := m.Create(t.Context(), c); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if again != 3 {
			t.Errorf("%s: %d seeds", name, again)
		}
		m.wantCleared(t, name)
	}
}

// However reading a token ends, its data key is cleared.
func TestDetokenize_LeavesNoDataKeyInMemory(t *testing.T) {
	m := newMemory(t)
	created, err := m.text(t, ttl(time.Hour), uses(1), boundTo(map[string]string{"order": "1"}))
	if err != nil {
		t.Fatal(err)
	}
	m.wantCleared(t, "created")
	bound := vault.Read{Token: created.Token, Context: map[string]string{"order": "1"}}
	detokenize := func(in vault.Read) func() error {
		return func() error { _, err := m.Detokenize(t.Context(), vault.Detokenize{Read: in}); return err }
	}
	for _, tt := range []struct {
		name  string
		do    func() error
		fails bool
	}{
		{"KMS answers for another key", func() error {
			m.keys.spoil = func(keyID *string, _ *[]byte) { *keyID = fakeaws.OldKeyARN }
			return detokenize(bound)()
		}, true},
		{"KMS answers with a long key", func() error {
			m.keys.spoil = func(_ *string, plaintext *[]byte) { *plaintext = append(*plaintext, 1) }
			return detokenize(bound)()
		}, true},
		{"live", func() error { m.keys.spoil = nil; _, _, err := m.Live(t.Context(), bound); return err }, false},
		{"metadata", func() error { _, err := m.Metadata(t.Context(), bound); return err }, false},
		{"another context", detokenize(read(created.Token)), true},
		{"detokenized", detokenize(bound), false},
		{"used up", detokenize(bound), true},
		{"expired", func() error { m.clock.advance(2 * time.Hour); return detokenize(bound)() }, true},
		{"altered", func() error {
			row := m.row(created.Token)
			message := bytes.Clone(bytesOf(row["CandidateString"]))
			message[len(message)-1] ^= 1
			row["CandidateString"] = attribute.B(message)
			return detokenize(bound)()
		}, true},
	} {
		if err := tt.do(); (err != nil) != tt.fails {
			t.Errorf("%s: error = %v", tt.name, err)
		}
		m.wantCleared(t, tt.name)
	}
}

// Payloads are in memory only while they are sealed or opened, and so are seeds: no buffer with one is left, whatever
// comes of a request. Nothing is collected meanwhile, so whatever was left would be found.
func TestVault_LeavesNoPayloadAndNoSeedInMemory(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	m := newMemory(t)
	context := map[string]string{"order": "1"}
	created, err := m.text(t, boundTo(context))
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []func(*vault.Create){deterministic(""), idempotent("k"), uses(3)} {
		if _, err := m.text(t, change); err != nil {
			t.Fatal(err)
		}
	}
	other, _, err := m.Seal(t.Context(), vault.Create{Data: textData(t, secretText)})
	if err != nil {
		t.Fatal(err)
	}
	bound := vault.Read{Token: created.Token, Context: context}
	if _, err := m.Detokenize(t.Context(), vault.Detokenize{Read: bound}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Metadata(t.Context(), bound); err != nil {
		t.Fatal(err)
	}
	row := m.row(created.Token)
	moved := attribute.Item{}
	for name, value := range row {
		moved[name] = value
	}
	moved["Hash_Key"] = attribute.S(other.Token)
	m.store.MustPut(table, moved)
	if _, err := m.Detokenize(t.Context(),
		vault.Detokenize{Read: vault.Read{Token: other.Token, Context: context}}); err == nil {
		t.Error("a row that was moved opens")
	}
	if _, err := m.Detokenize(t.Context(), attempt(created.Token, "")); err == nil {
		t.Error("another context opens the token")
	}
	m.store.Fail = func(string) error { return errors.New("trouble") }
	if _, err := m.text(t); err == nil {
		t.Error("the store does not fail")
	}
	m.store.Fail = func(operation string) error {
		if operation == "UpdateItem" {
			return errors.New("trouble")
		}
		return nil
	}

	dump := heapdump.Take(t)
	if !bytes.Contains(dump,
		[]byte(strings.Join([]string{"the text that nobody", "may find in memory, canary"}, " "))) {
		t.Error("the dump does not hold the text that the test itself keeps: it shows nothing")
	}
	if n := bytes.Count(dump, []byte(base64.StdEncoding.EncodeToString([]byte(secretText)))); n > 0 {
		t.Errorf("%d payloads are left in memory", n)
	}
	for i := range m.seeds {
		s := seed(i + 1)
		if n := bytes.Count(dump, s[:]); n > 0 {
			t.Errorf("seed %d is left in memory %d times", i+1, n)
		}
		if n := bytes.Count(dump, []byte(base64.StdEncoding.EncodeToString(s[:]))); n > 0 {
			t.Errorf("seed %d is left in a payload %d times", i+1, n)
		}
	}
}
