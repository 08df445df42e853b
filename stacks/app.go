package stacks

import (
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
	Vault      *tokenizerlayer.Vault
	Layer      *tokenizerlayer.Layer
}

func newAppStack(scope constructs.Construct, props appStackProps) (*AppStack, error) {
	config := props.Config
	stack := config.newStack(scope, "AppStack", "Tokenizer: example application")
	setTwoZones(stack)
	orders := newAppTable(stack, "CustomerOrderTable", "CustomerOrder", props)
	// The simulated processor's books, outside the function that charges, as a real processor's would be.
	ledger := newAppTable(stack, "SimulatedPaymentLedger", "PaymentId", props)

	logs := logGroups{stack, config, props.StorageKey}
	network := newNetwork(stack, config, logs)
	order, err := newFunction(stack, functionProps{
		Config: config, ID: "Order", Package: "order", TimeoutSeconds: 15,
		Description: "Takes an order and tokenizes its card",
		RolePath:    "/" + config.NamePrefix + "tokenizer/tokenize/",
		Environment: map[string]*string{"ORDER_TABLE": orders.TableName()},
		Layer:       props.Layer, Vault: props.Vault, Access: tokenizerlayer.Tokenize,
		Logs: logs.make("OrderLogs", ""), Network: network,
	})
	if err != nil {
		return nil, err
	}
	paybill, err := newFunction(stack, functionProps{
		Config: config, ID: "Paybill", Package: "paybill", TimeoutSeconds: 20,
		Description: "Charges the card of an order",
		RolePath:    config.detokenizePath(),
		Environment: map[string]*string{"ORDER_TABLE": orders.TableName(), "LEDGER_TABLE": ledger.TableName()},
		Layer:       props.Layer, Vault: props.Vault, Access: tokenizerlayer.Detokenize,
		Logs: logs.make("PaybillLogs", ""), Network: network, CallsOut: true,
	})
	if err != nil {
		return nil, err
	}

	// Orders are written once and read back after an unclear answer; only paying changes them. Nobody lists or deletes.
	grantTable(order, props.StorageKey, orders, "dynamodb:GetItem", "dynamodb:PutItem")
	grantTable(paybill, props.StorageKey, orders, "dynamodb:GetItem", "dynamodb:UpdateItem")
	grantTable(paybill, props.StorageKey, ledger, "dynamodb:GetItem", "dynamodb:PutItem")

	if network != nil {
		roles := []awsiam.IRole{order.Role(), paybill.Role()}
		network.allow(network.dynamoDB, roles, []string{"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"},
			props.Vault.Table().TableArn(), orders.TableArn(), ledger.TableArn())
		network.allow(network.kms, roles, []string{"kms:Decrypt", "kms:GenerateDataKey"}, props.Vault.TokenKey().KeyArn())
		network.allow(network.kms, roles, []string{"kms:GenerateMac"}, props.Vault.FingerprintKeys()[0].Key.KeyArn())
	}

	users := newUsers(stack, config)
	api := newAPI(stack, config, users.pool, logs.make("ApiLogs", ""))
	api.addRoute("order", order, "CustomerOrder", "CustomerName", "CreditCard", "Address")
	api.addRoute("paybill", paybill, "CustomerOrder")
	if config.WAF {
		newFirewall(stack, config, api.rest.DeploymentStage(), logs.make("FirewallLogs", config.firewallLogGroup()))
	}

	output(stack, "CustomerOrderFunction", "ARN of the order function", order.FunctionArn())
	output(stack, "PaymentMethodApiURL", "Base URL of the API, without a trailing slash", api.url())
	output(stack, "AccountId", "Account of this stack", stack.Account())
	output(stack, "Region", "Region of this stack", stack.Region())
	output(stack, "UserPoolId", "Cognito user pool", users.pool.UserPoolId())
	output(stack, "UserPoolAppClientId", "Cognito app client", users.client.UserPoolClientId())
	return &AppStack{Stack: stack, Order: order, Paybill: paybill}, nil
}

func newAppTable(stack awscdk.Stack, name, key string, props appStackProps) awsdynamodb.Table {
	table := tokenizerlayer.NewTable(stack, name, &tokenizerlayer.TableProps{
		Name:         props.Config.NamePrefix + name,
		PartitionKey: key,
		StorageKey:   props.StorageKey,
		Destroyable:  props.Config.destroyable(),
	})
	acceptTable(table)
	return table
}

// grantTable grants exact actions on a table, and the use of the key that it is encrypted with.
func grantTable(fn awslambda.Function, storageKey awskms.IKey, table awsdynamodb.Table, actions ...string) {
	// Grant, unlike GrantReadData and GrantWriteData, gives what it is told, and no right to the key.
	table.Grant(fn, *pointers(actions)...)
	tokenizerlayer.GrantStorage(fn, storageKey, table)
}
