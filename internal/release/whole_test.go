package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/fulltests"
	"github.com/lambda-tokenizer/lambda-tokenizer/internal/needed"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
)

// clone is a repository with this tree and one commit, which is the same each time.
func clone(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !slices.Contains([]string{".git", "node_modules", "cdk.out", "dist", "bench.out"}, entry.Name()) {
			kit.CopyFiles(t, dir, entry.Name())
		}
	}
	commit(t, dir)
}

// command is this command as a process in a clone. Its temporary files are in a directory of their own.
func command(t *testing.T, dir, umask string, arguments ...string) *exec.Cmd {
	t.Helper()
	// Without the go command between, which would not end with the status of the program.
	cmd := exec.CommandContext(t.Context(), "bash", append([]string{"-c",
		`umask "$0" && go build -o "$TMPDIR/program" ./internal/release && exec "$TMPDIR/program" "$@"`, umask},
		arguments...)...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), temporaryDir+t.TempDir())
	return cmd
}

const temporaryDir = "TMPDIR="

// checkTemporary looks for what a command has left in its directory of temporary files, beside the program itself.
func checkTemporary(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	entries, err := os.ReadDir(strings.TrimPrefix(cmd.Env[len(cmd.Env)-1], temporaryDir))
	if err != nil || len(entries) != 1 || entries[0].Name() != "program" {
		t.Errorf("temporary files are left: %v (%v)", entries, err)
	}
}

func needsAll(t *testing.T) {
	t.Helper()
	for _, program := range []string{"bash", "git", "npm", "python3"} {
		needed.Program(t, program)
	}
}

// Two clones give the same release, although one of them is for its owner only, has a space in its path and has what
// Python leaves behind. The command finds one byte that is another. The release deploys as docs/template.md says.
func TestRelease_IsTheSameWhereverItIsBuilt(t *testing.T) {
	fulltests.Only(t, "two minutes, for three builds of everything")
	needsAll(t)
	dirs := []string{filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "another directory", "deeper")}
	var all []map[string][]byte
	for i, dir := range dirs {
		clone(t, dir)
		umask := "022"
		if i == 1 {
			umask = "077"
			kit.Run(t, dir, "chmod", "-R", "go-rwx", ".")
			writeBelow(t, dir, "tokenizerlayer/layer/python/lambda_tokenizer/__pycache__/_verbs.cpython-311.pyc", "x")
		}
		cmd := command(t, dir, umask)
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		checkTemporary(t, cmd)
		files, err := digests(os.DirFS(filepath.Join(dir, "dist")))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, files)
	}
	if diff := cmp.Diff(all[0], all[1]); diff != "" || len(all[0]) < 17 {
		t.Errorf("releases of %d files (-one +another):\n%s", len(all[0]), diff)
	}
	t.Run("deployed", func(t *testing.T) { deployAsDocumented(t, filepath.Join(dirs[0], "dist")) })

	changed := filepath.Join(dirs[0], "dist", layerFile("arm64"))
	content := []byte(kit.Read(t, changed))
	content[len(content)/2] ^= 1
	if err := os.WriteFile(changed, content, 0o644); err != nil {
		t.Fatal(err)
	}
	text, err := command(t, dirs[1], "022", "-verify", filepath.Join(dirs[0], "dist")).CombinedOutput()
	if err == nil || !strings.Contains(string(text), layerFile("arm64")+" differs") ||
		strings.Contains(string(text), "x86_64") {
		t.Errorf("of a changed byte, the command says %v:\n%s", err, text)
	}
}

// deployAsDocumented runs the commands of docs/template.md on moto, beside a release.
func deployAsDocumented(t *testing.T, dist string) {
	needed.Program(t, "aws")
	server := startMoto(t)
	page := kit.Read(t, "../../docs/template.md")
	block := regexp.MustCompile("(?s)## Deploy it.*?```bash\n(.*?)```").FindStringSubmatch(page)
	if block == nil {
		t.Fatal("docs/template.md does not say how to deploy")
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", "aws s3 mb s3://$BUCKET\n"+block[1])
	cmd.Dir = filepath.Dir(dist)
	cmd.Env = append(os.Environ(), "BUCKET=layers", "AWS_ENDPOINT_URL="+server.endpoint,
		"AWS_DEFAULT_REGION="+motoRegion, "AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local", "AWS_PAGER=")
	if text, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(text), "Successfully created") {
		t.Errorf("%v\n%s", err, text)
	}
	var answer struct{ Parameter struct{ Value string } }
	err := server.call(t, "ssm", "AmazonSSM.GetParameter", object{"Name": "/tokenizer/vault-table"}, &answer)
	if err != nil || answer.Parameter.Value == "" {
		t.Errorf("the stack has no parameter with the vault's table: %v", err)
	}
}

// Whatever ends the command in the middle, nothing is left of the build.
func TestRelease_EndsInTheMiddle(t *testing.T) {
	fulltests.Only(t, "a minute, for builds of the command and of the layer")
	needsAll(t)
	dir := filepath.Join(t.TempDir(), "clone")
	clone(t, dir)
	start := func(arguments ...string) (*kit.Process, *exec.Cmd) {
		cmd := command(t, dir, "022", arguments...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		process, err := kit.StartProcess(cmd)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(process.Kill)
		// the layer is compiled, after the development servers
		if err := process.Await(process.Stderr.Seen("Bundling asset"), kit.BuildLimit); err != nil {
			t.Fatal(err)
		}
		return process, cmd
	}
	left := func() []string {
		found, err := filepath.Glob(filepath.Join(dir, "dist*"))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	existing := t.TempDir()
	kit.Write(t, filepath.Join(existing, sumsFile), "")
	for _, arguments := range [][]string{nil, {"-verify", existing}} {
		process, cmd := start(arguments...)
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil { // as a terminal does
			t.Fatal(err)
		}
		if err := process.Wait(); err == nil || !strings.Contains(process.Stderr.String(), "release: interrupted") {
			t.Errorf("%v: got %v, printed %s", arguments, err, process.Stderr)
		}
		if found := left(); len(found) > 0 {
			t.Errorf("%v: %v is left", arguments, found)
		}
		checkTemporary(t, cmd)
	}

	// Of a process that is killed, jsii's own directory stays.
	killed, _ := start()
	killed.Kill() // and wait until nobody has its standard error any more
	if found := left(); len(found) > 0 {
		t.Errorf("of a build that was killed, %v is left", found)
	}
}
