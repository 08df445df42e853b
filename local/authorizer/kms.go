package authorizer

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/awsproxy"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/awsjson"
)

// kmsPermissions returns the permission that a call to KMS needs, which is for the operation on its key. See
// https://docs.aws.amazon.com/kms/latest/developerguide/kms-api-permissions-reference.html
func (r *resources) kmsPermissions(call awsproxy.Call) ([]permission, error) {
	var in struct {
		KeyId               string
		EncryptionContext   map[string]string
		PendingWindowInDays *int
	}
	if json.Unmarshal(call.Body, &in) != nil {
		return nil, unreadable(call)
	}
	switch call.Operation {
	case "ReEncrypt", "CreateAlias", "UpdateAlias", "DeleteAlias": // which are about two resources each
		return nil, awsjson.Errorf("AccessDeniedException", "the local run cannot tell which keys %s is about",
			call.Operation)
	case "ListKeys", "ListAliases": // which are about the account, even if they name a key
		in.KeyId = ""
	case "Decrypt":
		if in.KeyId == "" {
			return nil, awsjson.Errorf("AccessDeniedException",
				"the local run cannot tell which keys %s is about: name the key in KeyId", call.Operation)
		}
	}
	if !differInMoreThanCase(slices.Collect(maps.Keys(in.EncryptionContext))) {
		return nil, awsjson.Errorf("AccessDeniedException",
			"the encryption context has two names that differ only in case, which conditions cannot tell apart")
	}
	p := r.keyPermission("kms:"+call.Operation, in.KeyId, in.EncryptionContext)
	if in.PendingWindowInDays != nil {
		p.Context["kms:schedulekeydeletionpendingwindowindays"] = []string{strconv.Itoa(*in.PendingWindowInDays)}
	}
	return []permission{p}, nil
}

// differInMoreThanCase reports whether names stay different where case does not count, as in the names of condition
// keys.
func differInMoreThanCase(names []string) bool {
	lower := map[string]bool{}
	for _, name := range names {
		lower[strings.ToLower(name)] = true
	}
	return len(lower) == len(names)
}

func (r *resources) keyPermission(action, key string, encryptionContext map[string]string) permission {
	p := newPermission(action, r.keyARN(key))
	p.Context["kms:calleraccount"] = []string{r.account}
	for name, value := range encryptionContext {
		p.Context["kms:encryptioncontext:"+strings.ToLower(name)] = []string{value}
	}
	return p
}
