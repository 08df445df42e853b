package cloud

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/awsproxy"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/lambdahost"
)

// function is a function of the templates.
type function struct {
	name   string
	role   string // ARN
	config lambdahost.Config
	host   *lambdahost.Function
}

// portVariable tells extension and function where the extension listens.
const portVariable = "TOKENIZER_PORT"

// environments is how many environments a function has at most. Lambda starts one for each concurrent invocation; a
// laptop has fewer cores, so invocations beyond this wait.
const environments = 4

func createLayerVersion(_ context.Context, r *request) (made, error) {
	dir, err := r.stack.AssetPath(r.object("Content").str("S3Key"))
	if err != nil {
		return made{}, err
	}
	arn := r.arn("lambda", "layer:"+r.physicalName("LayerName")+":1")
	r.d.layers[arn] = dir
	return made{ref: arn, attributes: map[string]string{"LayerVersionArn": arn}}, nil
}

func createFunction(_ context.Context, r *request) (made, error) {
	code, err := r.stack.AssetPath(r.object("Code").str("S3Key"))
	if err != nil {
		return made{}, err
	}
	if rt := r.str("Runtime"); rt != "provided.al2023" {
		return made{}, fmt.Errorf("the runtime is %q; the local run has provided.al2023 only", rt)
	}
	name := r.physicalName("FunctionName")
	opt, err := r.mergeLayers(name)
	if err != nil {
		return made{}, err
	}
	arn := r.arn("lambda", "function:"+name)
	config := lambdahost.Config{
		Name: name, ARN: arn, Handler: r.str("Handler"), AccountID: r.d.Account, Region: r.d.Region,
		TaskDir: code, OptDir: opt,
		Variables: r.variables(), PerEnvironment: r.newEnvironment,
		Timeout: time.Duration(r.integer("Timeout")) * time.Second, MemoryMB: r.integer("MemorySize"),
		MaxConcurrency: environments, Log: r.d.Log,
	}
	host, err := lambdahost.New(config)
	if err != nil {
		return made{}, err
	}
	r.d.cloud.functions[arn] = &function{name, r.str("Role"), config, host}
	return made{name, map[string]string{"Arn": arn}}, nil
}

// mergeLayers unpacks the function's layers over each other, in their order, as Lambda does below /opt.
func (r *request) mergeLayers(name string) (string, error) {
	layers := r.strings("Layers")
	if len(layers) == 0 {
		return "", nil
	}
	opt := filepath.Join(r.d.cloud.temp, name, "opt")
	for _, arn := range layers {
		dir, ok := r.d.layers[arn]
		if !ok {
			return "", fmt.Errorf("layer %s is not one of this app's", arn)
		}
		if err := overlay(opt, dir); err != nil {
			return "", err
		}
	}
	return opt, nil
}

// overlay copies the files of src over dst.
func overlay(dst, src string) error {
	return filepath.WalkDir(src, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(src, path)
		if err != nil {
			return err
		}
		target := filepath.Join(dst, rel)
		if entry.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		if err := os.RemoveAll(target); err != nil {
			return err
		}
		// A link is enough: nothing below /opt is ever written.
		if os.Link(path, target) == nil {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, b, 0o755)
	})
}

// variables are the template's, and the way to the services.
func (r *request) variables() map[string]string {
	vars := map[string]string{}
	declared := r.object("Environment").object("Variables")
	for name := range declared.value {
		vars[name] = declared.str(name)
	}
	vars["AWS_ENDPOINT_URL"] = r.d.cloud.proxyURL.String()
	return vars
}

// newEnvironment gives an execution environment credentials of its own, by which the proxy knows the function's role,
// and a port for the extension: on Lambda, environments do not share a loopback interface.
func (r *request) newEnvironment() (map[string]string, error) {
	port, err := r.d.ports.free()
	if err != nil {
		return nil, err
	}
	c := r.d.cloud.assume(r.str("Role"), r.arn("lambda", "function:"+r.physicalName("FunctionName")))
	return map[string]string{
		"AWS_ACCESS_KEY_ID": c.AccessKeyID, "AWS_SECRET_ACCESS_KEY": c.SecretAccessKey, "AWS_SESSION_TOKEN": c.SessionToken,
		portVariable: strconv.Itoa(port),
	}, nil
}

// assume makes credentials by which the proxy knows a function and its role.
func (c *Cloud) assume(role, function string) aws.Credentials {
	made := aws.Credentials{
		AccessKeyID: "ASIA" + crand.Text()[:16], SecretAccessKey: crand.Text(), SessionToken: crand.Text() + crand.Text(),
	}
	c.proxy.Register(made.AccessKeyID, made.SessionToken, role, function)
	return made
}

// ActAs returns an SDK configuration that calls the services as a function would: with credentials like those of a new
// environment, through the proxy that enforces its role's policies. The function is named by the start of its name.
func (c *Cloud) ActAs(function string) (aws.Config, error) {
	f, err := c.function(function)
	if err != nil {
		return aws.Config{}, err
	}
	return sdkConfig(c.proxyURL, c.region, credentials.StaticCredentialsProvider{Value: c.assume(f.role, f.config.ARN)}, awsproxy.NewTransport()), nil
}

// function finds the function whose name begins with prefix.
func (c *Cloud) function(prefix string) (*function, error) {
	var found *function
	for _, f := range c.functions {
		if !strings.HasPrefix(f.name, prefix) {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("the names of several functions begin with %q", prefix)
		}
		found = f
	}
	if found == nil {
		return nil, fmt.Errorf("no function's name begins with %q", prefix)
	}
	return found, nil
}

// Extension is the layer's extension in an environment of its own, in which the function does not run. It has the function's
// settings and credentials, so it may do what the function's role may do.
type Extension struct {
	// Port is where the extension listens on 127.0.0.1.
	Port int
	// SessionToken is what the extension expects of its callers.
	SessionToken string

	running *lambdahost.Extensions
}

// StartExtension starts the layer's extension as one of the functions would have it. The function is named by the start of its
// name. The variables override those of the function; with TOKENIZER_PORT among them the port is yours to choose. ctx bounds the
// start; the extension runs until Stop, or until the Cloud is closed.
func (c *Cloud) StartExtension(ctx context.Context, function string, variables map[string]string) (*Extension, error) {
	f, err := c.function(function)
	if err != nil {
		return nil, err
	}
	own, err := f.config.PerEnvironment()
	if err != nil {
		return nil, err
	}
	maps.Copy(own, variables)
	port, err := strconv.Atoi(own[portVariable])
	if err != nil {
		return nil, fmt.Errorf("%s is not a number", portVariable)
	}
	config := f.config
	config.PerEnvironment = func() (map[string]string, error) { return own, nil }
	running, err := lambdahost.StartExtensions(ctx, config)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.extensions = append(c.extensions, running)
	return &Extension{port, own["AWS_SESSION_TOKEN"], running}, nil
}

// Stop ends the extension and returns when it is gone. It may be called more than once.
func (x *Extension) Stop() { x.running.Stop() }

// ports gives out ports below the ranges from which systems take ports for outgoing connections, so that none of these
// gets one first. It remembers what it gave: an environment binds its port a moment later.
type ports struct {
	mu    sync.Mutex
	given map[int]bool
}

func (p *ports) free() (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for range 100 {
		port := 20000 + rand.N(10000)
		if p.given[port] {
			continue
		}
		ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		p.given[port] = true
		return port, ln.Close()
	}
	return 0, errors.New("no free port between 20000 and 30000 on 127.0.0.1")
}
