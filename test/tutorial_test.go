package test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// snippetImports are the packages that a snippet may use without an import of its own, by the names they have in the
// snippet.
var snippetImports = map[string]string{
	"awscdk":         "github.com/aws/aws-cdk-go/awscdk/v2",
	"awsiam":         "github.com/aws/aws-cdk-go/awscdk/v2/awsiam",
	"awslambda":      "github.com/aws/aws-cdk-go/awscdk/v2/awslambda",
	"awsssm":         "github.com/aws/aws-cdk-go/awscdk/v2/awsssm",
	"client":         modulePath + "/tokenizerlayer/client",
	"errors":         "errors",
	"fmt":            "fmt",
	"time":           "time",
	"tokenizerlayer": modulePath + "/tokenizerlayer",
	"tokenizertest":  modulePath + "/tokenizerlayer/tokenizertest",
}

// around declares what a snippet may take for granted.
const around = `package snippets

import (
	"context"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

var (
	stack                                         awscdk.Stack
	function                                      awslambda.Function
	vault                                         tokenizerlayer.IVault
	layer                                         tokenizerlayer.ILayer
	reader                                        *tokenizerlayer.DetokenizeRole
	tokenKeyArn, storageKeyArn, fingerprintKeyArn string

	ctx       context.Context
	tokenizer *client.Client
	card      client.Secret
	token     string

	err error
)
`

// notCompiled are the snippets that the documents mark with a comment "not compiled", by document and first line. A
// snippet of the documents is in this list or compiles.
var notCompiled = map[string]string{}

// snippet is a block of Go in a document.
type snippet struct {
	document string
	line     int // where the code begins in the document
	code     string
	marked   bool // as one that does not compile
}

// The documents' Go compiles: every block of Go in the README and below docs, and the tutorials in the constructs'
// documentation.
func TestSnippets_Compile(t *testing.T) {
	var snippets []snippet
	for _, document := range documents(t) {
		snippets = append(snippets, fenced(document, read(t, filepath.Join(moduleRoot, document)))...)
	}
	if len(snippets) < 3 {
		t.Fatalf("the documents have %d blocks of Go", len(snippets))
	}
	for name, code := range map[string]string{
		"doc.go":   indented(documentation(t, "doc.go", "")),
		"asset.go": indented(documentation(t, "asset.go", "NewGoAsset")),
	} {
		if strings.Count(code, "\n") < 5 {
			t.Fatalf("tokenizerlayer/%s has no tutorial:\n%s", name, code)
		}
		snippets = append(snippets, snippet{"tokenizerlayer/" + name, 1, code, false})
	}

	marked := map[string]string{}
	files := map[string]string{"snippets/around.go": around}
	packages := []string{"./snippets"}
	for i, s := range snippets {
		switch {
		case s.marked:
			first, _, _ := strings.Cut(s.code, "\n")
			marked[s.document] = first
		case strings.HasPrefix(s.code, "package "):
			dir := fmt.Sprintf("snippets/program%d", i)
			files[dir+"/main.go"] = fmt.Sprintf("//line %s:%d\n%s", s.document, s.line, s.code)
			packages = append(packages, "./"+dir)
		default:
			files[fmt.Sprintf("snippets/snippet%d.go", i)] = fragment(t, s)
		}
	}
	if diff := cmp.Diff(notCompiled, marked); diff != "" {
		t.Errorf("snippets that are not compiled (-list +documents):\n%s", diff)
	}
	compile(t, files, packages)
}

// A test of the test: Go that does not compile is found, and its document named.
func TestSnippets_NamesTheDocumentOfAMistake(t *testing.T) {
	text :=
		"A list:\n\n1. Text.\n\n   ```go\n   x := tokenizerlayer.Nothing\n   ```\n\n<!-- not compiled: for a reason -->\n```go\n...\n```\n"
	got := fenced("a.md", text)
	want := []snippet{{"a.md", 6, "x := tokenizerlayer.Nothing\n", false}, {"a.md", 11, "...\n", true}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(snippet{})); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	if file := fragment(t, got[0]); !strings.Contains(file, "//line a.md:6\n") || !strings.Contains(file, "_ = x\n") {
		t.Errorf("the file does not name its document, or does not use its variable:\n%s", file)
	}
}

// fragment makes a file from some statements. They may leave variables unused, and use the packages of snippetImports.
func fragment(t *testing.T, s snippet) string {
	t.Helper()
	var file strings.Builder
	file.WriteString("package snippets\n\n")
	for name, path := range snippetImports {
		if regexp.MustCompile(`\b` + name + `\.`).MatchString(s.code) {
			fmt.Fprintf(&file, "import %s %q\n", name, path)
		}
	}
	fmt.Fprintf(&file, "\nfunc _() error {\n//line %s:%d\n%s\n", s.document, s.line, s.code)
	for _, name := range variables(t, s) {
		fmt.Fprintf(&file, "_ = %s\n", name)
	}
	file.WriteString("return nil\n}\n")
	return file.String()
}

// variables are those that a snippet's statements declare, without those of inner blocks.
func variables(t *testing.T, s snippet) (names []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), s.document, "package p\nfunc _() {\n"+s.code+"\n}\n", 0)
	if err != nil {
		t.Fatalf("%s: %v\n%s", s.document, err, s.code)
	}
	for _, statement := range parsed.Decls[0].(*ast.FuncDecl).Body.List {
		assignment, ok := statement.(*ast.AssignStmt)
		if !ok || assignment.Tok != token.DEFINE {
			continue
		}
		for _, left := range assignment.Lhs {
			if name := left.(*ast.Ident).Name; name != "_" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// compile builds packages of files that exist in an overlay only.
func compile(t *testing.T, files map[string]string, packages []string) {
	t.Helper()
	dir, replaced := t.TempDir(), map[string]string{}
	for name, content := range files {
		source := filepath.Join(dir, strings.ReplaceAll(name, "/", "_"))
		write(t, source, content)
		replaced[filepath.Join(repository(t), filepath.FromSlash(name))] = source
	}
	content, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	write(t, overlay, string(content))
	// The output is thrown away: a build of one program would leave it in the repository.
	command := exec.Command("go", append([]string{"build", "-o", os.DevNull, "-overlay", overlay}, packages...)...)
	command.Dir = moduleRoot
	if output, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, output)
	}
}

// documentation is the comment on a function of the constructs' package, or on the package.
func documentation(t *testing.T, file, function string) string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(moduleRoot, "tokenizerlayer", file), nil,
		parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	if function == "" {
		return parsed.Doc.Text()
	}
	for _, declaration := range parsed.Decls {
		if f, ok := declaration.(*ast.FuncDecl); ok && f.Name.Name == function {
			return f.Doc.Text()
		}
	}
	t.Fatalf("%s has no function %s", file, function)
	return ""
}

// indented is the code in a comment.
func indented(text string) string {
	var code strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "\t") {
			code.WriteString(line)
		}
	}
	return code.String()
}

// fenced are the blocks of Go in a document, without the indentation of the list that they are in.
func fenced(document, text string) (blocks []snippet) {
	const pattern = "(?ms)^(?:<!-- (not compiled): [^\n]*-->\n)?( *)```go\n(.*?)\n *```$"
	for _, at := range regexp.MustCompile(pattern).FindAllStringSubmatchIndex(text, -1) {
		line := 1 + strings.Count(text[:at[6]], "\n")
		code := strings.ReplaceAll("\n"+text[at[6]:at[7]], "\n"+text[at[4]:at[5]], "\n")
		blocks = append(blocks, snippet{document, line, strings.TrimPrefix(code, "\n") + "\n", at[2] >= 0})
	}
	return blocks
}
