package vault_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/dynamoapi"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/fakeaws"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/keypool"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/kmsapi"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/vault"
)

// keyWatcher remembers the data keys that it gives, and when it was asked for them.
type keyWatcher struct {
	vault.KMS
	now func() time.Time

	mu    sync.Mutex
	given map[string]*givenKey // by ciphertext
}

type givenKey struct {
	plaintext []byte // the very bytes that the vault got
	asked     time.Time
	uses      int
}

func (k *keyWatcher) GenerateDataKey(ctx context.Context,
	in kmsapi.GenerateDataKeyInput) (kmsapi.GenerateDataKeyOutput, error) {
	asked := k.now()
	out, err := k.KMS.GenerateDataKey(ctx, in)
	if err != nil {
		return out, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.given[string(out.CiphertextBlob)] = &givenKey{plaintext: out.Plaintext, asked: asked}
	return out, nil
}

// use notes that a message was sealed, and returns the age of its data key and how often that has been used.
func (k *keyWatcher) use(message []byte) (age time.Duration, uses int) {
	at := bytes.Index(message, []byte(fakeaws.KeyARN)) + len(fakeaws.KeyARN)
	size := int(binary.BigEndian.Uint16(message[at:]))
	k.mu.Lock()
	defer k.mu.Unlock()
	key := k.given[string(message[at+2:at+2+size])]
	key.uses++
	return k.now().Sub(key.asked), key.uses
}

// secrets counts the data keys that are still in memory.
func (k *keyWatcher) secrets() (n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, key := range k.given {
		if !bytes.Equal(key.plaintext, make([]byte, len(key.plaintext))) {
			n++
		}
	}
	return n
}

// rowWatcher shows each sealed message to a keyWatcher.
type rowWatcher struct {
	vault.Store
	put func(message []byte)
}

func (s *rowWatcher) PutItem(ctx context.Context, in dynamoapi.PutItemInput) error {
	message, _ := in.Item["CandidateString"].Bytes()
	s.put(message)
	return s.Store.PutItem(ctx, in)
}

// 64 clients, freezes of the environment, a KMS and a DynamoDB that fail now and then, and a shutdown in the middle: no
// data key seals two messages, none is used when it is too old, and none is left in memory.
func TestVault_KeysAheadUnderLoadWithFaultsFreezesAndShutdown(t *testing.T) {
	trouble := errors.New("trouble")
	var thawed sync.RWMutex // the environment freezes between requests, whatever KMS is doing
	var calls atomic.Int64
	var keys *keyWatcher
	f := newVault(t, func(c *vault.Config) {
		keys = &keyWatcher{KMS: c.KMS, now: c.Now, given: map[string]*givenKey{}}
		c.KMS, c.KeysAhead, c.Purposes = keys, 32, []string{"", "a"}
		c.Store = &rowWatcher{c.Store, func(message []byte) {
			if age, uses := keys.use(message); uses != 1 || age < 0 || age >= keypool.MaxAge {
				t.Errorf("a data key that is %v old was used %d times", age, uses)
			}
		}}
	})
	fail := func(every int64) func(string) error {
		return func(string) error {
			if calls.Add(1)%every == 0 {
				return trouble
			}
			return nil
		}
	}
	f.kms.Fail, f.store.Fail = fail(17), fail(13)
	f.Warm()
	var made, refused atomic.Int64
	var clients sync.WaitGroup
	for client := range 64 {
		clients.Go(func() {
			for i := range 50 {
				c := vault.Create{Data: cardData(t, visa), Purpose: []string{"", "a"}[i%2]}
				thawed.RLock()
				_, err := f.Create(t.Context(), c)
				thawed.RUnlock()
				if err != nil {
					refused.Add(1)
				} else {
					made.Add(1)
				}
				switch {
				case client == 0 && i%10 == 5:
					thawed.Lock()
					f.clock.advance(2 * time.Minute)
					thawed.Unlock()
				case client == 1 && i == 25:
					f.Close()
				}
			}
		})
	}
	clients.Wait()
	f.Close()
	if n := keys.secrets(); n != 0 {
		t.Errorf("%d of %d data keys are still in memory", n, len(keys.given))
	}
	if made.Load() < 2000 || refused.Load() == 0 {
		t.Errorf("%d tokens were made, %d requests refused: not what this is about", made.Load(), refused.Load())
	}
	if s := f.Keys(); s.Fetched != int64(len(keys.given)) || s.Used+s.Unused != s.Fetched {
		t.Errorf("the counts do not add up: %+v, and KMS gave %d", s, len(keys.given))
	}
}

// A token that is found costs no data key: the one that was taken for it serves the next token.
func TestVault_ATokenThatIsFoundCostsNoDataKey(t *testing.T) {
	var keys *keyWatcher
	f := newVault(t, func(c *vault.Config) {
		keys = &keyWatcher{KMS: c.KMS, now: c.Now, given: map[string]*givenKey{}}
		c.KMS, c.KeysAhead, c.Purposes = keys, 2, []string{""}
	})
	f.Warm()
	c := vault.Create{Data: cardData(t, visa), Deterministic: true}
	first, err := f.Create(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		again, err := f.Create(t.Context(), c)
		if err != nil || again.Token != first.Token || !again.Deduplicated {
			t.Fatalf("%+v, %v", again, err)
		}
	}
	f.Close()
	if n := len(keys.given); n > 10 || keys.secrets() != 0 {
		t.Errorf("one token took %d data keys, of which %d are in memory", n, keys.secrets())
	}
}
