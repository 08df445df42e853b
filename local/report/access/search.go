package access

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/policy"
)

// maxRequests bounds how many requests a question is tried with.
const maxRequests = 100_000

// search looks for a request that gets through.
type search struct {
	evaluator  *policy.Account
	question   Question
	request    policy.Request
	keys       []string            // condition keys whose values are to be tried
	candidates map[string][]string // the values, by key
	answer     Answer
}

func newSearch(p *Policies, q Question) *search {
	s := &search{
		evaluator:  p.evaluator,
		question:   q,
		candidates: map[string][]string{},
		answer:     Answer{Refusal: "its conditions never hold", Unmet: true},
		request: policy.Request{
			Role: q.Principal, Action: q.Action, Resource: q.Resource, Context: map[string][]string{},
		},
	}
	fixed := q.fixed()
	for key, value := range fixed {
		s.set(key, value)
	}
	statements := p.relevant(q)
	if q.By != nil {
		statements = append(statements, *q.By)
	}
	for _, statement := range statements {
		for _, c := range statement.Conditions {
			if key := strings.ToLower(c.Key); !isIn(fixed, key) {
				s.candidates[key] = append(s.candidates[key], examples(c)...)
			}
		}
	}
	for key, values := range s.candidates {
		s.candidates[key] = append(slices.Compact(slices.Sorted(slices.Values(values))), Absent, Other)
	}
	s.keys = slices.Sorted(maps.Keys(s.candidates))
	return s
}

func isIn(fixed map[string]string, key string) bool {
	_, ok := fixed[key]
	return ok
}

// requests returns how many requests there are to try.
func (s *search) requests() int {
	n := 1
	for _, values := range s.candidates {
		n = min(n, maxRequests) * len(values)
	}
	return n
}

func (s *search) set(key, value string) {
	s.request.Context[key] = []string{value}
	if value == Absent {
		delete(s.request.Context, key)
	}
}

// try tries every combination of values for the keys, until one gets through.
func (s *search) try(keys []string) {
	if len(keys) == 0 {
		s.evaluate()
		return
	}
	for _, value := range s.candidates[keys[0]] {
		s.set(keys[0], value)
		if s.try(keys[1:]); s.answer.Allowed {
			return
		}
	}
}

func (s *search) evaluate() {
	if s.question.By != nil && !s.question.By.Holds(s.request.Context) {
		return
	}
	denial := s.evaluator.Evaluate(s.request)
	if denial == nil {
		s.answer = Answer{Allowed: true}
	} else if s.answer.Unmet { // the first refusal says enough
		s.answer = Answer{Refusal: denial.Missing}
	}
}

// examples returns values for a condition's key, with some of which the condition holds and with some of which it does
// not.
func examples(c policy.Condition) (values []string) {
	if c.Operator == "Null" {
		return nil // only whether the key is there matters
	}
	for _, value := range c.Values {
		if n, err := strconv.ParseFloat(value, 64); err == nil && strings.HasPrefix(c.Operator, "Numeric") {
			values = append(values, text(n-1), text(n), text(n+1))
			continue
		}
		values = append(values, Example(value))
	}
	return values
}

// Example returns a text that a pattern of a policy matches.
func Example(pattern string) string {
	return strings.NewReplacer("*", "example", "?", "x").Replace(pattern)
}

func text(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }
