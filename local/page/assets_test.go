package page_test

import (
	"os"
	"path/filepath"
	"testing"
)

// The library that the page embeds is the one that package.json pins, and of which npm checks the digest.
func TestIdiomorph_IsThePinnedOne(t *testing.T) {
	pinned, err := os.ReadFile(filepath.Join("..", "..", "node_modules", "idiomorph", "dist", "idiomorph.min.js"))
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("idiomorph is not installed: run npm ci")
		}
		t.Skip("idiomorph is not installed: npm ci installs it")
	}
	embedded, err := os.ReadFile(filepath.Join("assets", "idiomorph.js"))
	if err != nil {
		t.Fatal(err)
	}
	if string(embedded) != string(pinned) {
		t.Error("assets/idiomorph.js is not node_modules/idiomorph/dist/idiomorph.min.js: copy it")
	}
}
