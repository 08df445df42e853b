package main

import (
	"context"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/awsjson"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/dynamoapi"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/kmsapi"
)

// clients are what the extension calls AWS with.
type clients struct {
	kms      *kmsapi.Client
	dynamodb *dynamoapi.Client
}

// newClients makes the clients from the environment. The error names every variable that is wrong, without its value.
func newClients(getenv func(string) string) (clients, error) {
	e, err := awsjson.Load(getenv)
	if err != nil {
		return clients{}, err
	}
	var c clients
	if c.kms, err = kmsapi.New(e, awsjson.Options{}); err != nil {
		return clients{}, err
	}
	if c.dynamodb, err = dynamoapi.New(e, awsjson.Options{}); err != nil {
		return clients{}, err
	}
	return c, nil
}

// warm opens a connection to each service while Lambda waits for the registration anyway, so that the first call need
// not. There is nothing to be done about a failure: the first call tries for itself, and reports it.
func (c clients) warm(ctx context.Context) {
	if c.kms == nil {
		return // the settings are wrong
	}
	go c.kms.Warm(ctx)
	go c.dynamodb.Warm(ctx)
}
