package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/fakeaws"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/server"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/vault"
)

// TestMain runs the package's tests in a zone that is two hours ahead of UTC: no answer, row or line of the log may
// show it.
func TestMain(m *testing.M) {
	time.Local = time.FixedZone("two hours ahead", 2*60*60)
	m.Run()
}

// texts are of characters that take one to four bytes, and of characters that are made of several.
var texts = map[string]string{
	"two bytes":       "Straße, Łódź, Ελλάδα",
	"three bytes":     "東京都千代田区 – 1 €",
	"four bytes":      "😀 𝄞 𐍈",
	"combining marks": "e\u0301 a\u0308 ญี่ปุ่น",
	"joined":          "👩\u200d👩\u200d👧 🇨🇭",
	"JSON's own":      `"\</>& ` + "\u2028\u2029",
}

// What a client sends comes back as it was, and stands in the log as it was.
func TestClient_CarriesTextsBeyondASCII(t *testing.T) {
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			r := start(t)
			c, ctx, members := r.client(t), t.Context(), map[string]string{"note": text}
			token := create(t, c,
				client.TokenizeInput{Data: client.NewSecret(text), Type: client.TypeText, Metadata: members,
					Context: members}).Token
			out, err := c.Detokenize(ctx,
				client.DetokenizeInput{Token: token, Context: members, Redaction: client.PlainText, Reason: text})
			if err != nil || out.Data.Reveal() != text {
				t.Errorf("data %q, %v", out.Data.Reveal(), err)
			}
			m, err := c.Metadata(ctx, client.MetadataInput{Token: token, Context: members, Reason: text})
			if diff := cmp.Diff(members, m.Metadata); err != nil || diff != "" {
				t.Errorf("metadata: %v (-want +got):\n%s", err, diff)
			}
			if live, err := c.Validate(ctx,
				client.ValidateInput{Token: token, Context: map[string]string{"note": text + "\u0301"}}); err == nil {
				t.Errorf("a context with one more mark: %+v", live)
			}
			r.stop()
			reasons := 0
			for line := range strings.Lines(r.log.String()) {
				var e struct{ Reason string }
				if err := json.Unmarshal([]byte(line), &e); err != nil {
					t.Fatal(err)
				}
				if e.Reason == text {
					reasons++
				}
			}
			if reasons != 2 {
				t.Errorf("%d reasons are in the log:\n%s", reasons, r.log)
			}
		})
	}
}

// A mask hides all but what may be shown, whatever the number's length, and the client's own mask is the same.
func TestDetokenize_MasksEveryLength(t *testing.T) {
	r := start(t)
	c, ctx := r.client(t), t.Context()
	for digits := 12; digits <= 19; digits++ {
		number := ""
		for i := 0; number == ""; i++ { // the first whose check digit fits
			if n, err := client.ParsePAN(client.NewSecret(fmt.Sprintf("54%0*d%d", digits-3, 7654321, i))); err == nil {
				number = n.Reveal()
			}
		}
		last, middle := strings.Repeat("*", digits-4)+number[digits-4:],
			number[:6]+strings.Repeat("*", digits-10)+number[digits-4:]
		if digits < 15 {
			middle = last
		}
		token := create(t, c, client.TokenizeInput{Data: client.NewSecret(number)}).Token
		for mask, want := range map[client.Mask]string{"": last, client.LastFour: last,
			client.FirstSixLastFour: middle} {
			out, err := c.Detokenize(ctx, client.DetokenizeInput{Token: token, Mask: mask})
			if err != nil || out.Data.Reveal() != want {
				t.Errorf("%d digits, mask %q: %s, want %s, %v", digits, mask, out.Data.Reveal(), want, err)
			}
		}
		own, err := client.ParsePAN(client.NewSecret(number))
		if err != nil || own.Mask() != last || own.MaskMiddle() != middle {
			t.Errorf("%d digits: the client's masks are %s and %s, want %s and %s", digits, own.Mask(),
				own.MaskMiddle(), last, middle)
		}
	}
	for length := 1; length <= 20; length++ {
		text := strings.Repeat("é", length)
		token := create(t, c, client.TokenizeInput{Data: client.NewSecret(text), Type: client.TypeText}).Token
		out, err := c.Detokenize(ctx, client.DetokenizeInput{Token: token})
		if want := "********" + strings.Repeat("é", min(4, length/4)); err != nil || out.Data.Reveal() != want {
			t.Errorf("a text of %d: %s, want %s, %v", length, out.Data.Reveal(), want, err)
		}
	}
}

// Times in answers, rows and lines of the log are in UTC, wherever the process thinks it is, and are the right
// instants.
func TestServer_TimesAreInUTCWhateverTheZone(t *testing.T) {
	now := time.Date(2026, 1, 2, 5, 4, 5, 999, time.Local)
	tables := &fakeaws.Tables{}
	v, err := vault.New(vault.Config{
		TokenKeys: []vault.Key{{Version: "1", ARN: keyARN}}, Table: vaultTable, State: stateTable, Index: indexTable,
		AccountID: "123456789012",
		KMS:       &fakeaws.KMS{}, Store: tables, FingerprintKeys: []vault.Key{{Version: "1", ARN: fingerprintARN}},
		Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, func(c *server.Config) { c.Vault = func(context.Context) (server.Vault, error) { return v, nil } })
	want := func(path, body string, header map[string]string, parts ...string) string {
		t.Helper()
		_, answer, _ := r.do(t, call{path: path, body: body, header: header})
		for _, part := range parts {
			if !strings.Contains(answer, part) {
				t.Errorf("%s: no %s in %s", path, part, answer)
			}
		}
		return answer
	}
	const expires = `"expires_at":"2026-01-02T04:04:05Z"`
	const hour = `{"data":"` + visa + `","ttl":3600}`
	token := tokenOf(t, want(api.PathTokenize, hour, nil, expires))
	want(api.PathTokenize, `{"data":"`+visa+`","ttl":3600,"store":false}`, nil, expires,
		`"ExpiresAt":{"N":"1767326645"}`)
	for range 2 { // the second is found
		want(api.PathTokenize, hour, map[string]string{api.IdempotencyHeader: "k"}, expires)
	}
	want(api.PathMetadata, `{"token":"`+token+`"}`, nil, `"created_at":"2026-01-02T03:04:05Z"`, expires)
	want(api.PathRevoke, `{"token":"`+token+`"}`, nil, `"in_backups_until":"2026-02-06T03:04:05Z"`)
	if revoked, _ := tables.MustRow(stateTable, "gone#"+token,
		"123456789012")["RevokedAt"].Number(); revoked != "1767323045" {
		t.Errorf("RevokedAt is %s", revoked)
	}
	r.stop()
	for line := range strings.Lines(r.log.String()) {
		if !strings.Contains(line, `Z","level"`) || strings.Contains(line, "+02:00") {
			t.Errorf("a time that is not in UTC: %s", line)
		}
	}
}
