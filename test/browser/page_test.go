package browser_test

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/chromedp/chromedp"
)

func TestPage_LooksRight(t *testing.T) {
	s := system(t)
	for _, width := range []int{1280, 390} {
		for _, scheme := range []string{"light", "dark"} {
			t.Run(strconv.Itoa(width)+" "+scheme, func(t *testing.T) {
				b := open(t, s, width, scheme == "dark")
				b.do(chromedp.SetValue(chromedp.CSS("#sign-up-email"), "u"+strconv.Itoa(width)+scheme+"@example.com"),
					chromedp.SetValue(chromedp.CSS("#order-order"), "u"+strconv.Itoa(width)+scheme))
				b.walk()
				b.press(`#tables .pair button[value=paybill]`, "#tables .readresult", "Gets the card")
				for _, attack := range []string{"move", "outside"} {
					b.press("#attack-"+attack+" button", "#attack-"+attack, "Stopped")
				}
				if eval[bool](b, `document.documentElement.scrollWidth > innerWidth`) {
					t.Errorf("the page is wider than the window")
				}
				if dir := os.Getenv("PICTURES"); dir != "" {
					b.pictures(dir, strconv.Itoa(width)+"-"+scheme)
				}
			})
		}
	}
}

// pictures writes a picture of each part.
func (b *tab) pictures(dir, name string) {
	b.t.Helper()
	for _, part := range []string{"try", "tables", "calls", "flow", "attacks"} {
		picture := get(b, chromedp.Screenshot(chromedp.CSS("#"+part)))
		if err := os.WriteFile(filepath.Join(dir, part+"-"+name+".png"), picture, 0o644); err != nil {
			b.t.Fatal(err)
		}
	}
}
