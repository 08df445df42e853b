package page

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/smithy-go"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/mask"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/page/attempt"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/walkthrough"
)

// session is what the person did. There is no card in it.
type session struct {
	Email, Password, Code, IDToken string
	Order, Name, Address           string
	Results                        map[string]result         // by the step
	Reads                          map[string]attempt.Report // by the token
	Attacks                        map[string]attempt.Report // by the attack
}

// maxReads is how many attempts to read are kept.
const maxReads = 20

// result is the answer to a step.
type result struct {
	OK     bool
	Status string // such as 201 Created
	Body   string
}

func newSession() session {
	return session{
		Email: "u-" + strings.ToLower(rand.Text()[:6]) + "@example.com", Password: rand.Text()[:10] + "-aA1",
		Order: newOrder(), Name: "Amazon Web Services", Address: "Reinvent2019, Las Vegas, USA",
		Results: map[string]result{}, Reads: map[string]attempt.Report{}, Attacks: map[string]attempt.Report{},
	}
}

func newOrder() string { return "page-" + strings.ToLower(rand.Text()[:6]) }

// steps are the forms of the walk, in their order.
var steps = map[string]func(*Page, context.Context, *http.Request) (result, error){
	"sign-up": (*Page).signUp, "confirm": (*Page).confirm, "sign-in": (*Page).signIn, "order": (*Page).order,
	"pay": (*Page).pay,
}

// try carries out one step.
func (p *Page) try(w http.ResponseWriter, r *http.Request) {
	step := r.PathValue("step")
	do := steps[step]
	if do == nil {
		http.NotFound(w, r)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 40*time.Second)
	defer cancel()
	res, err := do(p, ctx, r)
	if err != nil {
		res = failed(err)
	}
	p.mu.Lock()
	p.session.Results[step] = res
	p.mu.Unlock()
	p.config.Recorder.Changed()
	p.answer(w, r, "try")
}

// again empties the forms of the walk, for another user and another order.
func (p *Page) again(w http.ResponseWriter, r *http.Request) {
	p.update(func(s *session) {
		reads, attacks := s.Reads, s.Attacks
		*s = newSession()
		s.Reads, s.Attacks = reads, attacks
	})
	p.answer(w, r, "try")
}

// failed shows an error of Cognito as its API would.
func failed(err error) result {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		body, _ := json.MarshalIndent(map[string]string{"__type": e.ErrorCode(), "message": e.ErrorMessage()}, "", "  ")
		return result{Status: "400 Bad Request", Body: mask.Visible(mask.Cards(string(body)))}
	}
	return result{Status: "no answer", Body: "The local system did not answer. Send it again."}
}

// update changes the session, and returns it as it is then.
func (p *Page) update(change func(*session)) session {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.session)
	return p.session
}

func (p *Page) signUp(ctx context.Context, r *http.Request) (result, error) {
	email := typed(r, "email")
	p.update(func(s *session) {
		s.Email, s.Password = kept(r, "email"), kept(r, "password")
		s.Code, s.IDToken = "", ""
		delete(s.Results, "confirm")
		delete(s.Results, "sign-in")
	})
	if err := p.config.Users.SignUp(ctx, email, typed(r, "password")); err != nil {
		return result{}, err
	}
	code, err := p.config.Users.Code(email)
	if err != nil {
		return result{true, "200 OK", "The code went out by e-mail."}, nil
	}
	p.update(func(s *session) { s.Code = code })
	return result{true, "200 OK", "The e-mail would say: your confirmation code is " + code + "."}, nil
}

func (p *Page) confirm(ctx context.Context, r *http.Request) (result, error) {
	p.update(func(s *session) { s.Email, s.Code = kept(r, "email"), kept(r, "code") })
	if err := p.config.Users.Confirm(ctx, typed(r, "email"), typed(r, "code")); err != nil {
		return result{}, err
	}
	return result{true, "200 OK", "The user is confirmed."}, nil
}

func (p *Page) signIn(ctx context.Context, r *http.Request) (result, error) {
	p.update(func(s *session) { s.Email, s.Password = kept(r, "email"), kept(r, "password") })
	token, err := p.config.Users.SignIn(ctx, typed(r, "email"), typed(r, "password"))
	if err != nil {
		return result{}, err
	}
	p.update(func(s *session) { s.IDToken = token })
	said := fmt.Sprintf("An ID token of %d characters. The commands of steps 4 and 5 have it.", len(token))
	return result{true, "200 OK", said}, nil
}

func (p *Page) order(ctx context.Context, r *http.Request) (result, error) {
	s := p.update(func(s *session) {
		s.Order, s.Name, s.Address = kept(r, "order"), kept(r, "name"), kept(r, "address")
		delete(s.Results, "pay")
	})
	return p.post(ctx, "/order", s.IDToken, map[string]string{
		"CustomerOrder": typed(r, "order"), "CustomerName": typed(r, "name"), "CreditCard": typed(r, "card"),
		"Address": typed(r, "address"),
	})
}

func (p *Page) pay(ctx context.Context, r *http.Request) (result, error) {
	s := p.update(func(s *session) { s.Order = kept(r, "order") })
	return p.post(ctx, "/paybill", s.IDToken, map[string]string{"CustomerOrder": typed(r, "order")})
}

// kept is a value of a form as the session may have it. Whoever types a card into the wrong field gets it back masked.
func kept(r *http.Request, name string) string { return mask.Cards(typed(r, name)) }

// typed is a value of a form.
func typed(r *http.Request, name string) string { return r.PostForm.Get(name) }

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 8 << 10

var api = &http.Client{Timeout: 35 * time.Second, Transport: &http.Transport{Proxy: nil}}

// post sends a request to the API, and shows its answer as it is, but for what looks like a card number.
func (p *Page) post(ctx context.Context, path, idToken string, members map[string]string) (result, error) {
	body, err := json.Marshal(members)
	if err != nil {
		return result{}, err
	}
	url := p.config.Outputs["PaymentMethodApiURL"] + path
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(string(body)))
	if err != nil {
		return result{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	if idToken != "" {
		req.Header.Set("Authorization", idToken)
	}
	resp, err := api.Do(req)
	if err != nil {
		return result{}, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return result{}, err
	}
	return result{resp.StatusCode < 300, resp.Status, indented(answer)}, nil
}

// jsonText is a text as JSON has it.
func jsonText(s string) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(s) != nil { // never for a text
		return `""`
	}
	return mask.Visible(strings.TrimSpace(b.String()))
}

// indented is JSON for people. What is no JSON stays as it is.
func indented(answer []byte) string {
	var members any
	if json.Unmarshal(answer, &members) != nil {
		return mask.Visible(mask.Cards(string(answer)))
	}
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if encoder.Encode(members) != nil {
		return ""
	}
	return mask.Visible(mask.Cards(strings.TrimSpace(b.String())))
}

// read tries to read a card as somebody.
func (p *Page) read(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 20*time.Second)
	defer cancel()
	token := kept(r, "token")
	name := ""
	for _, reader := range attempt.Readers() {
		if reader.ID == typed(r, "as") {
			name = reader.Name
		}
	}
	if name == "" {
		http.NotFound(w, r)
		return
	}
	report, err := p.config.Lab.ReadAs(ctx, typed(r, "as"), token)
	if err != nil {
		report = broken(name)
	}
	p.update(func(s *session) {
		if len(s.Reads) >= maxReads {
			clear(s.Reads)
		}
		s.Reads[token] = report
	})
	p.config.Recorder.Changed()
	p.answer(w, r, "tables")
}

// attack carries out an attack.
func (p *Page) attack(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if _, known := p.threats[id]; !known {
		http.NotFound(w, r)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 20*time.Second)
	defer cancel()
	report, err := p.config.Lab.Attack(ctx, id)
	if err != nil {
		report = broken(id)
	}
	p.update(func(s *session) {
		s.Attacks[id] = report
		p.remember(report)
	})
	p.config.Recorder.Changed()
	p.answer(w, r, "attacks")
}

// maxMade is how many tokens of attacks are known at once.
const maxMade = 200

// remember keeps which tokens an attack made. The caller holds p.mu.
func (p *Page) remember(attack attempt.Report) {
	if len(p.made) > maxMade {
		clear(p.made)
	}
	for _, token := range attack.Tokens {
		p.made[token] = attack.Title
	}
}

// broken is the report of an attempt that could not be made. An error's text may hold anything, so it is not shown.
func broken(title string) attempt.Report {
	return attempt.Report{
		Title: title, Verdict: "The attempt could not be made: the local system gave no answer. Try again.", Broken: true,
	}
}

// Card is what the field for the card begins with.
const card = walkthrough.SampleCard
