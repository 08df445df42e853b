// Package functions puts the functions together: settings, clients, and the clock that they are given. The mains pass
// [time.Now]; a test that runs a function as a process of its own passes a clock that it can turn.
package functions

import (
	"context"
	"os"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/lambdas/internal/orders"
	"github.com/lambda-tokenizer/lambda-tokenizer/lambdas/internal/start"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

// Order is the function behind POST /order. Settings: ORDER_TABLE.
func Order(ctx context.Context, now func() time.Time) error {
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
		Sealer: tokenizer, Now: now,
	})
	gateway := orders.Gateway{Name: "order", Do: place, Log: start.Logger(os.Stdout), Origins: start.Origins(), Now: now}
	start.Serve(ctx, gateway.Handle)
	return nil
}

// Paybill is the function behind POST /paybill. Settings: ORDER_TABLE, LEDGER_TABLE.
func Paybill(ctx context.Context, now func() time.Time) error {
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
		Processor: &orders.SimulatedProcessor{DynamoDB: dynamo, Table: settings["LEDGER_TABLE"], Now: now},
		Now:       now,
	})
	gateway := orders.Gateway{Name: "paybill", Do: pay, Log: start.Logger(os.Stdout), Origins: start.Origins(), Now: now}
	start.Serve(ctx, gateway.Handle)
	return nil
}
