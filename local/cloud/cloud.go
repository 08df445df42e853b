// Package cloud runs a synthesized system on this machine. It creates the keys, tables and user pools that the
// templates describe, starts the functions with their layers from the built assets, and serves the API.
//
//	c, err := cloud.Deploy(ctx, cloud.Options{Assembly: a, Account: "123456789012", Region: "us-east-1"})
//	defer c.Close()
//	http.Post(c.Outputs["PaymentMethodApiURL"]+"/order", ...)
//
// The package repeats nothing about the app. If it does not know a type of resource, it returns an error that names the
// type. NotSimulated lists what has an effect only on AWS.
package cloud

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/assembly"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/authorizer"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/awsproxy"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/endpoint"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/policy"
)

// Options say what to run and where.
type Options struct {
	Assembly        *assembly.Assembly
	Account, Region string
	// Addr is where the API listens; "" means any free port of 127.0.0.1.
	Addr string
	// AnyApp leaves out resources that are not known, and says so in NotSimulated. A function that needs such a
	// resource, or that cannot run for another reason, says so when it is invoked.
	AnyApp bool
	// State is what this version of the app takes over from the version before, and leaves to the next one. Nil means
	// that there are no others.
	State *State
	// Extension is the layer's extension, compiled for this machine. It replaces one that is for another. "" replaces
	// none.
	Extension string
	// External are the services that are served elsewhere. The others are served in process.
	External endpoint.Set
	// Log gets what functions, extensions and the API print, and the codes that would be mailed; nil discards it. It
	// must be safe for concurrent use.
	Log io.Writer
	// Mailed, if set, gets each code that would be mailed to an address.
	Mailed func(to, code string) error
	// Around, if set, carries out every call of a function to a service. It is for tests.
	Around awsproxy.Around
	// Watcher, if set, is told what happens in the system.
	Watcher Watcher
}

// Cloud is a running system.
type Cloud struct {
	// Outputs are the outputs of all stacks, by name. URLs of the API are the local ones.
	Outputs map[string]string
	// Endpoints are the URLs of api, kms, dynamodb and cognito_idp.
	Endpoints map[string]string
	// NotSimulated lists what the templates ask for and the local run does not do.
	NotSimulated []string
	// Replaced says of what the version before had in the services, and whose definition has changed, that it was made
	// anew and is empty, or that it is gone because that was not possible.
	Replaced []string
	// Tables are the names of the tables.
	Tables []string
	// Keys are the ids that the templates give the keys, by the key's ARN.
	Keys map[string]string
	// Clients see everything, as an administrator would.
	Clients Clients
	// Code returns the confirmation code that was mailed to an address; nil if the user pool is served elsewhere.
	Code func(email string) (string, error)

	temp      string // directory
	troubles  troubles
	calls     calls
	services  *services
	own       *State  // nil if it is shared with other versions
	front     servers // the functions' way to the services
	functions *functions
	resources *resources
}

// Deploy creates everything and starts the API. ctx bounds the creation, not the life of the system.
func Deploy(ctx context.Context, o Options) (_ *Cloud, err error) {
	if o.Log == nil {
		o.Log = io.Discard
	}
	c := &Cloud{troubles: troubles{log: o.Log}}
	defer func() {
		if err == nil {
			return
		}
		if o.State != nil && len(o.State.replaced) > 0 { // which the version before sees, too
			err = fmt.Errorf("%w\nBefore this failed: %s", err, strings.Join(o.State.replaced, "; "))
		}
		err = errors.Join(err, c.Close())
	}()
	if c.temp, err = os.MkdirTemp("", "lambda-tokenizer-"); err != nil {
		return nil, err
	}
	if o.State == nil {
		if c.own, err = NewState(o); err != nil {
			return nil, err
		}
		o.State = c.own
	}
	if o.State.account != o.Account || o.State.region != o.Region {
		return nil, fmt.Errorf("the app is for account %s and region %s now: its tables and keys are in account %s and "+
			"region %s, so start it again", o.Account, o.Region, o.State.account, o.State.region)
	}
	c.services, o.State.replaced = o.State.services, nil
	c.Clients = c.services.clients(o.Region)
	if c.services.endpoints[endpoint.Cognito].Setting == "" {
		c.Code = c.services.mail.code
	}
	d, err := c.prepare(o)
	if err != nil {
		return nil, err
	}
	d.functions.extension = o.Extension
	if d.functions.differs = d.differs; o.AnyApp {
		d.tolerate()
	}
	if err := d.create(ctx); err != nil {
		return nil, err
	}
	apiURL, handlers, err := d.apis.serve(cmp.Or(o.Addr, "127.0.0.1:0"))
	if err != nil {
		return nil, err
	}
	if c.Outputs, err = d.outputs(); err != nil {
		return nil, err
	}
	c.Endpoints = map[string]string{"api": apiURL}
	for service, at := range c.services.endpoints {
		c.Endpoints[strings.ReplaceAll(service, "-", "_")] = at.URL.String()
	}
	c.Tables, c.Keys, c.NotSimulated = d.resources.tables, d.resources.keys, slices.Sorted(maps.Keys(d.skipped))
	c.Replaced = o.State.replaced
	o.State.show(c, handlers)
	return c, nil
}

// prepare starts the functions' way to the services, which the policies restrict, and returns a deployment that has
// created nothing.
func (c *Cloud) prepare(o Options) (*deployment, error) {
	policies := policy.NewAccount(o.Account)
	auth := authorizer.New(authorizer.Config{
		Account: o.Account, Region: o.Region, Policies: policies, Decided: o.Watcher.Decided,
		Denied: func(function string, err error) { c.troubles.add(c.functions.denied(function, err)) },
	})
	proxy := awsproxy.New(awsproxy.Config{
		Targets: c.services.endpoints, Trouble: c.troubles.add, Authorize: auth.Authorize, Around: o.Around,
		Answered: o.Watcher.Answered,
	})
	proxyURL, err := c.front.serve("127.0.0.1:0", proxy)
	if err != nil {
		return nil, err
	}
	networks := &networks{authorizer: auth, vpcs: map[string]string{}}
	c.functions = newFunctions(o.Region, proxy, proxyURL, networks, c.temp, o.Log)
	c.resources = &resources{
		state:      o.State,
		clients:    c.Clients,
		policies:   policies,
		authorizer: auth,
		roles:      map[string]string{},
		managed:    map[string]any{},
		keys:       map[string]string{},
		principals: map[string]bool{},
	}
	return &deployment{
		assembly:  o.Assembly,
		resolver:  assembly.NewResolver(o.Assembly, o.Account, o.Region),
		account:   o.Account,
		region:    o.Region,
		resources: c.resources,
		functions: c.functions, networks: networks,
		apis: &apis{
			cognito: c.services.endpoints[endpoint.Cognito].URL, functions: c.functions, log: o.Log,
			invoked: o.Watcher.Invoked, byID: map[string]*api{}, state: o.State,
		},
		names: map[string]string{}, skipped: map[string]bool{},
	}, nil
}

// Trouble lists what went wrong between functions and services so far, each kind once: calls that were denied, with
// what the policies lack, and endpoints that did not answer.
func (c *Cloud) Trouble() []string { return c.troubles.list() }

// StartExtension starts the layer's extension as one of the functions would have it, without the function. The function
// is named by the start of its name. The variables override those of the function: with TOKENIZER_PORT among them you
// choose the port. ctx bounds the start; the extension runs until its Stop, or until the Cloud is closed.
func (c *Cloud) StartExtension(ctx context.Context, function string, variables map[string]string) (*Extension, error) {
	return c.functions.startExtension(ctx, function, variables)
}

// ActAs returns an SDK configuration that calls the services as a function would: with credentials like those of a new
// environment, through the proxy that enforces its role's policies. The function is named by the start of its name.
func (c *Cloud) ActAs(function string) (aws.Config, error) {
	return c.functions.actAs(function, false)
}

// ActAsFromOutside is ActAs with such credentials in the hands of somebody outside of the function's VPC.
func (c *Cloud) ActAsFromOutside(function string) (aws.Config, error) {
	return c.functions.actAs(function, true)
}

// RoleOf is the ARN of a function's role. The function is named by the start of its name.
func (c *Cloud) RoleOf(function string) (string, error) {
	fn, err := c.functions.find(function)
	if err != nil {
		return "", err
	}
	return fn.role, nil
}

// ActAsPrincipal returns an SDK configuration that calls the services as a principal that the templates do not have.
// Its own policies allow it everything, so what it may do is what the policies of keys and tables leave it. If boundary
// is not "", the principal carries the managed policy of the templates whose name ends so.
func (c *Cloud) ActAsPrincipal(arn, boundary string) (aws.Config, error) {
	if err := c.resources.addPrincipal(arn, boundary); err != nil {
		return aws.Config{}, err
	}
	return c.functions.actAsPrincipal(arn), nil
}

// Kill ends, with SIGKILL, a process of every environment of the functions that have the role: "bootstrap", or the file
// name of an extension. It returns how many it ended, when they are gone. It is for tests that crash a function at a
// moment of their choice.
func (c *Cloud) Kill(roleARN, process string) int { return c.functions.kill(roleARN, process) }

// Close ends functions and servers, and removes what they left on disk.
func (c *Cloud) Close() error {
	if c.own != nil {
		c.own.servers.close() // no new invocations
	}
	c.front.close()
	if c.functions != nil {
		c.functions.close()
	}
	if c.own != nil {
		c.own.Close()
	}
	return os.RemoveAll(c.temp)
}
