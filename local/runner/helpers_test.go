package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/needed"
)

// TestMain is also a function in Go: its bootstrap is a link to this test's binary.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "bootstrap" {
		lambda.Start(func(_ context.Context, event map[string]any) (any, error) { return event, nil })
		return
	}
	// What is on the PATH may be a script that takes long to find Python, and a test runs many functions.
	out, err := exec.Command("python3", "-c", "import sys; print(sys.executable)").Output()
	if err == nil {
		os.Setenv("PATH", filepath.Dir(string(out))+string(os.PathListSeparator)+os.Getenv("PATH"))
	}
	os.Exit(m.Run())
}

// code is a function of a test's app.
type code struct {
	runtime, handler string
	files            map[string]string
	zipped           bool
	properties       map[string]any // besides those, or in place of those, that the others make
}

func python(text string) code {
	return code{runtime: "python3.13", handler: "index.handler", files: map[string]string{"index.py": text}}
}

func node(text string) code {
	return code{runtime: "nodejs22.x", handler: "index.handler", files: map[string]string{"index.mjs": text}}
}

// templates are what a test adds to its app's template: resources by their logical ids.
type templates map[string]any

// newApp writes a cloud assembly with functions, and returns its directory.
func newApp(t *testing.T, functions map[string]code, more templates) string {
	t.Helper()
	needed.Program(t, "python3")
	needed.Program(t, "node")
	dir := t.TempDir()
	resources := map[string]any{"Role": map[string]any{"Type": "AWS::IAM::Role", "Properties": map[string]any{}}}
	files, paths := map[string]any{}, map[string]any{}
	for id, f := range functions {
		asset, packaging := "asset."+id, "zip"
		if f.zipped {
			asset, packaging = asset+".zip", "file"
			writeZip(t, filepath.Join(dir, asset), f.files)
		} else {
			for name, content := range f.files {
				writeFile(t, filepath.Join(dir, asset, name), content)
			}
		}
		files[id] = map[string]any{
			"source":       map[string]any{"path": asset, "packaging": packaging},
			"destinations": map[string]any{"d": map[string]any{"objectKey": asset}},
		}
		properties := map[string]any{
			"Runtime": f.runtime, "Handler": f.handler, "Code": map[string]any{"S3Key": asset}, "Timeout": 60,
			"Role": map[string]any{"Fn::GetAtt": []string{"Role", "Arn"}},
		}
		for name, value := range f.properties {
			properties[name] = value
		}
		resources[id] = map[string]any{"Type": "AWS::Lambda::Function", "Properties": properties}
		paths["/S/"+id+"/Resource"] = []any{map[string]any{"type": "aws:cdk:logicalId", "data": id}}
	}
	for id, resource := range more {
		resources[id] = resource
	}
	writeJSON(t, filepath.Join(dir, "manifest.json"), map[string]any{
		"version": "54.0.0",
		"artifacts": map[string]any{
			"S": map[string]any{
				"type": "aws:cloudformation:stack", "dependencies": []string{"S.assets"},
				"properties": map[string]any{"templateFile": "t.json"}, "additionalMetadataFile": "m.json",
			},
			"S.assets": map[string]any{"type": "cdk:asset-manifest", "properties": map[string]any{"file": "a.json"}},
		},
	})
	writeJSON(t, filepath.Join(dir, "t.json"), map[string]any{"Resources": resources})
	writeJSON(t, filepath.Join(dir, "m.json"), paths)
	writeJSON(t, filepath.Join(dir, "a.json"), map[string]any{"files": files})
	return dir
}

func writeFile(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func writeJSON(t *testing.T, name string, v any) {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, name, string(b))
}

func writeZip(t *testing.T, name string, files map[string]string) {
	t.Helper()
	var b bytes.Buffer
	archive := zip.NewWriter(&b)
	for file, content := range files {
		w, err := archive.Create(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	writeFile(t, name, b.String())
}

// buffer collects what is printed, from several goroutines.
type buffer struct {
	mu      sync.Mutex
	b       bytes.Buffer
	written chan struct{} // gets an element when something was written, if there is room
}

func newBuffer() *buffer { return &buffer{written: make(chan struct{}, 1)} }

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case b.written <- struct{}{}:
	default:
	}
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// await waits until a text was printed.
func (b *buffer) await(ctx context.Context, text string) {
	for !strings.Contains(b.String(), text) {
		select {
		case <-b.written:
		case <-ctx.Done():
			return
		}
	}
}

// result is how a run ended.
type result struct {
	stdout, stderr string
	err            error
}

func start(t *testing.T, args ...string) result {
	t.Helper()
	stdout, stderr := newBuffer(), newBuffer()
	err := run(t.Context(), args, stdout, stderr)
	return result{stdout.String(), stderr.String(), err}
}

// invoke invokes the function F of an app that has only that.
func invoke(t *testing.T, f code, payload string, more templates) result {
	t.Helper()
	return start(t, "-app", newApp(t, map[string]code{"F": f}, more), "-invoke", "F", "-payload", payload)
}
