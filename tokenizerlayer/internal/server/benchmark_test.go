package server_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/attribute"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/audit"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/dynamoapi"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/fakeaws"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/server"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/vault"
)

// oneRow is a store that costs nothing: it keeps the last row.
type oneRow struct {
	fakeaws.Tables
	row attribute.Item
}

func (s *oneRow) PutItem(_ context.Context, in dynamoapi.PutItemInput) error {
	s.row = in.Item
	return nil
}

func (s *oneRow) GetItem(_ context.Context, in dynamoapi.GetItemInput) (attribute.Item, error) {
	if in.TableName == vaultTable {
		return s.row, nil
	}
	return nil, nil
}

// answer is a response that nobody reads.
type answer struct {
	header http.Header
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(int)             {}
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

// What an operation costs in the extension itself: without sockets, and with a KMS and a store in the same process.
func BenchmarkServer(b *testing.B) {
	store := &oneRow{}
	v, err := vault.New(vault.Config{
		TokenKeys: []vault.Key{{Version: "1", ARN: fakeaws.KeyARN}}, Table: vaultTable, State: stateTable,
		AccountID: "123456789012",
		KMS:       &fakeaws.KMS{}, Store: store,
	})
	if err != nil {
		b.Fatal(err)
	}
	log := audit.New(io.Discard, slog.LevelInfo, "f")
	log.SetAccount("123456789012")
	srv := server.New(server.Config{
		Vault: func(context.Context) (server.Vault, error) { return v, nil }, Port: 2774, SessionToken: session,
		Audit: log, ReadRate: 1 << 30,
	})
	post := func(b *testing.B, path, body string) string {
		r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, path, bytes.NewReader([]byte(body)))
		r.Host = "127.0.0.1:2774"
		r.Header.Set(api.TokenHeader, session)
		a := &answer{header: http.Header{}}
		srv.Handler.ServeHTTP(a, r)
		return a.body.String()
	}
	b.Run("refused", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			post(b, api.PathTokenize, `{"data":""}`)
		}
	})
	b.Run("tokenize", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			post(b, api.PathTokenize, `{"data":"`+visa+`"}`)
		}
	})
	token, _ := store.row["Hash_Key"].Text()
	b.Run("detokenize", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			post(b, api.PathDetokenize, `{"token":"`+token+`"}`)
		}
	})
}
