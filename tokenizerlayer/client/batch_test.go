package client_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
)

// texts are the items of a batch that tokenizes texts. Each item's reference is its text.
func texts(data ...string) (items []client.TokenizeItem) {
	for _, d := range data {
		items = append(items, client.TokenizeItem{Reference: d, TokenizeInput: client.TokenizeInput{
			Data: client.NewSecret(d), Type: client.TypeText,
		}})
	}
	return items
}

// An item without a key makes another token each time, so only the caller can decide to repeat it.
func TestClient_SendsAnItemAgainThatGetsTheSameToken(t *testing.T) {
	const broken = `"problem":{"code":"unavailable"}`
	c, sent := batches(t,
		`{"reference":"a",`+broken+`},{"reference":"b",`+broken+`},{"reference":"c",`+broken+`}`,
		`{"reference":"b","token":"B"},{"reference":"c","token":"C"}`)
	items := texts("a", "b", "c")
	items[1].Deterministic, items[2].IdempotencyKey = true, "k"
	out, err := c.TokenizeBatch(t.Context(), client.TokenizeBatchInput{Items: items})
	if err != nil || !cmp.Equal(*sent, []string{"abc", "bc"}) {
		t.Fatalf("%v, sent %q", err, *sent)
	}
	var got []string
	for _, r := range out.Results {
		got = append(got, r.Reference+" "+r.Token)
	}
	if diff := cmp.Diff([]string{"a ", "b B", "c C"}, got); diff != "" ||
		!errors.Is(out.Results[0].Err, client.ErrUnavailable) {
		t.Errorf("error %v (-want +got):\n%s", out.Results[0].Err, diff)
	}
}

// A batch whose answer got lost is sent again only if every item may be carried out twice.
func TestClient_SendsABatchAgainIfEachItemMayBe(t *testing.T) {
	for _, tt := range []struct {
		name     string
		attempts [2]string
		refuse   http.HandlerFunc
		requests int
	}{
		{"503 of attempts", [2]string{"1", "2"}, refuseWith(failure.Unavailable, 0), 2},
		{"no answer to attempts", [2]string{"1", "2"}, hangUp, 2},
		{"503, the first without an attempt", [2]string{"", "2"}, refuseWith(failure.Unavailable, 0), 1},
		{"503, the last without an attempt", [2]string{"1", ""}, refuseWith(failure.Unavailable, 0), 1},
		{"no answer, the last without an attempt", [2]string{"1", ""}, hangUp, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, requests := retrying(t, 0, 1, tt.refuse)
			_, _ = c.DetokenizeBatch(t.Context(), client.DetokenizeBatchInput{Items: []client.DetokenizeItem{
				{DetokenizeInput: client.DetokenizeInput{Token: "a", Attempt: tt.attempts[0]}},
				{DetokenizeInput: client.DetokenizeInput{Token: "b", Attempt: tt.attempts[1]}},
			}})
			if got := int(requests.Load()); got != tt.requests {
				t.Errorf("%d requests, want %d", got, tt.requests)
			}
		})
	}
}

// The batch has the request id, so an item with one of its own is a mistake. The other items are carried out.
func TestClient_RefusesAnItemWithARequestID(t *testing.T) {
	c, sent := batches(t, `{"data":"d","redaction":"MASKED"}`)
	out, err := c.DetokenizeBatch(t.Context(), client.DetokenizeBatchInput{Items: []client.DetokenizeItem{
		{DetokenizeInput: client.DetokenizeInput{Token: "\xff", RequestID: "r"}},
		{DetokenizeInput: client.DetokenizeInput{Token: "a", RequestID: "r"}},
		{DetokenizeInput: client.DetokenizeInput{Token: "b"}},
	}})
	if err != nil || !cmp.Equal(*sent, []string{"b"}) || len(out.Results) != 3 {
		t.Fatalf("%v, sent %q, %d results", err, *sent, len(out.Results))
	}
	for i, field := range []string{"token", api.RequestHeader, ""} {
		e, ok := errors.AsType[*client.Error](out.Results[i].Err)
		if ok != (field != "") || ok && (!errors.Is(e, client.ErrInvalid) || e.Field != field || e.Detail == "") {
			t.Errorf("result %d: %v", i, out.Results[i].Err)
		}
	}
	if got := out.Results[2].Data.Reveal(); got != "d" {
		t.Errorf("the other item: %q", got)
	}
}

func TestClient_SendsABatchOfTheLargestNumber(t *testing.T) {
	var names, results []string
	for i := range client.MaxBatch {
		names = append(names, fmt.Sprint("n", i))
		results = append(results, fmt.Sprintf(`{"reference":"n%d","token":"t%d"}`, i, i))
	}
	c, sent := batches(t, strings.Join(results, ","))
	out, err := c.TokenizeBatch(t.Context(), client.TokenizeBatchInput{Items: texts(names...)})
	if err != nil || len(*sent) != 1 || len(out.Results) != client.MaxBatch {
		t.Fatalf("%v, %d requests, %d results", err, len(*sent), len(out.Results))
	}
	for i, r := range out.Results {
		if r.Err != nil || r.Reference != fmt.Sprint("n", i) || r.Token != fmt.Sprint("t", i) {
			t.Errorf("result %d: %q of %q, %v", i, r.Token, r.Reference, r.Err)
		}
	}
}

// A batch may be larger than a single request, and so may its answer.
func TestClient_SendsABatchThatIsLargerThanARequest(t *testing.T) {
	large := strings.Repeat("x", api.MaxBody)
	var answer string
	c, _ := clientOf(t, 0, func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Items []struct{ Data string } }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || len(in.Items) != 1 || in.Items[0].Data != large {
			t.Errorf("%v, %d items", err, len(in.Items))
		}
		_, _ = io.WriteString(w, answer)
	})
	items := texts(large)
	items[0].Reference = "a"
	const good = `{"items":[{"reference":"a","token":"t"}]}`
	for size, ok := range map[int]bool{api.MaxBatchAnswer: true, api.MaxBatchAnswer + 1: false} {
		answer = good + strings.Repeat(" ", size-len(good))
		out, err := c.TokenizeBatch(t.Context(), client.TokenizeBatchInput{Items: items})
		if ok && (err != nil || out.Results[0].Token != "t") || !ok && !errors.Is(err, client.ErrInternal) {
			t.Errorf("an answer of %d bytes: %v", size, err)
		}
	}
}

// A field that names no item that was sent stays as it is.
func TestClient_NamesOnlyPositionsThatThereAre(t *testing.T) {
	for field, want := range map[string]string{
		"items[0].reference": "items[1].reference", "items[1].data": "items[2].data", "items[1]": "items[2]",
		"items[2].reference": "items[2].reference", "items[99].data": "items[99].data",
		"items[-1].data": "items[-1].data", "items[x].data": "items[x].data", "items[].data": "items[].data",
		"items[1": "items[1", "items[": "items[",
	} {
		t.Run(field, func(t *testing.T) {
			c, sent := batches(t, field)
			_, err := c.TokenizeBatch(t.Context(), client.TokenizeBatchInput{Items: texts("\xff", "a", "b")})
			e, ok := errors.AsType[*client.Error](err)
			if !ok || !errors.Is(err, client.ErrInvalid) || e.Field != want || !cmp.Equal(*sent, []string{"ab"}) {
				t.Errorf("%v, want field %s; sent %q", err, want, *sent)
			}
		})
	}
}
