package main

import (
	"crypto/rand"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/cloud"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/synth"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/walkthrough"
)

// secrets are files of a run that only its user can read. The printed lines name them, so that nobody has to copy a
// token of a thousand characters, and so that none is on the screen.
type secrets struct{ dir string }

func (s secrets) token() string { return filepath.Join(s.dir, "id-token") }

func (s secrets) code() string { return filepath.Join(s.dir, "code") }

// mailed keeps the last confirmation code.
func (s secrets) mailed(_, code string) error { return os.WriteFile(s.code(), []byte(code), 0o600) }

// copyable are the lines that -serve prints. Each works as it is, in this order and in another terminal. The headings
// are no comments, which some shells refuse where a person types.
var copyable = template.Must(template.New("").Parse(`
In another terminal, copy these lines first. The credentials may be any text, and no policy restricts these calls.

export AWS_ENDPOINT_URL_DYNAMODB={{.DynamoDB}} AWS_ENDPOINT_URL_KMS={{.KMS}}
export AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER={{.Cognito}} AWS_DEFAULT_REGION={{.Region}}
export AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x AWS_PAGER=

Look around:

aws dynamodb list-tables
aws dynamodb scan --table-name {{.Orders}}
aws dynamodb scan --table-name {{.Vault}}
aws kms list-aliases

Place an order and pay it. For another order, change the number:

curl -X POST {{.API}}/order -H "Authorization: $(cat '{{.Token}}')" \
  -H 'Content-Type: application/json' \
  -d '{"CustomerOrder": "{{.Number}}", "CustomerName": "Amazon Web Services",
    "CreditCard": "{{.Card}}", "Address": "Reinvent2019, Las Vegas, USA"}'
curl -X POST {{.API}}/paybill -H "Authorization: $(cat '{{.Token}}')" \
  -H 'Content-Type: application/json' -d '{"CustomerOrder": "{{.Number}}"}'
{{- if .Code}}

Sign another user up, who places the next orders. If the ID token has expired, after an hour, repeat the last command:

aws cognito-idp sign-up --client-id {{.Client}} --username {{.User}} --password {{.Password}}
aws cognito-idp confirm-sign-up --client-id {{.Client}} --username {{.User}} \
  --confirmation-code "$(cat '{{.Code}}')"
aws cognito-idp initiate-auth --client-id {{.Client}} --auth-flow USER_PASSWORD_AUTH \
  --auth-parameters USERNAME={{.User}},PASSWORD={{.Password}} \
  --query AuthenticationResult.IdToken --output text >'{{.Token}}'
{{- end}}

`))

// lines writes the ID token for the printed lines, and returns them. They have a new order number each time.
func (s secrets) lines(system *cloud.Cloud, idToken string) (string, error) {
	if err := os.WriteFile(s.token(), []byte(idToken), 0o600); err != nil {
		return "", err
	}
	shown := func(endpoint string) string {
		u, err := url.Parse(system.Endpoints[endpoint])
		if err != nil {
			return ""
		}
		return u.Redacted() // an endpoint elsewhere may have a password
	}
	values := map[string]string{
		"DynamoDB": shown("dynamodb"), "KMS": shown("kms"), "Cognito": shown("cognito_idp"), "Region": synth.Region,
		"Orders": walkthrough.OrderTable, "Vault": walkthrough.VaultTable, "API": system.Outputs["PaymentMethodApiURL"],
		"Number": "order-" + strings.ToLower(rand.Text()[:8]), "Card": walkthrough.SampleCard, "Token": s.token(),
		"Client": system.Outputs["UserPoolAppClientId"], "User": "you@example.com", "Password": "Correct-horse-9",
	}
	if system.Code != nil { // mail does not go elsewhere
		values["Code"] = s.code()
	}
	var b strings.Builder
	err := copyable.Execute(&b, values)
	return b.String(), err
}
