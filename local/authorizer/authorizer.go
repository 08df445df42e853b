// Package authorizer decides whether a function may make a call to an AWS service, by the policies of the templates.
//
//	a := authorizer.New(authorizer.Config{Account: "123456789012", Region: "us-east-1", Policies: policies, Denied: logDenial})
//	a.AddAlias("alias/orders", keyARN)
//	a.AddTable("Orders", authorizer.Table{PartitionKey: "Number", StorageKeyARN: storageKeyARN})
//	proxy := awsproxy.New(awsproxy.Config{Targets: targets, Authorize: a.Authorize})
//
// It finds out which permissions a call needs (actions, resources and condition keys), and asks [policy.Account] for
// each. So it works with every implementation of the services. A call whose permissions it cannot tell is denied.
//
// Source:
// https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
package authorizer

import (
	"context"
	"fmt"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/awsproxy"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/endpoint"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/policy"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/awsjson"
)

// Config says where the calls happen and which policies decide. Members must be set unless they say otherwise.
type Config struct {
	Account, Region string
	Policies        *policy.Account
	// Denied gets an error for every denied call of a function, by its ARN, for the log. The error names role, action,
	// resource and the statement that is missing or denies the call, and no values of the call, such as an encryption
	// context.
	Denied func(function string, err error)
	// Decided, if set, gets every decision about a permission that a call needs.
	Decided func(awsproxy.Call, Decision)
}

// Decision is what the policies say about one permission that a call needs. It holds no values of the call, either.
type Decision struct {
	Action, Resource string
	Allowed          []string // names of the statements that allow it
	Missing          string   // what denies it, or the statement that it lacks; "" if it is allowed
}

// Authorizer decides about calls. It is safe for concurrent use.
type Authorizer struct {
	config    Config
	resources resources
}

// New returns an authorizer that knows no aliases and no tables.
func New(config Config) *Authorizer {
	return &Authorizer{config, resources{
		account:   config.Account,
		region:    config.Region,
		aliases:   map[string]string{},
		tables:    map[string]Table{},
		endpoints: map[string]bool{},
	}}
}

// AddAlias says which key an alias, such as alias/orders, stands for.
func (a *Authorizer) AddAlias(name, key string) {
	arn := a.resources.keyARN(key)
	a.resources.mu.Lock()
	defer a.resources.mu.Unlock()
	a.resources.aliases[name] = arn
}

// AddTable says what a table is like.
func (a *Authorizer) AddTable(name string, t Table) {
	a.resources.mu.Lock()
	defer a.resources.mu.Unlock()
	a.resources.tables[name] = t
}

// AddEndpoint says that calls of a service, such as kms, leave a VPC through an endpoint. Such calls carry
// aws:SourceVpc.
func (a *Authorizer) AddEndpoint(vpc, service string) {
	a.resources.mu.Lock()
	defer a.resources.mu.Unlock()
	a.resources.endpoints[vpc+" "+service] = true
}

// Authorize is for [awsproxy.Config]. It returns the error with which the service would refuse the call, or nil.
func (a *Authorizer) Authorize(_ context.Context, call awsproxy.Call) error {
	permissions, err := a.permissions(call)
	if err != nil {
		a.decided(call, Decision{
			Action: call.Service + ":" + call.Operation, Resource: "*",
			Missing: "the local run cannot tell which permissions the call needs",
		})
		return err
	}
	for _, p := range permissions {
		p.Role = call.Principal
		p.Context["aws:principalarn"] = []string{call.Principal}
		p.Context["aws:principalaccount"] = []string{a.config.Account}
		p.Context["aws:principalisawsservice"] = []string{"false"}
		p.Context["lambda:sourcefunctionarn"] = []string{call.Function}
		// a service that acts in the caller's name is elsewhere
		if p.why == "" && a.resources.hasEndpoint(call.VPC, call.Service) {
			p.Context["aws:sourcevpc"] = []string{call.VPC}
		}
		allowed, denial := a.config.Policies.Decide(p.Request)
		decision := Decision{Action: p.Action, Resource: p.Resource, Allowed: allowed}
		if denial != nil {
			decision.Missing = denial.Missing
		}
		a.decided(call, decision)
		if denial != nil {
			a.config.Denied(call.Function, fmt.Errorf("access denied: role %s: %s on %s%s: %s", denial.Role,
				denial.Action, denial.Resource, p.why, denial.Missing))
			return awsjson.Errorf("AccessDeniedException", "%s", denial)
		}
	}
	return nil
}

func (a *Authorizer) decided(call awsproxy.Call, d Decision) {
	if a.config.Decided != nil {
		a.config.Decided(call, d)
	}
}

// permissions lists the permissions that a call needs.
func (a *Authorizer) permissions(call awsproxy.Call) ([]permission, error) {
	switch call.Service {
	case endpoint.KMS:
		return a.resources.kmsPermissions(call)
	case endpoint.DynamoDB:
		return a.resources.dynamoDBPermissions(call)
	}
	return []permission{newPermission(call.Service+":"+call.Operation, "*")}, nil
}
