package stacks

import (
	"strconv"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/constructs-go/constructs/v10"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer"
)

// AppStack is the application: it takes orders with a card and charges them later, and stores only tokens.
type AppStack struct {
	Stack          awscdk.Stack
	Order, Paybill awslambda.Function
}

type appStackProps struct {
	Config     Config
	StorageKey awskms.IKey
	Vault      tokenizerlayer.IVault
	Layer      tokenizerlayer.ILayer
	// Reader is the role of the function that reads cards.
	Reader *tokenizerlayer.DetokenizeRole
	// CodeSigning is that function's; nil for none.
	CodeSigning awslambda.ICodeSigningConfig
	// Boundary caps the roles that this stack makes, as it does whoever deploys it.
	Boundary awsiam.IManagedPolicy
}

func newAppStack(scope constructs.Construct, props appStackProps) (*AppStack, error) {
	config := props.Config
	stack := config.newStack(scope, "AppStack", "Tokenizer: example application")
	setTwoZones(stack)
	awsiam.PermissionsBoundary_Of(stack).Apply(props.Boundary)
	table := func(name, key string) awsdynamodb.Table {
		return newTable(stack, name, tableProps{
			Name:         config.NamePrefix + name,
			PartitionKey: key,
			StorageKey:   props.StorageKey,
			Destroyable:  config.destroyable(),
		})
	}
	orders := table(orderTable, "CustomerOrder")
	// The simulated processor's books, outside the function that charges, as a real processor's would be.
	ledger := table(ledgerTable, "PaymentId")

	logs := logGroups{stack: stack, key: props.StorageKey, destroyable: config.destroyable()}
	var network *network
	if config.Network != NoNetwork {
		network = newNetwork(stack, networkProps{
			NATGateways: config.natGateways(),
			RolePath:    config.rolePath() + "service/",
			FlowLogs:    logs.make("FlowLogs", ""),
			Domains:     config.EgressDomains, DNSLogs: logs.make("DnsLogs", ""), Destroyable: config.destroyable(),
		})
	}
	order, err := newFunction(stack, functionProps{
		ID:           "Order",
		Package:      "order",
		Architecture: config.architecture(),
		BuildOS:      config.BuildOS,
		ModuleDir:    config.ModuleDir,
		Description:  "Takes an order and tokenizes its card", TimeoutSeconds: 15,
		RolePath:    config.rolePath() + tokenizerlayer.TokenizePath,
		Environment: functionEnvironment(config.AllowedOrigins, orderSettings(config, orders)),
		Layer:       props.Layer, Vault: props.Vault, Access: tokenizerlayer.Tokenize,
		Logs: logs.make("OrderLogs", ""), Network: network,
	})
	if err != nil {
		return nil, err
	}
	paybill, err := newFunction(stack, functionProps{
		ID:           "Paybill",
		Package:      "paybill",
		Architecture: config.architecture(),
		BuildOS:      config.BuildOS,
		ModuleDir:    config.ModuleDir,
		Description:  "Charges the card of an order", TimeoutSeconds: 20,
		Role:        props.Reader.Role(),
		Name:        config.NamePrefix + readingFunction,
		CodeSigning: props.CodeSigning,
		Environment: functionEnvironment(config.AllowedOrigins, paybillSettings(config, orders, ledger)),
		Layer:       props.Layer, Vault: props.Vault, Access: tokenizerlayer.Detokenize,
		Logs: props.Reader.LogGroup(), Network: network, CallsOut: true,
	})
	if err != nil {
		return nil, err
	}

	grantTables(props, order, paybill, orders, ledger)
	if network != nil {
		network.openTo(props, order.Role(), orders, ledger)
	}

	users := newUsers(stack, usersProps{
		PoolName:         config.NamePrefix + "CustomerUserPool",
		MFA:              config.MFA,
		ThreatProtection: config.ThreatProtection,
		Destroyable:      config.destroyable(),
	})
	api := newAPI(stack, apiProps{
		Name:           config.NamePrefix + "PaymentMethodApi",
		AllowedOrigins: config.AllowedOrigins,
		Users:          users.pool,
		Logs:           logs.make("ApiLogs", ""),
	})
	api.addRoute("order", order, "CustomerOrder", "CustomerName", "CreditCard", "Address")
	api.addRoute("paybill", paybill, "CustomerOrder")
	if config.WAF {
		newFirewall(stack, config.NamePrefix+"tokenizer", api.rest.DeploymentStage(),
			logs.make("FirewallLogs", config.firewallLogGroup()))
	}

	outputs(stack, order, api, users)
	return &AppStack{Stack: stack, Order: order, Paybill: paybill}, nil
}

// outputs are what the commands of docs/walkthrough.md need.
func outputs(stack awscdk.Stack, order awslambda.Function, api api, users users) {
	output(stack, "CustomerOrderFunction", "ARN of the order function", order.FunctionArn())
	output(stack, "PaymentMethodApiURL", "Base URL of the API, without a trailing slash", api.url())
	output(stack, "AccountId", "Account of this stack", stack.Account())
	output(stack, "Region", "Region of this stack", stack.Region())
	output(stack, "UserPoolId", "Cognito user pool", users.pool.UserPoolId())
	output(stack, "UserPoolAppClientId", "Cognito app client", users.client.UserPoolClientId())
}

// grantTables gives the functions their rights to the application's tables. Orders are written once and read back after
// an unclear answer; only paying changes them. Nobody lists or deletes.
func grantTables(props appStackProps, order, paybill awslambda.Function, orders, ledger awsdynamodb.Table) {
	grantTable(order, props.StorageKey, orders, "dynamodb:GetItem")
	grantNewOrders(order, orders)
	// A policy of this stack: the role's own is the security team's, whose boundary caps both.
	paying := awsiam.NewPolicy(awscdk.Stack_Of(paybill), new("PaybillPolicy"),
		&awsiam.PolicyProps{Roles: &[]awsiam.IRole{props.Reader.Role()}})
	grantItems(paying, props.StorageKey, orders, "dynamodb:GetItem", "dynamodb:UpdateItem")
	grantItems(paying, props.StorageKey, ledger, "dynamodb:GetItem", "dynamodb:PutItem")
	acceptInlinePolicy(paying, "")
	paybill.Node().AddDependency(paying)
}

// openTo lets the functions' roles through the endpoints to the vault and to the application's tables, and nowhere
// else.
func (n *network) openTo(props appStackProps, order awsiam.IRole, orders, ledger awsdynamodb.Table) {
	paybill := props.Reader.Role()
	roles := []awsiam.IRole{order, paybill}
	n.allow(n.dynamoDB, roles, []string{"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"},
		props.Vault.Table().TableArn(), props.Vault.State().TableArn(), orders.TableArn(), ledger.TableArn())
	for _, key := range props.Vault.TokenKeys() {
		n.allow(n.kms, roles, []string{"kms:Decrypt", "kms:GenerateDataKey"}, key.Key.KeyArn())
	}
	if props.Config.RevokePaid {
		n.allow(n.dynamoDB, []awsiam.IRole{paybill}, []string{"dynamodb:DeleteItem", "dynamodb:GetItem"},
			props.Vault.Table().TableArn(), props.Vault.Index().TableArn())
	}
	n.onlyFromHere(props.Vault, roles, orders, ledger)
}

// grantNewOrders lets a function put orders as they are placed, as far as IAM can tell: without a lease, without a time
// of payment, and without asking for the order that it replaces. IAM cannot tell a new order from an overwritten one,
// and does not see the state that it is in; docs/threat-model.md says what follows.
// ForAllValues also holds for a request without attributes, so Null demands that there are some.
func grantNewOrders(fn awslambda.Function, orders awsdynamodb.Table) {
	fn.AddToRolePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions:   &[]*string{new("dynamodb:PutItem")},
		Resources: &[]*string{orders.TableArn()},
		Conditions: &map[string]any{
			"StringEqualsIfExists": map[string]any{"dynamodb:ReturnValues": "NONE"},
			"ForAllValues:StringEquals": map[string]any{"dynamodb:Attributes": []string{
				"Address", "CardBrand", "CardLastFour", "CreatedAt", "CreditCard", "CustomerName", "CustomerOrder",
				"State", "Sub",
			}},
			"Null": map[string]any{"dynamodb:Attributes": "false"},
		},
	}))
}

// orderSettings are the order function's variables; package functions says what they mean.
func orderSettings(config Config, orders awsdynamodb.Table) map[string]*string {
	settings := map[string]*string{"ORDER_TABLE": orders.TableName()}
	if config.OrderTokenDays > 0 {
		settings["ORDER_TOKEN_DAYS"] = new(strconv.Itoa(config.OrderTokenDays))
	}
	return settings
}

// paybillSettings are the paybill function's.
func paybillSettings(config Config, orders, ledger awsdynamodb.Table) map[string]*string {
	settings := map[string]*string{
		"ORDER_TABLE":  orders.TableName(),
		"LEDGER_TABLE": ledger.TableName(),
		"ACCOUNT_ID":   awscdk.Stack_Of(orders).Account(),
	}
	if config.RevokePaid {
		settings["REVOKE_PAID"] = new("true")
	}
	return settings
}

// functionEnvironment adds to a function's variables the web origins that it answers.
func functionEnvironment(origins []string, variables map[string]*string) map[string]*string {
	if len(origins) > 0 {
		variables["ALLOWED_ORIGINS"] = new(strings.Join(origins, ","))
	}
	return variables
}
