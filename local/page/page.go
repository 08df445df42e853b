// Package page serves a page that shows the running system: where the card is, who was let near it, and what stops an
// attack.
//
//	p, err := page.New(page.Config{System: system, Lab: lab, Recorder: recorder, ...})
//	fmt.Println(p.Link("127.0.0.1:8080"))
//	err = http.Serve(listener, p)
//
// The page can act with the permissions of every role, so it is for one person on this machine. Package page serves
// only requests that name the listener in Host, and come from a browser that was given the link: its token works once,
// and is exchanged for a cookie, and for the path of the page, for which alone the cookie is. A change needs a token of
// the form, too, and an Origin of the page's own. It logs nothing.
//
// A card number is in the field into which the person typed it, and goes from there to the API. The page keeps none,
// and masks whatever looks like one.
package page

import (
	"context"
	"embed"
	"errors"
	"html/template"
	"io/fs"
	"net/http"
	"sync"
	"unicode/utf8"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/page/attempt"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/page/record"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed assets
var assetFiles embed.FS

// Users signs users up and in, as the user pool does.
type Users interface {
	SignUp(ctx context.Context, email, password string) error
	// Code returns the confirmation code that was mailed.
	Code(email string) (string, error)
	Confirm(ctx context.Context, email, code string) error
	SignIn(ctx context.Context, email, password string) (idToken string, err error)
}

// Row is a row of a table: its attributes as text, by name. Binary ones are in Binary.
type Row struct {
	Text   map[string]string
	Binary map[string][]byte
}

// Tables reads rows with an administrator's permissions, at most limit of a table.
type Tables interface {
	Rows(ctx context.Context, table string, limit int) ([]Row, error)
}

// Lab makes attempts. [attempt.Lab] is one.
type Lab interface {
	ReadAs(ctx context.Context, reader, token string) (attempt.Report, error)
	Attack(ctx context.Context, id string) (attempt.Report, error)
	DeveloperSees(ctx context.Context, tables []string) ([]attempt.Step, error)
}

// Config is what the page shows. Addr is where it is served, such as 127.0.0.1:8080.
type Config struct {
	Addr     string
	Users    Users
	Tables   Tables
	Lab      Lab
	Recorder *record.Recorder
	// Outputs, Endpoints and Keys are those of the system.
	Outputs, Endpoints, Keys map[string]string
	// Architecture is the drawing of the templates, an SVG.
	Architecture []byte
	// ThreatModel is the text of docs/threat-model.md.
	ThreatModel string
	// Opened, if set, gets the link for the next browser, each time that a link was used.
	Opened func(link string)
}

// Page is the http.Handler of the page.
type Page struct {
	config    Config
	guard     *guard
	templates *template.Template
	mux       *http.ServeMux
	threats   map[string]Threat // by the attack
	snapshots snapshots
	streams   chan struct{} // one for each browser that listens

	mu      sync.Mutex
	session session
	made    map[string]string // the title of the attack that made a token, by the token
	sees    []attempt.Step    // what the application developer sees; nil until it was tried
}

// maxStreams is how many windows may listen at once. A browser opens six connections to a host at most: one is left for
// the forms.
const maxStreams = 5

// New returns a page. It fails if the threat model lacks a promise that the page is about.
func New(config Config) (*Page, error) {
	threats, err := promises(config.ThreatModel)
	if err != nil {
		return nil, err
	}
	p := &Page{
		config: config, guard: newGuard(config.Addr), threats: threats, mux: http.NewServeMux(),
		streams: make(chan struct{}, maxStreams), session: newSession(),
		made: map[string]string{},
	}
	p.snapshots.tables = config.Tables
	p.templates, err = template.New("").Funcs(p.functions()).ParseFS(templateFiles, "templates/*.html")
	if err != nil {
		return nil, err
	}
	assets, err := fs.Sub(assetFiles, "assets")
	if err != nil {
		return nil, err
	}
	below := p.guard.path
	p.mux.HandleFunc("GET "+below+"{$}", p.whole)
	p.mux.HandleFunc("GET "+below+"part/{name}", p.part)
	p.mux.HandleFunc("GET "+below+"events", p.events)
	p.mux.HandleFunc("GET "+below+"assets/{name}", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFileFS(w, r, assets, r.PathValue("name"))
	})
	p.mux.HandleFunc("GET "+below+"architecture.svg", p.architecture)
	p.mux.HandleFunc("POST "+below+"try/{step}", p.try)
	p.mux.HandleFunc("POST "+below+"again", p.again)
	p.mux.HandleFunc("POST "+below+"read", p.read)
	p.mux.HandleFunc("POST "+below+"attack/{id}", p.attack)
	return p, nil
}

// Link is the address that a person opens once.
func (p *Page) Link() string { return p.guard.link() }

// ServeHTTP answers a request that the guard lets through.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	for name, value := range headers {
		header.Set(name, value)
	}
	switch p.guard.check(r) {
	case enter:
		p.guard.setCookie(w)
		p.say(w, http.StatusOK, "welcome", p.guard.path)
		if p.config.Opened != nil {
			p.config.Opened(p.guard.link())
		}
	case pass:
		if r.Method == http.MethodPost && !p.accept(w, r) {
			return
		}
		p.mux.ServeHTTP(w, r)
	default:
		p.say(w, http.StatusForbidden, "refused", nil)
	}
}

const (
	maxForm  = 64 << 10 // bytes of a form as it is sent
	maxField = 1000     // characters of a field
)

// accept reads the form of a request, and answers one that it does not accept.
func (p *Page) accept(w http.ResponseWriter, r *http.Request) bool {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	err := r.ParseForm()
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	if !tooLarge && (err != nil || !p.guard.isOurForm(r)) {
		p.say(w, http.StatusForbidden, "refused", nil)
		return false
	}
	for name, values := range r.PostForm {
		for _, value := range values {
			tooLarge = tooLarge || name != "query" && utf8.RuneCountInString(value) > maxField
		}
	}
	if tooLarge {
		p.say(w, http.StatusRequestEntityTooLarge, "toolarge", p.guard.path)
	}
	return !tooLarge
}

// say answers with a small page.
func (p *Page) say(w http.ResponseWriter, status int, name string, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_ = p.templates.ExecuteTemplate(w, name, data) // the browser has gone
}

// architecture answers with the drawing, whose styles are its own.
func (p *Page) architecture(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	w.Header().Set("Content-Type", "image/svg+xml")
	_, _ = w.Write(p.config.Architecture)
}
