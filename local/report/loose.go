package report

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/policy"
)

// loose lists the statements of policies that no role of the templates has. Nobody is there to try them with, so they
// are shown as they are, with elements that the evaluator does not know.
func (a *analysis) loose() (*table, error) {
	t := &table{heads: []string{"policy", "what", "on", "only if"}}
	for _, p := range a.inv.Loose {
		body, _ := p.Document.(map[string]any)
		list, ok := body["Statement"].([]any)
		if !ok {
			list = []any{body["Statement"]}
		}
		for _, element := range list {
			s, _ := element.(map[string]any)
			for _, member := range slices.Sorted(maps.Keys(s)) {
				if !slices.Contains([]string{
					"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition",
				}, member) {
					return nil, fmt.Errorf("policy %s: the report does not know the element %s", p.Name, member)
				}
			}
			effects, _ := s["Effect"].(string)
			t.add(code(p.Name), effect(effects)+allBut(s, "Action", codes), allBut(s, "Resource", a.resources),
				conditions(written(s["Condition"])))
		}
	}
	return t, nil
}

// allBut lists a statement's texts of a kind, or of its opposite.
func allBut(statement map[string]any, kind string, list func([]string) string) string {
	if v, ok := statement["Not"+kind]; ok {
		return "all but " + list(texts(v))
	}
	return list(texts(statement[kind]))
}

// written returns the conditions of a statement, in the order of the evaluator.
func written(v any) (all []policy.Condition) {
	operators, _ := v.(map[string]any)
	for _, operator := range slices.Sorted(maps.Keys(operators)) {
		tests, _ := operators[operator].(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(tests)) {
			all = append(all, policy.Condition{Operator: operator, Key: key, Values: texts(tests[key])})
		}
	}
	return all
}

// texts returns a text, or a list of texts, as a list.
func texts(v any) (list []string) {
	switch v := v.(type) {
	case string:
		return []string{v}
	case bool:
		return []string{strconv.FormatBool(v)}
	case json.Number:
		return []string{v.String()}
	case []any:
		for _, element := range v {
			list = append(list, texts(element)...)
		}
	}
	return list
}
