package inventory

import (
	"fmt"
	"strings"
)

func (*reader) api(one *resource) (created, error) {
	name := one.path
	return created{name, map[string]string{"RootResourceId": name + "#"}}, nil
}

func (r *reader) apiResource(one *resource) (created, error) {
	ref := one.path
	r.apiPaths[ref] = r.apiPaths[one.Str("ParentId")] + "/" + one.Str("PathPart")
	return created{ref, nil}, nil
}

func (*reader) stage(one *resource) (created, error) { return created{one.name("StageName"), nil}, nil }

// userPool reads a user pool. A function that it calls would see what users do.
func (r *reader) userPool(one *resource) (created, error) {
	if one.Properties["LambdaConfig"] != nil {
		return created{}, fmt.Errorf("the report does not know functions that a user pool calls")
	}
	arn := one.arn("cognito-idp", "userpool/"+one.path)
	r.userPools[arn] = one.path
	return created{one.path, map[string]string{"Arn": arn, "UserPoolId": one.path}}, nil
}

func (r *reader) authorizer(one *resource) (created, error) {
	providers := one.Strings("ProviderARNs")
	if one.Str("Type") != "COGNITO_USER_POOLS" || len(providers) != 1 || r.userPools[providers[0]] == "" {
		return created{}, fmt.Errorf("the report knows authorizers with one user pool of the templates only")
	}
	r.authorizers[one.path] = r.userPools[providers[0]]
	return created{one.path, nil}, nil
}

// method reads a route. Without an integration with a function, the API answers by itself.
func (r *reader) method(one *resource) (created, error) {
	route := &Route{
		API: one.Str("RestApiId"), Method: one.Str("HttpMethod"), Path: r.apiPaths[one.Str("ResourceId")],
		Authorizer: r.authorizers[one.Str("AuthorizerId")],
	}
	switch integration := one.Object("Integration"); integration.Str("Type") {
	case "MOCK":
	case "AWS_PROXY":
		_, after, _ := strings.Cut(integration.Str("Uri"), ":lambda:path/2015-03-31/functions/")
		route.Function = strings.TrimSuffix(after, "/invocations")
		if r.functions[route.Function] == nil {
			return created{}, fmt.Errorf("function %q is not one of the templates", route.Function)
		}
	default:
		return created{}, fmt.Errorf("the report does not know integrations of type %q", integration.Str("Type"))
	}
	r.inventory.Routes = append(r.inventory.Routes, route)
	return created{one.path, nil}, nil
}
