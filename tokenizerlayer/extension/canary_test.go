package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/token"
)

// What must show up nowhere but in the answer that is asked for it.
const (
	canary     = "4111111111111111"
	canaryText = "IBAN of Canary Bird DE89370400440532013000"
)

// Every success and every failure of the API is taken with a card and a text that can be recognized. Neither they, nor
// a token, nor the session token are logged or sent to KMS. A token's ref is there, and names it in the log, in its row
// and in KMS's records alike.
func TestExtension_LeaksTheCanaryNowhere(t *testing.T) {
	x := startExtension(t)
	x.succeed(t)
	x.fail(t)
	if err := x.ShutDown(); err != nil {
		t.Errorf("the extension ended with %v", err)
	}
	logged := x.Stdout.String() + x.Stderr.String()
	places := map[string]string{"the log": logged, "the answers": strings.Join(x.answers, "\n"),
		"the requests to KMS": strings.Join(x.Asked.Requests(), "\n")}
	for _, table := range []string{vaultTable, stateTable, indexTable} {
		rows := x.rows(t, table)
		if len(rows) == 0 {
			t.Errorf("%s is empty: nothing was looked at", table)
		}
		places[table] = contents(t, rows)
	}
	// Parts of them as well, and what a careless encoding makes of them.
	secrets := []string{canary, "411111111111", "4111-1111", canaryText, "Canary Bird", "DE8937",
		"NDExMTExMTExMTExMTExM", "34313131313131", session}
	for place, content := range places {
		for _, secret := range secrets {
			if strings.Contains(content, secret) {
				t.Errorf("%q is in %s", secret, place)
			}
		}
	}
	if len(x.tokens) < 10 {
		t.Errorf("%d tokens were given out: not everything was looked for", len(x.tokens))
	}
	for _, tok := range x.tokens { // they are in answers and tables
		for _, place := range []string{"the log", "the requests to KMS"} {
			if strings.Contains(strings.ToLower(places[place]), tok) {
				t.Errorf("a token is in %s", place)
			}
		}
	}
	sealed, opened := x.refs(t)
	for _, row := range x.rows(t, vaultTable) {
		ref := row["Ref"].(*types.AttributeValueMemberS).Value
		if !token.IsRef(ref) || !sealed[ref] || !strings.Contains(logged, `"ref":"`+ref+`"`) {
			t.Errorf("the row's ref %q is not in the log, or not in what KMS was asked", ref)
		}
	}
	for ref := range opened {
		if !sealed[ref] {
			t.Errorf("KMS was asked to decrypt for %q, which no token has", ref)
		}
	}
	if events := strings.Count(logged, `"msg":"tokenizer"`); events < 40 {
		t.Errorf("%d events were logged: not everything was", events)
	}
	if strings.Count(logged, `"finding":"revoked-row-returned"`) != 1 {
		t.Error("the row that came back is not one finding in the log")
	}
}

// contents is everything in rows, with what is binary as it is too.
func contents(t *testing.T, rows []map[string]types.AttributeValue) string {
	t.Helper()
	var all bytes.Buffer
	for _, row := range rows {
		encoded, err := json.Marshal(row)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(encoded)
		for _, v := range row {
			if b, ok := v.(*types.AttributeValueMemberB); ok {
				all.Write(b.Value)
			}
		}
	}
	return all.String()
}

// refs are those for which KMS was asked to make a data key, and to decrypt one.
func (x *running) refs(t *testing.T) (sealed, opened map[string]bool) {
	t.Helper()
	sealed, opened = map[string]bool{}, map[string]bool{}
	for _, body := range x.Asked.Requests() {
		var in struct {
			EncryptionContext map[string]string
			CiphertextBlob    []byte
		}
		if err := json.Unmarshal([]byte(body), &in); err != nil {
			t.Fatal(err)
		}
		switch ref := in.EncryptionContext["ref"]; {
		case in.EncryptionContext == nil: // a MAC, or a key's administration
		case in.CiphertextBlob == nil:
			sealed[ref] = true
		default:
			opened[ref] = true
		}
	}
	return sealed, opened
}

func (x *running) succeed(t *testing.T) {
	t.Helper()
	card, text := `"data":"4111-1111-1111-1111"`, `"type":"text","data":"`+canaryText+`"`
	for key, data := range map[string]string{"card": card, "text": text} {
		tok := x.want(t, 200, api.PathTokenize, `{`+data+`}`)
		for range 2 {
			x.want(t, 200, api.PathTokenize, `{`+data+`,"deterministic":true,"scope":"s"}`)
			x.want(t, 200, api.PathTokenize, `{`+data+`,"ttl":3600}`, api.IdempotencyHeader, key)
		}
		x.want(t, 409, api.PathTokenize, `{`+data+`}`, api.IdempotencyHeader, key)
		x.want(t, 200, api.PathTokenize,
			`{`+data+`,"ttl":60,"max_uses":2,"binding":{"purpose":"p"},"metadata":{"a":"b"}}`)
		x.want(t, 200, api.PathTokenize, `{`+data+`,"store":false}`)
		for _, rest := range []string{``, `,"redaction":"MASKED","reason":"because"`, `,"redaction":"PLAIN_TEXT"`} {
			x.want(t, 200, api.PathDetokenize, `{"token":"`+tok+`"`+rest+`}`)
		}
		x.want(t, 200, api.PathDetokenize, `{"token":"`+strings.ToUpper(tok)+`"}`)
		x.want(t, 200, api.PathValidate, `{"token":"`+tok+`"}`)
		x.want(t, 200, api.PathMetadata, `{"token":"`+tok+`"}`)

		const context, another = `"binding":{"context":{"order":"1"}}`, `"binding":{"context":{"order":"2"}}`
		bound := x.want(t, 200, api.PathTokenize, `{`+data+`,`+context+`}`)
		x.want(t, 200, api.PathDetokenize, `{"token":"`+bound+`",`+context+`}`)
		for _, path := range []string{api.PathDetokenize, api.PathValidate, api.PathMetadata} {
			x.want(t, 403, path, `{"token":"`+bound+`",`+another+`}`)
		}
	}
	x.want(t, 200, api.PathTokenize, `{`+card+`,"format":"`+string(token.Card)+`"}`)

	// Batches, of which some items fail.
	got := x.batch(t, api.PathTokenizeBatch, `{`+card+`,"first_six":true}`, `{`+text+`}`, `{"data":"`+canary+`2"}`,
		`{"data":"x","`+canary+`":1}`)
	x.batch(t, api.PathDetokenizeBatch, `{"token":"`+got[0]+`"}`, `{"token":"`+got[1]+`"}`, `{"token":"`+canary+`"}`)

	// A revoked token, whose row comes back.
	revoked := x.want(t, 200, api.PathTokenize, `{`+card+`}`)
	kept := x.row(t, revoked)
	x.want(t, 200, api.PathRevoke, `{"token":"`+revoked+`"}`)
	x.want(t, 410, api.PathDetokenize, `{"token":"`+revoked+`"}`)
	x.put(t, kept)
	x.want(t, 410, api.PathDetokenize, `{"token":"`+revoked+`","redaction":"PLAIN_TEXT"}`)
}

// batch sends items, and returns the token that each of them got, or "".
func (x *running) batch(t *testing.T, path string, items ...string) (tokens []string) {
	t.Helper()
	status, answer := x.post(t, path, `{"items":[`+strings.Join(items, ",")+`]}`)
	var out api.Batch[struct{ Token string }]
	if err := json.Unmarshal([]byte(answer), &out); err != nil || status != 200 || len(out.Items) != len(items) {
		t.Fatalf("%s: status %d, %v", path, status, err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, item := range out.Items {
		tokens = append(tokens, item.Token)
		if item.Token != "" {
			x.tokens = append(x.tokens, item.Token)
		}
	}
	return tokens
}

func (x *running) fail(t *testing.T) {
	t.Helper()
	tok := x.want(t, 200, api.PathTokenize, `{"data":"`+canary+`"}`)
	const ok = `{"data":"` + canary + `",`
	for _, body := range []string{
		``, `{`, `"` + canary + `"`, `[` + canary + `]`, `{"data":` + canary + `}`, `{"data":"` + canary + `2"}`,
		`{"data":"x` + canary + `"}`,
		ok + `"data":"` + canary + `"}`, ok + `"` + canary + `":1}`, ok + `"cvv":"` + canary + `"}`,
		ok + `"type":"` + canary + `"}`,
		ok + `"format":"` + canary + `"}`, ok + `"ttl":` + canary + `}`, ok + `"ttl":"` + canary + `"}`,
		ok + `"max_uses":-` + canary + `}`,
		ok + `"scope":"` + canary + `","deterministic":true}`, ok + `"binding":{"purpose":"` + canary + `"}}`,
		ok + `"binding":{"x` + canary + `":1}}`,
		ok + `"metadata":{"` + canary + `":"x"}}`, ok + `"metadata":{"note":"4111 1111 1111 1111"}}`,
		ok + `"metadata":{"pin":"` + canary + `"}}`,
		ok + `"store":"` + canary + `"}`, ok + `"deterministic":true,"max_uses":1}`, ok + `"ttl":null}`,
		`{"x` + canary + `":null}`,
		ok + `"binding":{"context":{"order":"` + canary + `"}}}`, ok + `"binding":{"context":{"` + canary + `":"1"}}}`,
		`{"type":"text","data":"` + canary + "\xff" + `"}`,
		`{"type":"text","data":"` + strings.Repeat(canaryText, 100) + `"}`,
	} {
		x.want(t, 400, api.PathTokenize, body)
	}
	x.want(t, 413, api.PathTokenize, `{"type":"text","data":"`+strings.Repeat(canaryText, 1000)+`"}`)
	x.want(t, 400, api.PathTokenize, `{"data":"`+canary+`"}`, api.IdempotencyHeader, canary)
	x.want(t, 400, api.PathTokenizeBatch, `{"items":[{"data":"`+canary+`","reference":"`+canary+`"}]}`)
	x.want(t, 400, api.PathTokenizeBatch, `{"`+canary+`":[{"data":"`+canary+`"}]}`)
	x.want(t, 400, api.PathTokenize, `{"data":"`+canary+`","deterministic":true}`, api.IdempotencyHeader, "k")
	x.want(t, 200, api.PathTokenize, `{"data":"`+canary+`"}`, api.RequestHeader, canary) // which is replaced
	for _, path := range []string{api.PathDetokenize, api.PathValidate, api.PathMetadata, api.PathRevoke} {
		x.want(t, 400, path, `{"token":"`+canary+`"}`)
		x.want(t, 400, path, `{"token":"`+tok+`","reason":"card `+canary+`"}`)
		x.want(t, 400, path, `{"token":"`+tok+`","`+canary+`":1}`)
	}
	x.want(t, 400, api.PathDetokenize, `{"token":"`+tok+`","redaction":"`+canary+`"}`)
	x.want(t, 400, api.PathDetokenize, `{"token":"`+tok+`","binding":{"context":{"order":"`+canary+`"}}}`)
	x.want(t, 400, api.PathDetokenize, `{"token":"`+tok+`","attempt":"`+canary+`"}`)
	x.want(t, 404, "/"+canary, `{"data":"`+canary+`"}`)
	x.want(t, 404, api.PathDetokenize, `{"token":"00000000-0000-4000-8000-000000000000"}`)

	// Trouble upstream, with a card under way.
	once := x.want(t, 200, api.PathTokenize, `{"data":"`+canary+`","max_uses":1}`)
	if _, err := x.KMS.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &x.TokenKey}); err != nil {
		t.Fatal(err)
	}
	x.want(t, 503, api.PathTokenize,
		`{"data":"`+canary+`","binding":{"purpose":"for-which-no-data-key-was-fetched-ahead"}}`)
	x.want(t, 503, api.PathDetokenize, `{"token":"`+once+`","redaction":"PLAIN_TEXT"}`)
	if _, err := x.KMS.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: &x.TokenKey}); err != nil {
		t.Fatal(err)
	}
	x.want(t, 200, api.PathDetokenize, `{"token":"`+once+`"}`)
	x.want(t, 410, api.PathDetokenize, `{"token":"`+once+`"}`)
	damaged := x.row(t, tok)
	damaged["CandidateString"] = &types.AttributeValueMemberB{Value: []byte("damaged")}
	x.put(t, damaged)
	x.want(t, 500, api.PathDetokenize, `{"token":"`+tok+`"}`)
}

// row is the vault's row of a token.
func (x *running) row(t *testing.T, tok string) map[string]types.AttributeValue {
	t.Helper()
	for _, row := range x.rows(t, vaultTable) {
		if row["Hash_Key"].(*types.AttributeValueMemberS).Value == tok {
			return row
		}
	}
	t.Fatal("the vault has no row of the token")
	return nil
}

func (x *running) put(t *testing.T, row map[string]types.AttributeValue) {
	t.Helper()
	if _, err := x.DynamoDB.PutItem(t.Context(),
		&dynamodb.PutItemInput{TableName: new(vaultTable), Item: row}); err != nil {
		t.Fatal(err)
	}
}
