package test

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// documents are the README and everything in Markdown below docs and beside the README, relative to the module's root.
func documents(t *testing.T) (list []string) {
	t.Helper()
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/adr/*.md", "examples/*/*.md"} {
		matches, err := filepath.Glob(filepath.Join(moduleRoot, filepath.FromSlash(pattern)))
		if err != nil || len(matches) == 0 {
			t.Fatalf("%s: %v, %v", pattern, matches, err)
		}
		for _, match := range matches {
			relative, err := filepath.Rel(moduleRoot, match)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, filepath.ToSlash(relative))
		}
	}
	return list
}

// Each decision says when it was made and whether it holds, and has the same sections as the others.
func TestDocs_DecisionsAreComplete(t *testing.T) {
	for _, document := range documents(t) {
		if !strings.HasPrefix(document, "docs/adr/") {
			continue
		}
		text := read(t, filepath.Join(moduleRoot, document))
		for _, want := range []string{`# \d+\. .+`, `Status: (accepted|superseded).*`, `Date: \d{4}-\d\d-\d\d`,
			"## Context", "## Decision", "## Alternatives", "## Consequences"} {
			if !regexp.MustCompile("(?m)^" + want + "$").MatchString(text) {
				t.Errorf("%s has no line %q", document, want)
			}
		}
	}
}

// Every relative link of the documents leads to a file, and every anchor to a heading or to an element with that id.
func TestLinks_LeadSomewhere(t *testing.T) {
	links := 0
	for _, document := range documents(t) {
		for _, target := range targets(read(t, filepath.Join(moduleRoot, document))) {
			links++
			if err := follow(document, target); err != nil {
				t.Errorf("%s: %s: %v", document, target, err)
			}
		}
	}
	if links < 60 {
		t.Errorf("the documents have %d relative links: the test does not find them", links)
	}
}

// Every document that code, tests or other documents name by its path exists.
func TestLinks_NamedDocumentsExist(t *testing.T) {
	named := regexp.MustCompile(`\bdocs/[A-Za-z0-9/_-]+\.(?:md|svg|json)\b`)
	walk(t, moduleRoot, func(file string, info fs.FileInfo) {
		if strings.Contains(file, "node_modules") ||
			!slices.Contains([]string{".go", ".md", ".py", ".mjs"}, filepath.Ext(file)) {
			return
		}
		for _, name := range named.FindAllString(read(t, file), -1) {
			if _, err := os.Stat(filepath.Join(moduleRoot, filepath.FromSlash(name))); err != nil {
				t.Errorf("%s names %s, which does not exist", file, name)
			}
		}
	})
}

func TestLinks_AnchorsAreGitHubs(t *testing.T) {
	text :=
		"# The `code` API, [version](x.md) 1\n\n## Twice\n\n## Twice\n\n```bash\n# no heading\n```\n\n<a id=\"own\"></a>\n"
	want := []string{"own", "the-code-api-version-1", "twice", "twice-1"}
	if got := anchors(text); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	for _, target := range []string{"missing.md", "docs/api.md#missing", "#missing"} {
		if follow("README.md", target) == nil {
			t.Errorf("%s leads somewhere", target)
		}
	}
}

var code = regexp.MustCompile("(?ms)^ *```.*?^ *```$|`[^`\n]*`")

// targets are where a document's relative links lead.
func targets(text string) (list []string) {
	for _, match := range regexp.MustCompile(
		`\]\(([^)\s]+)(?: "[^"]*")?\)|\b(?:href|src)="([^"]+)"`).FindAllStringSubmatch(code.ReplaceAllString(text, ""),
		-1) {
		target := match[1] + match[2]
		if u, err := url.Parse(target); err != nil || u.Scheme == "" {
			list = append(list, target)
		}
	}
	return list
}

// follow says why a link of a document leads nowhere.
func follow(document, target string) error {
	name, anchor, hasAnchor := strings.Cut(target, "#")
	file := document
	if name != "" {
		file = path.Join(path.Dir(document), name)
	}
	info, err := os.Stat(filepath.Join(moduleRoot, filepath.FromSlash(file)))
	switch {
	case err != nil:
		return err
	case !hasAnchor:
		return nil
	case info.IsDir() || path.Ext(file) != ".md":
		return fmt.Errorf("%s has no anchors", file)
	}
	content, err := os.ReadFile(filepath.Join(moduleRoot, filepath.FromSlash(file)))
	if err != nil {
		return err
	}
	if !slices.Contains(anchors(string(content)), anchor) {
		return fmt.Errorf("%s has no anchor %q", file, anchor)
	}
	return nil
}

// anchors are the ids in a document: those that GitHub makes of headings, and those that are written out.
func anchors(text string) (list []string) {
	for _, match := range regexp.MustCompile(`<a id="([^"]+)">`).FindAllStringSubmatch(text, -1) {
		list = append(list, match[1])
	}
	blocks := regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	seen := map[string]int{}
	for _, match := range regexp.MustCompile(`(?m)^#{1,6} +(.+)$`).FindAllStringSubmatch(
		blocks.ReplaceAllString(text, ""), -1) {
		heading := regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(match[1], "$1")
		id := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, heading)
		seen[id]++
		if n := seen[id]; n > 1 {
			id = fmt.Sprintf("%s-%d", id, n-1)
		}
		list = append(list, id)
	}
	return list
}
