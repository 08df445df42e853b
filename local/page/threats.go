package page

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/page/attempt"
)

// repository is where the documents can be read.
const repository = "https://github.com/lambda-tokenizer/lambda-tokenizer/blob/main/docs/threat-model.md#"

// codeSearch finds a test by its name, in whatever file it is.
const codeSearch = "https://github.com/search?type=code&q=repo%3Alambda-tokenizer%2Flambda-tokenizer+"

// Threat is a promise of the threat model.
type Threat struct {
	Sentence string // as the document has it, without its marks
	Section  string
	Link     string
	Tests    []Test // that attack it
}

// Test is a test of this repository, with where to find it.
type Test struct{ Name, Link string }

var named = regexp.MustCompile("`(Test\\w+)`")

// promises finds the promise about each attack in the threat model.
func promises(document string) (map[string]Threat, error) {
	found := map[string]Threat{}
	for _, a := range attempt.Attacks() {
		section := ""
		for paragraph := range strings.SplitSeq(document, "\n\n") {
			if title, ok := strings.CutPrefix(paragraph, "## "); ok {
				section = title
				continue
			}
			paragraph = strings.Join(strings.Fields(paragraph), " ")
			if at := strings.Index(paragraph, a.Promise); at >= 0 {
				found[a.ID] = newThreat(section, paragraph[at:])
			}
		}
		if _, ok := found[a.ID]; !ok {
			return nil, fmt.Errorf("docs/threat-model.md has no promise that begins with %q", a.Promise)
		}
	}
	return found, nil
}

// newThreat reads the sentence at the beginning of text, and the tests that are named behind it.
func newThreat(section, text string) Threat {
	sentence, _, _ := strings.Cut(text, " [`")
	t := Threat{
		Sentence: strings.NewReplacer("**", "", "`", "").Replace(sentence), Section: section,
		Link: repository + anchor(section),
	}
	if !strings.HasSuffix(t.Sentence, ".") {
		t.Sentence += "."
	}
	_, tests, _ := strings.Cut(text, "[`")
	tests, _, _ = strings.Cut("`"+tests, "]")
	for _, match := range named.FindAllStringSubmatch(tests, -1) {
		t.Tests = append(t.Tests, Test{match[1], codeSearch + match[1]})
	}
	return t
}

// anchor is the one that GitHub gives a heading.
func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-':
			return r
		}
		return -1
	}, heading)
}
