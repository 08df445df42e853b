package upstream

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
)

// A condition is compiled once, and evaluated on the raw JSON of an item. The language is DynamoDB's, without its rarer
// functions: AND, OR, NOT, parentheses, comparisons, attribute_exists and attribute_not_exists.

// scope is what the names of an expression stand for. item is nil if there is none.
type scope struct{ item, values, names []byte }

type (
	condition func(s scope) bool
	// operand returns the type ("S", "N" or "B") and the content of a value; an empty type means that there is none.
	operand func(s scope) (kind string, content []byte)
)

var errExpression = errors.New("the fake does not know this expression")

// parser takes an expression apart, one token at a time.
type parser struct{ tokens []string }

func newParser(expression string) *parser {
	spaced := strings.NewReplacer("(", " ( ", ")", " ) ", ",", " , ", "<=", " <= ", ">=", " >= ", "<>", " <> ", "+",
		" + ").Replace(expression)
	var tokens []string
	for _, field := range strings.Fields(spaced) {
		tokens = append(tokens, splitComparison(field)...)
	}
	return &parser{tokens}
}

// splitComparison separates the comparisons of one character, which may touch their operands.
func splitComparison(field string) []string {
	i := strings.IndexAny(field, "=<>")
	if i < 0 || field == "<=" || field == ">=" || field == "<>" || len(field) == 1 {
		return []string{field}
	}
	var parts []string
	for _, part := range []string{field[:i], field[i : i+1], field[i+1:]} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

func (p *parser) peek() string {
	if len(p.tokens) == 0 {
		return ""
	}
	return p.tokens[0]
}

func (p *parser) take() string {
	token := p.peek()
	if token != "" {
		p.tokens = p.tokens[1:]
	}
	return token
}

func (p *parser) accept(token string) bool {
	if !strings.EqualFold(p.peek(), token) {
		return false
	}
	p.take()
	return true
}

func compileCondition(expression string) (condition, error) {
	p := newParser(expression)
	c, err := p.or()
	if err == nil && len(p.tokens) > 0 {
		err = errExpression
	}
	return c, err
}

func (p *parser) or() (condition, error) {
	left, err := p.and()
	for err == nil && p.accept("OR") {
		var right condition
		if right, err = p.and(); err == nil {
			a := left
			left = func(s scope) bool { return a(s) || right(s) }
		}
	}
	return left, err
}

func (p *parser) and() (condition, error) {
	left, err := p.single()
	for err == nil && p.accept("AND") {
		var right condition
		if right, err = p.single(); err == nil {
			a := left
			left = func(s scope) bool { return a(s) && right(s) }
		}
	}
	return left, err
}

func (p *parser) single() (condition, error) {
	switch {
	case p.accept("NOT"):
		c, err := p.single()
		return func(s scope) bool { return !c(s) }, err
	case p.accept("("):
		c, err := p.or()
		if err == nil && !p.accept(")") {
			err = errExpression
		}
		return c, err
	case p.accept("attribute_not_exists"):
		o, err := p.argument()
		return func(s scope) bool { kind, _ := o(s); return kind == "" }, err
	case p.accept("attribute_exists"):
		o, err := p.argument()
		return func(s scope) bool { kind, _ := o(s); return kind != "" }, err
	}
	return p.comparison()
}

// argument is an attribute in parentheses.
func (p *parser) argument() (operand, error) {
	if !p.accept("(") {
		return nil, errExpression
	}
	o, err := p.operand()
	if err == nil && !p.accept(")") {
		err = errExpression
	}
	return o, err
}

func (p *parser) comparison() (condition, error) {
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	holds := map[string]func(order int) bool{
		"=": func(o int) bool { return o == 0 }, "<>": func(o int) bool { return o != 0 },
		"<": func(o int) bool { return o < 0 }, "<=": func(o int) bool { return o <= 0 },
		">": func(o int) bool { return o > 0 }, ">=": func(o int) bool { return o >= 0 },
	}[p.take()]
	if holds == nil {
		return nil, errExpression
	}
	right, err := p.operand()
	return func(s scope) bool {
		kind, a := left(s)
		other, b := right(s)
		return kind != "" && kind == other && holds(order(kind, a, b))
	}, err
}

// operand is an attribute, or a value, by its name.
func (p *parser) operand() (operand, error) {
	name := p.take()
	switch {
	case name == "" || strings.ContainsAny(name, "()=<>,+"):
		return nil, errExpression
	case name[0] == ':':
		return func(s scope) (string, []byte) { return typed(member(s.values, name)) }, nil
	case name[0] == '#':
		return func(s scope) (string, []byte) { return typed(member(s.item, string(text(member(s.names, name))))) }, nil
	}
	return func(s scope) (string, []byte) { return typed(member(s.item, name)) }, nil
}

// typed takes an attribute's value apart, which is an object of one member.
func typed(value []byte) (kind string, content []byte) {
	if value == nil {
		return "", nil
	}
	_ = members(value, func(name, v []byte) bool {
		kind, content = string(name), text(v)
		return false
	})
	return kind, content
}

func order(kind string, a, b []byte) int {
	if kind != "N" {
		return bytes.Compare(a, b)
	}
	x, _ := strconv.ParseInt(string(a), 10, 64)
	y, _ := strconv.ParseInt(string(b), 10, 64)
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}
