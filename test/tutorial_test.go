package test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// around is what the code of a tutorial may take for granted.
const around = `package tutorial

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsssm"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer"
)

var (
	_ = awsiam.NewRole
	_ = awsssm.NewStringParameter

	function                                      awslambda.Function
	vault                                         tokenizerlayer.IVault
	layer                                         tokenizerlayer.ILayer
	tokenKeyArn, storageKeyArn, fingerprintKeyArn string
)

func tutorial(stack awscdk.Stack) error {
CODE
	return err
}
`

func TestTutorials_Compile(t *testing.T) {
	readme := fenced(t, filepath.Join(moduleRoot, "README.md"), "## Add the layer to *your* function")
	// The code of a function, which uses the client, is not an app's.
	readme = slices.DeleteFunc(readme, func(block string) bool { return !strings.Contains(block, "tokenizerlayer.") })
	if len(readme) != 2 {
		t.Fatalf("README.md has %d blocks of Go about the constructs, want 2", len(readme))
	}
	for name, code := range map[string]string{
		"README.md": readme[0], "README.md, from another app": readme[1],
		"package doc": indented(documentation(t, "doc.go", "")),
		"NewGoAsset":  indented(documentation(t, "asset.go", "NewGoAsset")),
	} {
		t.Run(name, func(t *testing.T) {
			if strings.Count(code, "\n") < 5 {
				t.Fatalf("this is no tutorial:\n%s", code)
			}
			dir := t.TempDir()
			source, overlay := filepath.Join(dir, "tutorial.go"), filepath.Join(dir, "overlay.json")
			write(t, source, strings.Replace(around, "CODE", code, 1))
			content, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(repository(t),
				"tutorial", "tutorial.go"): source}})
			if err != nil {
				t.Fatal(err)
			}
			write(t, overlay, string(content))
			command := exec.Command("go", "build", "-overlay", overlay, "./tutorial")
			command.Dir = moduleRoot
			command.Env = os.Environ()
			if output, err := command.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s\n%s", err, output, code)
			}
		})
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

// fenced are the blocks of Go in a section of a document.
func fenced(t *testing.T, path, heading string) (blocks []string) {
	t.Helper()
	_, section, found := strings.Cut(read(t, path), "\n"+heading+"\n")
	if !found {
		t.Fatalf("%s has no %q", path, heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	for {
		_, rest, found := strings.Cut(section, "```go\n")
		if !found {
			return blocks
		}
		block, after, _ := strings.Cut(rest, "```")
		blocks, section = append(blocks, strings.TrimRight(block, " ")), after
	}
}
