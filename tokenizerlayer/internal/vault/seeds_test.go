package vault_test

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/heapdump"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/fakeaws"
)

// A seed for which KMS gives no data key makes no token. It is wiped, however KMS fails. Nothing is collected
// meanwhile, so whatever was left would be found.
func TestVault_LeavesNoSeedWithoutADataKeyInMemory(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	m := newMemory(t)
	refuses := func(err error) func() {
		return func() { m.kms.Fail = func(string) error { return err } }
	}
	answers := func(spoil func(*string, *[]byte)) func() { return func() { m.keys.spoil = spoil } }
	for name, fail := range map[string]func(){
		"KMS fails":                   refuses(errors.New("trouble")),
		"KMS refuses access":          refuses(fakeaws.Exception("AccessDeniedException")),
		"KMS answers too late":        refuses(context.DeadlineExceeded),
		"KMS answers for another key": answers(func(keyID *string, _ *[]byte) { *keyID = fakeaws.OldKeyARN }),
		"KMS answers with a long key": answers(func(_ *string, key *[]byte) { *key = append(*key, 1) }),
	} {
		m.kms.Fail, m.keys.spoil = nil, nil
		fail()
		before := m.seeds
		if _, err := m.text(t); err == nil || m.seeds == before {
			t.Errorf("%s: error = %v, after %d seeds", name, err, m.seeds-before)
		}
	}

	other := seed(0)
	kept := bytes.Clone(other[:])
	dump := heapdump.Take(t)
	if !bytes.Contains(dump, other[:]) {
		t.Error("the dump does not hold the seed that the test itself keeps: it shows nothing")
	}
	runtime.KeepAlive(kept)
	for i := range m.seeds {
		if s := seed(i + 1); bytes.Contains(dump, s[:]) {
			t.Errorf("seed %d is left in memory", i+1)
		}
	}
}
