// Command function swaps a card for a token: {"card": "4111 1111 1111 1111"} -> {"token": "..."}.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

func main() {
	tokenizer, err := client.FromEnvironment()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	lambda.Start(func(ctx context.Context, event struct{ Card client.Secret }) (answer struct{ Token string }, err error) {
		out, err := tokenizer.Tokenize(ctx, client.TokenizeInput{Data: event.Card})
		answer.Token = out.Token
		return answer, err
	})
}
