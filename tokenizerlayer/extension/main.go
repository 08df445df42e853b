// Command extension is /opt/extensions/tokenizer: an external Lambda extension that serves the tokenizer's loopback API
// to the function beside it.
//
// At its start the extension binds its port, serves, asks KMS for a first data key, and registers, in this order.
// Lambda starts the function only after registration, so the function never finds the port closed, and its first token
// does not wait for KMS. If a setting is wrong, the extension keeps running: the API answers 503 and names the setting.
// If it ended, Lambda would end the function, too, with an error that names neither the extension nor the setting. If
// the port is taken, the extension ends, because the function would send its session token to whoever listens on that
// port.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/netutil"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/api"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/audit"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/extensionsapi"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/server"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/settings"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/vault"
)

func main() {
	// A write to a closed pipe ends a Go program if the pipe is its standard output. Here it fails, and nothing is
	// released.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[0], os.Getenv); err != nil {
		fmt.Fprintln(os.Stderr, "tokenizer:", err)
		os.Exit(1)
	}
}

// run serves until Lambda sends SHUTDOWN or ctx ends.
func run(ctx context.Context, executable string, getenv func(string) string) error {
	if err := extensionsapi.Check(getenv(settings.RuntimeAPI)); err != nil {
		return startedByHand(err)
	}
	s, problems := settings.Load(getenv)
	aws, awsProblems := newClients(getenv)
	problems = errors.Join(problems, awsProblems)
	log := audit.New(os.Stdout, s.LogLevel, s.FunctionName)
	lambda := extensionsapi.New(s.RuntimeAPI, filepath.Base(executable))

	listener, err := net.Listen("tcp", net.JoinHostPort(api.Host, strconv.Itoa(s.Port)))
	if err != nil {
		return refuseToStart(ctx, lambda, s.Port)
	}
	current := newBackend()
	release := digest(executable)
	srv := server.New(server.Config{
		Vault: current.vault, Port: s.Port, SessionToken: s.SessionToken, Release: release,
		MaxBody: s.MaxBodyBytes, ReadRate: s.ReadRate, Audit: log,
	})
	served := make(chan error, 1)
	go func() { served <- srv.Serve(netutil.LimitListener(listener, s.MaxConnections)) }() // more wait
	defer func() {
		// Requests end first, since they take data keys.
		stopServing(srv, served)
		current.close(log)
	}()
	aws.warm(ctx)

	if problems == nil && s.AccountID != "" {
		problems = current.make(s, aws, s.AccountID)
	}
	registration, err := lambda.Register(ctx, extensionsapi.Shutdown)
	if errors.Is(err, extensionsapi.ErrUnreachable) && ctx.Err() == nil {
		return startedByHand(err)
	}
	if err != nil {
		return err
	}
	log.SetAccount(registration.AccountID)
	if err := current.open(s, aws, problems, registration.AccountID); err != nil {
		log.Notice(ctx, slog.LevelError, err.Error())
	} else {
		log.Notice(ctx, slog.LevelInfo, "tokenizer ready", slog.String("release", release))
	}
	return waitForShutdown(ctx, lambda)
}

// startedByHand tells a person who runs the extension what it is for. In Lambda the Runtime API is there.
func startedByHand(err error) error {
	return fmt.Errorf("%w. This program is a Lambda extension, which Lambda starts beside a function, with %s set. "+
		"To have its API on your machine, run go run ./local -layer in the project, "+
		"which docs/development-server.md describes", err, settings.RuntimeAPI)
}

// refuseToStart makes Lambda end the environment with an error that says why.
func refuseToStart(ctx context.Context, lambda *extensionsapi.Client, port int) error {
	message := fmt.Sprintf("port %d of %s cannot be bound; set %s to one that no other extension uses", port, api.Host,
		settings.Port)
	if _, err := lambda.Register(ctx); err != nil {
		return errors.Join(errors.New(message), err)
	}
	return errors.Join(errors.New(message), lambda.InitError(ctx, "Extension.PortInUse", message))
}

func waitForShutdown(ctx context.Context, lambda *extensionsapi.Client) error {
	for {
		event, err := lambda.Next(ctx)
		switch {
		case ctx.Err() != nil: // SIGTERM: Lambda ends the environment
			return nil
		case err != nil:
			return err
		case event.Type == extensionsapi.Shutdown:
			return nil
		}
	}
}

// stopServing lets requests under way finish within the half second that Lambda leaves besides its 2 s limit.
func stopServing(srv *http.Server, served <-chan error) {
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
	defer cancel()
	if srv.Shutdown(ctx) != nil {
		_ = srv.Close()
	}
	<-served //nolint:errcheck // It says that the server was shut down.
}

func newVault(s settings.Settings, aws clients, account string) (*vault.Vault, error) {
	return vault.New(vault.Config{
		TokenKeys:        keys(s.TokenKeys),
		FingerprintKeys:  keys(s.FingerprintKeys),
		Table:            s.Table,
		State:            s.StateTable,
		Index:            s.IndexTable,
		AccountID:        account,
		Actor:            s.FunctionName,
		IdempotencyScope: s.IdempotencyScope,
		KeysAhead:        s.KeysAhead,
		Purposes:         s.TokenizeFor(),
		KMS:              aws.kms, Store: aws.dynamodb,
	})
}

func keys(from []settings.Key) (to []vault.Key) {
	for _, key := range from {
		to = append(to, vault.Key(key))
	}
	return to
}

// digest reads the layer's digest file, two levels above /opt/extensions/tokenizer.
func digest(executable string) string {
	b, err := os.ReadFile(filepath.Join(filepath.Dir(executable), "..", "tokenizer.digest"))
	if err != nil || len(b) > 256 {
		return "unreleased"
	}
	return strings.TrimSpace(string(b))
}
