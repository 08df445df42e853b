package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// newSource writes an app whose synthesis copies what newApp makes. As with the CDK, a template is different if the
// code of a function is. The synthesis fails while there is a file named broken, and writes files beside the source.
func newSource(t *testing.T, functions map[string]code) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "src"), os.DirFS(newApp(t, functions, nil))); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "synth.sh"), `
		test ! -e broken || { echo "app.py, line 1: SyntaxError"; exit 1; }
		echo compiled > app.js
		cp -R src/. "$CDK_OUTDIR"
		for asset in src/asset.*; do
			sum=$(cat "$asset"/* | cksum | tr -d ' ')
			name=$(basename "$asset")
			mv "$CDK_OUTDIR/$name" "$CDK_OUTDIR/$name.$sum"
			sed "s/\"$name\"/\"$name.$sum\"/g" "$CDK_OUTDIR/t.json" > t && mv t "$CDK_OUTDIR/t.json"
			sed "s/\"$name\"/\"$name.$sum\"/g" "$CDK_OUTDIR/a.json" > t && mv t "$CDK_OUTDIR/a.json"
		done`)
	writeFile(t, filepath.Join(dir, "cdk.json"), `{"app": "mkdir -p \"$CDK_OUTDIR\" && sh synth.sh"}`)
	return dir
}

// watched is an app in the directory dir that runs with -watch.
type watched struct {
	*testing.T
	*serving
	dir, url string
}

func watchApp(t *testing.T, dir string) *watched {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	s := startServing(t, "-app", dir, "-serve", "-watch")
	w := &watched{t, s, dir, ""}
	url := served.FindStringSubmatch(s.stderr.String())
	if url == nil {
		t.Fatalf("printed %s", s.stderr.String())
	}
	w.url = url[1]
	w.settle()
	return w
}

// settle waits until what the first synthesis has written beside the source has led to another one. Nothing was known
// about these files.
func (w *watched) settle() { w.await("nothing has changed") }

func (w *watched) await(text string) {
	w.Helper()
	if w.stderr.await(w.running, text); w.running.Err() != nil {
		w.Fatalf("want %q, printed %s", text, w.stderr.String())
	}
}

// then waits for a text that is printed because of a change.
func (w *watched) then(change func(), text string) {
	w.Helper()
	before := strings.Count(w.stderr.String(), text)
	change()
	for strings.Count(w.stderr.String(), text) == before {
		select {
		case <-w.stderr.written:
		case <-w.running.Done():
			w.Fatalf("want %q, printed %s", text, w.stderr.String())
		}
	}
}

func (w *watched) handler(name, text string) {
	w.Helper()
	writeFile(w.T, filepath.Join(w.dir, "src", "asset."+name, "index.py"), "def handler(event, context): return "+text)
}

func (w *watched) invoke(ctx context.Context, function string) string {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost,
		w.url+"/2015-03-31/functions/"+function+"/invocations", nil)
	if err != nil {
		return err.Error()
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	b, _ := io.ReadAll(response.Body)
	return string(b)
}

func (w *watched) answers(function, want string) {
	w.Helper()
	if got := w.invoke(w.Context(), function); !strings.Contains(got, want) {
		w.Errorf("%s answers %s, want %s", function, got, want)
	}
}

// end ends the app, and looks for what is left.
func (w *watched) end() {
	w.Helper()
	if err := w.stop(); err != nil {
		w.Errorf("error = %v", err)
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		w.Errorf("left in the temporary directory: %v, %v", left, err)
	}
}

func TestWatch_StartsANewVersionAfterAChange(t *testing.T) {
	w := watchApp(t, newSource(t, map[string]code{"F": python("def handler(event, context): return 'one'")}))
	w.answers("F", "one")

	broken := filepath.Join(w.dir, "broken")
	w.then(func() { writeFile(t, broken, "") }, "The version before still runs")
	w.await("app.py, line 1: SyntaxError")
	w.answers("F", "one")

	w.then(func() {
		if err := os.Remove(broken); err != nil {
			t.Fatal(err)
		}
		w.handler("F", "'two'")
	}, "changed: S/F\n")
	w.answers("F", "two")

	more := newApp(t, map[string]code{"F": python("def handler(event, context): return 'two'"), "G": python(echo)}, nil)
	w.then(func() {
		if err := os.RemoveAll(filepath.Join(w.dir, "src")); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(filepath.Join(w.dir, "src"), os.DirFS(more)); err != nil {
			t.Fatal(err)
		}
	}, "; new: S/G\n")
	w.answers("G", "{}")
	w.end()
}

// A deployment that fails has perhaps replaced a table. Then the source of the version that runs is deployed again.
func TestWatch_DeploysTheSameAgainAfterAFailure(t *testing.T) {
	dir := newSource(t, map[string]code{"F": python(echo)})
	template := filepath.Join(dir, "src", "t.json")
	before, err := os.ReadFile(template)
	if err != nil {
		t.Fatal(err)
	}
	table := func(id, kind string) string {
		return `{"Resources":{"` + id + `":{"Type":"AWS::DynamoDB::Table","Properties":{"TableName":"T",
			"KeySchema":[{"AttributeName":"Id","KeyType":"HASH"}],
			"AttributeDefinitions":[{"AttributeName":"Id","AttributeType":"` + kind + `"}]}},`
	}
	with := func(table string) string { return strings.Replace(string(before), `{"Resources":{`, table, 1) }
	writeFile(t, template, with(table("Table", "S")))
	w := watchApp(t, dir)
	twice := strings.Replace(with(table("Table", "N")), `{"Resources":{`, table("Other", "N"), 1)
	w.then(func() { writeFile(t, template, twice) }, "The version before still runs")
	w.await("Before this failed: made anew, and empty: table T")
	w.then(func() { writeFile(t, template, with(table("Table", "S"))) }, "functions; made anew, and empty: table T\n")
	w.end()
}

func TestFew_CannotBeTakenForAnythingElse(t *testing.T) {
	got := few([]string{"a\x1b[2J\n", "b", "c", "d", "e"})
	if want := `a\u001b[2J\n, b, c and 2 more`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// waiting is a handler that says that it runs, and answers when the test lets it.
func waiting(listener net.Listener, answer string) code {
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return python("import socket\ndef handler(event, context):\n c = socket.create_connection(('127.0.0.1', " + port +
		"))\n c.sendall(b'here\\n')\n c.recv(1)\n return " + answer)
}

// running accepts the connection of such a handler.
func running(t *testing.T, listener net.Listener) net.Conn {
	t.Helper()
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := bufio.NewReader(conn).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return conn
}

// There are two versions at most. Even a function that hangs holds up nothing.
func TestWatch_LetsInvocationsEndOnTheirVersion(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	w := watchApp(t, newSource(t, map[string]code{"F": waiting(listener, "'old'"), "G": python(echo)}))
	answers := make(chan string, 1)
	invoke := func() net.Conn {
		go func() { answers <- w.invoke(t.Context(), "F") }()
		return running(t, listener)
	}
	number := 0
	change := func() {
		number++
		w.then(func() { w.handler("G", strings.Repeat("1", number)) }, "changed: S/G\n")
	}

	conn := invoke()
	change()
	w.answers("G", "1")
	if _, err := conn.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if got := <-answers; got != `"old"` {
		t.Errorf("answer %s", got)
	}

	invoke()
	change()
	w.answers("G", "11")
	change()
	if got := <-answers; !strings.Contains(got, "the app has changed or ended while the function ran: invoke it again") {
		t.Errorf("answer %s", got)
	}
	w.answers("G", "111")
	kept, err := filepath.Glob(filepath.Join(os.TempDir(), "lambda-tokenizer-app-*", "*"))
	if err != nil || len(kept) > 2 {
		t.Errorf("of four versions there are %v, %v", kept, err)
	}

	invoke()
	w.end()
	if got := <-answers; !strings.Contains(got, "EOF") && !strings.Contains(got, "invoke it again") &&
		!strings.Contains(got, "reset") {
		t.Errorf("answer %s", got)
	}
}

// An assembly is read again when it has been synthesized again.
func TestWatch_FollowsAnAssembly(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	dir := newApp(t, map[string]code{"F": python("def handler(event, context): return 'one'")}, nil)
	s := startServing(t, "-app", dir, "-serve", "-watch")
	url := served.FindStringSubmatch(s.stderr.String())
	if url == nil {
		t.Fatalf("printed %s", s.stderr.String())
	}
	w := &watched{t, s, dir, url[1]}
	w.answers("F", "one")
	w.then(func() {
		writeFile(t, filepath.Join(dir, "asset.F", "index.py"), "def handler(event, context): return 'two'")
	}, "create resources")
	w.answers("F", "two")
	w.end()
}
