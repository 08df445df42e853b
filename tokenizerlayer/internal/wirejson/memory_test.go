package wirejson

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"runtime"
	"runtime/debug"
	"testing"
	"weak"

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/heapdump"
)

// Of what was decoded before a text turned out to be no base64, nothing is left.
func TestBytes_LeaveNothingOfAnErrorInMemory(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	document := brokenKey()
	err := Decode(document, func(d *Decoder) error { _, err := d.Bytes(); return err })
	if err == nil {
		t.Error("a text that is no base64 is decoded")
	}
	dump := heapdump.Take(t)
	if !bytes.Contains(dump, document) {
		t.Error("the dump does not hold the document that the test itself keeps: it shows nothing")
	}
	if key := sha256.Sum256([]byte("key")); bytes.Contains(dump, key[:]) {
		t.Error("the key is left in memory")
	}
}

// brokenKey is a key in base64 with an error behind it. In no frame of the test's is a copy of the key itself.
//
//go:noinline
func brokenKey() []byte {
	key := sha256.Sum256([]byte("key"))
	return append(base64.StdEncoding.AppendEncode([]byte{'"'}, key[:]), `?"`...)
}

// However long a text with escapes is, its only copy is the result.
func TestString_LeavesNoFurtherCopyInMemory(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	sum := sha256.Sum256([]byte("text"))
	document := append(make([]byte, 0, 1<<14), '"') // its own growth leaves no copy
	for range 100 {
		document = hex.AppendEncode(append(document, `\n`...), sum[:])
	}
	document = append(document, '"')
	if err := Decode(document, func(d *Decoder) error { _, err := d.text(); return err }); err != nil {
		t.Error(err)
	}
	clear(document)
	kept := []byte("what the test itself keeps")
	dump := heapdump.Take(t)
	if !bytes.Contains(dump, kept) {
		t.Error("the dump shows nothing")
	}
	if n := bytes.Count(dump, hex.AppendEncode(nil, sum[:])); n > 0 {
		t.Errorf("the text is left in memory, %d parts of it", n)
	}
}

// A decoder waits for the next document without keeping the last one alive, which its owner may have let go.
func TestDecoder_KeepsNoDocumentAlive(t *testing.T) {
	var d *Decoder
	document := func() weak.Pointer[byte] {
		document := append(bytes.Repeat([]byte{' '}, 4096), `{"a":"b"}`...)
		if err := Decode(document, func(of *Decoder) error { d = of; return of.Skip() }); err != nil {
			t.Error(err)
		}
		return weak.Make(&document[0])
	}()
	runtime.GC()
	if document.Value() != nil {
		t.Error("the document is still in memory")
	}
	runtime.KeepAlive(d)
}
