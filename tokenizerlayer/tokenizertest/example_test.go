package tokenizertest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/tokenizertest"
)

// A test calls tokenizertest.Start(t) instead, which closes the tokenizer when the test ends.
func Example() {
	tok := tokenizertest.New()
	defer tok.Close()

	ctx := context.Background()
	made, err := tok.Client.Tokenize(ctx, client.TokenizeInput{Data: client.NewSecret("4111 1111 1111 1111")})
	if err != nil {
		fmt.Println(err)
		return
	}
	shown, err := tok.Client.Detokenize(ctx, client.DetokenizeInput{Token: made.Token})
	fmt.Println(shown.Data.Reveal(), err)
	// Output: ************1111 <nil>
}

func ExampleTokenizer_Commit() {
	tok := tokenizertest.New()
	defer tok.Close()

	ctx := context.Background()
	sealed, err := tok.Client.Seal(ctx, client.SealInput{Data: client.NewSecret("4111 1111 1111 1111")})
	if err != nil {
		fmt.Println(err)
		return
	}
	before, err := tok.Client.Validate(ctx, client.ValidateInput{Token: sealed.Token})
	fmt.Println("before:", before.Live, err)

	if err := tok.Commit(sealed.Put); err != nil {
		fmt.Println(err)
	}
	after, err := tok.Client.Validate(ctx, client.ValidateInput{Token: sealed.Token})
	fmt.Println("after:", after.Live, err)
	// Output:
	// before: false <nil>
	// after: true <nil>
}

func ExampleTokenizer_Advance() {
	tok := tokenizertest.New()
	defer tok.Close()

	ctx := context.Background()
	made, err := tok.Client.Tokenize(ctx, client.TokenizeInput{
		Data: client.NewSecret("4111 1111 1111 1111"), TTL: time.Hour,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	tok.Advance(time.Hour)
	_, err = tok.Client.Detokenize(ctx, client.DetokenizeInput{Token: made.Token})
	fmt.Println(errors.Is(err, client.ErrExpired))
	// Output: true
}

func ExampleTokenizer_Fail() {
	tok := tokenizertest.New()
	defer tok.Close()

	tok.Fail(client.ErrUnavailable)
	_, err := tok.Client.Tokenize(context.Background(),
		client.TokenizeInput{Data: client.NewSecret("4111 1111 1111 1111")})
	fmt.Println(errors.Is(err, client.ErrUnavailable))
	// Output: true
}

func ExampleTokenizer_Log() {
	tok := tokenizertest.New()
	defer tok.Close()

	const card = "4111111111111111"
	_, err := tok.Client.Tokenize(context.Background(), client.TokenizeInput{Data: client.NewSecret(card)})
	fmt.Println(err, strings.Contains(tok.Log(), `"operation":"tokenize"`), strings.Contains(tok.Log(), card))
	// Output: <nil> true false
}
