package assembly

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// intrinsic takes a call of an intrinsic function apart.
func intrinsic(v map[string]any) (name string, argument any, ok bool) {
	for name, argument = range v {
		ok = len(v) == 1 && (name == "Ref" || strings.HasPrefix(name, "Fn::"))
	}
	return name, argument, ok
}

// attributeOf takes the argument of Fn::GetAtt apart: ["Key", "Arn"] or "Key.Arn". An attribute's name may contain dots.
func attributeOf(argument any) (id, attribute string) {
	switch v := argument.(type) {
	case string:
		id, attribute, _ = strings.Cut(v, ".")
	case []any:
		if len(v) == 2 {
			id, _ = v[0].(string)
			attribute, _ = v[1].(string)
		}
	}
	return id, attribute
}

// substitution takes the argument of Fn::Sub apart: a text, or a text and its variables.
func substitution(argument any) (text string, variables map[string]any) {
	if list, ok := argument.([]any); ok && len(list) == 2 {
		variables, _ = list[1].(map[string]any)
		argument = list[0]
	}
	text, ok := argument.(string)
	if !ok {
		text = "${}" // refers to nothing, so it will be refused
	}
	return text, variables
}

// substitute replaces each ${name} in text; ${!name} stands for the literal ${name}.
func substitute(text string, value func(name string) (string, error)) (string, error) {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		name, after, _ := strings.Cut(rest, "}")
		v := "${" + strings.TrimPrefix(name, "!") + "}"
		if !strings.HasPrefix(name, "!") {
			var err error
			if v, err = value(name); err != nil {
				return "", err
			}
		}
		out.WriteString(v)
		text = after
	}
}

// pair takes the argument of Fn::Join, Fn::Split and Fn::Select apart: how, and what it is applied to.
func pair[T any](argument any) (string, T, error) {
	if list, ok := argument.([]any); ok && len(list) == 2 {
		how, err := scalar(list[0])
		if what, ok := list[1].(T); ok {
			return how, what, err
		}
	}
	var zero T
	return "", zero, fmt.Errorf("want a list of two: text and %T", zero)
}

// scalar converts numbers and booleans to text.
func scalar(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case json.Number:
		return v.String(), nil
	case bool:
		return strconv.FormatBool(v), nil
	}
	return "", errors.New("want text, not a list, an object or nothing")
}
