// Package walkthrough does what a person does who follows the original walkthrough: it signs up, places an order, pays
// for it, and looks at both tables.
package walkthrough

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	cognitotypes "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/endpoint"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/progress"
)

// The names of the original walkthrough.
const (
	OrderTable = "CustomerOrderTable"
	VaultTable = "CreditCardTokenizerTable"
	StateTable = "CreditCardTokenizerState"
	SampleCard = "0000-0000-0000-0000"
	Order      = "123456789"
)

// System is the system that the walkthrough uses.
type System struct {
	Cognito  *cognitoidentityprovider.Client
	DynamoDB *dynamodb.Client
	// Outputs are the stacks' outputs.
	Outputs map[string]string
	// Tables are the names of all tables.
	Tables []string
	// Code returns the confirmation code that was mailed to an address. If it is nil, mail goes elsewhere, and an
	// administrator's call confirms the user instead.
	Code func(email string) (string, error)
}

// Walk is one walkthrough by one user.
type Walk struct {
	System
	// Order is the order's number, Card the card to pay with.
	Order, Card string
	Print       *progress.Printer

	email, password string
	idToken         string
	token           string // of the card
	sub             string
	http            *http.Client
}

// SignIn signs a new user up, confirms it and signs it in. It returns the ID token.
func (w *Walk) SignIn(ctx context.Context) (string, error) {
	w.email = "user-" + strings.ToLower(rand.Text()[:10]) + "@example.com"
	w.password = rand.Text() + "-aA1" // has a character of every class that a policy may ask for
	w.http = &http.Client{Timeout: 35 * time.Second, Transport: &http.Transport{Proxy: nil}}
	return w.idToken, w.steps(ctx, []step{
		{"sign up", w.signUp}, {"confirm", w.confirm}, {"sign in", w.signIn},
	})
}

// Pay places an order, pays for it, and looks at the tables. SignIn comes first.
func (w *Walk) Pay(ctx context.Context) error {
	return w.steps(ctx, []step{
		{"POST /order", w.order}, {"POST /paybill", w.paybill},
		{"look at " + OrderTable, w.orderRow}, {"look at " + VaultTable, w.vaultRow},
		{"look at " + StateTable, w.stateRows},
	})
}

type step struct {
	name string
	do   func(context.Context) (string, error)
}

func (w *Walk) steps(ctx context.Context, steps []step) error {
	for _, s := range steps {
		if err := w.Print.Step(s.name, func() (string, error) {
			result, err := s.do(ctx)
			return result, endpoint.Explain(err)
		}); err != nil {
			return err
		}
	}
	return nil
}

func (w *Walk) signUp(ctx context.Context) (string, error) {
	client := w.Outputs["UserPoolAppClientId"]
	out, err := w.Cognito.SignUp(ctx, &cognitoidentityprovider.SignUpInput{
		ClientId: &client, Username: &w.email, Password: &w.password,
		UserAttributes: []cognitotypes.AttributeType{{Name: new("email"), Value: &w.email}},
	})
	if err != nil {
		return "", err
	}
	w.sub = *out.UserSub
	return w.email, nil
}

func (w *Walk) confirm(ctx context.Context) (string, error) {
	if w.Code == nil {
		pool := w.Outputs["UserPoolId"]
		_, err := w.Cognito.AdminConfirmSignUp(ctx,
			&cognitoidentityprovider.AdminConfirmSignUpInput{UserPoolId: &pool, Username: &w.email})
		return "by an administrator", err
	}
	code, err := w.Code(w.email)
	if err != nil {
		return "", err
	}
	client := w.Outputs["UserPoolAppClientId"]
	_, err = w.Cognito.ConfirmSignUp(ctx, &cognitoidentityprovider.ConfirmSignUpInput{
		ClientId: &client, Username: &w.email, ConfirmationCode: &code,
	})
	return "with the code from the e-mail", err
}

func (w *Walk) signIn(ctx context.Context) (string, error) {
	client := w.Outputs["UserPoolAppClientId"]
	out, err := w.Cognito.InitiateAuth(ctx, &cognitoidentityprovider.InitiateAuthInput{
		AuthFlow: cognitotypes.AuthFlowTypeUserPasswordAuth, ClientId: &client,
		AuthParameters: map[string]string{"USERNAME": w.email, "PASSWORD": w.password},
	})
	if err != nil {
		return "", err
	}
	if out.AuthenticationResult == nil || out.AuthenticationResult.IdToken == nil {
		return "", errors.New("the answer has no ID token")
	}
	w.idToken = *out.AuthenticationResult.IdToken
	return fmt.Sprintf("an ID token, valid for %d s", out.AuthenticationResult.ExpiresIn), nil
}

func (w *Walk) order(ctx context.Context) (string, error) {
	var out struct{ Message, CreditCardToken, CardBrand, CardLastFour string }
	err := w.post(ctx, "/order", http.StatusCreated, map[string]string{
		"CustomerOrder": w.Order,
		"CustomerName":  "Amazon Web Services",
		"CreditCard":    w.Card,
		"Address":       "Reinvent2019, Las Vegas, USA",
	}, &out)
	w.token = out.CreditCardToken
	return fmt.Sprintf("201 %s; token %s of a card of brand %s that ends in %s", out.Message, out.CreditCardToken,
		out.CardBrand, out.CardLastFour), err
}

func (w *Walk) paybill(ctx context.Context) (string, error) {
	var out struct{ Message, CreditCardCharged string }
	err := w.post(ctx, "/paybill", http.StatusOK, map[string]string{"CustomerOrder": w.Order}, &out)
	return fmt.Sprintf("200 %s; card %s", out.Message, out.CreditCardCharged), err
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 64 << 10

func (w *Walk) post(ctx context.Context, path string, status int, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.Outputs["PaymentMethodApiURL"]+path,
		bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", w.idToken)
	req.Header.Set("Content-Type", "application/json")
	resp, err := w.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	if resp.StatusCode != status {
		return fmt.Errorf("status %d, want %d: %s", resp.StatusCode, status, answer)
	}
	return json.Unmarshal(answer, out)
}

// orderRow checks that the application's row holds the token, and that the order is paid.
func (w *Walk) orderRow(ctx context.Context) (string, error) {
	row, err := w.item(ctx, OrderTable,
		map[string]types.AttributeValue{"CustomerOrder": &types.AttributeValueMemberS{Value: w.Order}})
	if err != nil {
		return "", err
	}
	if text(row["CreditCard"]) != w.token || text(row["State"]) != "PAID" || text(row["Sub"]) != w.sub {
		return "", errors.New("the row is not this user's paid order with the token")
	}
	return fmt.Sprintf("CreditCard %s, State %s", text(row["CreditCard"]), text(row["State"])), nil
}

// vaultRow checks that the vault's row holds ciphertext.
func (w *Walk) vaultRow(ctx context.Context) (string, error) {
	row, err := w.item(ctx, VaultTable, map[string]types.AttributeValue{
		"Hash_Key":   &types.AttributeValueMemberS{Value: w.token},
		"Account_Id": &types.AttributeValueMemberS{Value: w.Outputs["AccountId"]},
	})
	if err != nil {
		return "", err
	}
	sealed, ok := row["CandidateString"].(*types.AttributeValueMemberB)
	if !ok || len(sealed.Value) < 100 || trace(w.Card, string(sealed.Value)) {
		return "", errors.New("CandidateString is not ciphertext")
	}
	return fmt.Sprintf("CandidateString %s... (%d bytes of ciphertext)",
		base64.StdEncoding.EncodeToString(sealed.Value[:24]), len(sealed.Value)), nil
}

// stateRows looks for what must not go back: uses of a token that has a limit of them, and tombstones of revoked
// tokens. An order's token has neither.
func (w *Walk) stateRows(ctx context.Context) (string, error) {
	out, err := w.DynamoDB.Scan(ctx, &dynamodb.ScanInput{TableName: new(StateTable), ConsistentRead: new(true)})
	if err != nil {
		return "", err
	}
	for _, row := range out.Items {
		if strings.HasSuffix(text(row["State_Key"]), "#"+w.token) {
			return "", errors.New("the order's token was revoked, or its uses were counted")
		}
	}
	return fmt.Sprintf("%d rows; none for this token: it was not revoked, and has no limit of uses", len(out.Items)),
		nil
}

// FindNoCard searches every table and everything that was logged for the card's digits.
func (w *Walk) FindNoCard(ctx context.Context, logged func() []byte) error {
	return w.steps(ctx, []step{{"look for the card", func(ctx context.Context) (string, error) {
		if trace(w.Card, string(logged())) {
			return "", errors.New("the card's digits are in the log")
		}
		rows := 0
		for _, table := range w.Tables {
			pages := dynamodb.NewScanPaginator(w.DynamoDB,
				&dynamodb.ScanInput{TableName: &table, ConsistentRead: new(true)})
			for pages.HasMorePages() {
				page, err := pages.NextPage(ctx)
				if err != nil {
					return "", err
				}
				rows += len(page.Items)
				for _, row := range page.Items {
					for _, v := range row {
						if trace(w.Card, text(v)) {
							return "", fmt.Errorf("the card's digits are in table %s", table)
						}
					}
				}
			}
		}
		return fmt.Sprintf("in none of %d rows of %d tables, and in no log line", rows, len(w.Tables)), nil
	}}})
}

// trace tells whether s contains the card, as it was given or as digits.
func trace(card, s string) bool {
	return strings.Contains(s, card) || strings.Contains(s, digits(card))
}

func (w *Walk) item(ctx context.Context, table string,
	key map[string]types.AttributeValue) (map[string]types.AttributeValue, error) {
	out, err := w.DynamoDB.GetItem(ctx, &dynamodb.GetItemInput{TableName: &table, Key: key, ConsistentRead: new(true)})
	if err != nil {
		return nil, err
	}
	if len(out.Item) == 0 {
		return nil, errors.New("no such row")
	}
	return out.Item, nil
}

// text is the content of a text, a number or a binary value, which are all that the tables hold.
func text(v types.AttributeValue) string {
	switch v := v.(type) {
	case *types.AttributeValueMemberB:
		return string(v.Value)
	case *types.AttributeValueMemberN:
		return v.Value
	case *types.AttributeValueMemberS:
		return v.Value
	}
	return ""
}

func digits(card string) string { return strings.NewReplacer("-", "", " ", "").Replace(card) }
