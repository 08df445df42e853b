package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/audit"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/failure"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/server"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/settings"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/internal/vault"
)

// backend is the vault. It is made before the registration, if the settings tell the account, so that KMS answers while
// Lambda does. No request may use it earlier: only Lambda's own word for the account is certain.
type backend struct {
	made  *vault.Vault
	err   error         // why there is no vault
	ready chan struct{} // closed once made or err is set for good
}

func newBackend() *backend { return &backend{ready: make(chan struct{})} }

// vault returns the vault. A request that comes before the registration is through waits for it.
func (b *backend) vault(ctx context.Context) (server.Vault, error) {
	select {
	case <-b.ready:
	case <-ctx.Done():
		return nil, failure.New(failure.NotReady, "", "the extension has not registered yet")
	}
	if b.err != nil {
		return nil, b.err
	}
	return b.made, nil
}

// make makes the vault and has it fetch its first data keys, without waiting for them.
func (b *backend) make(s settings.Settings, aws clients, account string) error {
	v, err := newVault(s, aws, account)
	if err != nil {
		return err
	}
	v.Warm()
	b.made = v
	return nil
}

// open lets requests have the vault for the account that Lambda has told, or the reason why there is none: everything
// that is wrong with the settings.
func (b *backend) open(s settings.Settings, aws clients, problems error, account string) error {
	defer close(b.ready)
	switch {
	case problems != nil:
	case b.made == nil:
		problems = b.make(s, aws, account)
	case s.AccountID != account:
		problems = errors.New(settings.AccountID + " is not the function's account; leave it out")
	}
	if problems != nil {
		b.err = failure.New(failure.NotReady, "", "%s", strings.ReplaceAll(problems.Error(), "\n", "; "))
	}
	return b.err
}

// close wipes what the vault has fetched ahead, and logs how much of it was used.
func (b *backend) close(log *audit.Log) {
	if b.made == nil {
		return
	}
	b.made.Close()
	if keys := b.made.Keys(); keys.Fetched+keys.Failed > 0 {
		log.Notice(context.Background(), slog.LevelInfo, "data keys", slog.Int64("fetched", keys.Fetched),
			slog.Int64("failed", keys.Failed),
			slog.Int64("used", keys.Used), slog.Int64("waited_for", keys.Waited), slog.Int64("unused", keys.Unused))
	}
}
