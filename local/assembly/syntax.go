package assembly

import "strings"

// intrinsic takes a call of an intrinsic function apart; the name is empty where v is an ordinary object.
func intrinsic(v map[string]any) (name string, argument any) {
	for key, member := range v {
		if len(v) == 1 && (key == "Ref" || strings.HasPrefix(key, "Fn::")) {
			return key, member
		}
	}
	return "", nil
}

// attributeOf takes the argument of Fn::GetAtt apart; what is malformed gives an empty attribute.
func attributeOf(argument any) (id, attribute string) {
	if list, ok := argument.([]any); ok && len(list) == 2 {
		id, _ = list[0].(string)
		attribute, _ = list[1].(string)
	}
	return id, attribute
}

// substitution turns the argument of Fn::Sub, a text or a list of a text and its variables, into the parts that Fn::Join would
// put together. ${!name} stands for the literal ${name}.
func substitution(argument any) (parts []any) {
	var variables map[string]any
	if list, ok := argument.([]any); ok && len(list) == 2 {
		variables, _ = list[1].(map[string]any)
		argument = list[0]
	}
	text, ok := argument.(string)
	if !ok {
		return []any{argument} // which Fn::Join refuses
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

// references are the names that every Ref, Fn::GetAtt and Fn::Sub within v refers to, also within unknown functions.
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
