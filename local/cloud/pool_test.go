package cloud_test

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/smithy-go"
)

func TestUserPool_IsAsSensitiveToCaseAsTheTemplateSays(t *testing.T) {
	for name, test := range map[string]struct {
		configuration any
		again         string // how the second sign-up fails
	}{
		"insensitive": {map[string]any{"CaseSensitive": false}, "UsernameExistsException"},
		"sensitive":   {map[string]any{"CaseSensitive": true}, ""},
		"not said":    {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := load(t)
			pool := properties(t, a, "AWS::Cognito::UserPool", "")
			if name == "insensitive" && pool["UsernameConfiguration"] == nil {
				t.Error("the app's own pool says nothing of case")
			}
			pool["UsernameConfiguration"] = test.configuration
			s := deploy(t, a)
			client, password := s.Outputs["UserPoolAppClientId"], "Correct-horse-9"
			signUp := func(email string) (code string) {
				_, err := s.Clients.Cognito.SignUp(t.Context(), &cognitoidentityprovider.SignUpInput{
					ClientId: &client, Username: &email, Password: &password,
				})
				if e, ok := errors.AsType[smithy.APIError](err); ok {
					return e.ErrorCode()
				}
				return ""
			}
			first, second := signUp("dup@example.com"), signUp("Dup@Example.com")
			if first != "" || second != test.again {
				t.Errorf("sign-ups: %q, %q", first, second)
			}
		})
	}
}
