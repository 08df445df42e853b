package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

// goArguments are the arguments of all verbs. JSON fills in those that a call has.
type goArguments struct {
	Data           client.Secret     `json:"data"`
	Token          string            `json:"token"`
	Type           client.DataType   `json:"type"`
	Format         client.Format     `json:"format"`
	TTL            int64             `json:"ttl"`
	MaxUses        int64             `json:"max_uses"`
	Purpose        string            `json:"purpose"`
	Context        map[string]string `json:"context"`
	Metadata       map[string]string `json:"metadata"`
	Deterministic  bool              `json:"deterministic"`
	Scope          string            `json:"scope"`
	FirstSix       bool              `json:"first_six"`
	IdempotencyKey string            `json:"idempotency_key"`
	Redaction      client.Redaction  `json:"redaction"`
	Mask           client.Mask       `json:"mask"`
	Attempt        string            `json:"attempt"`
	Reason         string            `json:"reason"`
	Reference      string            `json:"reference"`
	RequestID      string            `json:"request_id"`
	Items          []goArguments     `json:"items"`
	Timeout        float64           `json:"timeout"`
	Retries        *int              `json:"retries"`
	RemainingMS    *int              `json:"lambda_remaining_ms"`
}

// goDriver carries out the vectors with the client for Go.
func goDriver(t *testing.T, settings []setting) (outcomes [][]outcome) {
	for _, s := range settings {
		saved := map[string]string{}
		var done []outcome
		clients := map[string]client.Tokenizer{} // one for all calls with the same settings
		for _, call := range s.Calls {
			done = append(done, goCall(t, s, call, saved, clients))
		}
		outcomes = append(outcomes, done)
	}
	return outcomes
}

func goCall(t *testing.T, s setting, call vectorCall, saved map[string]string,
	clients map[string]client.Tokenizer) outcome {
	t.Helper()
	if call.Verb == "await" {
		conn, err := net.Dial("tcp", "127.0.0.1:"+s.Environment["BARRIER"])
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = conn.Read(make([]byte, 1))
		return outcome{}
	}
	in := goArgumentsOf(t, call.Arguments, saved)
	c, err := goClient(t, s, in, clients)
	if err != nil {
		return goOutcome(t, nil, err)
	}
	ctx := t.Context()
	if in.RemainingMS != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(*in.RemainingMS)*time.Millisecond)
		defer cancel()
	}
	result, err := goVerbs[call.Verb](ctx, c, in)
	if members, ok := result.(map[string]any); ok && call.Save != "" && err == nil {
		saved["<"+call.Save+">"], _ = members["token"].(string)
	}
	return goOutcome(t, result, err)
}

// goArgumentsOf is the call's arguments with saved tokens, and with the values that JSON cannot have.
func goArgumentsOf(t *testing.T, arguments map[string]any, saved map[string]string) (in goArguments) {
	t.Helper()
	text, err := json.Marshal(replaced(arguments, saved))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &in); err != nil {
		t.Fatal(err)
	}
	in.mangle()
	return in
}

const notUTF8 = "NOT UTF-8"

func replaced(value any, saved map[string]string) any {
	switch value := value.(type) {
	case string:
		if token, ok := saved[value]; ok {
			return token
		}
	case []any:
		list := make([]any, len(value))
		for i := range value {
			list[i] = replaced(value[i], saved)
		}
		return list
	case map[string]any:
		card := map[string]any{"data": "4111111111111111"}
		switch value["$"] {
		case "surrogate":
			return notUTF8
		case "long":
			return strings.Repeat("x", 40000)
		case "many":
			return repeated(card, 101)
		case "large":
			return repeated(map[string]any{"data": strings.Repeat("x", 12000)}, 100)
		}
		members := map[string]any{}
		for name, member := range value {
			members[name] = replaced(member, saved)
		}
		return members
	}
	return value
}

func repeated(item any, times int) (list []any) {
	for range times {
		list = append(list, item)
	}
	return list
}

// mangle puts in bytes that are no UTF-8, which JSON would not have let through.
func (in *goArguments) mangle() {
	for _, text := range []*string{&in.Token, &in.Purpose, &in.Scope, &in.Attempt, &in.Reason} {
		*text = strings.ReplaceAll(*text, notUTF8, "\xff")
	}
	in.Data = client.NewSecret(strings.ReplaceAll(in.Data.Reveal(), notUTF8, "\xff"))
	for _, texts := range []map[string]string{in.Context, in.Metadata} {
		for name, text := range texts {
			texts[name] = strings.ReplaceAll(text, notUTF8, "\xff")
		}
	}
	for i := range in.Items {
		in.Items[i].mangle()
	}
}

func goClient(
	t *testing.T, s setting, in goArguments, clients map[string]client.Tokenizer,
) (client.Tokenizer, error) {
	t.Helper()
	for _, name := range []string{"TOKENIZER_PORT", "AWS_SESSION_TOKEN"} {
		t.Setenv(name, s.Environment[name])
	}
	config, err := client.ConfigFromEnvironment()
	if err != nil {
		return nil, err
	}
	config.Timeout = time.Duration(in.Timeout * float64(time.Second))
	if in.Retries != nil {
		config.Retries = *in.Retries
		if *in.Retries == 0 {
			config.Retries = -1
		}
	}
	key := fmt.Sprint(config.Timeout, config.Retries)
	if clients[key] == nil {
		if clients[key], err = client.New(config); err != nil {
			return nil, err
		}
	}
	return clients[key], nil
}

func goOutcome(t *testing.T, result any, err error) (o outcome) {
	t.Helper()
	if err != nil {
		return outcome{Error: goError(err), Text: fmt.Sprintf("%v %+v", err, err)}
	}
	text, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &o.Result); err != nil {
		t.Fatal(err)
	}
	return o
}

func goError(err error) any {
	e, ok := errors.AsType[*client.Error](err)
	if !ok {
		return map[string]any{"code": "no *client.Error"}
	}
	shown := map[string]any{"code": e.Code, "status": float64(e.Status)}
	put(shown, "detail", e.Detail)
	put(shown, "field", e.Field)
	put(shown, "retry_after", e.RetryAfter.Seconds())
	return shown
}

// put adds a member, unless it is the zero value.
func put[T comparable](members map[string]any, name string, value T) {
	var zero T
	if value != zero {
		members[name] = value
	}
}

var goVerbs = map[string]func(context.Context, client.Tokenizer, goArguments) (any, error){
	"tokenize": func(ctx context.Context, c client.Tokenizer, in goArguments) (any, error) {
		out, err := c.Tokenize(ctx, in.tokenize())
		return tokenizedMembers(out, in.Deterministic), err
	},
	"tokenize_batch": func(ctx context.Context, c client.Tokenizer, in goArguments) (any, error) {
		batch := client.TokenizeBatchInput{RequestID: in.RequestID}
		for _, item := range in.Items {
			batch.Items = append(batch.Items,
				client.TokenizeItem{Reference: item.Reference, TokenizeInput: item.tokenize()})
		}
		out, err := c.TokenizeBatch(ctx, batch)
		var results []any
		for i, r := range out.Results {
			results = append(results,
				goItem(tokenizedMembers(r.TokenizeOutput, in.Items[i].Deterministic), r.Reference, r.Err))
		}
		return results, err
	},
	"seal": func(ctx context.Context, c client.Tokenizer, in goArguments) (any, error) {
		out, err := c.Seal(ctx, client.SealInput{
			Data: in.Data, Type: in.Type, Format: in.Format, TTL: time.Duration(in.TTL) * time.Second,
			MaxUses: in.MaxUses,
			Purpose: in.Purpose, Context: in.Context, Metadata: in.Metadata, FirstSix: in.FirstSix,
			RequestID: in.RequestID,
		})
		members := tokenizedMembers(client.TokenizeOutput{Token: out.Token, ExpiresAt: out.ExpiresAt, Card: out.Card},
			false)
		if out.Put.Put != nil {
			members["put"] = "the put of " + *out.Put.Put.TableName
		}
		return members, err
	},
	"detokenize": func(ctx context.Context, c client.Tokenizer, in goArguments) (any, error) {
		out, err := c.Detokenize(ctx, in.detokenize())
		return detokenizedMembers(out), err
	},
	"detokenize_batch": func(ctx context.Context, c client.Tokenizer, in goArguments) (any, error) {
		batch := client.DetokenizeBatchInput{RequestID: in.RequestID}
		for _, item := range in.Items {
			batch.Items = append(batch.Items,
				client.DetokenizeItem{Reference: item.Reference, DetokenizeInput: item.detokenize()})
		}
		out, err := c.DetokenizeBatch(ctx, batch)
		var results []any
		for _, r := range out.Results {
			results = append(results, goItem(detokenizedMembers(r.DetokenizeOutput), r.Reference, r.Err))
		}
		return results, err
	},
	"validate": func(ctx context.Context, c client.Tokenizer, in goArguments) (any, error) {
		out, err := c.Validate(ctx, client.ValidateInput{Token: in.Token, Context: in.Context, Reason: in.Reason})
		return map[string]any{"live": out.Live}, err
	},
	"metadata": func(ctx context.Context, c client.Tokenizer, in goArguments) (any, error) {
		out, err := c.Metadata(ctx, client.MetadataInput{Token: in.Token, Context: in.Context, Reason: in.Reason})
		members := map[string]any{"type": out.Type, "uses": out.Uses, "metadata": map[string]string{}}
		if out.Metadata != nil {
			members["metadata"] = out.Metadata
		}
		put(members, "created_at", out.CreatedAt)
		put(members, "expires_at", out.ExpiresAt)
		put(members, "purpose", out.Purpose)
		put(members, "max_uses", out.MaxUses)
		return members, err
	},
	"revoke": func(ctx context.Context, c client.Tokenizer, in goArguments) (any, error) {
		out, err := c.Revoke(ctx, client.RevokeInput{Token: in.Token, Reason: in.Reason})
		return map[string]any{"existed": out.Existed, "in_backups_until": out.InBackupsUntil}, err
	},
	"ping": func(ctx context.Context, c client.Tokenizer, _ goArguments) (any, error) {
		out, err := c.Ping(ctx)
		return map[string]any{"release": out.Release}, err
	},
}

func (in goArguments) tokenize() client.TokenizeInput {
	return client.TokenizeInput{
		Data: in.Data, Type: in.Type, Format: in.Format, TTL: time.Duration(in.TTL) * time.Second, MaxUses: in.MaxUses,
		Purpose: in.Purpose, Context: in.Context, Metadata: in.Metadata, FirstSix: in.FirstSix,
		Deterministic: in.Deterministic, Scope: in.Scope, IdempotencyKey: in.IdempotencyKey, RequestID: in.RequestID,
	}
}

func (in goArguments) detokenize() client.DetokenizeInput {
	return client.DetokenizeInput{
		Token: in.Token, Context: in.Context, Redaction: in.Redaction, Mask: in.Mask, Attempt: in.Attempt,
		Reason: in.Reason, RequestID: in.RequestID,
	}
}

func goItem(members map[string]any, reference string, err error) any {
	if err != nil {
		return map[string]any{"error": goError(err)}
	}
	put(members, "reference", reference)
	return members
}

func tokenizedMembers(out client.TokenizeOutput, deterministic bool) map[string]any {
	members := map[string]any{"token": out.Token}
	put(members, "expires_at", out.ExpiresAt)
	if deterministic { // the other clients tell whether the extension has said so
		members["deduplicated"] = out.Deduplicated
	}
	if out.Card != (client.Card{}) {
		card := map[string]any{"brand": out.Card.Brand, "last_four": out.Card.LastFour, "length": out.Card.Length}
		put(card, "first_six", out.Card.FirstSix)
		members["card"] = card
	}
	return members
}

func detokenizedMembers(out client.DetokenizeOutput) map[string]any {
	members := map[string]any{"redaction": out.Redaction, "data": out.Data.Reveal()}
	if out.Redaction == client.PlainText {
		members["data"] = map[string]any{"secret": out.Data.Reveal()}
	}
	return members
}
