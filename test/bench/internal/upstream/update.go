package upstream

import (
	"bytes"
	"strconv"
)

// assignment sets one attribute.
type assignment struct {
	attribute string // a name, or a placeholder for one
	value     operand
}

// compileUpdate compiles a SET expression: assignments of values, sums, and if_not_exists.
func compileUpdate(expression string) ([]assignment, error) {
	p := newParser(expression)
	if !p.accept("SET") {
		return nil, errExpression
	}
	var all []assignment
	for {
		attribute := p.take()
		if attribute == "" || !p.accept("=") {
			return nil, errExpression
		}
		value, err := p.sum()
		if err != nil {
			return nil, err
		}
		all = append(all, assignment{attribute, value})
		switch {
		case p.accept(","):
		case p.peek() == "":
			return all, nil
		default:
			return nil, errExpression
		}
	}
}

func (p *parser) sum() (operand, error) {
	left, err := p.term()
	if err != nil || !p.accept("+") {
		return left, err
	}
	right, err := p.term()
	return func(s scope) (string, []byte) {
		_, a := left(s)
		_, b := right(s)
		x, _ := strconv.ParseInt(string(a), 10, 64)
		y, _ := strconv.ParseInt(string(b), 10, 64)
		return "N", strconv.AppendInt(nil, x+y, 10)
	}, err
}

func (p *parser) term() (operand, error) {
	if !p.accept("if_not_exists") {
		return p.operand()
	}
	if !p.accept("(") {
		return nil, errExpression
	}
	attribute, err := p.operand()
	if err != nil {
		return nil, err
	}
	if !p.accept(",") {
		return nil, errExpression
	}
	standard, err := p.operand()
	if err == nil && !p.accept(")") {
		err = errExpression
	}
	return func(s scope) (string, []byte) {
		if kind, content := attribute(s); kind != "" {
			return kind, content
		}
		return standard(s)
	}, err
}

// update returns the item of s, or one with the key's attributes, with the assignments done.
func update(s scope, key []byte, assignments []assignment) []byte {
	base := s.item
	if base == nil {
		base = key
	}
	set := map[string][]byte{}
	for _, a := range assignments {
		name := a.attribute
		if name[0] == '#' {
			name = string(text(member(s.names, name)))
		}
		kind, content := a.value(s)
		set[name] = []byte(`{"` + kind + `":"` + string(content) + `"}`)
	}
	out := []byte{'{'}
	_ = members(base, func(name, value []byte) bool {
		if set[string(name)] == nil {
			out = appendMember(out, name, value)
		}
		return true
	})
	for name, value := range set {
		out = appendMember(out, []byte(name), value)
	}
	return append(bytes.TrimSuffix(out, []byte(",")), '}')
}

func appendMember(out, name, value []byte) []byte {
	out = append(append(append(out, '"'), name...), `":`...)
	return append(append(out, value...), ',')
}
