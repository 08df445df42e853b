package test

import (
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The threat model names the test of each promise, and other documents name tests, too. If a test is renamed or
// deleted, they have to follow.
func TestThreatModel_NamesTestsThatExist(t *testing.T) {
	functions := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	exist := map[string]bool{}
	walk(t, moduleRoot, func(path string, info fs.FileInfo) {
		if strings.HasSuffix(path, "_test.go") {
			for _, match := range functions.FindAllStringSubmatch(read(t, path), -1) {
				exist[match[1]] = true
			}
		}
	})
	for _, document := range documents(t) {
		named := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(read(t, filepath.Join(moduleRoot, document)),
			-1)
		if document == "docs/threat-model.md" && len(named) < 20 || !exist[t.Name()] {
			t.Fatalf("%s names %d tests, %d exist", document, len(named), len(exist))
		}
		for _, match := range named {
			isStart := func(name string) bool {
				return strings.HasSuffix(match[1], "_") && strings.HasPrefix(name, match[1])
			}
			if name := match[1]; !exist[name] && !slices.ContainsFunc(slices.Collect(maps.Keys(exist)), isStart) {
				t.Errorf("%s names %s, which does not exist", document, name)
			}
		}
	}
}
