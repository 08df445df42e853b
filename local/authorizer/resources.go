package authorizer

import (
	"strings"
	"sync"
)

// resources knows by which ARNs policies name the keys and tables that calls are about.
type resources struct {
	account, region string

	mu          sync.RWMutex
	aliases     map[string]string // ARNs of keys by the alias's name
	storageKeys map[string]string // ARNs of the keys that encrypt tables, by the table's name
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

// table returns name and ARN of a table for either of them.
func (r *resources) table(ref string) (name, arn string) {
	prefix := r.arn("dynamodb", "table/")
	name = strings.TrimPrefix(ref, prefix)
	return name, prefix + name
}

// storageKey returns the ARN of the key that encrypts a table, or "" if it has none of the account's own.
func (r *resources) storageKey(table string) string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.storageKeys[table]
}

func (r *resources) arn(service, resource string) string {
	return "arn:aws:" + service + ":" + r.region + ":" + r.account + ":" + resource
}
