package server_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/settings"
)

// Lengths that have no constant of their own: a regular form has them.
const (
	maxName      = 128
	maxPurpose   = 64
	maxRequestID = 64
)

// The page tells the limits that the code has.
func TestDocumentation_TellsTheLimitsOfTheCode(t *testing.T) {
	page, err := os.ReadFile("../../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		pattern string
		want    []int
	}{
		{`\*\*Bodies\*\* are JSON objects of at most (\d+) KiB`, []int{api.MaxBody >> 10}},
		{`Those of \[batches\]\(#batches\) have at most\s+(\d+) MiB`, []int{api.MaxBatchBody >> 20}},
		{`A body has at most (\d+) MiB, which .* an answer at most (\d+) MiB`,
			[]int{api.MaxBatchBody >> 20, api.MaxBatchAnswer >> 20}},
		{`and at most (\d+) MiB in a batch`, []int{api.MaxBatchBody >> 20}},
		{"`items` \\| list, required \\| (\\d+) to (\\d+) items", []int{1, api.MaxBatch}},
		{`your own name for the item: (\d+) to (\d+) of`, []int{1, maxName}},
		{`a card number of (\d+) to (\d+) ASCII digits`, []int{12, 19}},
		{"`text`: (\\d+) to (\\d+) bytes of UTF-8", []int{1, api.MaxText}},
		{"`ttl` \\| integer, (\\d+) to (\\d+)", []int{1, api.MaxTTL}},
		{"`max_uses` \\| integer, (\\d+) to (\\d+)", []int{1, api.MaxUses}},
		{"of a deterministic token: (\\d+) to (\\d+) of `A-Z a-z 0-9 . _ : -`", []int{1, maxName}},
		{"what the token is for: (\\d+) to (\\d+) of `a-z 0-9 _ -`", []int{1, maxPurpose}},
		{`such as an order and a user: at most (\d+) members, (\d+) bytes in all`,
			[]int{api.MaxContext, api.MaxContextBytes}},
		{"`metadata` \\| object of strings \\| at most (\\d+) members, (\\d+) bytes in all",
			[]int{api.MaxMetadata, api.MaxMetadataBytes}},
		{"`Idempotency-Key` \\((\\d+) to (\\d+) of", []int{1, maxName}},
		{`token for (\d+) hours, and makes one row`, []int{int(api.IdempotencyPeriod.Hours())}},
		{"for tokens with `max_uses`: (\\d+) to (\\d+) of", []int{1, maxName}},
		{`written to the log: at most (\d+) characters`, []int{api.MaxReason}},
		{`within (\d+) minutes, with the same redaction`, []int{int(api.AttemptPeriod.Minutes())}},
		{"`in_backups_until` \\((\\d+) days\\)", []int{int(api.BackupPeriod.Hours() / 24)}},
		{"If the request has an `X-Request-Id` of (\\d+) to (\\d+) letters", []int{1, maxRequestID}},
		{"`TOKENIZER_IDEMPOTENCY_SCOPE` \\|.*: (\\d+) to (\\d+) of", []int{1, maxName}},
		{"`TOKENIZER_PORT` \\| (\\d+) \\| .*?\\b(\\d+) to (\\d+)", []int{api.DefaultPort, api.MinPort, api.MaxPort}},
		{"`TOKENIZER_MAX_BODY_BYTES` \\| (\\d+) \\| .*?\\b(\\d+) to (\\d+)",
			[]int{api.MaxBody, api.MinBodyLimit, api.MaxBody}},
		{"`TOKENIZER_READ_RATE` \\| (\\d+) \\| .*?\\b(\\d+) to (\\d+)", []int{api.DefaultReadRate, 1, api.MaxReadRate}},
		{"`TOKENIZER_MAX_CONNECTIONS` \\| (\\d+) \\| .*?\\b(\\d+) to (\\d+)",
			[]int{api.DefaultConnections, 1, api.MaxConnections}},
		{"`TOKENIZER_KEYS_AHEAD` \\| (\\d+) \\| .*?\\b(\\d+) to (\\d+)",
			[]int{api.DefaultKeysAhead, 0, api.MaxKeysAhead}},
	} {
		found := regexp.MustCompile(tt.pattern).FindAllStringSubmatch(strings.ReplaceAll(string(page), ",000", "000"),
			-1)
		if len(found) != 1 {
			t.Errorf("%s stands %d times on the page", tt.pattern, len(found))
			continue
		}
		for i, want := range tt.want {
			if got := found[0][i+1]; got != strconv.Itoa(want) {
				t.Errorf("%s: the page says %s, the code %d", tt.pattern, got, want)
			}
		}
	}
}

// members are n members of so many bytes in all, names and values together.
func members(n, size int) map[string]string {
	m := map[string]string{}
	for i := range n {
		m[fmt.Sprintf("n%02d", i)] = ""
	}
	m["n00"] = strings.Repeat("x", size-3*n)
	return m
}

// body is a request to tokenize a card, and what it says besides.
func body(t *testing.T, more map[string]any) string {
	t.Helper()
	all := map[string]any{"data": visa}
	maps.Copy(all, more)
	b, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Both sides of every limit of a request: the least and the most that is allowed passes, and one beyond is refused by
// its name.
func TestTokenize_BothSidesOfEveryLimit(t *testing.T) {
	r := start(t)
	type more = map[string]any
	text := func(s string) more { return more{"type": "text", "data": s} }
	context := func(m map[string]string) more { return more{"binding": more{"context": m}} }
	name := func(n int) string { return "a" + strings.Repeat("k", n-1) }
	for _, tt := range []struct {
		limit, field    string
		passes, refused []more
	}{
		{"ttl", "ttl", []more{{"ttl": 1}, {"ttl": api.MaxTTL}}, []more{{"ttl": 0}, {"ttl": api.MaxTTL + 1}}},
		{"max_uses", "max_uses", []more{{"max_uses": 1}, {"max_uses": api.MaxUses}},
			[]more{{"max_uses": 0}, {"max_uses": api.MaxUses + 1}}},
		{
			"text", "data",
			[]more{text("x"), text(strings.Repeat("x", api.MaxText)), text(strings.Repeat("é", api.MaxText/2))},
			[]more{text(""), text(strings.Repeat("x", api.MaxText+1)), text(strings.Repeat("é", api.MaxText/2) + "x")},
		},
		{
			"card", "data", []more{{"data": "000000000000"}, {"data": "0000000000000000000"}},
			[]more{{"data": "00000000000"}, {"data": "00000000000000000000"}},
		},
		{
			"metadata", "metadata",
			[]more{{"metadata": members(1, api.MaxMetadataBytes)},
				{"metadata": members(api.MaxMetadata, api.MaxMetadataBytes)}},
			[]more{{"metadata": members(1, api.MaxMetadataBytes+1)}, {"metadata": members(api.MaxMetadata+1, 100)}},
		},
		{
			"context", "binding.context",
			[]more{context(members(1, api.MaxContextBytes)), context(members(api.MaxContext, api.MaxContextBytes))},
			[]more{context(members(1, api.MaxContextBytes+1)), context(members(api.MaxContext+1, 100))},
		},
		{
			"a member's name", "metadata",
			[]more{{"metadata": map[string]string{name(maxName): "x"}}},
			[]more{{"metadata": map[string]string{name(maxName + 1): "x"}}},
		},
		{
			"purpose", "binding.purpose",
			[]more{{"binding": more{"purpose": name(1)}}, {"binding": more{"purpose": name(maxPurpose)}}},
			[]more{{"binding": more{"purpose": name(maxPurpose + 1)}}},
		},
		{
			"scope", "scope",
			[]more{{"deterministic": true, "scope": name(1)}, {"deterministic": true, "scope": name(maxName)}},
			[]more{{"deterministic": true, "scope": name(maxName + 1)}},
		},
	} {
		for i, m := range tt.passes {
			if status, answer, _ := r.do(t, call{path: api.PathTokenize, body: body(t, m)}); status != 200 {
				t.Errorf("%s: what is allowed (%d) gets %d %s", tt.limit, i, status, answer)
			}
		}
		for i, m := range tt.refused {
			status, answer, _ := r.do(t, call{path: api.PathTokenize, body: body(t, m)})
			if status != 400 || !strings.Contains(answer, `"field":"`+tt.field+`"`) {
				t.Errorf("%s: what is beyond (%d) gets %d %s", tt.limit, i, status, answer)
			}
		}
	}
	for n, want := range map[int]int{1: 200, maxName: 200, maxName + 1: 400} {
		status, answer, _ := r.do(t,
			call{path: api.PathTokenize, body: body(t, nil), header: map[string]string{api.IdempotencyHeader: name(n)}})
		if status != want || want != 200 && !strings.Contains(answer, `"field":"Idempotency-Key"`) {
			t.Errorf("a key of %d: %d %s", n, status, answer)
		}
	}
	for n, kept := range map[int]bool{1: true, maxRequestID: true, maxRequestID + 1: false} {
		_, _, header := r.do(t,
			call{path: api.PathTokenize, body: body(t, nil), header: map[string]string{api.RequestHeader: name(n)}})
		if (header.Get(api.RequestHeader) == name(n)) != kept {
			t.Errorf("a request id of %d: got %s", n, header.Get(api.RequestHeader))
		}
	}
	for size, want := range map[int]int{api.MaxBody: 200, api.MaxBody + 1: 413} {
		small := body(t, nil)
		if status, answer, _ := r.do(t,
			call{path: api.PathTokenize, body: small + strings.Repeat(" ", size-len(small))}); status != want {
			t.Errorf("a body of %d bytes: %d %s", size, status, answer)
		}
	}
}

func TestDetokenize_BothSidesOfEveryLimit(t *testing.T) {
	r := start(t)
	_, answer, _ := r.do(t, call{path: api.PathTokenize, body: body(t, map[string]any{"max_uses": 5})})
	token := tokenOf(t, answer)
	for _, tt := range []struct {
		field, value string
		want         int
	}{
		{"reason", "x", 200},
		{"reason", strings.Repeat("x", api.MaxReason), 200},
		{"reason", strings.Repeat("😀", api.MaxReason), 200}, // characters, not bytes
		{"reason", strings.Repeat("x", api.MaxReason+1), 400},
		{"reason", strings.Repeat("😀", api.MaxReason+1), 400},
		{"attempt", "a", 200},
		{"attempt", strings.Repeat("a", maxName), 200},
		{"attempt", strings.Repeat("a", maxName+1), 400},
	} {
		q, err := json.Marshal(map[string]string{"token": token, tt.field: tt.value})
		if err != nil {
			t.Fatal(err)
		}
		status, answer, _ := r.do(t, call{path: api.PathDetokenize, body: string(q)})
		if status != tt.want || tt.want != 200 && !strings.Contains(answer, `"field":"`+tt.field+`"`) {
			t.Errorf("%s of %d bytes: %d %s", tt.field, len(tt.value), status, answer)
		}
	}
}

// Both sides of every limit of a setting, as the page tells them.
func TestSettings_BothSidesOfEveryLimit(t *testing.T) {
	load := func(name, value string) error {
		all := map[string]string{
			settings.SessionToken: "s", settings.Table: "Vault", settings.StateTable: "State",
			settings.TokenKeys: "1=" + keyARN, name: value,
		}
		_, err := settings.Load(func(name string) string { return all[name] })
		return err
	}
	keys := func(n int) (list string) {
		for i := range n {
			list += fmt.Sprintf(",%d=%s", i, keyARN)
		}
		return strings.TrimPrefix(list, ",")
	}
	numbers := func(least, most int) (passes, refused []string) {
		return []string{strconv.Itoa(least), strconv.Itoa(most)},
			[]string{strconv.Itoa(least - 1), strconv.Itoa(most + 1)}
	}
	lengths := func(least, most int) (passes, refused []string) {
		return []string{strings.Repeat("a", least), strings.Repeat("a", most)},
			slices.DeleteFunc([]string{strings.Repeat("a", least-1), strings.Repeat("a", most+1)}, func(s string) bool {
				return s == ""
			})
	}
	type limit struct{ passes, refused []string }
	of := func(passes, refused []string) limit { return limit{passes, refused} }
	for name, l := range map[string]limit{
		settings.Port:             of(numbers(api.MinPort, api.MaxPort)),
		settings.MaxBodyBytes:     of(numbers(api.MinBodyLimit, api.MaxBody)),
		settings.ReadRate:         of(numbers(1, api.MaxReadRate)),
		settings.MaxConnections:   of(numbers(1, api.MaxConnections)),
		settings.KeysAhead:        of(numbers(0, api.MaxKeysAhead)),
		settings.Table:            of(lengths(3, 255)),
		settings.StateTable:       of(lengths(3, 255)),
		settings.IdempotencyScope: of(lengths(1, maxName)),
		settings.Purposes:         of(lengths(1, maxPurpose)),
		settings.AccountID: {[]string{strings.Repeat("1", 12)},
			[]string{strings.Repeat("1", 11), strings.Repeat("1", 13)}},
		settings.TokenKeys: {[]string{keys(1), keys(api.MaxKeyVersions), strings.Repeat("v", 16) + "=" + keyARN},
			[]string{keys(api.MaxKeyVersions + 1), strings.Repeat("v", 17) + "=" + keyARN}},
		settings.FingerprintKeys: {[]string{keys(1), keys(api.MaxKeyVersions)},
			[]string{keys(api.MaxKeyVersions + 1)}},
	} {
		for _, value := range l.passes {
			if err := load(name, value); err != nil {
				t.Errorf("%s of %d characters: %v", name, len(value), err)
			}
		}
		for _, value := range l.refused {
			if err := load(name, value); err == nil || !strings.HasPrefix(err.Error(), name+" ") {
				t.Errorf("%s=%.20s (%d): error = %v", name, value, len(value), err)
			}
		}
	}
}
