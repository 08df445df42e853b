package tokenizerlayer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestToolchain_IsTheOneThatGoModNames(t *testing.T) {
	content, err := os.ReadFile(filepath.Join("..", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(content), "\ntoolchain "+toolchain+"\n") {
		t.Errorf("go.mod has no line `toolchain %s`, the release that the extension is compiled with", toolchain)
	}
}

func TestModuleDir_SaysWhyThereIsNoSource(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	required := "module example.com/app\n\ngo 1.26\n\nrequire " + ownModule + " v0.0.0\n\nreplace " + ownModule +
		" => " + root + "\n"
	vendored := "# " + ownModule + " v0.0.0 => " + root + "\n## explicit; go 1.26\n# " + ownModule + " => " + root +
		"\n"
	for name, test := range map[string]struct {
		goMod, modules string // content of go.mod and vendor/modules.txt
		flags          string // GOFLAGS
		want           []string
	}{
		"not required": {goMod: "module example.com/app\n\ngo 1.26\n",
			want: []string{
				"module " + ownModule + " is not found from ",
				": run `go get " + ownModule + "` there, or set ModuleDir", "not a known dependency",
			}},
		"vendored": {goMod: required, modules: vendored,
			want: []string{
				"has a vendor directory, which holds no source of the layer", "GOFLAGS=-mod=readonly",
				"remove the vendor directory",
			}},
		"vendored, without using it": {goMod: required, modules: vendored, flags: "-mod=readonly"},
		"not in the cache": {goMod: strings.ReplaceAll(strings.Split(required, "\nreplace")[0], "v0.0.0", "v0.0.1"),
			want: []string{ownModule, "module lookup disabled by GOPROXY=off"}},
		"no release of Go": {
			goMod: strings.Replace(required, "go 1.26", "go 99.1", 1), want: []string{"go.mod requires go >= 99.1"},
		},
		"replaced": {goMod: required},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("GOFLAGS", test.flags)
			t.Setenv("GOPROXY", "off")
			t.Setenv("GOTOOLCHAIN", "local")
			dir := t.TempDir()
			write(t, filepath.Join(dir, "go.mod"), test.goMod)
			if test.modules != "" {
				if err := os.Mkdir(filepath.Join(dir, "vendor"), 0o755); err != nil {
					t.Fatal(err)
				}
				write(t, filepath.Join(dir, "vendor", "modules.txt"), test.modules)
			}
			got, err := moduleDir(dir, ownModule)
			if len(test.want) == 0 {
				if err != nil || got != root {
					t.Errorf("got %s, %v; want %s", got, err, root)
				}
				return
			}
			for _, want := range test.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got error %v, want it to say %q", err, want)
				}
			}
		})
	}
}

// The messages of the go command itself stand below what was tried.
func TestGoBuild_SaysWhatIsMissing(t *testing.T) {
	module := func(t *testing.T) string {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "go.mod"), "module example.com/program\n\ngo 1.21\n")
		write(t, filepath.Join(dir, "main.go"), "package main\n\nfunc main() {}\n")
		return dir
	}
	for name, test := range map[string]struct {
		environment map[string]string
		toolchain   string
		want        []string
	}{
		"the go command": {
			environment: map[string]string{"PATH": ""},
			want: []string{
				"the go command is not on the PATH: install Go 1.21 or later from https://go.dev/dl/",
			},
		},
		"the release of Go": {environment: map[string]string{"GOPROXY": "off"}, toolchain: "go1.26.99",
			want: []string{
				"go: download go1.26.99", "The extension is compiled with exactly go1.26.99",
				"go install golang.org/dl/go1.26.99@latest",
			}},
		"a cache to write to": {
			environment: map[string]string{"GOCACHE": "/dev/null/cache"},
			want:        []string{"/dev/null", "not a directory"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			build := goBuild{
				moduleDir: module(t),
				toolchain: test.toolchain,
				pkg:       "example.com/program",
				goos:      "linux",
				goarch:    "arm64",
				output:    "bootstrap",
			}
			for variable, value := range test.environment {
				t.Setenv(variable, value)
			}
			err := build.run(t.TempDir())
			for _, want := range test.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got error %v, want it to say %q", err, want)
				}
			}
		})
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
