package inventory

import (
	"encoding/json"
	"strconv"
)

// properties are the properties of a resource, or an object within them, without intrinsic functions. Absent members read as zero values.
type properties map[string]any

func (p properties) str(name string) string {
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

func (p properties) object(name string) properties {
	m, _ := p[name].(map[string]any)
	return m
}

// objects is a list of objects, or one object in its place.
func (p properties) objects(name string) (objects []properties) {
	if one, ok := p[name].(map[string]any); ok {
		return []properties{one}
	}
	values, _ := p[name].([]any)
	for _, v := range values {
		m, _ := v.(map[string]any)
		objects = append(objects, m)
	}
	return objects
}

func (p properties) strings(name string) (all []string) {
	values, _ := p[name].([]any)
	for _, v := range values {
		if s, ok := v.(string); ok {
			all = append(all, s)
		}
	}
	return all
}
