package cloud

import (
	"encoding/json"
	"strconv"
)

// properties are resolved properties of a resource, read as CloudFormation does: a number or a boolean may be a string.
// Absent members read as zero values.
type properties struct {
	where string
	value map[string]any
}

func (p properties) str(name string) string {
	switch v := p.value[name].(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

// optional is nil where the member is absent.
func (p properties) optional(name string) *string {
	if p.value[name] == nil {
		return nil
	}
	return new(p.str(name))
}

func (p properties) boolean(name string) bool { return p.str(name) == "true" }

func (p properties) integer(name string) int {
	n, _ := strconv.Atoi(p.str(name)) // the CDK has validated it
	return n
}

func (p properties) object(name string) properties {
	m, _ := p.value[name].(map[string]any)
	return properties{p.where + "/" + name, m}
}

// list is a list of objects.
func (p properties) list(name string) []properties {
	values, _ := p.value[name].([]any)
	var out []properties
	for _, v := range values {
		m, _ := v.(map[string]any)
		out = append(out, properties{p.where + "/" + name, m})
	}
	return out
}

// strings is a list of strings.
func (p properties) strings(name string) []string {
	values, _ := p.value[name].([]any)
	var out []string
	for _, v := range values {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}
