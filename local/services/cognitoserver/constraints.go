package cognitoserver

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/awsjson"
)

// form is what a member of a request must look like, whatever the pool's policy. The pattern of passwords refuses
// spaces at both ends, and only there: https://github.com/cds-snc/platform-forms-client/issues/5635. The others are in
// the API reference.
type form struct {
	member, pattern   string
	whole             *regexp.Regexp
	shortest, longest int // characters
}

var (
	usernameForm = newForm("username", `[\p{L}\p{M}\p{S}\p{N}\p{P}]+`, 1, 128)
	codeForm     = newForm("confirmationCode", `[\S]+`, 1, 2048)
	passwordForm = newForm("password", `^[\S]+.*[\S]+$`, 0, 256)
)

func newForm(member, pattern string, shortest, longest int) form {
	return form{member, pattern, regexp.MustCompile(`^(?:` + pattern + `)$`), shortest, longest}
}

// problems lists what is wrong with a value, without the value.
func (f form) problems(value string) (found []string) {
	problem := func(format string, limit any) {
		found = append(found,
			fmt.Sprintf("Value at '%s' failed to satisfy constraint: Member must "+format, f.member, limit))
	}
	if !f.whole.MatchString(value) {
		problem("satisfy regular expression pattern: %s", f.pattern)
	}
	switch n := utf8.RuneCountInString(value); {
	case n < f.shortest:
		problem("have length greater than or equal to %d", f.shortest)
	case n > f.longest:
		problem("have length less than or equal to %d", f.longest)
	}
	return found
}

// invalid returns one error for the problems of all members, or nil.
func invalid(members ...[]string) error {
	found := slices.Concat(members...)
	if len(found) == 0 {
		return nil
	}
	errors := "errors"
	if len(found) == 1 {
		errors = "error"
	}
	return awsjson.Errorf("InvalidParameterException", "%d validation %s detected: %s", len(found), errors,
		strings.Join(found, "; "))
}
