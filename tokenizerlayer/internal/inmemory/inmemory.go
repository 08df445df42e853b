// Package inmemory is a whole tokenizer in memory: the extension's own server and vault, with the fakes of KMS and
// DynamoDB of package fakeaws behind them. Package tokenizertest gives it to tests in Go, and the development server to
// functions in any language.
//
//	var aws inmemory.AWS
//	server, err := aws.NewServer(inmemory.Config{Function: "order", Port: port, SessionToken: token, Log: os.Stderr})
//	err = server.Serve(listener)
//
// An AWS can have several functions, each with rights of its own. Nothing is kept when the program ends.
package inmemory

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/audit"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/fakeaws"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/server"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/vault"
)

// Account is the AWS account of the functions.
const Account = "123456789012"

// The tables of the vault.
const (
	VaultTable = "CreditCardTokenizerTable"
	StateTable = "CreditCardTokenizerState"
	IndexTable = "CreditCardTokenizerIndex"
)

// AWS is KMS and the tables of one vault. Its zero value has an empty vault. It is safe for concurrent use.
type AWS struct {
	KMS    fakeaws.KMS
	Tables fakeaws.Tables
}

// Config describes a function and the tokenizer beside it. Fields are required unless their comment says otherwise.
type Config struct {
	Function string // its name
	// Rights are what the function may do; nil means everything, for every purpose.
	Rights *Rights
	// Denied gets each call that the rights do not allow; nil means nobody.
	Denied       func(Denial)
	Port         int // where the server will be reached
	SessionToken string
	// Release is what GET /ping tells.
	Release string
	// ReadRate is as in [server.Config].
	ReadRate int
	Log      io.Writer // what the extension would log
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Before is called before each request uses the vault. Its error is the answer. nil means no error.
	Before func() error
}

// NewVault returns the vault as the function's tokenizer uses it.
func (a *AWS) NewVault(c Config) (*vault.Vault, error) {
	config := vault.Config{
		TokenKeys:       []vault.Key{{Version: "1", ARN: fakeaws.KeyARN}},
		FingerprintKeys: []vault.Key{{Version: "1", ARN: fakeaws.FingerprintARN}},
		Table:           VaultTable, State: StateTable, Index: IndexTable,
		AccountID: Account, Actor: c.Function, KMS: &a.KMS, Store: &a.Tables, Now: c.Now,
	}
	if c.Rights != nil {
		g := guard{*c.Rights, c.Denied}
		config.KMS, config.Store = guardedKMS{g, config.KMS}, guardedStore{g, config.Store}
	}
	return vault.New(config)
}

// NewServer returns the server of the function's tokenizer. It is not started: the caller owns the listener.
func (a *AWS) NewServer(c Config) (*http.Server, error) {
	v, err := a.NewVault(c)
	if err != nil {
		return nil, err
	}
	log := audit.New(c.Log, slog.LevelDebug, c.Function)
	log.SetAccount(Account)
	return server.New(server.Config{
		Vault: func(context.Context) (server.Vault, error) {
			if c.Before != nil {
				if err := c.Before(); err != nil {
					return nil, err
				}
			}
			return v, nil
		},
		Port: c.Port, SessionToken: c.SessionToken, Release: c.Release, ReadRate: c.ReadRate, Audit: log,
	}), nil
}
