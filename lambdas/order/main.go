// Order is the function behind POST /order. It may make tokens and cannot read them back.
//
// Settings: ORDER_TABLE, and optionally ORDER_TOKEN_DAYS. Package orders says what it does.
package main

import (
	"context"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/lambdas/internal/functions"
	"github.com/lambda-tokenizer/lambda-tokenizer/lambdas/internal/start"
)

func main() {
	start.Main(func(ctx context.Context) error { return functions.Order(ctx, time.Now) })
}
