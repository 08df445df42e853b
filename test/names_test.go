package test

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"
)

var (
	testFunction = regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	testName     = regexp.MustCompile(`^Test[A-Z][A-Za-z0-9]*_[A-Z0-9][A-Za-z0-9]*$`)
)

// misnamed are the test functions of a file whose names are not in the form TestUnit_Behaviour.
func misnamed(source string) (names []string) {
	for _, match := range testFunction.FindAllStringSubmatch(source, -1) {
		if name := match[1]; name != "TestMain" && !testName.MatchString(name) {
			names = append(names, name)
		}
	}
	return names
}

// The list of tests says what the code does, unit by unit.
func TestNames_SayUnitAndBehaviour(t *testing.T) {
	tests := 0
	walk(t, moduleRoot, func(path string, _ fs.FileInfo) {
		if !strings.HasSuffix(path, "_test.go") || strings.Contains(path, "node_modules") {
			return
		}
		source := read(t, path)
		tests += len(testFunction.FindAllString(source, -1))
		for _, name := range misnamed(source) {
			t.Errorf("%s: name %s in the form TestUnit_Behaviour, such as TestRevoke_IsForGood", path, name)
		}
	})
	if tests < 500 {
		t.Errorf("%d tests were looked at: the test does not find them", tests)
	}
}

func TestNames_OfAnotherFormAreFound(t *testing.T) {
	const wrong = "TestRevoke TestRevokeIsForGood TestRevoke_ TestRevoke_isForGood Test_Revoke TestRevoke_Is_ForGood"
	for name := range strings.FieldsSeq(wrong + " TestMain TestRevoke_IsForGood TestRevoke_100AtATime") {
		found := len(misnamed("func "+name+"(t *testing.T) {\n")) == 1
		if found != strings.Contains(" "+wrong+" ", " "+name+" ") {
			t.Errorf("%s: found %v", name, found)
		}
	}
}
