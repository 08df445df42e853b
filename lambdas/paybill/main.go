// Paybill is the function behind POST /paybill. It reads cards back and cannot make tokens.
//
// Settings: ORDER_TABLE, LEDGER_TABLE, ACCOUNT_ID, and optionally REVOKE_PAID. Package orders says what it does.
package main

import (
	"context"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/lambdas/internal/functions"
	"github.com/lambda-tokenizer/lambda-tokenizer/lambdas/internal/start"
)

func main() {
	start.Main(func(ctx context.Context) error { return functions.Paybill(ctx, time.Now) })
}
