// Command function is the Go function whose invocations are measured. It swaps a card number for a token, as the
// functions in Python and Node below test/bench/internal/localrun do:
//
//	{"card": "4111 1111 1111 1111"} -> {"token": "..."}
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

type event struct {
	Card client.Secret `json:"card"`
}

type answer struct {
	Token string `json:"token"`
}

func main() {
	tokenizer, err := client.FromEnvironment()
	if err != nil {
		fmt.Fprintln(os.Stderr, "function:", err)
		os.Exit(1)
	}
	lambda.Start(func(ctx context.Context, e event) (answer, error) {
		out, err := tokenizer.Tokenize(ctx, client.TokenizeInput{Data: e.Card})
		if err != nil {
			return answer{}, err
		}
		return answer{Token: out.Token}, nil
	})
}
