package page_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/needed"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/awsproxy"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/page"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/page/attempt"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/page/record"
)

const canary = "4111111111111111"

// world is a page about a system that exists in the test only.
type world struct {
	t        *testing.T
	server   *httptest.Server
	page     *page.Page
	recorder *record.Recorder
	opened   []string

	mu       sync.Mutex
	rows     map[string][]page.Row
	reads    int
	attacks  []string
	requests []string // bodies that the API got
	answer   string   // of the API
	fails    error    // of attempts
}

func (w *world) SignUp(_ context.Context, _, _ string) error           { return nil }
func (w *world) Code(string) (string, error)                           { return "123456", nil }
func (w *world) Confirm(_ context.Context, _, _ string) error          { return errors.New("secret detail") }
func (w *world) SignIn(_ context.Context, _, _ string) (string, error) { return "id-token", nil }

func (w *world) Rows(_ context.Context, table string, _ int) ([]page.Row, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads++
	return w.rows[table], nil
}

func (w *world) ReadAs(_ context.Context, reader, _ string) (attempt.Report, error) {
	return attempt.Report{Title: reader, Verdict: "read as " + reader}, w.fails
}

func (w *world) Attack(_ context.Context, id string) (attempt.Report, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.attacks = append(w.attacks, id)
	r := attempt.Report{Title: id, Verdict: "Stopped: " + id, Stopped: true, Tokens: []string{"token-of-" + id}}
	return r, w.fails
}

func (w *world) DeveloperSees(_ context.Context, tables []string) (steps []attempt.Step, err error) {
	for _, table := range tables {
		steps = append(steps, attempt.Step{
			Did: "reads " + table, Kind: attempt.Denied, Policy: "the boundary denies it",
		})
	}
	return steps, nil
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, recorder: record.New(), rows: map[string][]page.Row{}, answer: `{"message":"done"}`}
	api := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.mu.Lock()
		defer w.mu.Unlock()
		w.requests = append(w.requests, r.URL.Path+" "+r.Header.Get("Authorization")+" "+string(body))
		rw.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(rw, w.answer)
	}))
	t.Cleanup(api.Close)
	threats, err := os.ReadFile(filepath.Join("..", "..", "docs", "threat-model.md"))
	if err != nil {
		t.Fatal(err)
	}
	w.server = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.page.ServeHTTP(rw, r)
	}))
	w.page, err = page.New(page.Config{
		Addr: w.server.Listener.Addr().String(), Users: w, Tables: w, Lab: w, Recorder: w.recorder,
		Outputs:     map[string]string{"PaymentMethodApiURL": api.URL, "UserPoolAppClientId": "client"},
		Endpoints:   map[string]string{"cognito_idp": "http://127.0.0.1:1"},
		ThreatModel: string(threats), Architecture: []byte("<svg/>"),
		Opened: func(link string) { w.opened = append(w.opened, link) },
	})
	if err != nil {
		t.Fatal(err)
	}
	w.server.Start()
	t.Cleanup(w.server.Close)
	return w
}

// visitor is a browser with what it knows.
type visitor struct {
	w      *world
	cookie *http.Cookie
	form   string
}

// enter opens the link.
func (w *world) enter() *visitor {
	w.t.Helper()
	resp := w.send(http.MethodGet, w.page.Link(), "", nil)
	cookies := resp.Cookies()
	if resp.StatusCode != http.StatusOK || len(cookies) != 1 {
		w.t.Fatalf("the link: %d, %v", resp.StatusCode, cookies)
	}
	v := &visitor{w: w, cookie: cookies[0]}
	if !strings.Contains(read(w.t, resp), `url=`+v.cookie.Path+`"`) {
		w.t.Fatal("the answer does not lead to the page")
	}
	v.form = regexp.MustCompile(`name="form" value="([A-Z0-9]+)"`).FindStringSubmatch(v.get("/"))[1]
	return v
}

// send sends a request with headers, "Host" among them, and does not follow redirects.
func (w *world) send(method, target, body string, header map[string]string) *http.Response {
	w.t.Helper()
	if strings.HasPrefix(target, "/") {
		target = w.server.URL + target
	}
	r, err := http.NewRequestWithContext(w.t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for name, value := range header {
		if name == "Host" {
			r.Host = value
			continue
		}
		r.Header.Set(name, value)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func read(t *testing.T, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// at is where a path of the page is for the visitor.
func (v *visitor) at(path string) string { return strings.TrimSuffix(v.cookie.Path, "/") + path }

// get returns the body of a page that the visitor may see.
func (v *visitor) get(path string) string {
	v.w.t.Helper()
	resp := v.w.send(http.MethodGet, v.at(path), "", map[string]string{"Cookie": v.cookie.String()})
	if resp.StatusCode != http.StatusOK {
		v.w.t.Fatalf("%s: %d", path, resp.StatusCode)
	}
	return read(v.w.t, resp)
}

// headers are those of a form of the page.
func (v *visitor) headers() map[string]string {
	return map[string]string{
		"Cookie": v.cookie.String(), "Content-Type": "application/x-www-form-urlencoded",
		"Origin": v.w.server.URL, "Sec-Fetch-Site": "same-origin", "X-Part": "1",
	}
}

func (v *visitor) post(path string, fields url.Values) string {
	v.w.t.Helper()
	fields.Set("form", v.form)
	resp := v.w.send(http.MethodPost, v.at(path), fields.Encode(), v.headers())
	if resp.StatusCode != http.StatusOK {
		v.w.t.Fatalf("%s: %d", path, resp.StatusCode)
	}
	return read(v.w.t, resp)
}

func TestLink_WorksOnceAndGivesAStrictCookie(t *testing.T) {
	w := newWorld(t)
	link := w.page.Link()
	v := w.enter()
	if v.cookie.SameSite != http.SameSiteStrictMode || !v.cookie.HttpOnly || v.cookie.Domain != "" {
		t.Errorf("cookie %v", v.cookie)
	}
	resp := w.send(http.MethodGet, link, "", nil)
	if resp.StatusCode != http.StatusForbidden || len(resp.Cookies()) > 0 {
		t.Errorf("the link works again: %d", resp.StatusCode)
	}
	if len(w.opened) != 1 || w.opened[0] == link || w.opened[0] != w.page.Link() {
		t.Errorf("the next link is not told: %q", w.opened)
	}
	if resp := w.send(http.MethodGet, w.opened[0], "", nil); resp.StatusCode != http.StatusOK {
		t.Errorf("the next link: %d", resp.StatusCode)
	}
	for _, wrong := range []string{"/?token=", "/?token=x", "/part/try?token=" + url.QueryEscape(link)} {
		if resp := w.send(http.MethodGet, wrong, "", nil); resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", wrong, resp.StatusCode)
		}
	}
}

// What another site, another program or another name of this machine can make a browser send.
func TestGuard_RefusesWhatIsNotThePages(t *testing.T) {
	w := newWorld(t)
	v := w.enter()
	port := w.server.URL[strings.LastIndexByte(w.server.URL, ':')+1:]
	good := "form=" + v.form
	own, host := w.server.URL, func(host string) map[string]string { return map[string]string{"Host": host} }
	origin := func(origin, site string) map[string]string {
		return map[string]string{"Origin": origin, "Sec-Fetch-Site": site}
	}
	plain, wrong := map[string]string{"Content-Type": "text/plain"}, v.cookie.Name+"=x"
	for name, tt := range map[string]struct {
		method, path, body string
		change             map[string]string // "" deletes
	}{
		"no cookie":                    {"GET", "/", "", map[string]string{"Cookie": ""}},
		"a wrong cookie":               {"GET", "/", "", map[string]string{"Cookie": wrong}},
		"two wrong cookies":            {"GET", "/", "", map[string]string{"Cookie": wrong + "; " + wrong}},
		"events without a cookie":      {"GET", "/events", "", map[string]string{"Cookie": ""}},
		"an asset without a cookie":    {"GET", "/assets/page.js", "", map[string]string{"Cookie": ""}},
		"a name that resolves here":    {"GET", "/", "", host("attacker.example:" + port)},
		"localhost":                    {"GET", "/", "", host("localhost:" + port)},
		"no port":                      {"GET", "/", "", host("127.0.0.1")},
		"an attack under another name": {"POST", "/attack/flip", good, host("attacker.example")},
		"another site reads":           {"GET", "/part/tables", "", origin(own, "cross-site")},
		"another port reads":           {"GET", "/part/tables", "", origin(own, "same-site")},
		"another origin reads": {"GET", "/part/tables", "",
			map[string]string{"Origin": "http://127.0.0.1:1"}},
		"a form of another site": {"POST", "/attack/flip", good,
			map[string]string{"Origin": "https://attacker.example"}},
		"a form of another port": {"POST", "/attack/flip", good,
			map[string]string{"Origin": "http://127.0.0.1:1"}},
		"a form of a sandboxed frame":      {"POST", "/attack/flip", good, origin("null", "cross-site")},
		"no origin":                        {"POST", "/attack/flip", good, origin("", "")},
		"null and nothing else":            {"POST", "/attack/flip", good, origin("null", "")},
		"no token of the form":             {"POST", "/attack/flip", "", nil},
		"a wrong token of the form":        {"POST", "/attack/flip", "form=x", nil},
		"the token in the address":         {"POST", "/attack/flip?" + good, "", nil},
		"a form that no browser encodes":   {"POST", "/attack/flip", good, plain},
		"a method that the page has not":   {"PUT", "/", "", nil},
		"a step with a cookie but no form": {"POST", "/try/order", "card=" + canary, nil},
	} {
		t.Run(name, func(t *testing.T) {
			header := v.headers()
			for key, value := range tt.change {
				if header[key] = value; value == "" {
					delete(header, key)
				}
			}
			resp := w.send(tt.method, v.at(tt.path), tt.body, header)
			if body := read(t, resp); resp.StatusCode != http.StatusForbidden || strings.Contains(body, "form") {
				t.Errorf("%d\n%s", resp.StatusCode, body)
			}
		})
	}
	if len(w.attacks) > 0 || len(w.requests) > 0 {
		t.Errorf("carried out: %q %q", w.attacks, w.requests)
	}
	header := v.headers()
	header["Origin"] = "null" // a browser without scripts sends this, because the page asks for no referrer
	delete(header, "X-Part")
	resp := w.send(http.MethodPost, v.at("/attack/flip"), good, header)
	if resp.StatusCode != http.StatusSeeOther || resp.Header.Get("Location") != v.at("/#attacks") ||
		len(w.attacks) != 1 {
		t.Errorf("the page's own form: %d %s, %q", resp.StatusCode, resp.Header.Get("Location"), w.attacks)
	}
}

// Browsers send a cookie to every port of a host, and other programs of this machine can set one for all ports.
func TestCookie_IsForThePagesPathAlone(t *testing.T) {
	w := newWorld(t)
	v := w.enter()
	if len(v.cookie.Path) < 20 || !strings.HasPrefix(v.cookie.Path, "/") || !strings.HasSuffix(v.cookie.Path, "/") {
		t.Fatalf("the cookie is for %q", v.cookie.Path)
	}
	for _, path := range []string{
		"/", "/part/tables", "/assets/page.js", "/" + strings.Repeat("A", len(v.cookie.Path)-2) + "/",
		strings.TrimSuffix(v.cookie.Path, "/"), "/x/.." + v.cookie.Path, "/" + v.cookie.Path,
		strings.ToLower(v.cookie.Path),
	} {
		if resp := w.send(http.MethodGet, w.server.URL+path, "", v.headers()); resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
	header := v.headers()
	header["Cookie"] = v.cookie.Name + "=planted; " + v.cookie.String()
	if resp := w.send(http.MethodGet, v.at("/"), "", header); resp.StatusCode != http.StatusOK {
		t.Errorf("a cookie that another program has set locks the person out: %d", resp.StatusCode)
	}
	if other := newWorld(t).enter(); other.cookie.Path == v.cookie.Path || other.cookie.Value == v.cookie.Value {
		t.Error("two pages have the same path or cookie")
	}
}

// Whoever opens the page in a second browser is the same person.
func TestTry_IsKeptForASecondBrowser(t *testing.T) {
	w := newWorld(t)
	first := w.enter()
	first.post("/try/sign-in", url.Values{"email": {"someone@example.com"}, "password": {"p"}})
	first.post("/attack/flip", url.Values{})
	second := w.enter()
	for name, v := range map[string]*visitor{"second": second, "first": first} {
		if html := v.get("/"); !strings.Contains(html, "someone@example.com") ||
			!strings.Contains(html, "Stopped: flip") {
			t.Errorf("the %s browser does not show what was done", name)
		}
	}
	if html := second.post("/again", url.Values{}); strings.Contains(html, "someone@example.com") ||
		strings.Contains(html, "id-token") {
		t.Errorf("the forms still have the user:\n%s", html)
	}
	if html := first.get("/part/attacks"); !strings.Contains(html, "Stopped: flip") {
		t.Error("the report of an attack is gone, though its rows are not")
	}
}

func TestHeaders_AreOnEveryAnswer(t *testing.T) {
	w := newWorld(t)
	v := w.enter()
	for path, cookie := range map[string]string{
		"/": v.cookie.String(), "/part/calls": v.cookie.String(), "/assets/page.js": v.cookie.String(),
		"/nothing": v.cookie.String(), "/part/nothing": v.cookie.String(), "/refused": "",
	} {
		resp := w.send(http.MethodGet, v.at(path), "", map[string]string{"Cookie": cookie})
		policy := resp.Header.Get("Content-Security-Policy")
		for _, want := range []string{
			"default-src 'none'", "script-src 'self'", "form-action 'self'", "frame-ancestors 'none'",
			"base-uri 'none'",
		} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: the policy %q lacks %s", path, policy, want)
			}
		}
		if strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") {
			t.Errorf("%s: %s", path, policy)
		}
		if resp.Header.Get("Referrer-Policy") != "no-referrer" ||
			resp.Header.Get("X-Content-Type-Options") != "nosniff" ||
			resp.Header.Get("Cache-Control") != "no-store" || resp.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %v", path, resp.Header)
		}
	}
}

// inPage matches addresses within the page: nothing else begins at the root, or with a host.
var inPage = regexp.MustCompile(`^(?:#[a-z]+|(?:assets|try|attack)/[a-z.-]+|architecture\.svg|read|again)$`)

// Everything is from this server: nothing of the page names another one, but for links to documents and tests.
func TestPage_LoadsNothingFromElsewhere(t *testing.T) {
	v := newWorld(t).enter()
	html := v.get("/")
	for _, match := range regexp.MustCompile(`(?:src|href|action)="([^"]*)"`).FindAllStringSubmatch(html, -1) {
		if address := match[1]; !inPage.MatchString(address) &&
			!strings.HasPrefix(address,
				"https://github.com/lambda-tokenizer/lambda-tokenizer/blob/main/docs/threat-model.md#") &&
			!strings.HasPrefix(address,
				"https://github.com/search?type=code&amp;q=repo%3Alambda-tokenizer%2Flambda-tokenizer") {
			t.Errorf("the page names %q", address)
		}
	}
	for _, forbidden := range []string{"<style", " style=", " onclick=", "<script>"} {
		if strings.Contains(html, forbidden) {
			t.Errorf("the page has %s, which its policy forbids", forbidden)
		}
	}
}

func TestPage_IsSmall(t *testing.T) {
	v := newWorld(t).enter()
	size := len(v.get("/"))
	for _, asset := range []string{"page.css", "page.js", "idiomorph.js", "icon.svg"} {
		size += len(v.get("/assets/" + asset))
	}
	if size > 100<<10 { // the whole budget is 150 KB, and rows and calls come on top
		t.Errorf("the empty page weighs %d bytes", size)
	}
	t.Logf("%d bytes", size)
}

const injection = `"><img src=x onerror=alert(1)><script>alert(2)</script>'&quot;`

func TestPage_EscapesWhatOthersWrote(t *testing.T) {
	w := newWorld(t)
	w.answer = `{"title":"` + strings.ReplaceAll(injection, `"`, `\"`) + `"}`
	token := "11111111-2222-4333-8444-55555555555a" + injection
	w.rows["CustomerOrderTable"] = []page.Row{{Text: map[string]string{
		"CustomerOrder": injection, "CreditCard": token, "State": injection, "CustomerName": injection,
		"Address": injection,
	}}}
	w.rows["CreditCardTokenizerTable"] = []page.Row{{
		Text:   map[string]string{"Hash_Key": token, "Ref": injection, "Purpose": injection, "IndexKeys": injection},
		Binary: map[string][]byte{"CandidateString": []byte(injection)},
	}}
	w.rows["CreditCardTokenizerState"] = []page.Row{{Text: map[string]string{
		"State_Key": "use#" + injection + "#" + token, "Uses": injection,
	}}}
	fmt.Fprintf(w.recorder, "F%s/tokenizer: {\"msg\":\"tokenizer\",\"operation\":%q,\"outcome\":%q,\"finding\":%q}\n",
		injection, injection, injection, injection)
	v := w.enter()
	fields := url.Values{}
	for _, name := range []string{
		"email", "password", "code", "order", "name", "card", "address", "token", "as", "query",
	} {
		fields.Set(name, injection)
	}
	query := url.Values{"role": {injection}, "operation": {injection}, "request": {injection}, "view": {injection}}
	pages := v.get("/?" + query.Encode())
	for _, path := range []string{"/try/sign-up", "/try/confirm", "/try/sign-in", "/try/order", "/try/pay"} {
		pages += v.post(path, fields)
	}
	fields.Set("as", "thief")
	pages += v.post("/read", fields)
	pages += v.get("/")
	for _, bad := range []string{"<img src=x", "<script>alert"} {
		if strings.Contains(pages, bad) {
			at := strings.Index(pages, bad)
			t.Errorf("the page has %q: %s", bad, pages[max(0, at-200):at+100])
		}
	}
	if !strings.Contains(pages, "&lt;script&gt;") {
		t.Error("what was written is not shown at all")
	}
	if strings.Contains(pages, "secret detail") {
		t.Error("the text of an error is shown")
	}
}

// A path with a line break must not become a header.
func TestPage_RedirectsNowhereElse(t *testing.T) {
	w := newWorld(t)
	v := w.enter()
	header := v.headers()
	delete(header, "X-Part")
	for _, path := range []string{
		"/try/order%0d%0aX-Injected:%201", "/attack/flip%0d%0aX-Injected:%201", "//attacker.example/",
		"/attack/..%2f..%2f",
	} {
		resp := w.send(http.MethodPost, w.server.URL+v.at(path), "form="+v.form, header)
		if resp.Header.Get("X-Injected") != "" || strings.HasPrefix(resp.Header.Get("Location"), "//") ||
			strings.Contains(resp.Header.Get("Location"), ":") || resp.StatusCode == http.StatusOK {
			t.Errorf("%s: %d %v", path, resp.StatusCode, resp.Header)
		}
	}
}

func TestCard_GoesToTheAPIAndNowhereElse(t *testing.T) {
	w := newWorld(t)
	w.answer = `{"detail":"you sent 4111 1111 1111 1111","token":"x"}`
	v := w.enter()
	pages := v.post("/try/order", url.Values{
		"order": {"o-1"}, "name": {"N " + canary}, "card": {"4111-1111-1111-1111"}, "address": {"A"},
	})
	if len(w.requests) != 1 || !strings.Contains(w.requests[0], `"CreditCard":"4111-1111-1111-1111"`) {
		t.Errorf("the API got %q", w.requests)
	}
	w.rows["CustomerOrderTable"] = []page.Row{{Text: map[string]string{
		"CustomerOrder": "1", "CreditCard": canary, "Address": "at 4111.1111.1111.1111",
	}}}
	fmt.Fprintf(w.recorder,
		"F/tokenizer: {\"msg\":\"tokenizer\",\"operation\":\"seal\",\"outcome\":\"ok\",\"reason\":\"card %s\"}\n",
		canary)
	w.recorder.Changed()
	pages += v.get("/") + v.get("/part/calls") + v.get("/part/tables")
	for _, form := range []string{"4111-1111-1111-1111", "4111 1111", "4111.1111"} {
		if strings.Contains(pages, form) {
			t.Errorf("the page has %s", form)
		}
	}
	if strings.Contains(pages, canary) {
		t.Error("the page has the card")
	}
	if !strings.Contains(pages, "************1111") {
		t.Error("the page does not have the mask either")
	}
}

func TestTry_ShowsTheAPIsOwnAnswer(t *testing.T) {
	w := newWorld(t)
	w.answer = `{"type":"about:blank","title":"invalid request","field":"CreditCard"}`
	v := w.enter()
	part := v.post("/try/order", url.Values{"card": {"x"}})
	if !strings.Contains(part, "&#34;field&#34;: &#34;CreditCard&#34;") {
		t.Errorf("the answer is not shown:\n%s", part)
	}
	v.post("/try/sign-in", url.Values{"email": {"a'b@example.com"}, "password": {"p"}})
	part = v.post("/try/pay", url.Values{"order": {"o'1"}})
	if w.requests[1] != `/paybill id-token {"CustomerOrder":"o'1"}` {
		t.Errorf("the API got %q", w.requests[1])
	}
	if !strings.Contains(part, `-d &#39;{&#34;CustomerOrder&#34;: &#34;o&#39;\&#39;&#39;1&#34;}&#39;`) {
		t.Errorf("the command is not what was sent:\n%s", part)
	}
	resp := w.send(http.MethodPost, v.at("/try/nothing"), "form="+v.form, v.headers())
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("a step that is none: %d", resp.StatusCode)
	}
}

func TestTables_PairAnOrderWithTheRowOfItsToken(t *testing.T) {
	w := newWorld(t)
	const token, revoked = "aaaaaaaa-2222-4333-8444-555555555555", "bbbbbbbb-2222-4333-8444-555555555555"
	w.rows["CustomerOrderTable"] = []page.Row{{Text: map[string]string{
		"CustomerOrder": "o-1", "CreditCard": token, "State": "PAID",
	}}}
	w.rows["CreditCardTokenizerTable"] = []page.Row{
		{
			Text:   map[string]string{"Hash_Key": token, "Ref": "ref-1"},
			Binary: map[string][]byte{"CandidateString": []byte("sealed")},
		},
		{Text: map[string]string{"Hash_Key": revoked}},
	}
	w.rows["CreditCardTokenizerState"] = []page.Row{{Text: map[string]string{"State_Key": "gone#" + revoked}}}
	v := w.enter()
	html := v.get("/part/tables")
	pair := html[strings.Index(html, `id="pair-`+token):]
	if end := strings.Index(pair[10:], `id="pair-`); end > 0 {
		pair = pair[:end]
	}
	for _, want := range []string{"o-1", "PAID", "ref-1", `data-token="` + token + `"`, "no uses counted, not revoked",
		"6 bytes of ciphertext"} {
		if !strings.Contains(pair, want) {
			t.Errorf("the pair lacks %q:\n%s", want, pair)
		}
	}
	if strings.Count(pair, `data-token="`+token+`"`) != 2 {
		t.Error("the token is not marked on both sides")
	}
	if !strings.Contains(html, "revoked for good") || !strings.Contains(html, "No order has this token") {
		t.Errorf("the revoked row is not shown:\n%s", html)
	}
	app := v.get("/part/tables?view=app")
	if strings.Contains(app, "ref-1") || !strings.Contains(app, "the boundary denies it") ||
		!strings.Contains(app, "PAID") || strings.Contains(app, revoked) {
		t.Errorf("the application team's view:\n%s", app)
	}
	if got := v.post("/read", url.Values{"as": {"thief"}, "token": {token}}); !strings.Contains(got, "read as thief") {
		t.Errorf("the report is not shown:\n%s", got)
	}
}

// Attacks leave rows behind. They do not push out what the person looks at.
func TestTables_ShowTheLatestOrdersBeforeRowsOfAttacks(t *testing.T) {
	w := newWorld(t)
	v := w.enter()
	add := func(table, name string, i int) {
		w.mu.Lock()
		w.rows[table] = append(w.rows[table], page.Row{Text: map[string]string{
			name: fmt.Sprintf("%s-%d", table, i), "CreatedAt": fmt.Sprintf("2026-01-%02d", i+10),
		}})
		w.mu.Unlock()
		w.recorder.Changed()
		v.get("/part/tables")
	}
	for i := range 9 {
		add("CustomerOrderTable", "CreditCard", i)
	}
	for i := range 20 {
		add("CreditCardTokenizerTable", "Hash_Key", i)
	}
	var got []string
	for _, match := range regexp.MustCompile(`id="pair-([^"]+)"`).FindAllStringSubmatch(v.get("/part/tables"), -1) {
		got = append(got, match[1])
	}
	want :=
		"CustomerOrderTable-8 CustomerOrderTable-7 CustomerOrderTable-6 CustomerOrderTable-5 CreditCardTokenizerTable-19 CreditCardTokenizerTable-18"
	if strings.Join(got, " ") != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// Rows that an attack made for itself belong to no order, and say so.
func TestTables_NameTheAttackThatMadeARow(t *testing.T) {
	w := newWorld(t)
	v := w.enter()
	w.rows["CreditCardTokenizerTable"] = []page.Row{
		{Text: map[string]string{"Hash_Key": "token-of-flip"}},
		{Text: map[string]string{"Hash_Key": "token-of-nobody"}},
	}
	v.post("/attack/flip", url.Values{})
	html := v.get("/part/tables")
	for token, want := range map[string]string{
		"token-of-flip": "the attack <i>flip</i> below made this token", "token-of-nobody": "No order has this token.",
	} {
		row := html[strings.Index(html, `id="pair-`+token):]
		if row, _, _ = strings.Cut(row, "</li>"); !strings.Contains(row, want) {
			t.Errorf("%s does not say %q:\n%s", token, want, row)
		}
	}
}

func TestAttack_ShowsWhatStoppedItAndTheThreatModelsSentence(t *testing.T) {
	w := newWorld(t)
	v := w.enter()
	html := v.get("/part/attacks")
	for _, a := range attempt.Attacks() {
		item := html[strings.Index(html, `id="attack-`+a.ID+`"`):]
		item, _, _ = strings.Cut(item, "</li>")
		if !strings.Contains(item, "threat-model.md#") || !strings.Contains(item, "<code>Test") ||
			!strings.Contains(item, "<blockquote>") {
			t.Errorf("%s has no promise with its test:\n%s", a.ID, item)
		}
		if got := v.post("/attack/"+a.ID, url.Values{}); !strings.Contains(got, "Stopped: "+a.ID) {
			t.Errorf("%s: the report is not shown", a.ID)
		}
	}
	resp := w.send(http.MethodPost, v.at("/attack/nothing"), "form="+v.form, v.headers())
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("an attack that is none: %d", resp.StatusCode)
	}
	if _, err := page.New(page.Config{ThreatModel: "## Nothing"}); err == nil {
		t.Error("a page without promises is made")
	}
}

// A burst is told in a few messages, each of which is a number only.
func TestEvents_TellABurstInFewMessages(t *testing.T) {
	w := newWorld(t)
	v := w.enter()
	resp := w.send(http.MethodGet, v.at("/events"), "", map[string]string{"Cookie": v.cookie.String()})
	lines := bufio.NewScanner(resp.Body)
	next := func() string {
		for lines.Scan() {
			if text, found := strings.CutPrefix(lines.Text(), "data: "); found {
				return text
			}
		}
		t.Fatalf("the stream ended: %v", lines.Err())
		return ""
	}
	next()
	for range 100 { // which takes a while, because other requests are answered between
		w.recorder.Changed()
		v.get("/assets/icon.svg")
	}
	last, messages := fmt.Sprint(w.recorder.Seq()), 0
	for got := ""; got != last; messages++ {
		got = next()
	}
	if messages > 30 {
		t.Errorf("%d messages for one burst", messages)
	}
}

// stuck is a connection whose browser does not read: writes fail at the deadline.
type stuck struct {
	header   http.Header
	deadline time.Time
}

func (s *stuck) Header() http.Header { return s.header }
func (s *stuck) WriteHeader(int)     {}
func (s *stuck) Flush()              {}
func (s *stuck) Write([]byte) (int, error) {
	if s.deadline.IsZero() {
		select {} // as a connection without a deadline does
	}
	return 0, os.ErrDeadlineExceeded
}

func (s *stuck) SetWriteDeadline(t time.Time) error {
	s.deadline = t
	return nil
}

func TestEvents_DropABrowserThatDoesNotRead(t *testing.T) {
	w := newWorld(t)
	v := w.enter()
	for range 20 { // more than may listen at once, so each has given back its place
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, w.server.URL+v.at("/events"), nil)
		r.AddCookie(v.cookie)
		w.page.ServeHTTP(&stuck{header: http.Header{}}, r)
	}
	resp := w.send(http.MethodGet, v.at("/events"), "", map[string]string{"Cookie": v.cookie.String()})
	if resp.StatusCode != http.StatusOK {
		t.Errorf("the next browser gets %d", resp.StatusCode)
	}
}

func TestEvents_AreForAFewBrowsers(t *testing.T) {
	w := newWorld(t)
	v := w.enter()
	refused := 0
	for range 10 {
		resp := w.send(http.MethodGet, v.at("/events"), "", map[string]string{"Cookie": v.cookie.String()})
		lines := bufio.NewReader(resp.Body)
		first, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if first == "retry: 3000\n" { // so that the window asks again
			refused++
			if rest, err := io.ReadAll(lines); string(rest) != "event: busy\ndata: 5\n\n" || err != nil {
				t.Errorf("the answer goes on with %q, %v", rest, err)
			}
		}
	}
	if refused != 5 {
		t.Errorf("%d of 10 windows are told to wait, want 5", refused)
	}
}

// A value that is cut could be a card number without its last digit, so it is not sent at all.
func TestForm_ThatIsTooLongIsNotSent(t *testing.T) {
	w := newWorld(t)
	v := w.enter()
	long := strings.Repeat("x", 1000-15)
	for name, fields := range map[string]url.Values{
		"a field": {"address": {long + canary}}, "the form": {"address": {strings.Repeat("x", 1<<20)}},
	} {
		fields.Set("form", v.form)
		resp := w.send(http.MethodPost, v.at("/try/order"), fields.Encode(), v.headers())
		body := read(t, resp)
		if resp.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(body, "Shorten it") ||
			strings.Contains(body+v.get("/"), "411111") {
			t.Errorf("%s: %d\n%s", name, resp.StatusCode, body)
		}
	}
	if len(w.requests) > 0 {
		t.Errorf("the API got %q", w.requests)
	}
	if v.post("/try/order", url.Values{"address": {strings.Repeat("é", 1000)}}); len(w.requests) != 1 {
		t.Error("what fits is not sent")
	}
}

// The path is cleaned below the page's own, which alone the cookie is for.
func TestPage_RedirectsBelowItsPath(t *testing.T) {
	w := newWorld(t)
	v := w.enter()
	for path, want := range map[string]string{
		"//part/tables": "/part/tables", "/part/../events": "/events", "/assets//page.css": "/assets/page.css",
	} {
		resp := w.send(http.MethodGet, w.server.URL+v.at(path), "", v.headers())
		if got := resp.Header.Get("Location"); got != v.at(want) {
			t.Errorf("%s leads to %q", path, got)
		}
	}
	for _, path := range []string{"/assets/", "/assets/..%2ftemplates%2fpage.html", "/assets/nothing"} {
		if resp := w.send(http.MethodGet, w.server.URL+v.at(path), "", v.headers()); resp.StatusCode < 400 {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
}

// Characters that cannot be seen could hide a value, turn it around, or do something in a terminal.
func TestPage_ShowsWhatCannotBeSeen(t *testing.T) {
	w := newWorld(t)
	const tricky = "PAID\u202eDIAP\x1b[31m\u200b"
	w.rows["CustomerOrderTable"] = []page.Row{{Text: map[string]string{"CustomerOrder": tricky, "CreditCard": tricky}}}
	w.answer = `{"message":"` + "\u202e" + `"}`
	w.recorder.Watcher().Answered(awsproxy.Call{
		Service: "kms", Operation: "Decrypt" + tricky, Body: []byte(`{"EncryptionContext":{"\u202e":"\u202e"}}`),
	}, http.StatusOK, 0)
	v := w.enter()
	fields := url.Values{"email": {tricky}, "password": {`it's \ ` + tricky}, "order": {tricky}, "code": {tricky}}
	v.post("/try/sign-in", fields)
	v.post("/try/order", fields)
	html := regexp.MustCompile(`value="[^"]*"`).ReplaceAllString(v.get("/"), "") // fields have what was typed
	for _, bad := range []string{"\u202e", "\x1b", "\u200b"} {
		if at := strings.Index(html, bad); at >= 0 {
			t.Errorf("%q is in the page: %q", bad, html[max(0, at-100):at])
		}
	}
	if !strings.Contains(html, `<dd><span>PAID\u202eDIAP\u001b[31m\u200b</span></dd>`) {
		t.Errorf("the row is not shown:\n%s", html)
	}
}

// Whatever was typed, a shell gives the program the same words.
func TestTry_CommandsKeepTheirWords(t *testing.T) {
	w := newWorld(t)
	v := w.enter()
	for _, value := range []string{
		`a'b"c$(id)`, "-x@example.com", "a,SECRET_HASH=b", "two\nlines", "\x1b[201~\nid", `\'` + "\u202e", "`id` ; id # $HOME",
	} {
		page := v.post("/try/sign-in", url.Values{"email": {value}, "password": {value}})
		commands := regexp.MustCompile(`aria-label="Command">([^<]*)`).FindAllStringSubmatch(page, -1)
		signUp := html.UnescapeString(commands[0][1])
		for _, want := range []string{"--username=" + value, "--password=" + value} {
			if got := words(t, signUp); !slices.Contains(got, want) {
				t.Errorf("%q lacks %q", got, want)
			}
		}
		var parameters map[string]string
		signIn := words(t, html.UnescapeString(commands[2][1]))
		if err := json.Unmarshal([]byte(signIn[len(signIn)-1]), &parameters); err != nil ||
			parameters["USERNAME"] != value || parameters["PASSWORD"] != value {
			t.Errorf("%q: %v, %v", signIn, parameters, err)
		}
	}
}

// words are the arguments that a shell reads in a command.
func words(t *testing.T, command string) []string {
	t.Helper()
	needed.Program(t, "bash")
	out, err := exec.CommandContext(t.Context(), "bash", "-c",
		"env() { :; }; aws() { printf '%s\\0' \"$@\"; }; "+command).Output()
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

// An order that got another order's token is beside it, and hides none.
func TestTables_ShowAllOrdersWithATokenAndHowManyAreLeftOut(t *testing.T) {
	w := newWorld(t)
	for i := range 5 {
		w.rows["CustomerOrderTable"] = append(w.rows["CustomerOrderTable"], page.Row{Text: map[string]string{
			"CustomerOrder": fmt.Sprintf("order-%d", i), "CreditCard": "same",
		}})
	}
	w.rows["CreditCardTokenizerTable"] = []page.Row{{Text: map[string]string{"Hash_Key": "same"}}}
	for i := range 9 {
		w.rows["CreditCardTokenizerTable"] = append(w.rows["CreditCardTokenizerTable"], page.Row{
			Text: map[string]string{"Hash_Key": fmt.Sprintf("other-%d", i)},
		})
	}
	v := w.enter()
	html := v.get("/part/tables")
	for _, want := range []string{
		"order-0", "order-1", "order-2", "Other orders with this token: 2.", "Tokens that are not shown: 4.",
	} {
		if !strings.Contains(html, want) {
			t.Errorf("the tables lack %q:\n%s", want, html)
		}
	}
	if html := v.get("/part/tables?view=app"); strings.Contains(html, "not shown") {
		t.Errorf("the application team's view has all orders:\n%s", html)
	}
}

// An administrator can write anything into a row, also where the page expects an envelope.
func TestCard_InAnEnvelopesHeaderIsMasked(t *testing.T) {
	w := newWorld(t)
	field := func(s string) string { return string([]byte{0, byte(len(s))}) + s }
	header := field("ref") + field("4111-1111-1111-1111")
	message := "\x02\x00\x00" + strings.Repeat("x", 32) + field("\x00\x01"+header) + "\x00\x01" + field("aws-kms") +
		field("arn:aws:kms:::key/"+canary) + field("wrapped")
	w.rows["CreditCardTokenizerTable"] = []page.Row{{
		Text: map[string]string{"Hash_Key": "t"}, Binary: map[string][]byte{"CandidateString": []byte(message)},
	}}
	html := w.enter().get("/part/tables")
	if strings.Contains(html, canary) || strings.Contains(html, "4111-1111") ||
		strings.Count(html, "************1111") != 2 {
		t.Errorf("the header is shown as it is:\n%s", html)
	}
}

// Nothing else tells the person why an attempt was not made.
func TestRead_SaysWhenItCouldNotBeTried(t *testing.T) {
	w := newWorld(t)
	w.fails = errors.New("secret detail")
	w.rows["CreditCardTokenizerTable"] = []page.Row{{Text: map[string]string{"Hash_Key": "t"}}}
	v := w.enter()
	html := v.post("/read", url.Values{"as": {"thief"}, "token": {"t"}}) + v.post("/attack/flip", url.Values{})
	if strings.Contains(html, "secret") || strings.Contains(html, "terminal") ||
		strings.Count(html, "The attempt could not be made") != 2 || !strings.Contains(html, "Thief with the table:") ||
		strings.Contains(html, "verdict stopped") {
		t.Errorf("the reports:\n%s", html)
	}
	fields := url.Values{"as": {"nobody"}, "token": {"t"}, "form": {v.form}}
	if resp := w.send(http.MethodPost, v.at("/read"), fields.Encode(), v.headers()); resp.StatusCode != 404 {
		t.Errorf("a reader that is none: %d", resp.StatusCode)
	}
}
