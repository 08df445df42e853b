// Package cloud makes a synthesized system run on this machine: it creates the keys, tables and user pools that the
// templates describe, starts the functions with their layers from the built assets, and serves the API.
//
//	c, err := cloud.Deploy(ctx, cloud.Options{Assembly: a, Account: "123456789012", Region: "us-east-1"})
//	defer c.Close()
//	http.Post(c.Outputs["PaymentMethodApiURL"]+"/order", ...)
//
// Nothing about the app is repeated here. A kind of resource that is not known is an error that names it; kinds that
// matter on AWS only are listed in NotSimulated.
package cloud

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/aws/smithy-go"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/assembly"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/awsproxy"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/endpoint"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/lambdahost"
)

// Options say what to run and where.
type Options struct {
	Assembly        *assembly.Assembly
	Account, Region string
	// Addr is where the API listens; "" means any free port of 127.0.0.1.
	Addr string
	// External are services that are not to be served in process.
	External External
	// Log gets what functions, extensions and the API print, and the codes that would be mailed; nil: nobody does.
	Log io.Writer
	// Around, if set, carries out every call of a function to a service. It is for tests.
	Around awsproxy.Around
}

// Cloud is a running system.
type Cloud struct {
	// Outputs are the outputs of all stacks, by name. URLs of the API are the local ones.
	Outputs map[string]string
	// Endpoints are the URLs of api, kms, dynamodb and cognito_idp.
	Endpoints map[string]string
	// NotSimulated are the kinds of resource that are in the templates and have no effect here, and why.
	NotSimulated []string
	// Tables are the names of the tables.
	Tables []string
	// Clients see everything, as an administrator.
	Clients Clients
	// Code returns the confirmation code mailed to an address; nil if the user pool is served elsewhere.
	Code func(email string) (string, error)

	region    string
	services  *services
	front     servers // the API, and the functions' way to the services
	proxy     *awsproxy.Proxy
	proxyURL  *url.URL
	functions map[string]*function
	troubles  troubles
	temp      string
	cleanup   []func() error

	mu         sync.Mutex
	extensions []*lambdahost.Extensions // started without their function
}

// Trouble lists what went wrong between functions and services so far, each kind once: calls that were refused, with what the
// policies lack, and endpoints that did not answer.
func (c *Cloud) Trouble() []string { return c.troubles.list() }

// maxTroubles bounds how much trouble is kept.
const maxTroubles = 20

// troubles logs what went wrong and keeps the first of it.
type troubles struct {
	log io.Writer

	mu    sync.Mutex
	lines []string
}

func (t *troubles) add(line string) {
	fmt.Fprintln(t.log, line)
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) < maxTroubles && !slices.Contains(t.lines, line) {
		t.lines = append(t.lines, line)
	}
}

func (t *troubles) list() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.lines)
}

// Cleanup adds something to do at the end of Close.
func (c *Cloud) Cleanup(f func() error) { c.cleanup = append(c.cleanup, f) }

// Kill ends, with SIGKILL, a process of every environment of the functions that have the role: "bootstrap", or the file
// name of an extension. It returns how many it ended, when they are gone. It is for tests that crash a function at a moment
// of their choice.
func (c *Cloud) Kill(roleARN, process string) (killed int) {
	for _, f := range c.functions {
		if f.role == roleARN {
			killed += f.host.Kill(process)
		}
	}
	return killed
}

// Deploy creates everything and starts the API. ctx bounds the creation, not the life of the system.
func Deploy(ctx context.Context, o Options) (_ *Cloud, err error) {
	if o.Log == nil {
		o.Log = io.Discard
	}
	c := &Cloud{region: o.Region, Outputs: map[string]string{}, Endpoints: map[string]string{}, functions: map[string]*function{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if c.temp, err = os.MkdirTemp("", "lambda-tokenizer-"); err != nil {
		return nil, err
	}
	if c.services, err = startServices(o); err != nil {
		return nil, err
	}
	c.Clients = c.services.clients(o.Region)
	if c.services.endpoints[serviceCognito].Setting == "" {
		c.Code = c.services.mail.code
	}
	c.troubles.log = o.Log
	authorizer := newAuthorizer(o, &c.troubles)
	proxy := awsproxy.Config{
		Targets: map[string]*url.URL{}, Settings: map[string]string{}, Trouble: func(err error) { c.troubles.add(err.Error()) },
		Authorize: authorizer.Authorize, Around: o.Around,
	}
	for service, at := range c.services.endpoints {
		proxy.Targets[service], proxy.Settings[service] = at.URL, at.Setting
	}
	c.proxy = awsproxy.New(proxy)
	if c.proxyURL, err = c.front.serve("127.0.0.1:0", c.proxy); err != nil {
		return nil, err
	}
	d := newDeployment(o, c, authorizer)
	if err := d.create(ctx); err != nil {
		return nil, err
	}
	if err := d.serveAPIs(); err != nil {
		return nil, err
	}
	if err := d.outputs(); err != nil {
		return nil, err
	}
	for service, at := range c.services.endpoints {
		c.Endpoints[strings.ReplaceAll(service, "-", "_")] = at.URL.String()
	}
	c.NotSimulated = slices.Sorted(maps.Keys(d.skipped))
	return c, nil
}

// Close ends functions, servers and what they left on disk.
func (c *Cloud) Close() error {
	err := c.front.close() // no new invocations
	var wg sync.WaitGroup
	for _, f := range c.functions {
		if f.host != nil {
			wg.Go(func() { _ = f.host.Close() }) // which has no error to return
		}
	}
	c.mu.Lock()
	for _, x := range c.extensions {
		wg.Go(x.Stop)
	}
	c.mu.Unlock()
	wg.Wait()
	if c.services != nil {
		err = errors.Join(err, c.services.servers.close())
	}
	if c.temp != "" {
		err = errors.Join(err, os.RemoveAll(c.temp))
	}
	for _, f := range c.cleanup {
		err = errors.Join(err, f())
	}
	return err
}

// deployment is a Cloud that is being made.
type deployment struct {
	Options
	cloud      *Cloud
	resolver   *assembly.Resolver
	authorizer *authorizer
	ports      ports
	layers     map[string]string // asset directories by layer version ARN
	apis       map[string]*api   // by physical id
	skipped    map[string]bool
}

func newDeployment(o Options, c *Cloud, authorizer *authorizer) *deployment {
	return &deployment{
		Options: o, cloud: c, authorizer: authorizer,
		resolver: assembly.NewResolver(o.Assembly, o.Account, o.Region),
		ports:    ports{given: map[int]bool{}},
		layers:   map[string]string{},
		apis:     map[string]*api{}, skipped: map[string]bool{},
	}
}

// create makes all resources, each after those it refers to.
func (d *deployment) create(ctx context.Context) error {
	for _, stack := range d.Assembly.Stacks {
		order, err := stack.Order()
		if err != nil {
			return err
		}
		for _, id := range order {
			if err := d.createOne(ctx, stack, id); err != nil {
				return fmt.Errorf("%s/%s (%s): %w", stack.Name, id, stack.Template.Resources[id].Type, err)
			}
		}
	}
	return nil
}

func (d *deployment) createOne(ctx context.Context, stack *assembly.Stack, id string) error {
	resource := stack.Template.Resources[id]
	kind, ok := kinds[resource.Type]
	if !ok {
		return errors.New("the local run does not know this kind of resource: teach it in local/cloud/resources.go")
	}
	if kind.skipped != "" {
		d.skipped[resource.Type+": "+kind.skipped] = true
	}
	resolved, err := d.resolver.Resolve(stack, id, resource.Properties)
	if err != nil {
		return err
	}
	r := &request{d: d, stack: stack, id: id, properties: properties{stack.Name + "/" + id, resolved.(map[string]any)}}
	made, err := kind.create(ctx, r)
	if e, ok := errors.AsType[smithy.APIError](err); ok && (e.ErrorCode() == "AlreadyExistsException" || e.ErrorCode() == "ResourceInUseException") {
		return fmt.Errorf("it is there already: if an endpoint keeps it from an earlier run, start that afresh (%w)", err)
	}
	if err != nil {
		return endpoint.Explain(err)
	}
	d.resolver.SetResource(stack, id, made.ref, made.attributes)
	return nil
}

// outputs resolves the outputs and points the API's URL to this machine.
func (d *deployment) outputs() error {
	for _, stack := range d.Assembly.Stacks {
		for name, output := range stack.Template.Outputs {
			v, err := d.resolver.String(stack, "Outputs/"+name, output.Value)
			if err != nil {
				return err
			}
			for _, a := range d.apis {
				v = strings.Replace(v, a.publicURL(d.Region), a.localURL, 1)
			}
			d.cloud.Outputs[name] = v
		}
	}
	return nil
}
