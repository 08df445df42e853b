# Deploys the vault and the layer from the files of a release, and a function that turns cards into tokens.

terraform {
  required_version = ">= 1.5"
  required_providers {
    archive = {
      source  = "hashicorp/archive"
      version = "~> 2.7"
    }
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "release_dir" {
  description = "Directory with the files of a release"
  type        = string
}

variable "bucket" {
  description = "S3 bucket of this region for the layer's zip files"
  type        = string
}

variable "stack_name" {
  description = "Name of the CloudFormation stack with keys, vault and layer"
  type        = string
  default     = "tokenizer"
}

locals {
  layers = {
    LayerKeyArm64 = "tokenizer-layer-arm64.zip"
    LayerKeyX8664 = "tokenizer-layer-x86_64.zip"
  }
}

# A release has other keys than the one before, so CloudFormation notices that there is a new layer.
resource "aws_s3_object" "layer" {
  for_each = local.layers
  bucket   = var.bucket
  key      = "${filesha256("${var.release_dir}/${each.value}")}/${each.value}"
  source   = "${var.release_dir}/${each.value}"
}

resource "aws_cloudformation_stack" "tokenizer" {
  name          = var.stack_name
  template_body = file("${var.release_dir}/tokenizer.template.json")
  capabilities  = ["CAPABILITY_IAM"]
  parameters = merge(
    { LayerBucket = var.bucket },
    { for name, layer in aws_s3_object.layer : name => layer.key },
  )
}

data "aws_ssm_parameter" "tokenizer" {
  for_each = toset([
    "vault-table", "state-table", "token-key-arn/1", "layer-version-arn/arm64", "layer-digest/arm64",
  ])
  name = "${aws_cloudformation_stack.tokenizer.outputs["ParameterPath"]}${each.value}"
}

resource "aws_iam_role" "order" {
  name_prefix = "order-"
  # The keys' policies refuse roles with another path.
  path = aws_cloudformation_stack.tokenizer.outputs["TokenizeRolePath"]
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "order" {
  for_each = {
    tokenize = aws_cloudformation_stack.tokenizer.outputs["TokenizePolicyArn"]
    logs     = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
  }
  role       = aws_iam_role.order.name
  policy_arn = each.value
}

data "archive_file" "order" {
  type        = "zip"
  source_dir  = "${path.module}/../sam/src"
  output_path = "${path.module}/.terraform/order.zip"
}

resource "aws_lambda_function" "order" {
  function_name    = "order"
  role             = aws_iam_role.order.arn
  runtime          = "python3.13"
  architectures    = ["arm64"]
  handler          = "app.handler"
  filename         = data.archive_file.order.output_path
  source_code_hash = data.archive_file.order.output_base64sha256
  timeout          = 10 # more than the 5 seconds that a client waits for the extension
  layers           = [data.aws_ssm_parameter.tokenizer["layer-version-arn/arm64"].insecure_value]
  environment {
    variables = {
      TOKENIZER_TABLE        = data.aws_ssm_parameter.tokenizer["vault-table"].insecure_value
      TOKENIZER_STATE_TABLE  = data.aws_ssm_parameter.tokenizer["state-table"].insecure_value
      TOKENIZER_TOKEN_KEYS   = "1=${data.aws_ssm_parameter.tokenizer["token-key-arn/1"].insecure_value}"
      TOKENIZER_ACCESS       = "tokenize"
      TOKENIZER_LAYER_DIGEST = data.aws_ssm_parameter.tokenizer["layer-digest/arm64"].insecure_value
    }
  }
  depends_on = [aws_iam_role_policy_attachment.order]
}

output "function" {
  description = "Name of the function"
  value       = aws_lambda_function.order.function_name
}
