package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/fulltests"
	"github.com/lambda-tokenizer/lambda-tokenizer/internal/needed"
)

// CDK's NodejsFunction bundles the client with the function, in both formats, or leaves it to the layer.
func TestNodejsFunction_BundlesTheClient(t *testing.T) {
	fulltests.Only(t, "15 seconds")
	root := repository(t)
	needed.NPMFile(t, filepath.Join(root, "node_modules", ".bin", "esbuild"))
	modules := filepath.Join(root, "tokenizerlayer", "layer", "nodejs", "node_modules")
	project, out := t.TempDir(), t.TempDir()
	write(t, filepath.Join(project, "package.json"), `{"name":"a-function","private":true}`)
	run(t, project, "npm", "install", "--silent", "--offline", "--no-audit", "--no-fund", "--install-links",
		filepath.Join(modules, "@lambda-tokenizer", "client"))
	const source = `import { ping, TokenizerError } from "@lambda-tokenizer/client";
export const handler = async () => ping().catch((error: unknown) => error instanceof TokenizerError && error.code);
handler().then(console.log);
`
	for _, name := range []string{"commonjs", "module", "layer"} {
		write(t, filepath.Join(project, name+".ts"), source)
	}
	t.Setenv("PATH", filepath.Join(root, "node_modules", ".bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
	run(t, moduleRoot, "go", "run", "./test/testdata/consumer/nodejs", out, project)

	bundles, err := filepath.Glob(filepath.Join(out, "asset.*", "index.*js"))
	if err != nil || len(bundles) != 3 {
		t.Fatalf("%v, %v", bundles, err)
	}
	own := 0
	for _, bundle := range bundles {
		if regexp.MustCompile(`the extension cannot be reached`).MatchString(read(t, bundle)) {
			own++
		}
		command := exec.CommandContext(t.Context(), "node", bundle)
		command.Env = append(os.Environ(), "NODE_PATH="+modules, "TOKENIZER_PORT=1", "AWS_SESSION_TOKEN=the-session")
		got, err := command.CombinedOutput()
		if err != nil || strings.TrimSpace(string(got)) != "unavailable" {
			t.Errorf("%v: %s", err, got)
		}
	}
	if own != 2 {
		t.Errorf("%d bundles hold the client, want 2", own)
	}
}
