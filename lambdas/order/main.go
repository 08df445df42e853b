// Order is the function behind POST /order. It may make tokens and cannot read them back.
//
// Settings: ORDER_TABLE. Package orders says what it does.
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
	settings, err := start.Settings("ORDER_TABLE")
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
	place := orders.PlaceOperation(&orders.Orders{
		Store:  &orders.Store{DynamoDB: dynamo, Table: settings["ORDER_TABLE"]},
		Sealer: tokenizer,
	})
	gateway := orders.Gateway{Name: "order", Do: place, Log: start.Logger(os.Stdout), Origins: start.Origins()}
	start.Serve(ctx, gateway.Handle)
	return nil
}
