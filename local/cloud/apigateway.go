package cloud

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/gateway"
)

// apis creates REST APIs.
type apis struct {
	cognito   *url.URL   // where user pools have their keys
	functions *functions // that the APIs can invoke
	log       io.Writer
	invoked   func(Invocation) // may be nil
	state     *State
	byID      map[string]*api
	leftOut   func(string) // gets what is not served; nil makes it an error
}

// api collects the parts of a REST API, by their physical ids.
type api struct {
	cognito     *url.URL
	invoked     func(Invocation)
	config      gateway.Config
	paths       map[string]string          // of resources
	models      map[string]json.RawMessage // schemas by name
	validators  map[string]bool            // whether they validate bodies
	authorizers map[string]*gateway.CognitoAuthorizer
	methods     []*resource
	path        string // of the construct
	url         string // on this machine, without the stage; "" until it is served
}

func newID() string { return strings.ToLower(rand.Text()[:10]) }

func (s *apis) createAPI(_ context.Context, r *resource) (created, error) {
	path := constructPath(r.stack, r.id)
	id, root := s.state.front(path).id, newID()
	s.byID[id] = &api{
		path: path, cognito: s.cognito, invoked: s.invoked,
		config: gateway.Config{APIID: id, AccountID: r.account, Region: r.region, Log: s.log},
		paths:  map[string]string{root: ""}, models: map[string]json.RawMessage{},
		validators: map[string]bool{}, authorizers: map[string]*gateway.CognitoAuthorizer{},
	}
	return created{id, map[string]string{"RestApiId": id, "RootResourceId": root}}, nil
}

// part makes a creation function for resources that belong to an API.
func (s *apis) part(create func(*api, *resource) (created, error)) func(context.Context, *resource) (created, error) {
	return func(_ context.Context, r *resource) (created, error) {
		a := s.byID[r.Str("RestApiId")]
		if a == nil {
			return created{}, errors.New("RestApiId is not an API of this app")
		}
		return create(a, r)
	}
}

func (a *api) createResource(r *resource) (created, error) {
	parent, ok := a.paths[r.Str("ParentId")]
	if !ok {
		return created{}, errors.New("ParentId is not a resource of this API")
	}
	id := newID()
	a.paths[id] = parent + "/" + r.Str("PathPart")
	return created{id, map[string]string{"ResourceId": id}}, nil
}

func (a *api) createModel(r *resource) (created, error) {
	schema, err := json.Marshal(r.Properties["Schema"])
	name := r.physicalName("Name")
	a.models[name] = schema
	return created{ref: name}, err
}

func (a *api) createValidator(r *resource) (created, error) {
	id := newID()
	a.validators[id] = r.Boolean("ValidateRequestBody")
	return created{id, map[string]string{"RequestValidatorId": id}}, nil
}

// userPool takes region and id out of a user pool's ARN.
var userPool = regexp.MustCompile(`^arn:aws:cognito-idp:([a-z0-9-]+):[0-9]+:userpool/([A-Za-z0-9_-]+)$`)

func (a *api) createAuthorizer(r *resource) (created, error) {
	pools := r.Strings("ProviderARNs")
	if r.Str("Type") != "COGNITO_USER_POOLS" || len(pools) != 1 ||
		r.Str("IdentitySource") != "method.request.header.Authorization" {
		return created{},
			errors.New("only an authorizer for one Cognito user pool on the Authorization header is simulated")
	}
	pool := userPool.FindStringSubmatch(pools[0])
	if pool == nil {
		return created{}, errors.New("ProviderARNs does not name a user pool")
	}
	id := newID()
	a.authorizers[id] = &gateway.CognitoAuthorizer{
		Issuer:  "https://cognito-idp." + pool[1] + ".amazonaws.com/" + pool[2],
		JWKSURL: a.cognito.JoinPath(pool[2], ".well-known", "jwks.json").String(),
	}
	return created{id, map[string]string{"AuthorizerId": id}}, nil
}

func (a *api) createMethod(r *resource) (created, error) {
	if len(r.Object("RequestParameters")) > 0 {
		return created{}, errors.New("RequestParameters are not simulated")
	}
	a.methods = append(a.methods, r)
	return created{ref: r.physicalName("")}, nil
}

func (a *api) createStage(r *resource) (created, error) {
	if a.config.Stage != "" {
		return created{}, errors.New("the API has a stage already, and only one is simulated")
	}
	a.config.Stage = r.Str("StageName")
	return created{ref: a.config.Stage}, nil
}

// integrated takes the function's ARN out of an integration's URI.
var integrated = regexp.MustCompile(`:lambda:path/2015-03-31/functions/(arn:[^/]+)/invocations$`)

// route is a method with its function.
func (a *api) route(m *resource, functions map[string]*function) (gateway.Route, error) {
	integration := m.Object("Integration")
	uri := integrated.FindStringSubmatch(integration.Str("Uri"))
	if integration.Str("Type") != "AWS_PROXY" || uri == nil {
		return gateway.Route{}, errors.New("only Lambda proxy integrations are simulated")
	}
	fn := functions[uri[1]]
	if fn == nil {
		return gateway.Route{}, errors.New("the integration's function is not one of this app's")
	}
	route := gateway.Route{
		Method: m.Str("HttpMethod"), Path: a.paths[m.Str("ResourceId")],
		Models: map[string]json.RawMessage{}, ValidateBody: a.validators[m.Str("RequestValidatorId")],
		Timeout: time.Duration(integration.Integer("TimeoutInMillis")) * time.Millisecond,
	}
	route.Invoke = func(ctx context.Context, payload []byte) ([]byte, bool, error) {
		started := time.Now()
		result, err := fn.host.Invoke(ctx, payload)
		if a.invoked != nil {
			a.invoked(newInvocation(route.Method+" "+route.Path, fn, started, result.Payload))
		}
		return result.Payload, result.FunctionError != "", err
	}
	models := m.Object("RequestModels")
	for contentType := range models {
		route.Models[contentType] = a.models[models.Str(contentType)]
	}
	switch authorization := m.Str("AuthorizationType"); authorization {
	case "NONE":
	case "COGNITO_USER_POOLS":
		if route.Authorizer = a.authorizers[m.Str("AuthorizerId")]; route.Authorizer == nil {
			return gateway.Route{}, errors.New("AuthorizerId is not an authorizer of this API")
		}
	default:
		return gateway.Route{}, fmt.Errorf("AuthorizationType %q is not simulated", authorization)
	}
	if len(m.Strings("AuthorizationScopes")) > 0 {
		return gateway.Route{}, errors.New("AuthorizationScopes are not simulated")
	}
	return route, nil
}

// serve makes an address for each API that has none, and returns the URL of the stage that listens on addr, and what is
// to answer at the addresses. A second API gets a port of its own.
func (s *apis) serve(addr string) (stage string, handlers map[string]http.Handler, err error) {
	handlers = map[string]http.Handler{}
	for _, id := range slices.Sorted(maps.Keys(s.byID)) {
		a := s.byID[id]
		if a.config.Routes, err = s.routes(a); err != nil {
			return "", nil, err
		}
		if s.leftOut != nil && len(a.config.Routes) == 0 {
			continue // each route has said why
		}
		if handlers[a.path], err = gateway.New(a.config); err != nil {
			return "", nil, err
		}
		front := s.state.front(a.path)
		if front.url == nil {
			if front.url, err = s.state.servers.serve(addr, front); err != nil {
				return "", nil, err
			}
		}
		a.url, addr = front.url.String(), "127.0.0.1:0"
		if stage == "" {
			stage = a.url + "/" + a.config.Stage
		}
	}
	return stage, handlers, nil
}

// localize replaces the URLs that the APIs would have on AWS by those on this machine. Nobody should send a card to
// an address of AWS that this run has made up.
func (s *apis) localize(text string) string {
	for id, a := range s.byID {
		at := cmp.Or(a.url, unknown+a.path) // none of its routes is served
		text = strings.ReplaceAll(text, "https://"+id+".execute-api."+a.config.Region+".amazonaws.com", at)
	}
	return text
}
