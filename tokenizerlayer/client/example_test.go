package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/tokenizertest"
)

// A function makes its client with [client.FromEnvironment]. These examples use that of a tokenizer in memory.
func Example() {
	tok := tokenizertest.New()
	defer tok.Close()
	tokenizer := tok.Client

	ctx := context.Background()
	var order struct{ CreditCard client.Secret }
	if err := json.Unmarshal([]byte(`{"CreditCard": "4111-1111-1111-1111"}`), &order); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("received:", order.CreditCard)

	made, err := tokenizer.Tokenize(ctx, client.TokenizeInput{Data: order.CreditCard})
	if err != nil {
		fmt.Println(err)
		return
	}
	shown, err := tokenizer.Detokenize(ctx, client.DetokenizeInput{Token: made.Token})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("masked:", shown.Data.Reveal())
	// Output:
	// received: [REDACTED]
	// masked: ************1111
}

// A token for one refund within an hour.
func ExampleClient_Tokenize() {
	tok := tokenizertest.New()
	defer tok.Close()
	tokenizer := tok.Client

	out, err := tokenizer.Tokenize(context.Background(), client.TokenizeInput{
		Data:     client.NewSecret("4111 1111 1111 1111"),
		Format:   client.FormatCard,
		TTL:      time.Hour,
		MaxUses:  1,
		Purpose:  "refund",
		Metadata: map[string]string{"customer": "7"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(out.Token), "digits that end in", out.Token[12:])
	// Output: 16 digits that end in 1111
}

// The same card gets the same token again.
func ExampleClient_Tokenize_deterministic() {
	tok := tokenizertest.New()
	defer tok.Close()
	tokenizer := tok.Client

	in := client.TokenizeInput{Data: client.NewSecret("4111 1111 1111 1111"), Deterministic: true, Scope: "shop-1"}
	first, err := tokenizer.Tokenize(context.Background(), in)
	if err != nil {
		fmt.Println(err)
		return
	}
	again, err := tokenizer.Tokenize(context.Background(), in)
	fmt.Println(again.Token == first.Token, again.Deduplicated, err)
	// Output: true true <nil>
}

// The vault's row and the order's row are committed together or not at all.
func ExampleClient_Seal() {
	tok := tokenizertest.New()
	defer tok.Close()
	tokenizer := tok.Client

	ctx := context.Background()
	sealed, err := tokenizer.Seal(ctx, client.SealInput{Data: client.NewSecret("4111 1111 1111 1111")})
	if err != nil {
		fmt.Println(err)
		return
	}
	order := types.TransactWriteItem{Put: &types.Put{
		TableName: new("CustomerOrderTable"),
		Item: map[string]types.AttributeValue{
			"CustomerOrder": &types.AttributeValueMemberS{Value: "1"},
			"CreditCard":    &types.AttributeValueMemberS{Value: sealed.Token},
		},
		ConditionExpression: new("attribute_not_exists(CustomerOrder)"),
	}}
	// With DynamoDB: TransactWriteItems with the TransactItems order and sealed.Put.
	if err := tok.Commit(order, sealed.Put); err != nil {
		fmt.Println(err)
		return
	}
	out, err := tokenizer.Validate(ctx, client.ValidateInput{Token: sealed.Token})
	fmt.Println(out.Live, err)
	// Output: true <nil>
}

func ExampleClient_Detokenize() {
	tok := tokenizertest.New()
	defer tok.Close()
	tokenizer := tok.Client

	ctx := context.Background()
	made, err := tokenizer.Tokenize(ctx,
		client.TokenizeInput{Data: client.NewSecret("4111 1111 1111 1111"), MaxUses: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, attempt := range []string{"charge-1", "charge-1", "charge-2"} {
		out, err := tokenizer.Detokenize(ctx, client.DetokenizeInput{
			Token:     made.Token,
			Redaction: client.PlainText,
			Attempt:   attempt, // the same attempt again counts once
			Reason:    "charge order 1",
		})
		switch {
		case errors.Is(err, client.ErrUsedUp):
			fmt.Println(attempt, "comes too late")
		case err != nil:
			fmt.Println(err)
		default:
			fmt.Println(attempt, "reads", out.Data.Reveal())
		}
	}
	// Output:
	// charge-1 reads 4111111111111111
	// charge-1 reads 4111111111111111
	// charge-2 comes too late
}

func ExampleClient_Metadata() {
	tok := tokenizertest.New()
	defer tok.Close()
	tokenizer := tok.Client

	ctx := context.Background()
	made, err := tokenizer.Tokenize(ctx, client.TokenizeInput{
		Data: client.NewSecret("4111 1111 1111 1111"), MaxUses: 3, Metadata: map[string]string{"customer": "7"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	out, err := tokenizer.Metadata(ctx, client.MetadataInput{Token: made.Token, Reason: "support case 12"})
	fmt.Println(out.Type, out.Uses, "of", out.MaxUses, out.Metadata, err)
	// Output: card 0 of 3 map[customer:7] <nil>
}

func ExampleClient_Revoke() {
	tok := tokenizertest.New()
	defer tok.Close()
	tokenizer := tok.Client

	ctx := context.Background()
	made, err := tokenizer.Tokenize(ctx, client.TokenizeInput{Data: client.NewSecret("4111 1111 1111 1111")})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := tokenizer.Revoke(ctx, client.RevokeInput{Token: made.Token, Reason: "customer left"}); err != nil {
		fmt.Println(err)
		return
	}
	_, err = tokenizer.Detokenize(ctx, client.DetokenizeInput{Token: made.Token})
	fmt.Println(errors.Is(err, client.ErrRevoked))
	// Output: true
}

func ExampleError() {
	tok := tokenizertest.New()
	defer tok.Close()
	tokenizer := tok.Client

	_, err := tokenizer.Tokenize(context.Background(), client.TokenizeInput{Data: client.NewSecret("4111")})
	var e *client.Error
	if errors.As(err, &e) {
		fmt.Println(e.Code, e.Status, e.Field)
	}
	fmt.Println(err) // may be logged
	// Output:
	// invalid-request 400 data
	// invalid request: data: must have 12 to 19 digits
}

// brokenTokenizer is a fake that fails. It embeds the interface, so it needs only the methods that the test calls.
type brokenTokenizer struct{ client.Tokenizer }

func (brokenTokenizer) Detokenize(context.Context, client.DetokenizeInput) (client.DetokenizeOutput, error) {
	return client.DetokenizeOutput{}, client.NewError(client.ErrIntegrity, "", "the row was altered")
}

func ExampleTokenizer() {
	charge := func(ctx context.Context, tokenizer client.Tokenizer, token string) error {
		_, err := tokenizer.Detokenize(ctx, client.DetokenizeInput{Token: token, Redaction: client.PlainText})
		return err
	}
	err := charge(context.Background(), brokenTokenizer{}, "f81d4fae-7dec-41d0-a765-00a0c91e6bf6")
	fmt.Println(errors.Is(err, client.ErrIntegrity))
	// Output: true
}

func ExampleSecret() {
	card := client.NewSecret("4111 1111 1111 1111")
	fmt.Println(card)
	fmt.Printf("%q %+v\n", card, struct{ Card client.Secret }{card})
	fmt.Println(card.Reveal())
	// Output:
	// [REDACTED]
	// [REDACTED] {Card:[REDACTED]}
	// 4111 1111 1111 1111
}

func ExampleParsePAN() {
	for _, text := range []string{"4111 1111 1111 1111", "4111 1111 1111 1112", "no card"} {
		number, err := client.ParsePAN(client.NewSecret(text))
		fmt.Println(number.Mask(), err)
	}
	// Output:
	// ************1111 <nil>
	//  is not a card number: its check digit is wrong
	//  must hold ASCII digits only, single spaces or dashes between them allowed
}

func ExamplePAN_Mask() {
	number, err := client.ParsePAN(client.NewSecret("4111-1111-1111-1111"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(number.Mask())
	fmt.Println(number.MaskMiddle())
	fmt.Println(number)
	// Output:
	// ************1111
	// 411111******1111
	// [REDACTED]
}

func ExampleContainsPAN() {
	fmt.Println(client.ContainsPAN("Main Street 5, card 4111.1111.1111.1111"))
	fmt.Println(client.ContainsPAN("Main Street 5, +1 702 555 0100"))
	// Output:
	// true
	// false
}

// A token that belongs to an order opens for that order only.
func ExampleClient_Detokenize_context() {
	tok := tokenizertest.New()
	defer tok.Close()
	tokenizer := tok.Client

	ctx := context.Background()
	order := map[string]string{"order": "1", "user": "alice"}
	made, err := tokenizer.Tokenize(ctx,
		client.TokenizeInput{Data: client.NewSecret("4111 1111 1111 1111"), Context: order})
	if err != nil {
		fmt.Println(err)
		return
	}
	out, err := tokenizer.Detokenize(ctx, client.DetokenizeInput{Token: made.Token, Context: order})
	fmt.Println(out.Data.Reveal(), err)

	_, err = tokenizer.Detokenize(ctx,
		client.DetokenizeInput{Token: made.Token, Context: map[string]string{"order": "2", "user": "alice"}})
	fmt.Println(errors.Is(err, client.ErrBindingMismatch))
	// Output:
	// ************1111 <nil>
	// true
}

// Each item has its own result: one that is refused does not concern the others.
func ExampleClient_TokenizeBatch() {
	tok := tokenizertest.New()
	defer tok.Close()
	out, err := tok.Client.TokenizeBatch(context.Background(), client.TokenizeBatchInput{Items: []client.TokenizeItem{
		{Reference: "row-1", TokenizeInput: client.TokenizeInput{Data: client.NewSecret("4111 1111 1111 1111")}},
		{Reference: "row-2", TokenizeInput: client.TokenizeInput{Data: client.NewSecret("4111")}},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, result := range out.Results {
		fmt.Println(result.Reference, result.Card.Brand, result.Err)
	}
	// Output:
	// row-1 visa <nil>
	// row-2  invalid request: data: must have 12 to 19 digits
}

func ExampleClient_DetokenizeBatch() {
	tok := tokenizertest.New()
	defer tok.Close()
	ctx := context.Background()
	made, err := tok.Client.Tokenize(ctx, client.TokenizeInput{Data: client.NewSecret("4111 1111 1111 1111")})
	if err != nil {
		fmt.Println(err)
		return
	}
	out, err := tok.Client.DetokenizeBatch(ctx, client.DetokenizeBatchInput{Items: []client.DetokenizeItem{
		{Reference: "row-1", DetokenizeInput: client.DetokenizeInput{Token: made.Token}},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(out.Results[0].Reference, out.Results[0].Data.Reveal(), out.Results[0].Err)
	// Output: row-1 ************1111 <nil>
}
