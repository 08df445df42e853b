// Paybill is the function behind POST /paybill. It reads cards back and cannot make tokens.
//
// Settings: ORDER_TABLE, LEDGER_TABLE. Package orders says what it does.
package main

import (
	"context"
	"os"

	"github.com/lambda-tokenizer/lambda-tokenizer/lambdas/internal/orders"
	"github.com/lambda-tokenizer/lambda-tokenizer/lambdas/internal/start"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

func main() { start.Main(run) }

func run(ctx context.Context) error {
	settings, err := start.Settings("ORDER_TABLE", "LEDGER_TABLE")
	if err != nil {
		return err
	}
	dynamo, err := start.DynamoDB(ctx)
	if err != nil {
		return err
	}
	tokenizer, err := client.FromEnvironment()
	if err != nil {
		return err
	}
	pay := orders.PayOperation(&orders.Payments{
		Store:     &orders.Store{DynamoDB: dynamo, Table: settings["ORDER_TABLE"]},
		Revealer:  tokenizer,
		Processor: &orders.SimulatedProcessor{DynamoDB: dynamo, Table: settings["LEDGER_TABLE"]},
	})
	gateway := orders.Gateway{Name: "paybill", Do: pay, Log: start.Logger(os.Stdout), Origins: start.Origins()}
	start.Serve(ctx, gateway.Handle)
	return nil
}
