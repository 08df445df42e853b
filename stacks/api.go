package stacks

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigateway"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscognito"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
)

// api is a REST API on which every route has the authorizer and a model.
type api struct {
	stack     awscdk.Stack
	rest      awsapigateway.RestApi
	validator awsapigateway.RequestValidator
}

func newAPI(stack awscdk.Stack, config Config, pool awscognito.UserPool) api {
	rest := awsapigateway.NewRestApi(stack, new("Api"), &awsapigateway.RestApiProps{
		RestApiName:   new(config.NamePrefix + "PaymentMethodApi"),
		Description:   new("Orders and payments by token"),
		EndpointTypes: &[]awsapigateway.EndpointType{awsapigateway.EndpointType_REGIONAL},
		// One per account and region, so not one application's to set.
		CloudWatchRole: new(false),
		DeployOptions: &awsapigateway.StageOptions{
			StageName: new("dev"), // the walkthrough's name for it, in every configuration
			// Would write whole requests, cards included, into the execution log.
			DataTraceEnabled: new(false),
			LoggingLevel:     awsapigateway.MethodLoggingLevel_OFF,
		},
		// A default, so that a route cannot be added without.
		DefaultMethodOptions: &awsapigateway.MethodOptions{
			AuthorizationType: awsapigateway.AuthorizationType_COGNITO,
			// No scopes: with scopes it would accept access tokens only, and these carry no e-mail address.
			Authorizer: awsapigateway.NewCognitoUserPoolsAuthorizer(stack, new("Authorizer"), &awsapigateway.CognitoUserPoolsAuthorizerProps{
				CognitoUserPools: &[]awscognito.IUserPool{pool},
			}),
		},
	})
	// CDK's own output for the URL has a trailing slash and a generated name.
	rest.Node().TryRemoveChild(new("Endpoint"))
	validator := rest.AddRequestValidator(new("BodyValidator"), &awsapigateway.RequestValidatorOptions{ValidateRequestBody: new(true)})
	return api{stack: stack, rest: rest, validator: validator}
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
	return new("https://" + *a.rest.RestApiId() + ".execute-api." + *a.stack.Region() + "." + *a.stack.UrlSuffix() + "/" + stage)
}
