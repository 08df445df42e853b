// Package browser_test walks through the page of `go run ./local -serve` in a real browser, headless Chromium, against
// the real local system.
//
// Without a browser these tests are skipped, and where CI is set they fail. With PICTURES set to a directory,
// TestPage_FromSignUpToAttacks also writes its pictures there.
package browser_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/needed"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/assembly"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/cloud"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/page/live"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/page/record"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/synth"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
)

// root is the module's directory.
var root = filepath.Join("..", "..")

// limit bounds what a browser does in one test.
const limit = 60 * time.Second

// shown is the system and its page, which all tests share.
type shown struct {
	*cloud.Cloud
	assembly *assembly.Assembly
	page     *live.Served
	recorder *record.Recorder
	log      *kit.Buffer
}

var (
	stop  = func() error { return nil }
	start = sync.OnceValues(func() (*shown, error) {
		dir, err := os.MkdirTemp("", "browser-test-")
		if err != nil {
			return nil, err
		}
		ctx := context.Background()
		a, err := kit.Synthesize(ctx, dir, os.Stderr)
		if err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
		s := &shown{recorder: record.New(), log: &kit.Buffer{}}
		s.assembly = a
		s.Cloud, err = cloud.Deploy(ctx, cloud.Options{
			Assembly: a, Account: synth.Account, Region: synth.Region,
			Log: io.MultiWriter(s.log, s.recorder), Watcher: s.recorder.Watcher(),
		})
		if err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
		s.page, err = live.Serve(live.Options{System: s.Cloud, Assembly: a, Recorder: s.recorder, Root: root})
		if err != nil {
			return nil, errors.Join(err, s.Close(), os.RemoveAll(dir))
		}
		stop = func() error { return errors.Join(s.page.Close(), s.Close(), os.RemoveAll(dir)) }
		return s, nil
	})
)

func TestMain(m *testing.M) {
	code := m.Run()
	if err := stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func system(t *testing.T) *shown {
	t.Helper()
	s, err := start()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// chromium is the browser's program.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	needed.Program(t, "chromium")
	return ""
}

// tab is a page of the browser, and what its console said.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu      sync.Mutex
	console []string
}

// open starts a browser of a size, and opens the page with the link.
func open(t *testing.T, s *shown, width int, dark bool) *tab {
	t.Helper()
	return openAt(t, s.page.Link(), width, dark)
}

func openAt(t *testing.T, link string, width int, dark bool) *tab {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium(t)), chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.DisableGPU,
	)
	if os.Geteuid() == 0 { // Chromium's sandbox does not run as root
		options = append(options, chromedp.NoSandbox)
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, limit)
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx}
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	if err != nil {
		t.Fatal(err)
	}
	messages := chromedp.Console(ctx)
	go func() {
		for message, err := range messages {
			if err != nil {
				return
			}
			b.mu.Lock()
			b.console = append(b.console, string(message.Type)+": "+message.Text+" "+message.URL)
			b.mu.Unlock()
		}
	}()
	b.do(
		chromedp.EmulateViewport(int64(width), 900),
		chromedp.Navigate(link),
		chromedp.WaitVisible(chromedp.CSS("#attacks")),
	)
	b.until(`document.getElementById('live').textContent.startsWith('Live')`)
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if len(b.console) > 0 {
			t.Errorf("the browser's console is not empty:\n%s", strings.Join(b.console, "\n"))
		}
	})
	return b
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// get runs an action that returns something.
func get[T any](b *tab, action chromedp.Action[T]) T {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, action)
	if err != nil {
		b.t.Fatal(err)
	}
	return value
}

// eval evaluates an expression, and waits for a promise.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	return get(b, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// until waits for an expression to be true.
func (b *tab) until(expression string) {
	b.t.Helper()
	_, err := chromedp.Run(b.ctx,
		chromedp.Poll[bool]("!!("+expression+")", chromedp.WithPollingTimeout(20*time.Second)))
	if err != nil {
		b.t.Fatalf("%s: %v\n%s", expression, err, get(b, chromedp.Text(chromedp.CSS("main"))))
	}
}

// text is the visible text of an element.
func (b *tab) text(selector string) string {
	b.t.Helper()
	return get(b, chromedp.Text(chromedp.CSS(selector)))
}

// press presses a button by the keyboard, and waits for a text in an element. Unlike a click of the mouse, this does
// not miss when the page moves at the same time.
func (b *tab) press(button, element, want string) {
	b.t.Helper()
	b.do(chromedp.Focus(chromedp.CSS(button)), chromedp.KeyEvent(kb.Enter))
	b.until(fmt.Sprintf("!document.querySelector('[aria-busy]') && document.querySelector(%q)?.textContent.includes(%q)",
		element, want))
	if !eval[bool](b, fmt.Sprintf("document.activeElement === document.querySelector(%q)", button)) {
		b.t.Errorf("the focus has left %s after it was pressed", button)
	}
}

// walk signs a new user up and in, and places and pays an order with the canary. It returns the order's
// token.
func (b *tab) walk() string {
	b.t.Helper()
	b.press(".again button", "#step-order button", "Place the order")
	b.until(`!document.querySelector('#try .result p')`)
	b.do(chromedp.Clear(chromedp.CSS("#order-card")), chromedp.SendKeys(chromedp.CSS("#order-card"), canary))
	b.press("#step-sign-up button", "#step-sign-up .result", "200 OK")
	b.press("#step-confirm button", "#step-confirm .result", "200 OK")
	b.press("#step-sign-in button", "#step-sign-in .result", "200 OK")
	if typed := get(b, chromedp.Value(chromedp.CSS("#order-card"))); typed != canary {
		b.t.Errorf("the card that was typed became %q while other forms were sent", typed)
	}
	b.press("#step-order button", "#step-order .result", "201 Created")
	b.press("#step-pay button", "#step-pay .result", "200 OK")
	var answer struct{ CreditCardToken string }
	if err := json.Unmarshal([]byte(b.text("#step-order .result pre")), &answer); err != nil {
		b.t.Fatal(err)
	}
	b.until(fmt.Sprintf("document.getElementById(%q)?.querySelector('.order').textContent.includes('PAID')",
		"pair-"+answer.CreditCardToken))
	return answer.CreditCardToken
}
