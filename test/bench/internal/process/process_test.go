package process

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestBuild_IsTheLayersBuild(t *testing.T) {
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(root, "tokenizerlayer", "gobuild.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range [][]string{buildEnvironment, buildFlags} {
		for _, flag := range list {
			if !strings.Contains(string(b), `"`+flag+`"`) {
				t.Errorf("the layer is not built with %s", flag)
			}
		}
	}
}

func TestUsage_IsReadForThisProcess(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has it")
	}
	if cpu, err := CPU(os.Getpid()); err != nil || cpu <= 0 {
		t.Error(cpu, err)
	}
	if _, err := ticks(os.Getpid()); err != nil {
		t.Error(err)
	}
	if rss, err := RSS(os.Getpid()); err != nil || rss <= 0 {
		t.Error(rss, err)
	}
	if _, err := RSS(-1); err == nil {
		t.Error("a process that is not there has memory")
	}
}

func TestEnvironment_NamesEveryVariableOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, variable := range environment(1, "a", "b") {
		name, _, _ := strings.Cut(variable, "=")
		if seen[name] {
			t.Errorf("%s is there twice", name)
		}
		seen[name] = true
	}
}
