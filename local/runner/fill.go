package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// fill replaces the texts @answer and @answer.NAME.NAME in a payload by the answer before, or by that member of it.
// Only a whole text is replaced. An answer is nil if there is none.
func fill(payload string, answer []byte) ([]byte, error) {
	if !strings.Contains(payload, "@answer") {
		return []byte(payload), nil
	}
	value, err := decode([]byte(payload))
	if err != nil {
		return nil, err
	}
	var before any
	if answer != nil {
		if before, err = decode(answer); err != nil {
			return nil, errors.New("the answer before is not JSON")
		}
	}
	filled, err := replace(value, before, answer != nil)
	if err != nil {
		return nil, err
	}
	return json.Marshal(filled)
}

// decode keeps every digit of a number.
func decode(b []byte) (v any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.UseNumber()
	err = decoder.Decode(&v)
	return v, err
}

func replace(v, answer any, isThere bool) (_ any, err error) {
	switch v := v.(type) {
	case string:
		if path, found := strings.CutPrefix(v, "@answer"); found && (path == "" || path[0] == '.') {
			if !isThere {
				return nil, fmt.Errorf("%s: there is no answer before the first invocation", v)
			}
			return member(v, answer)
		}
	case []any:
		for i := range v {
			if v[i], err = replace(v[i], answer, isThere); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for name := range v {
			if v[name], err = replace(v[name], answer, isThere); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// member is what a placeholder such as @answer.items.0.token names.
func member(placeholder string, answer any) (any, error) {
	for _, name := range strings.Split(placeholder, ".")[1:] {
		var next any
		found := false
		switch value := answer.(type) {
		case map[string]any:
			next, found = value[name]
		case []any:
			if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(value) {
				next, found = value[i], true
			}
		}
		if !found {
			return nil, fmt.Errorf("%s: the answer before has no %q", placeholder, name)
		}
		answer = next
	}
	return answer, nil
}
