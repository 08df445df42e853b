package assembly

import (
	"encoding/json"
	"strconv"
)

// Properties are the properties of a resource, or an object within them, without intrinsic functions. A number or a
// boolean may be a string, as CloudFormation allows. Absent members read as zero values.
type Properties map[string]any

// Str is a text, a number or a boolean, as text.
func (p Properties) Str(name string) string {
	switch v := p[name].(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

// Object is an object; nil if the member is none.
func (p Properties) Object(name string) Properties {
	m, _ := p[name].(map[string]any)
	return m
}

// Objects is a list of objects, or one object in its place.
func (p Properties) Objects(name string) (objects []Properties) {
	if one, ok := p[name].(map[string]any); ok {
		return []Properties{one}
	}
	values, _ := p[name].([]any)
	for _, v := range values {
		m, _ := v.(map[string]any)
		objects = append(objects, m)
	}
	return objects
}

// Strings is a list of texts.
func (p Properties) Strings(name string) (all []string) {
	values, _ := p[name].([]any)
	for _, v := range values {
		if s, ok := v.(string); ok {
			all = append(all, s)
		}
	}
	return all
}

// Optional is like Str; nil if the member is absent.
func (p Properties) Optional(name string) *string {
	if p[name] == nil {
		return nil
	}
	return new(p.Str(name))
}

// Boolean is a boolean; false if the member is absent.
func (p Properties) Boolean(name string) bool { return p.Str(name) == "true" }

// Integer is a number; 0 if the member is absent.
func (p Properties) Integer(name string) int {
	n, _ := strconv.Atoi(p.Str(name)) // the CDK has validated it
	return n
}
