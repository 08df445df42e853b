package assembly

import "strings"

// intrinsic returns name and argument of the intrinsic function that v calls. The name is "" if v is an ordinary
// object.
func intrinsic(v map[string]any) (name string, argument any) {
	for key, member := range v {
		if len(v) == 1 && (key == "Ref" || strings.HasPrefix(key, "Fn::")) {
			return key, member
		}
	}
	return "", nil
}

// attributeOf returns the parts of Fn::GetAtt's argument. If it is malformed, the attribute is "".
func attributeOf(argument any) (id, attribute string) {
	if list, ok := argument.([]any); ok && len(list) == 2 {
		id, _ = list[0].(string)
		attribute, _ = list[1].(string)
	}
	return id, attribute
}

// substitution returns the parts of a text that Fn::Sub would join. Its argument is the text, or a list of the text and
// its variables. ${!name} stands for the literal ${name}.
func substitution(argument any) (parts []any) {
	var variables map[string]any
	if list, ok := argument.([]any); ok && len(list) == 2 {
		variables, _ = list[1].(map[string]any)
		argument = list[0]
	}
	text, ok := argument.(string)
	if !ok {
		return []any{argument} // for which Fn::Join returns an error
	}
	for {
		before, rest, found := strings.Cut(text, "${")
		parts = append(parts, before)
		if !found {
			return parts
		}
		name, after, _ := strings.Cut(rest, "}")
		id, attribute, isAttribute := strings.Cut(name, ".")
		v, isVariable := variables[name]
		switch {
		case strings.HasPrefix(name, "!"):
			v = "${" + name[1:] + "}"
		case isVariable:
		case isAttribute:
			v = map[string]any{"Fn::GetAtt": []any{id, attribute}}
		default:
			v = map[string]any{"Ref": name}
		}
		parts = append(parts, v)
		text = after
	}
}

// references returns the names that all Ref, Fn::GetAtt and Fn::Sub within v refer to, even within unknown functions.
func references(v any) (names []string) {
	switch v := v.(type) {
	case []any:
		for _, element := range v {
			names = append(names, references(element)...)
		}
	case map[string]any:
		switch name, argument := intrinsic(v); name {
		case "Ref":
			id, _ := argument.(string)
			return []string{id}
		case "Fn::GetAtt":
			id, _ := attributeOf(argument)
			return []string{id}
		case "Fn::Sub":
			return references(substitution(argument))
		}
		for _, member := range v {
			names = append(names, references(member)...)
		}
	}
	return names
}
