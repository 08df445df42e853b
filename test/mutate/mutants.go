package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

// mutant is one small fault in one file.
type mutant struct {
	// id names the fault by what it does, not by its line, so that it survives changes elsewhere in the file.
	id         string
	file       string
	start, end int // what is replaced, in bytes
	text       string
}

// swapped are operators and what stands in their place.
var swapped = map[token.Token]token.Token{
	token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR,
	token.EQL: token.NEQ, token.NEQ: token.EQL, token.LAND: token.LOR, token.LOR: token.LAND,
	token.ADD: token.SUB, token.SUB: token.ADD, token.MUL: token.QUO, token.QUO: token.MUL, token.REM: token.MUL,
	token.SHL: token.SHR, token.SHR: token.SHL, token.AND: token.OR, token.OR: token.AND,
}

// passedOver are methods whose call is replaced by their receiver.
var passedOver = map[string]bool{"UTC": true, "Truncate": true, "Round": true, "Abs": true}

// writer finds the mutants of a file.
type writer struct {
	fset     *token.FileSet
	file     string
	source   string
	function string
	seen     map[string]int
	around   []ast.Node // the node that is visited, from the outside to the inside
	out      []mutant
}

// mutantsOf lists the faults that can be put into a file, in the order of the file. Some do not compile.
func mutantsOf(file, source string) ([]mutant, error) {
	w := writer{fset: token.NewFileSet(), file: file, source: source, seen: map[string]int{}}
	parsed, err := parser.ParseFile(w.fset, file, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	for _, d := range parsed.Decls {
		w.function = "-"
		if f, ok := d.(*ast.FuncDecl); ok {
			w.function = f.Name.Name
		}
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.IMPORT {
			continue
		}
		ast.Inspect(d, w.visit)
	}
	slices.SortStableFunc(w.out, func(a, b mutant) int { return cmp.Compare(a.start, b.start) })
	for i := range w.out { // the same fault twice in a function
		w.seen[w.out[i].id]++
		if n := w.seen[w.out[i].id]; n > 1 {
			w.out[i].id += fmt.Sprintf(" #%d", n)
		}
	}
	return w.out, nil
}

func (w *writer) visit(n ast.Node) bool {
	if n == nil {
		w.around = w.around[:len(w.around)-1]
		return false
	}
	if field, ok := n.(*ast.Field); ok && field.Tag != nil { // a struct's tags are no constants
		return false
	}
	w.faults(n)
	w.around = append(w.around, n)
	return true
}

// faults notes the faults of a node, without those of the nodes in it.
func (w *writer) faults(n ast.Node) {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		if to, ok := swapped[n.Op]; ok {
			start := w.offset(n.OpPos)
			w.replace(n, start, start+len(n.Op.String()), to.String())
		}
	case *ast.IfStmt:
		w.negate(n.Cond)
	case *ast.ForStmt:
		w.negate(n.Cond)
	case *ast.BlockStmt:
		w.remove(n.List)
	case *ast.CaseClause:
		w.remove(n.Body)
	case *ast.CommClause:
		w.remove(n.Body)
	case *ast.ReturnStmt:
		w.forget(n)
	case *ast.BasicLit:
		w.constant(n)
	case *ast.Ident:
		if other := map[string]string{"true": "false", "false": "true"}[n.Name]; other != "" {
			w.replace(w.context(n), w.offset(n.Pos()), w.offset(n.End()), other)
		}
	case *ast.CallExpr:
		w.call(n)
	}
}

// context is what n stands in, as far as that is a short text: "0 => 1" alone would be many faults of a function, and
// would be told apart by their order, which changes.
func (w *writer) context(n ast.Node) ast.Node {
	for _, around := range slices.Backward(w.around) {
		switch around.(type) {
		case *ast.FuncLit, *ast.FuncType:
			return n
		case ast.Expr, *ast.AssignStmt, *ast.ReturnStmt, *ast.ExprStmt, *ast.ValueSpec:
		default:
			return n
		}
		if len(w.text(around)) > 80 {
			return n
		}
		n = around
	}
	return n
}

// negate turns a condition around that no operator of which is swapped.
func (w *writer) negate(condition ast.Expr) {
	switch c := condition.(type) {
	case nil:
	case *ast.BinaryExpr:
	case *ast.UnaryExpr:
		if c.Op == token.NOT {
			w.replace(c, w.offset(c.Pos()), w.offset(c.X.Pos()), "")
		}
	default:
		start := w.offset(c.Pos())
		w.replace(c, start, w.offset(c.End()), "!("+w.text(c)+")")
	}
}

// remove leaves out statements that are there for what they do.
func (w *writer) remove(list []ast.Stmt) {
	for _, s := range list {
		switch s := s.(type) {
		case *ast.ExprStmt, *ast.DeferStmt, *ast.IncDecStmt, *ast.SendStmt:
		case *ast.AssignStmt:
			if s.Tok == token.DEFINE || w.text(s.Lhs[0]) == "_" {
				continue
			}
		case *ast.BranchStmt:
			if s.Label != nil {
				continue
			}
		default:
			continue
		}
		w.replace(s, w.offset(s.Pos()), w.offset(s.End()), "")
	}
}

// forget returns no error where one is returned.
func (w *writer) forget(s *ast.ReturnStmt) {
	if len(s.Results) == 0 {
		return
	}
	last := s.Results[len(s.Results)-1]
	if text := w.text(last); text == "nil" || text == "true" || text == "false" {
		return
	}
	switch last.(type) {
	case *ast.Ident, *ast.CallExpr:
		w.replace(s, w.offset(last.Pos()), w.offset(last.End()), "nil")
	}
}

// constant makes a number larger and smaller by one.
func (w *writer) constant(n *ast.BasicLit) {
	if n.Kind != token.INT {
		return
	}
	value, err := strconv.ParseInt(n.Value, 0, 64)
	if err != nil {
		return
	}
	start, end := w.offset(n.Pos()), w.offset(n.End())
	w.replace(w.context(n), start, end, strconv.FormatInt(value+1, 10))
	if value > 0 {
		w.replace(w.context(n), start, end, strconv.FormatInt(value-1, 10))
	}
}

// call takes the effect from a call that has one besides its result.
func (w *writer) call(n *ast.CallExpr) {
	s, ok := n.Fun.(*ast.SelectorExpr)
	switch {
	case !ok:
	case passedOver[s.Sel.Name]:
		w.replace(n, w.offset(s.X.End()), w.offset(n.End()), "")
	case w.text(s) == "context.WithTimeout":
		w.replace(n, w.offset(n.Pos()), w.offset(n.End()), "context.WithCancel("+w.text(n.Args[0])+")")
	}
}

func (w *writer) offset(p token.Pos) int { return w.fset.Position(p).Offset }

func (w *writer) text(n ast.Node) string { return w.source[w.offset(n.Pos()):w.offset(n.End())] }

// replace notes a mutant, which changes a part of n.
func (w *writer) replace(n ast.Node, start, end int, text string) {
	before := w.text(n)
	from := w.offset(n.Pos())
	after := "nothing"
	if text != "" || end-start < len(before) {
		after = before[:start-from] + text + before[end-from:]
	}
	id := fmt.Sprintf("%s %s: %s => %s", w.file, w.function, oneLine(before), oneLine(after))
	w.out = append(w.out, mutant{id: id, file: w.file, start: start, end: end, text: text})
}

// oneLine is a text in a line, with its middle left out if it is long.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if characters := []rune(s); len(characters) > 110 {
		s = string(characters[:70]) + "..." + string(characters[len(characters)-35:])
	}
	return s
}

// apply is the source with the fault in it.
func (m mutant) apply(source string) string { return source[:m.start] + m.text + source[m.end:] }
