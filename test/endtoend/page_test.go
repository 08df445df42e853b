package endtoend_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
)

// The page's address is printed before the walkthrough, so that a person can watch that on the page, too.
func TestServe_HasAPage(t *testing.T) {
	s := simulator(t)
	printed := s.Stdout.String()
	link := regexp.MustCompile(`http://127\.0\.0\.1:[0-9]+/\?token=[A-Z0-9]+`).FindString(printed)
	if link == "" || strings.Index(printed, link) > strings.Index(printed, "ok    sign up") {
		t.Fatal("no address of a page is printed before the walkthrough")
	}
	if !strings.Contains(printed, " until Ctrl-C. The page: "+link+"\n") {
		t.Error("the last line does not name the page")
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	get := func(address string) (status int, body string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := browser.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	started := time.Now()
	opened := s.Stdout.SeenLine("the page was opened. If that was not you, press Ctrl-C. For another browser: http://")
	status, welcome := get(link)
	path := regexp.MustCompile(`url=(/[A-Z0-9]+/)"`).FindStringSubmatch(welcome)
	if status != http.StatusOK || path == nil {
		t.Fatalf("the address answers %d\n%s", status, welcome)
	}
	select {
	case <-opened:
	case <-time.After(kit.Limit):
		t.Error("the terminal does not say that the page was opened")
	}
	base := link[:strings.Index(link, "/?")] + path[1]
	status, html := get(base)
	t.Logf("the page of %d bytes is there after %v", len(html), time.Since(started))
	if status != http.StatusOK {
		t.Fatalf("the page answers %d", status)
	}
	mine := number(t, 1)
	if got := s.Post(t, "/order", s.IDToken, order(mine)); got.Status != http.StatusCreated {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	_, html = get(base)
	for _, want := range []string{mine, "dynamodb:PutItem on CreditCardTokenizerTable", "POST /order"} {
		if !strings.Contains(html, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(html, canary) {
		t.Error("the page has the card")
	}
	if status, _ := get(link); status != http.StatusForbidden {
		t.Errorf("the address works again: %d", status)
	}
}
