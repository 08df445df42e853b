package cloud

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	cognitotypes "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/assembly"
)

// request is one resource to create, its properties resolved.
type request struct {
	d     *deployment
	stack *assembly.Stack
	id    string
	properties
}

// made is what Ref and Fn::GetAtt give for a created resource.
type made struct {
	ref        string
	attributes map[string]string
}

// kind says how a type of resource comes to life. skipped says what of it has no effect here.
type kind struct {
	create  func(context.Context, *request) (made, error)
	skipped string
}

// kinds are the types of resource that the local run knows.
var kinds = map[string]kind{
	"AWS::KMS::Key":                       {create: createKey, skipped: "rotation and deletion windows"},
	"AWS::KMS::Alias":                     {create: createAlias},
	"AWS::DynamoDB::Table":                {create: createTable, skipped: "encryption at rest, point-in-time recovery, deletion protection, removal of expired rows"},
	"AWS::Cognito::UserPool":              {create: createUserPool, skipped: "second factors, threat protection, how long tokens are valid"},
	"AWS::Cognito::UserPoolClient":        {create: createUserPoolClient},
	"AWS::Lambda::LayerVersion":           {create: createLayerVersion},
	"AWS::Lambda::Function":               {create: createFunction},
	"AWS::ApiGateway::RestApi":            {create: createRestAPI},
	"AWS::ApiGateway::Authorizer":         {create: createAuthorizer},
	"AWS::ApiGateway::Model":              {create: createModel},
	"AWS::ApiGateway::RequestValidator":   {create: createValidator},
	"AWS::ApiGateway::Resource":           {create: createAPIResource},
	"AWS::ApiGateway::Method":             {create: createMethod},
	"AWS::ApiGateway::Deployment":         {create: named},
	"AWS::ApiGateway::Stage":              {create: createStage, skipped: "access log, throttling, traces, TLS"},
	"AWS::IAM::Role":                      {create: createRole, skipped: "who may assume it"},
	"AWS::IAM::Policy":                    {create: createPolicy},
	"AWS::Lambda::Permission":             {create: named, skipped: "the API may always invoke its functions"},
	"AWS::Lambda::LayerVersionPermission": {create: named, skipped: "sharing with other accounts"},
	"AWS::Logs::LogGroup":                 {create: createLogGroup, skipped: "functions log to this terminal"},
	"AWS::SSM::Parameter":                 {create: named, skipped: "nothing here reads it"},
	"AWS::WAFv2::LoggingConfiguration":    {create: named},
	"AWS::WAFv2::WebACL":                  {create: named, skipped: "requests are not filtered"},
	"AWS::WAFv2::WebACLAssociation":       {create: named},
	// Networks: functions run on this machine.
	"AWS::EC2::EIP":                         {create: named},
	"AWS::EC2::FlowLog":                     {create: named},
	"AWS::EC2::InternetGateway":             {create: named},
	"AWS::EC2::NatGateway":                  {create: named},
	"AWS::EC2::Route":                       {create: named},
	"AWS::EC2::RouteTable":                  {create: named},
	"AWS::EC2::SecurityGroup":               {create: named, skipped: "nothing is filtered"},
	"AWS::EC2::SecurityGroupIngress":        {create: named},
	"AWS::EC2::Subnet":                      {create: named},
	"AWS::EC2::SubnetRouteTableAssociation": {create: named},
	"AWS::EC2::VPC":                         {create: named, skipped: "functions share this machine's network"},
	"AWS::EC2::VPCEndpoint":                 {create: named, skipped: "endpoint policies are not evaluated"},
	"AWS::EC2::VPCGatewayAttachment":        {create: named},
}

// named creates nothing: the resource exists as a name, for others to refer to.
func named(_ context.Context, r *request) (made, error) {
	name := r.physicalName("Name")
	return made{name, map[string]string{"AllocationId": name, "GroupId": name, "Arn": name}}, nil
}

// physicalName is the template's own name for a resource, or one like CloudFormation's.
func (r *request) physicalName(property string) string {
	if name := r.str(property); name != "" {
		return name
	}
	return r.stack.Name + "-" + r.id
}

// arn is the ARN of a resource of this account and region.
func (r *request) arn(service, resource string) string {
	return fmt.Sprintf("arn:aws:%s:%s:%s:%s", service, r.d.Region, r.d.Account, resource)
}

func createKey(ctx context.Context, r *request) (made, error) {
	policy, err := json.Marshal(r.value["KeyPolicy"])
	if err != nil {
		return made{}, err
	}
	out, err := r.d.cloud.Clients.KMS.CreateKey(ctx, &kms.CreateKeyInput{
		Description: r.optional("Description"), Policy: new(string(policy)),
		KeySpec: kmstypes.KeySpec(r.str("KeySpec")), KeyUsage: kmstypes.KeyUsageType(r.str("KeyUsage")),
	})
	if err != nil {
		return made{}, err
	}
	id, arn := *out.KeyMetadata.KeyId, *out.KeyMetadata.Arn
	err = r.d.authorizer.account.Protect(arn, "the policy of key "+r.id, r.value["KeyPolicy"])
	return made{id, map[string]string{"Arn": arn, "KeyId": id}}, err
}

func createAlias(ctx context.Context, r *request) (made, error) {
	name := r.str("AliasName")
	r.d.authorizer.remember(r.d.authorizer.aliases, name, r.d.authorizer.keyARN(r.str("TargetKeyId")))
	_, err := r.d.cloud.Clients.KMS.CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &name, TargetKeyId: r.optional("TargetKeyId")})
	return made{ref: name}, err
}

func createTable(ctx context.Context, r *request) (made, error) {
	name := r.physicalName("TableName")
	in := &dynamodb.CreateTableInput{TableName: &name, BillingMode: dynamotypes.BillingModePayPerRequest}
	for _, a := range r.list("AttributeDefinitions") {
		in.AttributeDefinitions = append(in.AttributeDefinitions, dynamotypes.AttributeDefinition{
			AttributeName: a.optional("AttributeName"), AttributeType: dynamotypes.ScalarAttributeType(a.str("AttributeType")),
		})
	}
	for _, k := range r.list("KeySchema") {
		in.KeySchema = append(in.KeySchema, dynamotypes.KeySchemaElement{
			AttributeName: k.optional("AttributeName"), KeyType: dynamotypes.KeyType(k.str("KeyType")),
		})
	}
	if _, err := r.d.cloud.Clients.DynamoDB.CreateTable(ctx, in); err != nil {
		return made{}, err
	}
	r.d.cloud.Tables = append(r.d.cloud.Tables, name)
	arn := r.arn("dynamodb", "table/"+name)
	if key := r.object("SSESpecification").str("KMSMasterKeyId"); key != "" {
		r.d.authorizer.remember(r.d.authorizer.storageKeys, name, key)
	}
	if policy := r.object("ResourcePolicy").value["PolicyDocument"]; policy != nil {
		if err := r.d.authorizer.account.Protect(arn, "the policy of table "+name, policy); err != nil {
			return made{}, err
		}
	}
	return made{name, map[string]string{"Arn": arn}}, nil
}

func createUserPool(ctx context.Context, r *request) (made, error) {
	in := &cognitoidentityprovider.CreateUserPoolInput{PoolName: new(r.physicalName("UserPoolName"))}
	for _, v := range r.strings("UsernameAttributes") {
		in.UsernameAttributes = append(in.UsernameAttributes, cognitotypes.UsernameAttributeType(v))
	}
	for _, v := range r.strings("AliasAttributes") {
		in.AliasAttributes = append(in.AliasAttributes, cognitotypes.AliasAttributeType(v))
	}
	for _, v := range r.strings("AutoVerifiedAttributes") {
		in.AutoVerifiedAttributes = append(in.AutoVerifiedAttributes, cognitotypes.VerifiedAttributeType(v))
	}
	if p := r.object("Policies").object("PasswordPolicy"); p.value != nil {
		in.Policies = &cognitotypes.UserPoolPolicyType{PasswordPolicy: &cognitotypes.PasswordPolicyType{
			MinimumLength:    new(int32(p.integer("MinimumLength"))),
			RequireLowercase: p.boolean("RequireLowercase"), RequireUppercase: p.boolean("RequireUppercase"),
			RequireNumbers: p.boolean("RequireNumbers"), RequireSymbols: p.boolean("RequireSymbols"),
		}}
	}
	out, err := r.d.cloud.Clients.Cognito.CreateUserPool(ctx, in)
	if err != nil {
		return made{}, err
	}
	id := *out.UserPool.Id
	host := "cognito-idp." + r.d.Region + ".amazonaws.com/" + id
	return made{id, map[string]string{
		"Arn": r.arn("cognito-idp", "userpool/"+id), "UserPoolId": id, "ProviderName": host, "ProviderURL": "https://" + host,
	}}, nil
}

func createUserPoolClient(ctx context.Context, r *request) (made, error) {
	in := &cognitoidentityprovider.CreateUserPoolClientInput{
		UserPoolId: r.optional("UserPoolId"), ClientName: new(r.physicalName("ClientName")),
		GenerateSecret:             r.boolean("GenerateSecret"),
		PreventUserExistenceErrors: cognitotypes.PreventUserExistenceErrorTypes(r.str("PreventUserExistenceErrors")),
	}
	for _, v := range r.strings("ExplicitAuthFlows") {
		in.ExplicitAuthFlows = append(in.ExplicitAuthFlows, cognitotypes.ExplicitAuthFlowsType(v))
	}
	out, err := r.d.cloud.Clients.Cognito.CreateUserPoolClient(ctx, in)
	if err != nil {
		return made{}, err
	}
	id := *out.UserPoolClient.ClientId
	return made{id, map[string]string{"ClientId": id}}, nil
}

func createRole(_ context.Context, r *request) (made, error) {
	name := r.physicalName("RoleName")
	path := r.str("Path")
	if path == "" {
		path = "/"
	}
	arn := fmt.Sprintf("arn:aws:iam::%s:role%s%s", r.d.Account, path, name)
	for _, unknown := range []string{"ManagedPolicyArns", "PermissionsBoundary"} {
		if r.value[unknown] != nil {
			return made{}, fmt.Errorf("%s of a role is not evaluated here: give the role exact permissions of its own", unknown)
		}
	}
	for _, policy := range r.list("Policies") {
		if err := r.d.authorizer.account.Attach(arn, policy.str("PolicyName"), policy.value["PolicyDocument"]); err != nil {
			return made{}, err
		}
	}
	r.d.authorizer.remember(r.d.authorizer.roles, name, arn)
	return made{name, map[string]string{"Arn": arn, "RoleId": "AROA" + strings.ToUpper(rand.Text()[:17])}}, nil
}

func createPolicy(_ context.Context, r *request) (made, error) {
	name := r.str("PolicyName")
	if r.value["Users"] != nil || r.value["Groups"] != nil {
		return made{}, errors.New("only policies of roles are evaluated here")
	}
	for _, role := range r.strings("Roles") {
		arn, ok := r.d.authorizer.lookUp(r.d.authorizer.roles, role)
		if !ok {
			return made{}, fmt.Errorf("role %s is not one of this app's", role)
		}
		if err := r.d.authorizer.account.Attach(arn, name, r.value["PolicyDocument"]); err != nil {
			return made{}, err
		}
	}
	return made{ref: name}, nil
}

func createLogGroup(_ context.Context, r *request) (made, error) {
	name := r.physicalName("LogGroupName")
	return made{name, map[string]string{"Arn": r.arn("logs", "log-group:"+name+":*")}}, nil
}
