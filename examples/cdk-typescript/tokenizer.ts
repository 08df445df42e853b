// A construct that refers to the vault and the layer of a stack made from tokenizer.template.json. It makes no resources
// of its own. The stack publishes SSM parameters and exports, and CloudFormation reads them at each deployment.
import { Fn, aws_iam as iam, aws_lambda as lambda, aws_ssm as ssm } from "aws-cdk-lib";
import { Construct } from "constructs";

export interface TokenizerProps {
  /** Name of the stack that was made from tokenizer.template.json. */
  readonly stackName: string;
  /** Path of its SSM parameters: its output ParameterPath. Default: /tokenizer/ */
  readonly parameterPath?: string;
  /** Its parameter RolePath. IAM paths cannot be read at deployment here, because the CDK checks them. Default: /tokenizer/ */
  readonly rolePath?: string;
}

export type Architecture = "arm64" | "x86_64";

export class Tokenizer extends Construct {
  private readonly stackName: string;
  private readonly path: string;
  private readonly rolePath: string;

  constructor(scope: Construct, id: string, props: TokenizerProps) {
    super(scope, id);
    this.stackName = props.stackName;
    this.path = props.parameterPath ?? "/tokenizer/";
    this.rolePath = props.rolePath ?? "/tokenizer/";
  }

  /** A role for a function that turns cards into tokens. The keys' policies refuse roles with another path. */
  tokenizingRole(scope: Construct, id: string): iam.Role {
    return new iam.Role(scope, id, {
      assumedBy: new iam.ServicePrincipal("lambda.amazonaws.com"),
      path: `${this.rolePath}tokenize/`,
      managedPolicies: [
        iam.ManagedPolicy.fromManagedPolicyArn(this, `${id}Policy`, this.exported("TokenizePolicyArn")),
        iam.ManagedPolicy.fromAwsManagedPolicyName("service-role/AWSLambdaBasicExecutionRole"),
      ],
    });
  }

  /** Adds the layer to a function whose role is one of tokenizingRole, and tells the extension where the vault is. */
  attach(fn: lambda.Function, architecture: Architecture): void {
    fn.addLayers(
      lambda.LayerVersion.fromLayerVersionArn(
        this,
        `${fn.node.id}Layer`,
        this.published(`layer-version-arn/${architecture}`),
      ),
    );
    const settings: Record<string, string> = {
      TOKENIZER_TABLE: this.published("vault-table"),
      TOKENIZER_STATE_TABLE: this.published("state-table"),
      TOKENIZER_TOKEN_KEYS: `1=${this.published("token-key-arn/1")}`,
      TOKENIZER_ACCESS: "tokenize",
      TOKENIZER_LAYER_DIGEST: this.published(`layer-digest/${architecture}`),
    };
    for (const [name, value] of Object.entries(settings)) {
      fn.addEnvironment(name, value);
    }
  }

  private published(name: string): string {
    return ssm.StringParameter.valueForStringParameter(this, this.path + name);
  }

  private exported(name: string): string {
    return Fn.importValue(`${this.stackName}-${name}`);
  }
}
