package authorizer

import (
	"strings"
	"sync"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/awsproxy"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/policy"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/awsjson"
)

// resources knows by which ARNs policies name the keys and tables that calls are about.
type resources struct {
	account, region string

	mu        sync.RWMutex
	aliases   map[string]string // ARNs of keys by the alias's name
	tables    map[string]Table  // by name
	endpoints map[string]bool   // "<VPC> <service>"
}

// Table is what policies look at in a table.
type Table struct {
	PartitionKey  string // name of the attribute
	StorageKeyARN string // of the customer managed key that encrypts the table; "" if it has none of the account's own
}

// keyARN returns the ARN of a key for any of the four references to it: key id, key ARN, alias name, alias ARN.
func (r *resources) keyARN(ref string) string {
	prefix := r.arn("kms", "")
	name := strings.TrimPrefix(ref, prefix)
	r.mu.RLock()
	defer r.mu.RUnlock()
	if arn, ok := r.aliases[name]; ok {
		return arn
	}
	switch {
	case ref == "":
		return "*" // the operation is not about a key
	case strings.HasPrefix(name, "arn:"), strings.HasPrefix(name, "key/"), strings.HasPrefix(name, "alias/"):
		return ref
	}
	return prefix + "key/" + ref
}

// table returns name and ARN of a table for either of them, and what the table is like.
func (r *resources) table(ref string) (name, arn string, t Table) {
	prefix := r.arn("dynamodb", "table/")
	name = strings.TrimPrefix(ref, prefix)
	r.mu.RLock()
	defer r.mu.RUnlock()
	return name, prefix + name, r.tables[name]
}

func (r *resources) hasEndpoint(vpc, service string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.endpoints[vpc+" "+service]
}

func (r *resources) arn(service, resource string) string {
	return "arn:aws:" + service + ":" + r.region + ":" + r.account + ":" + resource
}

// permission is one permission that a call needs.
type permission struct {
	policy.Request
	why string // for the log, if the permission does not follow from the call itself
}

func newPermission(action, resource string) permission {
	return permission{Request: policy.Request{Action: action, Resource: resource, Context: map[string][]string{}}}
}

func unreadable(call awsproxy.Call) error {
	return awsjson.Errorf("SerializationException", "the body of %s is not JSON of this operation's shape",
		call.Operation)
}
