package page_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/needed"
)

// The library that the page embeds is the one that package.json pins, and of which npm checks the digest.
func TestIdiomorph_IsThePinnedOne(t *testing.T) {
	path := filepath.Join("..", "..", "node_modules", "idiomorph", "dist", "idiomorph.min.js")
	needed.NPMFile(t, path)
	pinned, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	embedded, err := os.ReadFile(filepath.Join("assets", "idiomorph.js"))
	if err != nil {
		t.Fatal(err)
	}
	if string(embedded) != string(pinned) {
		t.Error("assets/idiomorph.js is not node_modules/idiomorph/dist/idiomorph.min.js: copy it")
	}
}
