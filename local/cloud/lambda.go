package cloud

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/assembly"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/awsproxy"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/endpoint"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/lambdahost"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/lambdahost/runtimes"
)

// environments is the highest number of environments that a function has at once. Lambda starts one for each concurrent
// invocation. This machine has fewer cores, so further invocations wait.
const environments = 4

// portVariable tells a function and its extension where the extension listens.
const portVariable = "TOKENIZER_PORT"

// functions creates layers and functions.
type functions struct {
	region   string
	proxy    *awsproxy.Proxy // the functions' way to the services
	proxyURL *url.URL
	temp     string // directory for unpacked layers
	log      io.Writer
	ports    ports
	networks *networks
	layers   map[string]string // directories by the layer version's ARN
	versions map[string]int    // how many a layer has, by its name
	byARN    map[string]*function
	listed   []*Function  // also those that cannot run
	differs  func(string) // gets what is not as on AWS

	extension string // see Options
	finder    runtimes.Finder

	mu         sync.Mutex
	extensions []*lambdahost.Extensions // those that were started without their function
}

// function is a function that is ready to be invoked.
type function struct {
	path   string // of the construct
	role   string // ARN
	vpc    string // id; "" for none
	config lambdahost.Config
	host   *lambdahost.Function
}

func newFunctions(region string, proxy *awsproxy.Proxy, proxyURL *url.URL, networks *networks, temp string,
	log io.Writer) *functions {
	return &functions{
		region: region, proxy: proxy, proxyURL: proxyURL, networks: networks, temp: temp, log: log,
		ports: ports{given: map[int]bool{}}, layers: map[string]string{}, versions: map[string]int{},
		byARN:  map[string]*function{},
		finder: runtimes.Finder{Dir: filepath.Join(temp, "runtimes")},
	}
}

func (f *functions) createLayerVersion(_ context.Context, r *resource) (created, error) {
	dir, err := r.stack.AssetPath(r.Object("Content").Str("S3Key"))
	if err != nil {
		return created{}, err
	}
	if dir, err = f.unzipped(dir); err != nil {
		return created{}, err
	}
	name := r.physicalName("LayerName")
	f.versions[name]++ // of one name, each is another version
	arn := r.arn("lambda", fmt.Sprintf("layer:%s:%d", name, f.versions[name]))
	f.layers[arn] = dir
	return created{arn, map[string]string{"LayerVersionArn": arn}}, nil
}

func (f *functions) createFunction(ctx context.Context, r *resource) (created, error) {
	name, role := r.functionName(), r.Str("Role")
	if !functionName.MatchString(name) {
		return created{}, fmt.Errorf("FunctionName %q: use at most 64 letters, digits, - and _", name)
	}
	code, err := f.code(r, name)
	if err != nil {
		return created{}, err
	}
	opt, err := f.unpack(name, r.Strings("Layers"))
	if err != nil {
		return created{}, err
	}
	runtime, err := f.runtime(ctx, r, opt)
	if err != nil {
		return created{}, err
	}
	arn := r.arn("lambda", "function:"+name)
	vpc, err := f.networks.vpcOf(r.Object("VpcConfig").Strings("SubnetIds"))
	if err != nil {
		return created{}, err
	}
	config := lambdahost.Config{
		Name: name, ARN: arn, Handler: r.Str("Handler"), AccountID: r.account, Region: r.region,
		TaskDir: code, OptDir: opt, Command: runtime.Command,
		Variables:      f.variables(runtime.Variables, r.Object("Environment").Object("Variables")),
		PerEnvironment: func() (map[string]string, error) { return f.newEnvironment(role, arn, vpc) },
		Timeout:        time.Duration(r.Integer("Timeout")) * time.Second, MemoryMB: r.Integer("MemorySize"),
		MaxConcurrency: environments, Log: f.log,
	}
	host, err := lambdahost.New(config)
	if err != nil {
		return created{}, err
	}
	f.byARN[arn] = &function{constructPath(r.stack, r.id), role, vpc, config, host}
	f.listed = append(f.listed, &Function{
		Name: name, LogicalID: r.id, Path: f.byARN[arn].path, running: f.byARN[arn],
	})
	return created{name, map[string]string{"Arn": arn}}, nil
}

// denied says of which function a call was denied, and for what the layer was attached to it.
func (f *functions) denied(arn string, err error) error {
	called := f.byARN[arn]
	if called == nil { // of somebody who is no function
		return err
	}
	access := called.config.Variables["TOKENIZER_ACCESS"]
	if access == "" {
		return fmt.Errorf("%w (function %s, without the layer)", err, called.path)
	}
	return fmt.Errorf("%w (function %s, to which the layer is attached for %s)", err, called.path, access)
}

// variables are those of the runtime, those that the template declares, and the way to the services.
func (f *functions) variables(runtime map[string]string, declared assembly.Properties) map[string]string {
	variables := map[string]string{}
	maps.Copy(variables, runtime)
	for name := range declared {
		variables[name] = declared.Str(name)
	}
	variables["AWS_ENDPOINT_URL"] = f.proxyURL.String()
	return variables
}

// unpack copies layers over each other, in their order, as Lambda does below /opt. It returns the directory, or ""
// without layers.
func (f *functions) unpack(function string, layers []string) (string, error) {
	if len(layers) == 0 {
		return "", nil
	}
	opt := filepath.Join(f.temp, function, "opt")
	for _, arn := range layers {
		dir, ok := f.layers[arn]
		if !ok {
			return "", fmt.Errorf("layer %s is not one of this app's", arn)
		}
		if err := overlay(opt, dir); err != nil {
			return "", err
		}
	}
	return opt, f.replaceExtension(opt)
}

// overlay copies the files of src over those of dst. As the CDK does when it packs an asset, it takes what a symbolic
// link leads to in its place. above are the directories whose links have led to src.
func overlay(dst, src string, above ...string) error {
	src, err := filepath.EvalSymlinks(src)
	if err != nil {
		return err
	}
	if slices.Contains(above, src) {
		return fmt.Errorf("%s has a symbolic link that leads to itself", src)
	}
	return filepath.WalkDir(src, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(dst, strings.TrimPrefix(path, src))
		info, err := os.Stat(path)
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return os.MkdirAll(target, 0o755)
		case info.IsDir():
			return overlay(target, path, append(slices.Clip(above), src)...)
		case !info.Mode().IsRegular():
			return fmt.Errorf("%s is no ordinary file", path)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, b, 0o755)
	})
}

// newEnvironment gives an execution environment credentials of its own, and a port for the extension. On Lambda
// environments do not share a loopback interface, so there they can all use the same port.
func (f *functions) newEnvironment(role, functionARN, vpc string) (map[string]string, error) {
	port, err := f.ports.free()
	if err != nil {
		return nil, err
	}
	c := f.assume(role, functionARN, vpc)
	return map[string]string{
		"AWS_ACCESS_KEY_ID":     c.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY": c.SecretAccessKey,
		"AWS_SESSION_TOKEN":     c.SessionToken,
		portVariable:            strconv.Itoa(port),
	}, nil
}

// assume makes credentials by which the proxy knows a function, its role and the VPC that it calls from.
func (f *functions) assume(role, functionARN, vpc string) aws.Credentials {
	c := aws.Credentials{
		AccessKeyID:     "ASIA" + crand.Text()[:16],
		SecretAccessKey: crand.Text(),
		SessionToken:    crand.Text() + crand.Text(),
	}
	f.proxy.Register(c.AccessKeyID, c.SessionToken, role, functionARN, vpc)
	return c
}

// find returns the function whose name begins with prefix.
func (f *functions) find(prefix string) (found *function, err error) {
	for _, fn := range f.byARN {
		if !strings.HasPrefix(fn.config.Name, prefix) {
			continue
		}
		if found != nil {
			return nil, fmt.Errorf("the names of several functions begin with %q", prefix)
		}
		found = fn
	}
	if found == nil {
		return nil, fmt.Errorf("no function's name begins with %q", prefix)
	}
	return found, nil
}

// actAs acts as a function from its own place or, outside, from elsewhere.
func (f *functions) actAs(prefix string, outside bool) (aws.Config, error) {
	fn, err := f.find(prefix)
	if err != nil {
		return aws.Config{}, err
	}
	vpc := fn.vpc
	if outside {
		vpc = ""
	}
	return f.config(f.assume(fn.role, fn.config.ARN, vpc)), nil
}

// actAsPrincipal acts as somebody who is no function.
func (f *functions) actAsPrincipal(arn string) aws.Config { return f.config(f.assume(arn, "", "")) }

func (f *functions) config(of aws.Credentials) aws.Config {
	c := credentials.StaticCredentialsProvider{Value: of}
	return endpoint.Config(f.proxyURL, f.region, c, endpoint.NewTransport())
}

func (f *functions) kill(roleARN, process string) (killed int) {
	for _, fn := range f.byARN {
		if fn.role == roleARN {
			killed += fn.host.Kill(process)
		}
	}
	return killed
}

// close ends the processes of all functions.
func (f *functions) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	var wg sync.WaitGroup
	for _, fn := range f.byARN {
		wg.Go(fn.host.Close)
	}
	for _, x := range f.extensions {
		wg.Go(x.Stop)
	}
	wg.Wait()
}

// Extension is the layer's extension in an environment of its own, in which the function does not run. It has the
// function's settings and credentials, so it may do what the function's role may do.
type Extension struct {
	// Port is where the extension listens on 127.0.0.1.
	Port int
	// SessionToken is what the extension expects of its callers.
	SessionToken string

	running *lambdahost.Extensions
}

// Stop ends the extension and returns when it is gone. It may be called more than once.
func (x *Extension) Stop() { x.running.Stop() }

func (f *functions) startExtension(ctx context.Context, prefix string,
	variables map[string]string) (*Extension, error) {
	fn, err := f.find(prefix)
	if err != nil {
		return nil, err
	}
	own, err := f.newEnvironment(fn.role, fn.config.ARN, fn.vpc)
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

// ports gives out ports of 127.0.0.1. They are below the ranges from which systems take ports for outgoing connections,
// so that no connection gets one first. It never gives a port twice, because environments bind their ports only later.
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
