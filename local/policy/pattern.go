package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// matches tells whether one of the patterns matches the value.
func matches(patterns []*regexp.Regexp, value string) bool {
	return slices.ContainsFunc(patterns, func(p *regexp.Regexp) bool { return p.MatchString(value) })
}

// patterns compiles one text or a list of texts, in which * and ? are wildcards. The flags are a regular expression's.
func patterns(v any, flags string) ([]*regexp.Regexp, error) {
	list, err := texts(v)
	if err == nil && len(list) == 0 {
		err = errors.New("it is missing")
	}
	compiled := make([]*regexp.Regexp, len(list))
	for i, text := range list {
		compiled[i] = regexp.MustCompile(flags + "^" + wildcards(text, ".") + "$")
	}
	return compiled, err
}

// wildcards makes a regular expression of a text: * stands for any number of the characters any, and ? for one of them.
func wildcards(text, any string) string {
	return strings.NewReplacer(`\*`, any+`*`, `\?`, any).Replace(regexp.QuoteMeta(text))
}

// arnPattern compiles an ARN with wildcards. A wildcard matches within its part of the ARN only; the sixth part may hold colons.
func arnPattern(text string) *regexp.Regexp {
	parts := strings.SplitN(text, ":", 6)
	for i, part := range parts {
		if parts[i] = wildcards(part, "[^:]"); i == 5 {
			parts[i] = wildcards(part, ".")
		}
	}
	return regexp.MustCompile("(?s)^" + strings.Join(parts, ":") + "$")
}

// texts returns the texts of v, which is one text or a list of them. Numbers and booleans count as text. A policy variable is an
// error.
func texts(v any) (list []string, err error) {
	switch v := v.(type) {
	case nil:
	case string:
		list = []string{v}
	case bool:
		list = []string{strconv.FormatBool(v)}
	case json.Number:
		list = []string{v.String()}
	case []any:
		for _, element := range v {
			if _, nested := element.([]any); nested {
				return nil, errors.New("want text, not a list in a list")
			}
			more, err := texts(element)
			if err != nil {
				return nil, err
			}
			list = append(list, more...)
		}
	default:
		return nil, errors.New("want text or a list of texts")
	}
	for _, text := range list {
		if strings.Contains(text, "${") {
			return nil, fmt.Errorf("the policy variable in %q is not evaluated here", text)
		}
	}
	return list, nil
}
