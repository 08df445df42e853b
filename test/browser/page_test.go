package browser_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/fulltests"
	"github.com/lambda-tokenizer/lambda-tokenizer/internal/needed"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/awsproxy"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/page/attempt"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/page/live"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/walkthrough"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
)

// canary is the card that is typed into the page, and that must show up nowhere else.
const canary = "4111111111111111"

// A person goes from sign-up to a paid order, reads the card as everybody, and attacks the system. Without TESTS=full,
// each width has one colour scheme.
func TestPage_FromSignUpToAttacks(t *testing.T) {
	s := system(t)
	for _, look := range []struct {
		width int
		dark  bool
	}{{1280, false}, {390, true}, {1280, true}, {390, false}} {
		scheme := map[bool]string{false: "light", true: "dark"}[look.dark]
		name := strconv.Itoa(look.width) + "-" + scheme
		if !fulltests.Enabled() && os.Getenv("PICTURES") == "" && look.dark == (look.width == 1280) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			b := open(t, s, look.width, look.dark)
			token := b.walk()
			row := fmt.Sprintf("[id=%q]", "pair-"+token)
			if vault := b.text(row + " .vault .token"); vault != token {
				t.Errorf("the vault's row has %q, the order %q", vault, token)
			}
			b.do(chromedp.Focus(chromedp.CSS(row + " .order .token")))
			b.until(fmt.Sprintf(`document.querySelectorAll('.token.same').length === 2 &&
				document.querySelector(%q).className.includes('same')`, row+" .vault .token"))
			for _, reader := range attempt.Readers() {
				want := "Does not get the card"
				if reader.ID == "paybill" {
					want = "Gets the card: all 16 digits, of which this page shows the last four: ************1111"
				}
				b.press(row+" button[value="+reader.ID+"]", row+" .readresult", reader.Name+": "+want)
			}
			for _, a := range attempt.Attacks() {
				b.press("#attack-"+a.ID+" button", "#attack-"+a.ID, "Stopped: ")
			}
			b.views()
			b.fits()
			t.Run("accessibility", func(t *testing.T) { b.isAccessible(t, axe(t)) })
			b.hasNoCard(s)
			if dir := os.Getenv("PICTURES"); dir != "" {
				b.pictures(dir, name)
			}
			b.press("#step-order button", "#step-order .result", "409 Conflict")
			b.do(chromedp.Evaluate[chromedp.Void](`document.querySelectorAll('details').forEach(d => d.open = true)`))
			t.Run("accessibility of errors and details", func(t *testing.T) { b.isAccessible(t, axe(t)) })
			for _, narrow := range []int64{640, 320} { // as 1280 pixels are at 200 % and at 400 %
				b.do(chromedp.EmulateViewport(narrow, 900))
				b.fits()
			}
		})
	}
}

// views chooses what the tables and calls show.
func (b *tab) views() {
	b.t.Helper()
	choose := func(selector, want string) {
		b.t.Helper()
		b.do(chromedp.Focus(chromedp.CSS(selector)), chromedp.KeyEvent(" "))
		b.until(want)
	}
	choose(`#tables [value=app]`, `document.querySelector('#tables .tried')?.textContent.includes('tokenizer-deployers denies it')`)
	choose(`#tables [value=both]`, `!document.querySelector('#tables .tried')`)
	// Whatever came late, a refresh shows what is chosen.
	b.do(chromedp.Evaluate[chromedp.Void](`document.querySelector('#tables [value=both]').checked = false; refreshAll()`))
	b.until(`document.querySelector('#tables [value=both]').checked`)
	choose(`#calls [name=denied]`, `document.querySelectorAll('.calls tbody tr').length > 3 &&
		[...document.querySelectorAll('.calls tbody tr')].every(row => row.className === 'isdenied')`)
	choose(`#calls [name=denied]`, `document.querySelector('.calls tbody tr:not(.isdenied)')`)
	for _, part := range []string{"#flow svg.sequence .s-card", "#calls .events .badge.denied"} {
		b.until(fmt.Sprintf("document.querySelector(%q)", part))
	}
}

// fits fails if the page is wider than the window.
func (b *tab) fits() {
	b.t.Helper()
	if wide := eval[int](b, `document.documentElement.scrollWidth - innerWidth`); wide > 0 {
		b.t.Errorf("the page is %d pixels wider than the window", wide)
	}
}

// findings are axe-core's.
type findings struct {
	Passed     int // rules
	Violations []string
}

// isAccessible runs axe-core on the page.
func (b *tab) isAccessible(t *testing.T, source string) {
	t.Helper()
	b.do(chromedp.Evaluate[chromedp.Void](source))
	got := eval[findings](b, `axe.run().then(r => ({Passed: r.passes.length, Violations: r.violations.map(v =>
		v.id + ': ' + v.help + '\n' + v.nodes.slice(0, 3).map(n => n.html + '\n' + n.failureSummary).join('\n'))}))`)
	if got.Passed < 20 {
		t.Errorf("axe could check %d rules: it does not see the page", got.Passed)
	}
	for _, violation := range got.Violations {
		t.Errorf("axe: %s", violation)
	}
}

// hasNoCard fails if the card's digits are in the document, in the browser's storage, or in the system's log.
func (b *tab) hasNoCard(s *shown) {
	b.t.Helper()
	kept := eval[string](b, `document.documentElement.outerHTML + JSON.stringify(localStorage) + JSON.stringify(sessionStorage) +
		document.cookie + location.href + [...document.querySelectorAll('input')].map(i => i.value).join('\n')`)
	for where, text := range map[string]string{"the page": kept, "the log": s.log.String()} {
		if strings.Contains(text, canary) {
			b.t.Errorf("%s has the card", where)
		}
	}
}

// pictures writes a picture of the page's top, of each part, and of what the application team sees.
func (b *tab) pictures(dir, name string) {
	b.t.Helper()
	write := func(what string, picture []byte) {
		b.t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "page-"+what+"-"+name+".png"), picture, 0o644); err != nil {
			b.t.Fatal(err)
		}
	}
	for _, part := range []string{"try", "tables", "calls", "flow", "attacks"} {
		write(part, get(b, chromedp.Screenshot(chromedp.CSS("#"+part))))
	}
	b.do(chromedp.Focus(chromedp.CSS("#tables [value=app]")), chromedp.KeyEvent(" "))
	b.until(`document.querySelector('#tables .tried')`)
	write("application", get(b, chromedp.Screenshot(chromedp.CSS("#tables"))))
	b.do(chromedp.Evaluate[chromedp.Void]("scrollTo({top: 0, behavior: 'instant'})"))
	write("top", get(b, chromedp.CaptureScreenshot()))
}

// axe is the source of axe-core, which npm installs.
func axe(t *testing.T) string {
	t.Helper()
	path := filepath.Join(root, "node_modules", "axe-core", "axe.min.js")
	cmd := exec.CommandContext(t.Context(), "node", "-p", "require.resolve('axe-core/axe.min.js')")
	cmd.Dir = root
	if found, err := cmd.Output(); err == nil { // NODE_PATH may lead elsewhere
		path = strings.TrimSpace(string(found))
	}
	needed.NPMFile(t, path)
	return kit.Read(t, path)
}

func TestPage_IsLightLiveAndResponsive(t *testing.T) {
	s := system(t)
	b := open(t, s, 1280, false)
	b.isLight()
	b.showsWhatHappensElsewhere(s)
	b.staysResponsiveInABurst(s)
}

// A person who looks at the middle of the page must see that it shows nothing new any more, and that a form was not
// sent.
func TestPage_SaysThatTheSystemHasEnded(t *testing.T) {
	s := system(t)
	served, err := live.Serve(live.Options{System: s.Cloud, Assembly: s.assembly, Recorder: s.recorder, Root: root})
	if err != nil {
		t.Fatal(err)
	}
	b := openAt(t, served.Link(), 390, false)
	b.do(chromedp.Evaluate[chromedp.Void](`document.getElementById('flow').scrollIntoView({behavior: 'instant'})`))
	if err := served.Close(); err != nil {
		t.Fatal(err)
	}
	const seen = `(() => {
		const box = live.getBoundingClientRect();
		return box.top >= 0 && box.bottom <= innerHeight && live.textContent.startsWith('Not live: ');
	})()`
	b.until(seen)
	t.Run("accessibility", func(t *testing.T) { b.isAccessible(t, axe(t)) })
	b.do(chromedp.Evaluate[chromedp.Void](`events.close(); tell('', false); document.querySelector('#step-pay form').requestSubmit()`))
	b.until(seen)
	b.until(`!document.querySelector('[aria-busy]')`)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.console = nil // it names the requests that failed
}

// Each window that listens takes one of the few connections that a browser has for a host.
func TestPage_TellsAWindowTooManyToWait(t *testing.T) {
	b := open(t, system(t), 1280, false)
	b.do(chromedp.Evaluate[chromedp.Void](`
		window.listening = new Set();
		window.others = [1, 2, 3, 4, 5].map(i => new EventSource('events'));
		for (const other of others) other.onmessage = () => listening.add(other);
		events.close()`))
	b.until(`listening.size === 5`)
	b.do(chromedp.Evaluate[chromedp.Void](`listen()`))
	b.until(`document.getElementById('live').textContent.startsWith('Not live: 5 other windows show this page')`)
	b.do(chromedp.Evaluate[chromedp.Void](`others[0].close()`))
	b.until(`document.getElementById('live').textContent.startsWith('Live')`)
}

// Without scripts, too, each form and each filter leads back to the page.
func TestPage_WorksWithoutScripts(t *testing.T) {
	s := system(t)
	b := open(t, s, 1280, false)
	off := emulation.SetScriptExecutionDisabledParams{Value: true}
	if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, off); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.Navigate(eval[string](b, "location.href")), chromedp.WaitVisible(chromedp.CSS("#attacks")))
	follow := func(button, want string) {
		t.Helper()
		loaded := func(page.EventLoadEventFired) bool {
			return eval[bool](b, fmt.Sprintf("!!document.querySelector(%q)", want))
		}
		b.do(chromedp.Focus(chromedp.CSS(button)))
		get(b, chromedp.WaitEvent(page.LoadEventFired, loaded, chromedp.KeyEvent(kb.Enter)))
	}
	follow(".again button", "#step-sign-up .result:empty")
	follow("#step-sign-up button", "#step-sign-up .result .ok")
	follow("#step-confirm button", "#step-confirm .result .ok")
	follow("#step-sign-in button", "#step-sign-in .result .ok")
	follow("#step-order button", "#step-order .result .ok")
	follow("#step-pay button", "#step-pay .result .ok")
	follow("#attack-decrypt button", "#attack-decrypt .verdict")
	follow(".pair button[value=thief]", ".pair .verdict")
	b.do(chromedp.Focus(chromedp.CSS("#tables [value=app]")), chromedp.KeyEvent(" "))
	follow("#tables .views button", "#tables .tried")
	b.do(chromedp.Focus(chromedp.CSS("#calls [name=denied]")), chromedp.KeyEvent(" "))
	follow("#calls .filter button", "#calls tr.isdenied")
	follow("#flow .filter button", "#flow svg.sequence")
}

// To a browser, all ports of a host are one site. A page of another program gets no cookie, and cannot shut the person
// out with one of its own.
func TestPage_KeepsItsCookieFromOtherPorts(t *testing.T) {
	b := open(t, system(t), 1280, false)
	name := eval[string](b, "'page-' + location.port")
	sent := make(chan string, 100)
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			sent <- r.Header.Get("Cookie")
		}
		http.SetCookie(w, &http.Cookie{Name: name, Value: "planted", Path: "/"})
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><title>another program</title><link rel=icon href=/icon>")
	}))
	t.Cleanup(other.Close)
	page := eval[string](b, "location.href")
	b.do(chromedp.Navigate(other.URL), chromedp.Navigate(other.URL))
	if first, second := <-sent, <-sent; first != "" || second != name+"=planted" {
		t.Errorf("another port gets %q, and then %q", first, second)
	}
	b.do(chromedp.Navigate(page), chromedp.WaitVisible(chromedp.CSS("#attacks")))
}

// showsWhatHappensElsewhere: somebody else's order shows up without a reload, and so does a row that the AWS CLI
// changes.
func (b *tab) showsWhatHappensElsewhere(s *shown) {
	t := b.t
	t.Helper()
	w := walkthrough.System{Cognito: s.Clients.Cognito, Outputs: s.Outputs, Code: s.Code}
	order := "another-terminal"
	answer, err := kit.Post(t.Context(), s.Outputs["PaymentMethodApiURL"]+"/order", kit.SignUp(t, w),
		`{"CustomerOrder":"`+order+`","CustomerName":"N","CreditCard":"`+canary+`","Address":"A"}`)
	if err != nil || answer.Status != http.StatusCreated {
		t.Fatalf("%v %v", answer, err)
	}
	b.until(`document.querySelector('#tables').textContent.includes('` + order + `')`)
	b.until(`document.querySelector('#flow').textContent.includes('POST /order')`)
	b.until(`document.querySelector('#calls').textContent.includes('TransactWriteItems')`)
	_, err = s.Clients.DynamoDB.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{
		TableName: new(walkthrough.OrderTable),
		Key:       map[string]types.AttributeValue{"CustomerOrder": &types.AttributeValueMemberS{Value: order}},
	})
	if err != nil {
		t.Fatal(err)
	}
	b.until(`!document.querySelector('#tables').textContent.includes('` + order + `')`)
	b.hasNoCard(s)
}

// figures are what a burst of events costs the page.
type figures struct {
	Frames  int     // that were shown while the burst was
	Longest float64 // time between two of them, in ms
}

func (b *tab) staysResponsiveInABurst(s *shown) {
	t := b.t
	t.Helper()
	b.do(chromedp.Evaluate[chromedp.Void](`
		window.gaps = []; let last = performance.now();
		requestAnimationFrame(function frame(now) {
			gaps.push(now - last);
			last = now;
			requestAnimationFrame(frame);
		})`))
	burst(s, 1000)
	b.until(`document.querySelector('#calls').textContent.includes('GetItem999')`)
	got := eval[figures](b, `({Frames: gaps.length, Longest: Math.max(...gaps)})`)
	if got.Frames < 2 {
		t.Errorf("the browser showed %d frames", got.Frames)
	}
	if rows := eval[int](b, `document.querySelectorAll('.calls tbody tr').length`); rows > 30 {
		t.Errorf("the page has %d rows", rows)
	}
	t.Logf("1000 events: %d frames, at most %.0f ms between two", got.Frames, got.Longest)
}

// weight is what the browser loaded.
type weight struct {
	Bytes int
	First float64 // when it showed something, in ms since it asked
}

func (b *tab) isLight() {
	t := b.t
	t.Helper()
	b.do(chromedp.Navigate(eval[string](b, "location.href")))
	b.until(`performance.getEntriesByName('first-contentful-paint').length`)
	got := eval[weight](b, `({
		Bytes: [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
			.reduce((sum, e) => sum + e.transferSize, 0),
		First: performance.getEntriesByName('first-contentful-paint')[0].startTime})`)
	if got.Bytes == 0 || got.Bytes > 150<<10 {
		t.Errorf("the page weighs %d bytes, want at most 150 KB", got.Bytes)
	}
	t.Logf("%d bytes, first content after %.0f ms", got.Bytes, got.First)
}

// burst records calls as if functions had made them at once. The last one is of the operation GetItem999.
func burst(s *shown, n int) {
	watcher := s.recorder.Watcher()
	for i := range n {
		watcher.Answered(awsproxy.Call{
			Principal: "arn:aws:iam::123456789012:role/burst",
			Service:   "dynamodb", Operation: "GetItem" + strconv.Itoa(i),
		}, http.StatusOK, 0)
	}
}
