package cloud

import (
	"context"
	"fmt"
	"maps"
	"strconv"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/lambdahost"
)

// Extension is the layer's extension in an environment of its own, in which the function does not run. It has the function's
// settings and credentials, so it may do what the function's role may do.
type Extension struct {
	// Port is where the extension listens on 127.0.0.1.
	Port int
	// SessionToken is what the extension expects of its callers.
	SessionToken string

	running *lambdahost.Extensions
}

// Stop ends the extension and returns when it is gone. It may be called more than once.
func (x *Extension) Stop() { x.running.Stop() }

func (f *functions) startExtension(ctx context.Context, prefix string, variables map[string]string) (*Extension, error) {
	fn, err := f.find(prefix)
	if err != nil {
		return nil, err
	}
	own, err := f.newEnvironment(fn.role, fn.config.ARN)
	if err != nil {
		return nil, err
	}
	maps.Copy(own, variables)
	port, err := strconv.Atoi(own[portVariable])
	if err != nil {
		return nil, fmt.Errorf("%s is not a number", portVariable)
	}
	config := fn.config
	config.PerEnvironment = func() (map[string]string, error) { return own, nil }
	running, err := lambdahost.StartExtensions(ctx, config)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.extensions = append(f.extensions, running)
	return &Extension{port, own["AWS_SESSION_TOKEN"], running}, nil
}
