package authorizer

import (
	"github.com/lambda-tokenizer/lambda-tokenizer/local/awsproxy"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/policy"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/awsjson"
)

// permission is one permission that a call needs.
type permission struct {
	policy.Request
	why string // for the log, if the permission does not follow from the call itself
}

func newPermission(action, resource string) permission {
	return permission{Request: policy.Request{Action: action, Resource: resource, Context: map[string][]string{}}}
}

func unreadable(call awsproxy.Call) error {
	return awsjson.Errorf("SerializationException", "the body of %s is not JSON of this operation's shape", call.Operation)
}
