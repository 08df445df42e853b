package page

import (
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// headers are on every answer.
var headers = map[string]string{
	"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
		"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
	"Referrer-Policy":              "no-referrer",
	"X-Content-Type-Options":       "nosniff",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Permissions-Policy":           "camera=(), geolocation=(), microphone=()",
	"Cache-Control":                "no-store",
}

// verdict says what to do with a request.
type verdict int

const (
	refuse verdict = iota
	pass           // its browser has the cookie
	enter          // it has the token of the link, which is used now
)

// guard lets one person in. Host protects from names that somebody else has resolve to this machine, and the cookie
// from pages of other sites and from other people's programs. Browsers send cookies to all ports of a host. So the page
// is below a path that nobody else knows, and the cookie is for this path: another program of this machine, whose pages
// are the same site to a browser, gets it from nobody. Changes need the token of a form of the page, too.
type guard struct {
	host   string // of the page
	path   string // of the page, with a slash at both ends
	cookie string // its name
	secret string // its value
	form   string // in every form

	mu    sync.Mutex
	token string // of the link; it works once
}

func newGuard(addr string) *guard {
	port := addr[strings.LastIndexByte(addr, ':')+1:]
	return &guard{
		host: addr, path: "/" + rand.Text() + "/", cookie: "page-" + port, secret: rand.Text() + rand.Text(),
		form: rand.Text(), token: rand.Text(),
	}
}

func (g *guard) link() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return (&url.URL{Scheme: "http", Host: g.host, Path: "/", RawQuery: "token=" + g.token}).String()
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func (g *guard) check(r *http.Request) verdict {
	if r.Host != g.host {
		return refuse
	}
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		return refuse
	}
	if token := r.URL.Query().Get("token"); token != "" && r.URL.Path == "/" && r.Method == http.MethodGet {
		if g.use(token) {
			return enter
		}
		return refuse
	}
	if !g.isBelow(r.URL.Path) || !g.hasCookie(r) || !g.isOurs(r) {
		return refuse
	}
	return pass
}

// use compares a token with the link's, and makes another one for the next link if it is the same.
func (g *guard) use(token string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !equal(token, g.token) {
		return false
	}
	g.token = rand.Text()
	return true
}

func (g *guard) isBelow(path string) bool {
	return len(path) >= len(g.path) && equal(path[:len(g.path)], g.path)
}

// hasCookie looks at all cookies of the name, because another program of this machine can set one for all paths.
func (g *guard) hasCookie(r *http.Request) bool {
	found := false
	for _, c := range r.CookiesNamed(g.cookie) {
		found = equal(c.Value, g.secret) || found
	}
	return found
}

// isOurs tells whether a request comes from the page itself, or from somebody who types its address. Browsers send
// Sec-Fetch-Site to addresses on this machine, and Origin with every request that changes something. The page asks them
// to send no referrer, and then the Origin of a form that no script sends is "null".
func (g *guard) isOurs(r *http.Request) bool {
	site, origin := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
	if site == "cross-site" || site == "same-site" { // another port of this host is the same site
		return false
	}
	switch origin {
	case "http://" + g.host:
		return true
	case "":
		return r.Method == http.MethodGet
	case "null":
		return site == "same-origin"
	}
	return false
}

func (g *guard) isOurForm(r *http.Request) bool { return equal(r.PostForm.Get("form"), g.form) }

func (g *guard) setCookie(w http.ResponseWriter) {
	http.SetCookie(w, &http.Cookie{
		Name: g.cookie, Value: g.secret, Path: g.path, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
}
