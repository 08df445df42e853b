package page

import (
	"bytes"
	"cmp"
	"context"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/mask"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/page/attempt"
)

// parts are the parts of the page, in their order.
var parts = []string{"try", "tables", "calls", "flow", "attacks"}

// view is what the templates get.
type view struct {
	Seq      uint64 // of the latest that is shown
	Form     string // goes into every form
	Session  session
	Card     string
	Steps    []stepView
	Tables   tablesView
	Calls    callsView
	Flow     flowView
	Attacks  []attackView
	SignedIn bool
}

// stepView is a step of the walk.
type stepView struct {
	ID, Title, Text string
	Fields          []input
	Button, Command string
	Result          *result
}

// input is a field of a form.
type input struct {
	Name, Label, Value, Kind string
	Card                     bool
}

type attackView struct {
	attempt.Attack
	Threat Threat
	Report *attempt.Report
}

func (p *Page) functions() template.FuncMap {
	return template.FuncMap{
		"short":  func(arn string) string { return shown(p.resource(arn)) },
		"policy": func(text string) string { return p.shorten(text) },
	}
}

// current is a copy of the session, and of what is known about tokens of attacks.
func (p *Page) current() (s session, made map[string]string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s = p.session
	s.Results, s.Reads, s.Attacks = maps.Clone(s.Results), maps.Clone(s.Reads), maps.Clone(s.Attacks)
	return s, maps.Clone(p.made)
}

// view collects what the parts with these names show.
func (p *Page) view(ctx context.Context, query url.Values, names ...string) view {
	s, made := p.current()
	v := view{Seq: p.config.Recorder.Seq(), Form: p.guard.form, Session: s, Card: card, SignedIn: s.IDToken != ""}
	for _, name := range names {
		switch name {
		case "try":
			v.Steps = p.stepViews(s)
		case "tables":
			v.Tables = p.tablesView(ctx, s, made, query.Get("view"))
		case "calls":
			v.Calls = p.callsView(query)
		case "flow":
			v.Flow = p.flowView(query.Get("request"))
		case "attacks":
			for _, a := range attempt.Attacks() {
				av := attackView{Attack: a, Threat: p.threats[a.ID]}
				if report, found := s.Attacks[a.ID]; found {
					av.Report = &report
				}
				v.Attacks = append(v.Attacks, av)
			}
		}
	}
	return v
}

// whole answers with the page.
func (p *Page) whole(w http.ResponseWriter, r *http.Request) {
	p.render(w, "page", p.view(r.Context(), r.URL.Query(), parts...))
}

// part answers with one part of the page.
func (p *Page) part(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	for _, known := range parts {
		if name == known {
			p.render(w, name, p.view(r.Context(), r.URL.Query(), name))
			return
		}
	}
	http.NotFound(w, r)
}

// answer answers a form: a script gets the part that changed, a browser without scripts is sent back to the page.
func (p *Page) answer(w http.ResponseWriter, r *http.Request, name string) {
	if r.Header.Get("X-Part") == "" {
		http.Redirect(w, r, p.guard.path+"#"+name, http.StatusSeeOther)
		return
	}
	query, _ := url.ParseQuery(r.PostForm.Get("query"))
	p.render(w, name, p.view(r.Context(), query, name))
}

func (p *Page) render(w http.ResponseWriter, name string, v view) {
	var b bytes.Buffer
	if err := p.templates.ExecuteTemplate(&b, name, v); err != nil {
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes())
}

// stepViews are the steps of the walk, with the commands that do the same.
func (p *Page) stepViews(s session) []stepView {
	client, apiURL := p.config.Outputs["UserPoolAppClientId"], p.config.Outputs["PaymentMethodApiURL"]
	aws := "AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x aws --region us-east-1 --endpoint-url " +
		p.config.Endpoints["cognito_idp"] + " cognito-idp "
	email := input{Name: "email", Label: "E-mail", Value: s.Email, Kind: "email"}
	password := input{Name: "password", Label: "Password", Value: s.Password, Kind: "text"}
	order := input{Name: "order", Label: "Order number", Value: s.Order, Kind: "text"}
	token := s.IDToken
	if token == "" {
		token = "<IdToken of step 3>"
	}
	curl := func(path, body string) string {
		return "curl -X POST " + apiURL + path + " \\\n  -H 'Content-Type: application/json' \\\n  -H " +
			quoted("Authorization: "+token) + " \\\n  -d " + quoted(body)
	}
	views := []stepView{
		{
			ID: "sign-up", Title: "Sign up", Text: "Cognito keeps the users. Nothing leaves this machine.",
			Button: "Sign up", Fields: []input{email, password},
			Command: aws + "sign-up --client-id " + client + " \\\n  --username=" + quoted(s.Email) + " --password=" +
				quoted(s.Password),
		},
		{
			ID: "confirm", Title: "Confirm", Text: "The code that the e-mail would have is filled in.",
			Button: "Confirm", Fields: []input{email, {Name: "code", Label: "Code", Value: s.Code, Kind: "text"}},
			Command: aws + "confirm-sign-up --client-id " + client + " \\\n  --username=" + quoted(s.Email) +
				" --confirmation-code=" + quoted(cmp.Or(s.Code, "<code>")),
		},
		{
			ID: "sign-in", Title: "Sign in", Text: "The answer has an ID token, which the API asks for.",
			Button: "Sign in", Fields: []input{email, password},
			Command: aws + "initiate-auth --client-id " + client + " \\\n  --auth-flow USER_PASSWORD_AUTH " +
				"--auth-parameters " +
				quoted(`{"USERNAME": `+jsonText(s.Email)+`, "PASSWORD": `+jsonText(s.Password)+`}`),
		},
		{
			ID: "order", Title: "Order", Text: "The order function swaps the card for a token, and stores the token.",
			Button: "Place the order",
			Fields: []input{
				order, {Name: "name", Label: "Customer", Value: s.Name, Kind: "text"},
				{Name: "card", Label: "Card number", Value: card, Kind: "text", Card: true},
				{Name: "address", Label: "Address", Value: s.Address, Kind: "text"},
			},
			Command: curl("/order", `{"CustomerOrder": `+jsonText(s.Order)+`, "CustomerName": `+jsonText(s.Name)+
				`, "CreditCard": "`+card+`", "Address": `+jsonText(s.Address)+`}`),
		},
		{
			ID: "pay", Title: "Pay", Text: "The paybill function reads the card back, charges it, and answers with a mask.",
			Button: "Pay the order", Fields: []input{order},
			Command: curl("/paybill", `{"CustomerOrder": `+jsonText(s.Order)+`}`),
		},
	}
	for i := range views {
		if res, found := s.Results[views[i].ID]; found {
			views[i].Result = &res
		}
	}
	return views
}

// quoted is a text as a word of a shell's command. A terminal could act on a control character that is pasted, so the
// shell makes it of its number.
func quoted(s string) string {
	if visible := mask.Visible(s); visible != s {
		return "$'" + strings.ReplaceAll(mask.Visible(strings.ReplaceAll(s, `\`, `\\`)), "'", `\'`) + "'"
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
