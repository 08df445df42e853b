// Package functions makes the functions from their settings, their clients and a clock. The mains pass [time.Now]. A
// test that runs a function as a separate process passes a clock that it controls.
package functions

import (
	"context"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/lambda-tokenizer/lambda-tokenizer/lambdas/internal/orders"
	"github.com/lambda-tokenizer/lambda-tokenizer/lambdas/internal/start"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

// Order is the function behind POST /order. Settings: ORDER_TABLE and, if tokens are to expire, ORDER_TOKEN_DAYS.
func Order(ctx context.Context, now func() time.Time) error {
	p, err := prepare(ctx, "ORDER_TABLE")
	if err != nil {
		return err
	}
	days, err := start.Days("ORDER_TOKEN_DAYS")
	if err != nil {
		return err
	}
	p.serve(ctx, now, "order", orders.PlaceOperation(&orders.Orders{
		Store:  &orders.Store{DynamoDB: p.dynamo, Table: p.settings["ORDER_TABLE"]},
		Sealer: p.tokenizer, TokenLife: days, Now: now,
	}))
	return nil
}

// Paybill is the function behind POST /paybill. Settings: ORDER_TABLE, LEDGER_TABLE, ACCOUNT_ID and, if the token of an
// order is to end when the order is paid, REVOKE_PAID=true.
func Paybill(ctx context.Context, now func() time.Time) error {
	p, err := prepare(ctx, "ORDER_TABLE", "LEDGER_TABLE", "ACCOUNT_ID")
	if err != nil {
		return err
	}
	revoke, err := start.Choice("REVOKE_PAID")
	if err != nil {
		return err
	}
	payments := &orders.Payments{
		Account:   p.settings["ACCOUNT_ID"],
		Store:     &orders.Store{DynamoDB: p.dynamo, Table: p.settings["ORDER_TABLE"]},
		Revealer:  p.tokenizer,
		Processor: &orders.SimulatedProcessor{DynamoDB: p.dynamo, Table: p.settings["LEDGER_TABLE"], Now: now},
		Log:       start.Logger(os.Stdout),
		Now:       now,
	}
	if revoke {
		payments.Revoker = p.tokenizer
	}
	p.serve(ctx, now, "paybill", orders.PayOperation(payments))
	return nil
}

// parts are what every function is put together from.
type parts struct {
	settings  map[string]string
	dynamo    *dynamodb.Client
	tokenizer *client.Client
}

func prepare(ctx context.Context, names ...string) (p parts, err error) {
	if p.settings, err = start.Settings(names...); err != nil {
		return p, err
	}
	if p.dynamo, err = start.DynamoDB(ctx); err != nil {
		return p, err
	}
	p.tokenizer, err = client.FromEnvironment()
	return p, err
}

// serve handles invocations and does not return.
func (parts) serve(ctx context.Context, now func() time.Time, name string, do orders.Operation) {
	gateway := orders.Gateway{Name: name, Do: do, Log: start.Logger(os.Stdout), Origins: start.Origins(), Now: now}
	start.Serve(ctx, gateway.Handle)
}
