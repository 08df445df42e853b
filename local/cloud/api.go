package cloud

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/gateway"
)

// api is a REST API while its parts are collected. Parts are named by their physical ids.
type api struct {
	id, stage   string
	paths       map[string]string          // of resources
	models      map[string]json.RawMessage // schemas by name
	validators  map[string]bool            // whether they validate bodies
	authorizers map[string]*gateway.CognitoAuthorizer
	methods     []properties
	localURL    string
}

// publicURL is what the API's URL would be on AWS, without the stage.
func (a *api) publicURL(region string) string {
	return "https://" + a.id + ".execute-api." + region + ".amazonaws.com"
}

func newID() string { return strings.ToLower(rand.Text()[:10]) }

func createRestAPI(_ context.Context, r *request) (made, error) {
	a := &api{
		id: newID(), paths: map[string]string{}, models: map[string]json.RawMessage{}, validators: map[string]bool{},
		authorizers: map[string]*gateway.CognitoAuthorizer{},
	}
	root := newID()
	a.paths[root] = ""
	r.d.apis[a.id] = a
	return made{a.id, map[string]string{"RestApiId": a.id, "RootResourceId": root}}, nil
}

// api is the REST API that a part belongs to.
func (r *request) api() (*api, error) {
	if a := r.d.apis[r.str("RestApiId")]; a != nil {
		return a, nil
	}
	return nil, fmt.Errorf("RestApiId is not an API of this app")
}

func createAPIResource(_ context.Context, r *request) (made, error) {
	a, err := r.api()
	if err != nil {
		return made{}, err
	}
	parent, ok := a.paths[r.str("ParentId")]
	if !ok {
		return made{}, fmt.Errorf("ParentId is not a resource of this API")
	}
	id := newID()
	a.paths[id] = parent + "/" + r.str("PathPart")
	return made{id, map[string]string{"ResourceId": id}}, nil
}

func createModel(_ context.Context, r *request) (made, error) {
	a, err := r.api()
	if err != nil {
		return made{}, err
	}
	schema, err := json.Marshal(r.value["Schema"])
	name := r.physicalName("Name")
	a.models[name] = schema
	return made{ref: name}, err
}

func createValidator(_ context.Context, r *request) (made, error) {
	a, err := r.api()
	if err != nil {
		return made{}, err
	}
	id := newID()
	a.validators[id] = r.boolean("ValidateRequestBody")
	return made{id, map[string]string{"RequestValidatorId": id}}, nil
}

// userPool takes region and id out of a user pool's ARN.
var userPool = regexp.MustCompile(`^arn:aws:cognito-idp:([a-z0-9-]+):[0-9]+:userpool/([A-Za-z0-9_-]+)$`)

func createAuthorizer(_ context.Context, r *request) (made, error) {
	a, err := r.api()
	if err != nil {
		return made{}, err
	}
	pools := r.strings("ProviderARNs")
	if r.str("Type") != "COGNITO_USER_POOLS" || len(pools) != 1 || r.str("IdentitySource") != "method.request.header.Authorization" {
		return made{}, fmt.Errorf("only an authorizer for one Cognito user pool on the Authorization header is simulated")
	}
	pool := userPool.FindStringSubmatch(pools[0])
	if pool == nil {
		return made{}, fmt.Errorf("ProviderARNs does not name a user pool")
	}
	id := newID()
	a.authorizers[id] = &gateway.CognitoAuthorizer{
		Issuer:  "https://cognito-idp." + pool[1] + ".amazonaws.com/" + pool[2],
		JWKSURL: r.d.cloud.services.endpoints[serviceCognito].URL.JoinPath(pool[2], ".well-known", "jwks.json").String(),
	}
	return made{id, map[string]string{"AuthorizerId": id}}, nil
}

func createMethod(_ context.Context, r *request) (made, error) {
	a, err := r.api()
	if err != nil {
		return made{}, err
	}
	if len(r.object("RequestParameters").value) > 0 {
		return made{}, fmt.Errorf("RequestParameters are not simulated")
	}
	a.methods = append(a.methods, r.properties)
	return made{ref: r.physicalName("")}, nil
}

func createStage(_ context.Context, r *request) (made, error) {
	a, err := r.api()
	if err != nil {
		return made{}, err
	}
	if a.stage != "" {
		return made{}, fmt.Errorf("the API has a stage already, and only one is simulated")
	}
	a.stage = r.str("StageName")
	return made{ref: a.stage}, nil
}

// serveAPIs starts a gateway for each API.
func (d *deployment) serveAPIs() error {
	addr := d.Addr
	for _, a := range d.apis {
		config := gateway.Config{APIID: a.id, Stage: a.stage, AccountID: d.Account, Region: d.Region, Log: d.Log}
		for _, m := range a.methods {
			route, err := d.route(a, m)
			if err != nil {
				return fmt.Errorf("%s: %w", m.where, err)
			}
			config.Routes = append(config.Routes, route)
		}
		g, err := gateway.New(config)
		if err != nil {
			return err
		}
		u, err := d.cloud.front.serve(addr, g)
		if err != nil {
			return err
		}
		a.localURL = u.String()
		d.cloud.Endpoints["api"] = a.localURL + "/" + a.stage
		addr = "" // a second API gets a port of its own
	}
	return nil
}

// integrated takes the function's ARN out of an integration's URI.
var integrated = regexp.MustCompile(`:lambda:path/2015-03-31/functions/(arn:[^/]+)/invocations$`)

func (d *deployment) route(a *api, m properties) (gateway.Route, error) {
	integration := m.object("Integration")
	uri := integrated.FindStringSubmatch(integration.str("Uri"))
	if integration.str("Type") != "AWS_PROXY" || uri == nil {
		return gateway.Route{}, fmt.Errorf("only Lambda proxy integrations are simulated")
	}
	fn := d.cloud.functions[uri[1]]
	if fn == nil {
		return gateway.Route{}, fmt.Errorf("the integration's function is not one of this app's")
	}
	route := gateway.Route{
		Method: m.str("HttpMethod"), Path: a.paths[m.str("ResourceId")],
		Models: map[string]json.RawMessage{}, ValidateBody: a.validators[m.str("RequestValidatorId")],
		Timeout: time.Duration(integration.integer("TimeoutInMillis")) * time.Millisecond,
		Invoke: func(ctx context.Context, payload []byte) ([]byte, bool, error) {
			result, err := fn.host.Invoke(ctx, payload)
			return result.Payload, result.FunctionError != "", err
		},
	}
	models := m.object("RequestModels")
	for contentType := range models.value {
		route.Models[contentType] = a.models[models.str(contentType)]
	}
	switch kind := m.str("AuthorizationType"); kind {
	case "NONE":
	case "COGNITO_USER_POOLS":
		if route.Authorizer = a.authorizers[m.str("AuthorizerId")]; route.Authorizer == nil {
			return gateway.Route{}, fmt.Errorf("AuthorizerId is not an authorizer of this API")
		}
	default:
		return gateway.Route{}, fmt.Errorf("AuthorizationType %q is not simulated", kind)
	}
	if len(m.strings("AuthorizationScopes")) > 0 {
		return gateway.Route{}, fmt.Errorf("AuthorizationScopes are not simulated")
	}
	return route, nil
}
