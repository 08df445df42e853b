import { App, Duration, Stack, aws_lambda as lambda } from "aws-cdk-lib";
import { Tokenizer } from "./tokenizer.js";

const app = new App({ analyticsReporting: false });
const stack = new Stack(app, "Shop");
const tokenizer = new Tokenizer(stack, "Tokenizer", { stackName: "tokenizer" });

const order = new lambda.Function(stack, "Order", {
  runtime: lambda.Runtime.PYTHON_3_13,
  architecture: lambda.Architecture.ARM_64,
  handler: "app.handler",
  code: lambda.Code.fromAsset("../sam/src"),
  timeout: Duration.seconds(10), // more than the 5 that a client waits for the extension
  role: tokenizer.tokenizingRole(stack, "OrderRole"),
});
tokenizer.attach(order, "arm64");
