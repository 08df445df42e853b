package stacks

import (
	"fmt"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigateway"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscognito"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
)

// api is a REST API on which every route has the authorizer and a model.
type api struct {
	stack     awscdk.Stack
	rest      awsapigateway.RestApi
	validator awsapigateway.RequestValidator
}

// The API's limits, for all callers together. AWS WAF limits single ones.
const (
	requestsPerSecond = 50.0
	burst             = 100.0
)

type apiProps struct {
	Name           string
	AllowedOrigins []string
	Users          awscognito.IUserPool
	Logs           awslogs.ILogGroup
}

func newAPI(stack awscdk.Stack, props apiProps) api {
	rest := awsapigateway.NewRestApi(stack, new("Api"), &awsapigateway.RestApiProps{
		RestApiName:   &props.Name,
		Description:   new("Orders and payments by token"),
		EndpointTypes: &[]awsapigateway.EndpointType{awsapigateway.EndpointType_REGIONAL},
		// One per account and region, so not one application's to set: see docs/operations.md.
		CloudWatchRole: new(false),
		DeployOptions: &awsapigateway.StageOptions{
			StageName:            new("dev"), // the walkthrough's name for it, in every configuration
			AccessLogDestination: awsapigateway.NewLogGroupLogDestination(props.Logs),
			AccessLogFormat:      awsapigateway.AccessLogFormat_Custom(new(accessLogLine())),
			// Would write whole requests, cards included, into the execution log.
			DataTraceEnabled:     new(false),
			LoggingLevel:         awsapigateway.MethodLoggingLevel_OFF,
			ThrottlingRateLimit:  new(requestsPerSecond),
			ThrottlingBurstLimit: new(burst),
			TracingEnabled:       new(true),
		},
		DefaultCorsPreflightOptions: preflight(props.AllowedOrigins),
		// A default, so that a route cannot be added without.
		DefaultMethodOptions: &awsapigateway.MethodOptions{
			AuthorizationType: awsapigateway.AuthorizationType_COGNITO,
			// No scopes: with scopes it would accept access tokens only, and these carry no e-mail address.
			Authorizer: awsapigateway.NewCognitoUserPoolsAuthorizer(stack, new("Authorizer"),
				&awsapigateway.CognitoUserPoolsAuthorizerProps{
					CognitoUserPools: &[]awscognito.IUserPool{props.Users},
				}),
		},
	})
	// API Gateway's default for a regional API is TLS 1.0. This policy has 1.2 and 1.3, with forward secrecy only. The
	// CDK's own class does not know these settings yet. BASIC is how an API starts; docs/operations.md says when to be
	// STRICT, which also refuses requests whose TLS server name is not the API's.
	resource := rest.Node().DefaultChild().(awsapigateway.CfnRestApi)
	resource.SetSecurityPolicy(new("SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09"))
	resource.SetEndpointAccessMode(new("BASIC"))
	// CDK's own output for the URL has a trailing slash and a generated name.
	rest.Node().TryRemoveChild(new("Endpoint"))
	validator := rest.AddRequestValidator(new("BodyValidator"), &awsapigateway.RequestValidatorOptions{
		ValidateRequestBody: new(true), ValidateRequestParameters: new(true), // of which no route declares any
	})
	acceptStage(rest.DeploymentStage())
	return api{stack: stack, rest: rest, validator: validator}
}

// accessLogLine says who called what and how it went. Nothing in it is the caller's own text: no body, no query string,
// no path but the route's, no user agent. error.validationErrorString would quote the body.
func accessLogLine() string {
	fields := []string{
		"requestId", "extendedRequestId", "xrayTraceId", "requestTime", "identity.sourceIp", "authorizer.claims.sub",
		"httpMethod", "resourcePath", "protocol", "tlsVersion", "status", "error.responseType", "wafResponseCode",
		"responseLength", "responseLatency", "integrationStatus", "integrationLatency",
	}
	for i, field := range fields {
		fields[i] = fmt.Sprintf("%q:%q", field, "$context."+field)
	}
	return "{" + strings.Join(fields, ",") + "}"
}

// preflight answers browsers that ask whether a script may call. Without origins there is no such answer, so none may.
func preflight(origins []string) *awsapigateway.CorsOptions {
	if len(origins) == 0 {
		return nil
	}
	return &awsapigateway.CorsOptions{
		AllowOrigins: pointers(origins),
		AllowMethods: &[]*string{new("POST")},
		AllowHeaders: &[]*string{new("Authorization"), new("Content-Type")},
		MaxAge:       awscdk.Duration_Hours(new(1.0)),
	}
}

// addRoute makes POST /name, answered by fn, with a model of string fields.
//
// The model says no more than the fields' types: no pattern, no required, no enum. API Gateway can write a value that
// its model refuses into execution logs, and its refusal does not name the field. The function checks everything, for
// it must anyway (a request that is not application/json skips the model), and its answer names the field but never
// the value.
func (a api) addRoute(name string, fn awslambda.Function, fields ...string) {
	properties := make(map[string]*awsapigateway.JsonSchema, len(fields))
	for _, field := range fields {
		properties[field] = &awsapigateway.JsonSchema{Type: awsapigateway.JsonSchemaType_STRING}
	}
	model := a.rest.AddModel(new(name+"Model"), &awsapigateway.ModelOptions{
		ContentType: new("application/json"),
		Schema: &awsapigateway.JsonSchema{
			Schema:     awsapigateway.JsonSchemaVersion_DRAFT4,
			Type:       awsapigateway.JsonSchemaType_OBJECT,
			Properties: &properties,
		},
	})
	integration := awsapigateway.NewLambdaIntegration(fn, &awsapigateway.LambdaIntegrationOptions{
		AllowTestInvoke: new(false), // the console's test button would be a second way in, without the authorizer
	})
	a.rest.Root().AddResource(&name, nil).AddMethod(new("POST"), integration, &awsapigateway.MethodOptions{
		RequestModels:    &map[string]awsapigateway.IModel{"application/json": model},
		RequestValidator: a.validator,
	})
}

// url has no trailing slash: clients append "/order" to it.
func (a api) url() *string {
	stage := *a.rest.DeploymentStage().StageName()
	return new("https://" + *a.rest.RestApiId() + ".execute-api." + *a.stack.Region() + "." + *a.stack.UrlSuffix() +
		"/" + stage)
}
