package tokenizerlayer

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
)

// refuse is one error with all that is wrong about the construct at path, or nil. Problems that are nil do not count.
func refuse(path string, problems []error) error {
	problems = slices.DeleteFunc(problems, func(err error) bool { return err == nil })
	if len(problems) == 0 {
		return nil
	}
	return fmt.Errorf("%s: %s", path, strings.ReplaceAll(errors.Join(problems...).Error(), "\n", "; "))
}

// attribute is the error about an attribute whose value is not of a form. A token is right: its value comes at
// deployment.
func attribute(property, value string, hasForm func(string) bool, form string) error {
	if hasForm(value) || value != "" && *awscdk.Token_IsUnresolved(value) {
		return nil
	}
	return fmt.Errorf("%s: got %q, want %s", property, value, form)
}

// rolePathForm has no "*" and no "?", which would be wildcards in the keys' policies.
var rolePathForm = regexp.MustCompile(`^/([A-Za-z0-9+=,.@_-]+/)*$`)

// checkRolePath is the error about an IAM path of roles. A token is wrong too: the path is compared when the app is
// synthesized.
func checkRolePath(property, path string) error {
	const longest = 512 - len(IndexPath) // IAM's limit is 512 with the longest of the paths below
	if rolePathForm.MatchString(path) && len(path) <= longest {
		return nil
	}
	return fmt.Errorf("%s: got %q, want a path of IAM roles that starts and ends with a slash, without wildcards and "+
		"tokens, such as %s",
		property, path, DefaultRolePath)
}

// checkPurpose is the error about a purpose.
func checkPurpose(property, purpose string) error {
	if api.IsPurpose(purpose) {
		return nil
	}
	return fmt.Errorf("%s: got the purpose %q, want 1 to 64 of a-z 0-9 _ -, the first a letter or digit: no token "+
		"can have another", property, purpose)
}

// refusal ends the synthesis with a problem of a construct whose constructor returns no error.
type refusal struct{ problem error }

// Validate implements constructs.IValidation.
func (r *refusal) Validate() *[]*string { return &[]*string{new(r.problem.Error())} }

func orNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func pointers(values []string) *[]*string {
	list := make([]*string, len(values))
	for i := range values {
		list[i] = &values[i]
	}
	return &list
}
