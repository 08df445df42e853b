// Package kmsserver is a small AWS KMS for local runs: symmetric keys, HMAC keys and aliases in memory, behind the JSON
// API that the ordinary SDK clients speak.
//
//	server := httptest.NewServer(kmsserver.New(kmsserver.Config{AccountID: "123456789012", Region: "us-east-1"}))
//	client := kms.NewFromConfig(cfg, func(o *kms.Options) { o.BaseEndpoint = &server.URL })
//
// It does what callers of KMS rely on. A ciphertext opens only under its own key and with exactly the encryption
// context it was made with, answers have the key's full ARN, and errors have AWS's names. It checks neither permissions
// nor signatures; local/awsproxy in front of it does. Key material never leaves the process, and is gone when the
// process ends.
//
// Source: https://docs.aws.amazon.com/kms/latest/APIReference/API_Operations.html
package kmsserver

import (
	"cmp"
	"context"
	"crypto/cipher"
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/services/awsjson"
)

// Config says where the keys live.
type Config struct {
	AccountID string // 12 digits, in every ARN
	Region    string // such as us-east-1, in every ARN
}

// Server is a KMS. It is safe for concurrent use.
type Server struct {
	config  Config
	service awsjson.Service

	mu      sync.RWMutex // guards what follows, and the mutable fields of every key
	keys    map[string]*key
	aliases map[string]*key // by name, "alias/" included
}

type key struct {
	id, arn, description, policy string
	created                      time.Time
	tags                         []tag
	aead                         cipher.AEAD // of a symmetric key
	mac                          []byte      // of an HMAC key
	disabled, rotated            bool
}

// object is a JSON answer. The API reference has the names of its members.
type object = map[string]any

// New returns a KMS without keys.
func New(config Config) *Server {
	s := &Server{config: config, keys: map[string]*key{}, aliases: map[string]*key{}}
	s.service = awsjson.Service{Name: "KMS", Target: "TrentService", Ops: map[string]awsjson.Handler{
		"CreateKey":       awsjson.Op(s.createKey),
		"CreateAlias":     awsjson.Op(s.createAlias),
		"UpdateAlias":     awsjson.Op(s.updateAlias),
		"DescribeKey":     s.withKey(s.find, s.describe),
		"DisableKey":      s.withKey(s.findKey, func(k *key) object { k.disabled = true; return nil }),
		"EnableKey":       s.withKey(s.findKey, func(k *key) object { k.disabled = false; return nil }),
		"Encrypt":         awsjson.Op(s.encrypt),
		"GenerateDataKey": awsjson.Op(s.generateDataKey),
		"Decrypt":         awsjson.Op(s.decrypt),
		"GenerateMac":     awsjson.Op(s.generateMac),

		"EnableKeyRotation": s.withKey(s.findKey, func(k *key) object { k.rotated = true; return nil }),
		"GetKeyRotationStatus": s.withKey(s.findKey, func(k *key) object {
			return object{"KeyId": k.id, "KeyRotationEnabled": k.rotated}
		}),
		"ListKeys":    awsjson.Op(s.listKeys),
		"ListAliases": awsjson.Op(s.listAliases),
		"ListKeyPolicies": s.withKey(s.findKey, func(*key) object {
			return object{"PolicyNames": []string{"default"}, "Truncated": false}
		}),
		"ListResourceTags": s.withKey(s.findKey, func(k *key) object {
			return object{"Tags": k.tags, "Truncated": false}
		}),
		"GetKeyPolicy": s.withKey(s.findKey, func(k *key) object {
			return object{"Policy": k.policy, "PolicyName": "default"}
		}),
	}}
	return s
}

// ServeHTTP answers one API call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.service.ServeHTTP(w, r) }

// withKey answers an operation that is about one key.
func (s *Server) withKey(find func(ref string) (*key, error), answer func(*key) object) awsjson.Handler {
	return awsjson.Op(func(_ context.Context, in struct{ KeyId string }) (object, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		k, err := find(in.KeyId)
		if err != nil {
			return nil, err
		}
		return answer(k), nil
	})
}

type createKeyInput struct {
	Description, KeyUsage, KeySpec, Policy string
	MultiRegion                            bool
	Tags                                   []tag
}

type tag struct{ TagKey, TagValue string }

func (s *Server) createKey(_ context.Context, in createKeyInput) (object, error) {
	spec := cmp.Or(in.KeySpec, algorithm)
	usage, known := usages[spec]
	switch {
	case !known:
		return nil, awsjson.Errorf("UnsupportedOperationException",
			"the local KMS lacks KeySpec %q: it has %s and %s only", spec, algorithm, hmacSpec)
	case cmp.Or(in.KeyUsage, usages[algorithm]) != usage: // an HMAC key's usage must be given
		return nil, awsjson.Errorf("ValidationException", "KeyUsage %q cannot be used with KeySpec %s: use %s",
			in.KeyUsage, spec, usage)
	case in.MultiRegion:
		return nil, awsjson.Errorf("UnsupportedOperationException", "the local KMS lacks multi-Region keys")
	case in.Policy != "" && !json.Valid([]byte(in.Policy)):
		return nil, awsjson.Errorf("MalformedPolicyDocumentException", "Policy is not JSON")
	}
	k, err := newKey(spec)
	if err != nil {
		return nil, err
	}
	id := uuid.NewString()
	k.id, k.arn, k.description, k.policy, k.created = id, s.arn("key/"+id), in.Description, in.Policy, time.Now()
	k.tags = append([]tag{}, in.Tags...) // never null
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[id] = k
	return s.describe(k), nil
}

func (s *Server) describe(k *key) object {
	state := "Enabled"
	if k.disabled {
		state = "Disabled"
	}
	spec, algorithms := algorithm, "EncryptionAlgorithms"
	if k.mac != nil {
		spec, algorithms = hmacSpec, "MacAlgorithms"
	}
	return object{"KeyMetadata": object{
		"AWSAccountId": s.config.AccountID, "KeyId": k.id, "Arn": k.arn, "Description": k.description,
		"KeySpec": spec, algorithms: []string{names[spec]}, "KeyUsage": usages[spec],
		"KeyState": state, "Enabled": !k.disabled, "KeyManager": "CUSTOMER", "Origin": "AWS_KMS", "MultiRegion": false,
		"CreationDate": float64(k.created.UnixMilli()) / 1000, // seconds since 1970
	}}
}

var aliasName = regexp.MustCompile(`^alias/[a-zA-Z0-9/_-]{1,250}$`)

func (s *Server) createAlias(_ context.Context, in struct{ AliasName, TargetKeyId string }) (object, error) {
	if !aliasName.MatchString(in.AliasName) || strings.HasPrefix(in.AliasName, "alias/aws/") {
		return nil, awsjson.Errorf("ValidationException",
			"AliasName %q: want alias/ and then letters, digits, /, _ or -; alias/aws/ is reserved", in.AliasName)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.findKey(in.TargetKeyId)
	if err != nil {
		return nil, err
	}
	if s.aliases[in.AliasName] != nil {
		return nil, awsjson.Errorf("AlreadyExistsException", "An alias with the name %s already exists",
			s.arn(in.AliasName))
	}
	s.aliases[in.AliasName] = k
	return nil, nil
}

// updateAlias lets an alias stand for another key.
func (s *Server) updateAlias(_ context.Context, in struct{ AliasName, TargetKeyId string }) (object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.findKey(in.TargetKeyId)
	if err != nil {
		return nil, err
	}
	if s.aliases[in.AliasName] == nil {
		return nil, awsjson.Errorf("NotFoundException", "Alias %s is not found.", s.arn(in.AliasName))
	}
	s.aliases[in.AliasName] = k
	return nil, nil
}

// listInput asks for a page of a list. The marker is the last name of the page before.
type listInput struct {
	KeyId, Marker string
	Limit         int
}

func (in listInput) page(names []string, most int, list string, entry func(name string) object) (object, error) {
	limit := cmp.Or(in.Limit, most)
	if limit < 1 || limit > 1000 {
		return nil, awsjson.Errorf("ValidationException", "Limit is %d: want 1 to 1000", limit)
	}
	page, more := awsjson.Page(names, in.Marker, limit)
	entries := make([]object, len(page))
	for i, name := range page {
		entries[i] = entry(name)
	}
	out := object{list: entries, "Truncated": more}
	if more {
		out["NextMarker"] = page[limit-1]
	}
	return out, nil
}

func (s *Server) listKeys(_ context.Context, in listInput) (object, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return in.page(slices.Collect(maps.Keys(s.keys)), 100, "Keys", func(id string) object {
		return object{"KeyId": id, "KeyArn": s.keys[id].arn}
	})
}

func (s *Server) listAliases(_ context.Context, in listInput) (object, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var of *key // nil for any
	if in.KeyId != "" {
		var err error
		if of, err = s.findKey(in.KeyId); err != nil {
			return nil, err
		}
	}
	var names []string
	for name, k := range s.aliases {
		if of == nil || k == of {
			names = append(names, name)
		}
	}
	return in.page(names, 50, "Aliases", func(name string) object {
		return object{"AliasName": name, "AliasArn": s.arn(name), "TargetKeyId": s.aliases[name].id}
	})
}

func (s *Server) arn(resource string) string {
	return "arn:aws:kms:" + s.config.Region + ":" + s.config.AccountID + ":" + resource
}

// find returns the key for any of the four references to it: key id, key ARN, alias name, alias ARN. The caller holds
// s.mu.
func (s *Server) find(ref string) (*key, error) {
	name := strings.TrimPrefix(ref, s.arn(""))
	if !strings.HasPrefix(name, "alias/") {
		return s.findKey(ref)
	}
	if k := s.aliases[name]; k != nil {
		return k, nil
	}
	return nil, awsjson.Errorf("NotFoundException", "Alias %s is not found.", s.arn(name))
}

// findKey returns the key for its id or ARN. Operations that manage keys accept no aliases. The caller holds s.mu.
func (s *Server) findKey(ref string) (*key, error) {
	id := strings.TrimPrefix(ref, s.arn("key/"))
	switch k := s.keys[id]; {
	case k != nil:
		return k, nil
	case ref == "":
		return nil, awsjson.Errorf("ValidationException", "KeyId is missing")
	case strings.HasPrefix(id, "arn:"):
		return nil, awsjson.Errorf("NotFoundException", "Invalid arn %s", ref)
	case uuid.Validate(id) != nil:
		return nil, awsjson.Errorf("NotFoundException", "Invalid keyId '%s'", id)
	default:
		return nil, awsjson.Errorf("NotFoundException", "Key '%s' does not exist", s.arn("key/"+id))
	}
}

// usable returns a key for a cryptographic operation, which needs a key of one spec.
func (s *Server) usable(ref, spec string) (*key, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	k, err := s.find(ref)
	if err != nil {
		return nil, err
	}
	if k.disabled {
		return nil, awsjson.Errorf("DisabledException", "%s is disabled.", k.arn)
	}
	if (k.mac != nil) != (spec == hmacSpec) {
		return nil, awsjson.Errorf("InvalidKeyUsageException", "%s is not a key of the spec %s.", k.arn, spec)
	}
	return k, nil
}
