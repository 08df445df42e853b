package endtoend_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	cognitotypes "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/internal/needed"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
)

// original has the commands of the walkthrough that this system follows, as their author wrote them, from sign-up to
// the second look at a table: https://github.com/anujag24/lambda-layer-tokenization, steps 6.6 to 6.15.
const original = `
aws cognito-idp sign-up --region <Region> --client-id <UserPoolAppClientId> --username <user-email> --password <password>
aws cognito-idp confirm-sign-up --client-id <UserPoolAppClientId>  --username <user-email> --confirmation-code <CONFIRMATION_CODE_IN_EMAIL>
aws cognito-idp initiate-auth --auth-flow USER_PASSWORD_AUTH --client-id <UserPoolAppClientId> --auth-parameters USERNAME=<user-email>,PASSWORD=<password>
curl -X POST \
 <PaymentMethodApiURL>/order \
-H 'Authorization: <IdToken>' \
-H 'Content-Type: application/json' \
-d '{
"CustomerOrder": "123456789",
"CustomerName": "Amazon Web Services",
"CreditCard": "0000-0000-0000-0000",
"Address": "Reinvent2019, Las Vegas, USA"
}'
curl -X POST \
 <PaymentMethodApiURL>/paybill \
-H 'Authorization: <IdToken>' \
-H 'Content-Type: application/json' \
-d '{
"CustomerOrder": "123456789"
}'
aws dynamodb get-item --table-name CustomerOrderTable --key '{ "CustomerOrder" : { "S": "123456789" }  }'
aws dynamodb get-item --table-name CreditCardTokenizerTable --key '{ "Hash_Key" : { "S": "<CreditCard>" }, "Account_Id" : { "S" : "<AccountId>" }  }'
`

func TestReadme_WalkthroughHasTheCommandsOfTheOriginal(t *testing.T) {
	if diff := cmp.Diff(commands(t, original), commands(t, readmeWalkthrough(t))); diff != "" {
		t.Errorf("(-original +docs/walkthrough.md):\n%s", diff)
	}
}

// Whoever copies the lines of docs/walkthrough.md, which the README links, into a terminal gets to the end of it: with
// the AWS CLI and curl, and with the same calls made by other means, so that this is tested where they are not
// installed.
func TestReadme_TheWalkthroughWorksAgainstTheLocalRun(t *testing.T) {
	lines := commands(t, readmeWalkthrough(t))
	for _, with := range []struct {
		name string
		run  func(*testing.T, *kit.Simulator, []string) []byte
	}{{"AWS CLI and curl", inTerminal}, {"SDK", bySDK}} {
		t.Run(with.name, func(t *testing.T) {
			w := &readmeWalk{system: simulator(t), run: with.run, values: map[string]string{
				"user-email": strings.ReplaceAll(strings.ToLower(with.name), " ", "-") + "@example.com",
				"password":   "Correct-horse-1",
			}}
			for _, name := range []string{"Region", "UserPoolAppClientId", "PaymentMethodApiURL", "AccountId"} {
				w.values[name] = simulator(t).Outputs[name]
			}
			defer w.forget(t)
			w.follow(t, lines)
		})
	}
}

// readmeWalkthrough is the block of commands in docs/walkthrough.md that begins with the sign-up.
func readmeWalkthrough(t *testing.T) string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(readme, []byte("](docs/walkthrough.md)")) {
		t.Error("README.md does not link docs/walkthrough.md")
	}
	page, err := os.ReadFile("../../docs/walkthrough.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Run the commands\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for _, block := range regexp.MustCompile("(?s)\n```bash\n(.*?)\n```\n").FindAllStringSubmatch(section, -1) {
		if strings.HasPrefix(block[1], "aws cognito-idp sign-up ") {
			return block[1]
		}
	}
	t.Fatal(`docs/walkthrough.md: "Run the commands" has no block of commands that begins with the sign-up`)
	return ""
}

// commands takes a script apart as a shell does, as far as the walkthrough needs it: words, single quotes, and lines
// that a backslash continues.
func commands(t *testing.T, script string) (list [][]string) {
	t.Helper()
	const word = `(?:[^\s'\\]|'[^']*')+`
	for line := range strings.SplitSeq(joinLines(script), "\x00") {
		var words []string
		for _, w := range regexp.MustCompile(word).FindAllString(line, -1) {
			words = append(words, strings.ReplaceAll(w, "'", ""))
		}
		if len(words) > 0 {
			list = append(list, words)
		}
	}
	if len(list) < 2 {
		t.Fatal("the script has no commands")
	}
	return list
}

// joinLines puts a NUL where a command ends, and takes away the line breaks within commands but not those within
// quotes.
func joinLines(script string) string {
	var b strings.Builder
	quoted := false
	for i := 0; i < len(script); i++ {
		switch c := script[i]; {
		case c == '\'':
			quoted = !quoted
			b.WriteByte(c)
		case c == '\\' && !quoted && strings.HasPrefix(script[i+1:], "\n"):
			i++
			b.WriteByte(' ')
		case c == '\n' && !quoted:
			b.WriteByte(0)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// readmeWalk is one walk through the page's commands.
type readmeWalk struct {
	system *kit.Simulator
	run    func(*testing.T, *kit.Simulator, []string) []byte
	values map[string]string // by the names of the page's placeholders
}

// follow carries out the commands one after the other. After each it checks the answer, and notes what the next ones
// need.
func (w *readmeWalk) follow(t *testing.T, lines [][]string) {
	t.Helper()
	steps := []struct {
		command string
		check   func(*testing.T, []byte)
	}{
		{"aws cognito-idp sign-up", w.signedUp}, {"aws cognito-idp confirm-sign-up", w.confirmed},
		{"aws cognito-idp initiate-auth", w.signedIn}, {"curl -X POST <PaymentMethodApiURL>/order", w.ordered},
		{"curl -X POST <PaymentMethodApiURL>/paybill", w.paid},
		{"aws dynamodb get-item --table-name CustomerOrderTable", w.orderSeen},
		{"aws dynamodb get-item --table-name CreditCardTokenizerTable", w.vaultSeen},
	}
	if len(lines) != len(steps) {
		t.Fatalf("%d commands, want %d", len(lines), len(steps))
	}
	for i, step := range steps {
		if command := strings.Join(lines[i], " "); !strings.HasPrefix(command, step.command) {
			t.Fatalf("command %d is %q, want one that begins with %q", i+1, command, step.command)
		}
		words := make([]string, len(lines[i]))
		for n, word := range lines[i] {
			words[n] = placeholder.ReplaceAllStringFunc(word, func(name string) string {
				value := w.values[strings.Trim(name, "<>")]
				if value == "" {
					t.Fatalf("%s: nothing before it told %s", step.command, name)
				}
				return value
			})
		}
		step.check(t, w.run(t, w.system, words))
	}
}

var placeholder = regexp.MustCompile(`<[A-Za-z_-]+>`)

func (w *readmeWalk) signedUp(t *testing.T, answer []byte) {
	var out struct {
		UserConfirmed bool
		UserSub       string
	}
	parseAnswer(t, answer, &out)
	if out.UserConfirmed || out.UserSub == "" {
		t.Errorf("sign-up: %s", answer)
	}
	code, err := w.system.Code(w.values["user-email"])
	if err != nil {
		t.Error(err)
	}
	w.values["CONFIRMATION_CODE_IN_EMAIL"] = code
}

func (w *readmeWalk) confirmed(t *testing.T, answer []byte) {
	if answer := strings.TrimSpace(string(answer)); answer != "" && answer != "{}" {
		t.Errorf("confirm-sign-up: %s", answer)
	}
}

func (w *readmeWalk) signedIn(t *testing.T, answer []byte) {
	var out struct {
		AuthenticationResult struct {
			ExpiresIn          int
			IdToken, TokenType string
		}
	}
	parseAnswer(t, answer, &out)
	if r := out.AuthenticationResult; r.ExpiresIn != 3600 || r.TokenType != "Bearer" || r.IdToken == "" {
		t.Error("initiate-auth: the answer is not as in the original") // and is a credential
	}
	w.values["IdToken"] = out.AuthenticationResult.IdToken
}

func (w *readmeWalk) ordered(t *testing.T, answer []byte) {
	var out struct{ Message, CreditCardToken, CardBrand, CardLastFour string }
	parseAnswer(t, answer, &out)
	if out.Message != "Order Created Successfully" || out.CreditCardToken == "" || out.CardBrand != "unknown" ||
		out.CardLastFour != "0000" {
		t.Fatalf("order: %s", answer)
	}
}

func (w *readmeWalk) paid(t *testing.T, answer []byte) {
	var out struct{ CreditCardCharged, PaymentId string }
	parseAnswer(t, answer, &out)
	if out.CreditCardCharged != "************0000" || out.PaymentId == "" {
		t.Errorf("paybill: %s", answer)
	}
}

// item is a row as the AWS CLI prints it.
type item struct {
	Item map[string]struct{ S, B, N string }
}

func (w *readmeWalk) orderSeen(t *testing.T, answer []byte) {
	var row item
	parseAnswer(t, answer, &row)
	for name, want := range map[string]string{
		"CustomerOrder": "123456789", "CustomerName": "Amazon Web Services", "Address": "Reinvent2019, Las Vegas, USA",
		"CardBrand": "unknown", "CardLastFour": "0000",
	} {
		if row.Item[name].S != want {
			t.Errorf("%s is %q", name, row.Item[name].S)
		}
	}
	w.values["CreditCard"] = row.Item["CreditCard"].S
}

func (w *readmeWalk) vaultSeen(t *testing.T, answer []byte) {
	var row item
	parseAnswer(t, answer, &row)
	if row.Item["Hash_Key"].S != w.values["CreditCard"] || row.Item["Account_Id"].S != w.values["AccountId"] {
		t.Errorf("row %s", answer)
	}
	sealed, err := base64.StdEncoding.DecodeString(row.Item["CandidateString"].B)
	if err != nil || len(sealed) < 100 || bytes.Contains(sealed, []byte("0000000000000000")) {
		t.Errorf("CandidateString is no ciphertext: %v", err)
	}
}

// forget deletes the order and its token, so that somebody else can follow the page, whose order number is fixed.
func (w *readmeWalk) forget(t *testing.T) {
	w.delete(t, "CustomerOrderTable", map[string]string{"CustomerOrder": "123456789"})
	if token := w.values["CreditCard"]; token != "" {
		w.delete(t, "CreditCardTokenizerTable",
			map[string]string{"Hash_Key": token, "Account_Id": w.values["AccountId"]})
	}
}

func (w *readmeWalk) delete(t *testing.T, table string, key map[string]string) {
	in := &dynamodb.DeleteItemInput{TableName: &table, Key: map[string]types.AttributeValue{}}
	for name, value := range key {
		in.Key[name] = &types.AttributeValueMemberS{Value: value}
	}
	if _, err := dynamodb.NewFromConfig(w.system.Config("dynamodb")).DeleteItem(t.Context(), in); err != nil {
		t.Error(err)
	}
}

func parseAnswer(t *testing.T, answer []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(answer, into); err != nil {
		t.Fatalf("the answer is not JSON: %v", err)
	}
}

// inTerminal runs a command as a person would who set what the page says about the local endpoints.
func inTerminal(t *testing.T, s *kit.Simulator, words []string) []byte {
	t.Helper()
	needed.Program(t, words[0])
	command := exec.CommandContext(t.Context(), words[0], words[1:]...)
	command.Env = kit.ToolEnvironment(
		"AWS_ENDPOINT_URL_DYNAMODB="+s.Endpoints["dynamodb"],
		"AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER="+s.Endpoints["cognito_idp"])
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(words[:3], " "), err, stderr.String())
	}
	return out
}

// bySDK makes the call that a command would make.
func bySDK(t *testing.T, s *kit.Simulator, words []string) []byte {
	t.Helper()
	if words[0] == "curl" {
		return likeCurl(t, s, words[1:])
	}
	options := map[string]string{}
	for i := 3; i+1 < len(words); i += 2 {
		options[words[i]] = words[i+1]
	}
	option := func(name string) *string {
		value, given := options[name]
		if !given {
			t.Fatalf("%s lacks %s", strings.Join(words[:3], " "), name)
		}
		return &value
	}
	cognito := cognitoidentityprovider.NewFromConfig(s.Config("cognito_idp"))
	var out any
	var err error
	switch command := strings.Join(words[:3], " "); command {
	case "aws cognito-idp sign-up":
		out, err = cognito.SignUp(t.Context(), &cognitoidentityprovider.SignUpInput{
			ClientId: option("--client-id"), Username: option("--username"), Password: option("--password"),
		}, func(o *cognitoidentityprovider.Options) { o.Region = *option("--region") })
	case "aws cognito-idp confirm-sign-up":
		_, err = cognito.ConfirmSignUp(t.Context(), &cognitoidentityprovider.ConfirmSignUpInput{
			ClientId: option("--client-id"), Username: option("--username"),
			ConfirmationCode: option("--confirmation-code"),
		})
		out = struct{}{} // the CLI prints nothing
	case "aws cognito-idp initiate-auth":
		parameters := map[string]string{}
		for pair := range strings.SplitSeq(*option("--auth-parameters"), ",") {
			name, value, _ := strings.Cut(pair, "=")
			parameters[name] = value
		}
		out, err = cognito.InitiateAuth(t.Context(), &cognitoidentityprovider.InitiateAuthInput{
			AuthFlow: cognitotypes.AuthFlowType(*option("--auth-flow")), ClientId: option("--client-id"),
			AuthParameters: parameters,
		})
	case "aws dynamodb get-item":
		out, err = getItem(t, s.Config("dynamodb"), *option("--table-name"), *option("--key"))
	default:
		t.Fatalf("this test does not know %q", command)
	}
	if err != nil {
		t.Fatal(err)
	}
	printed, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	return printed
}

// getItem answers as the CLI prints it. Key is a JSON object whose values are strings.
func getItem(t *testing.T, config aws.Config, table, key string) (any, error) {
	t.Helper()
	var members map[string]struct{ S string }
	parseAnswer(t, []byte(key), &members)
	in := &dynamodb.GetItemInput{TableName: &table, Key: map[string]types.AttributeValue{}}
	for name, value := range members {
		in.Key[name] = &types.AttributeValueMemberS{Value: value.S}
	}
	out, err := dynamodb.NewFromConfig(config).GetItem(t.Context(), in)
	if err != nil {
		return nil, err
	}
	row := map[string]any{}
	for name, value := range out.Item {
		switch v := value.(type) {
		case *types.AttributeValueMemberS:
			row[name] = map[string]any{"S": v.Value}
		case *types.AttributeValueMemberB:
			row[name] = map[string]any{"B": v.Value}
		case *types.AttributeValueMemberN:
			row[name] = map[string]any{"N": v.Value}
		default:
			return nil, fmt.Errorf("%s is a %T", name, value)
		}
	}
	return map[string]any{"Item": row}, nil
}

// likeCurl sends the request of curl's arguments.
func likeCurl(t *testing.T, s *kit.Simulator, arguments []string) []byte {
	t.Helper()
	method, url, body, header := http.MethodGet, "", "", http.Header{}
	for i := 0; i < len(arguments); i++ {
		option := arguments[i]
		if !strings.HasPrefix(option, "-") {
			url = option
			continue
		}
		i++
		switch option {
		case "-X":
			method = arguments[i]
		case "-d":
			body = arguments[i]
		case "-H":
			name, value, _ := strings.Cut(arguments[i], ": ")
			header.Set(name, value)
		default:
			t.Fatalf("this test does not know curl's %s", option)
		}
	}
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = header
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}
