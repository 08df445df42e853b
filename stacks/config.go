package stacks

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer"
)

// Stages, which decide what happens to data when a stack is deleted.
const (
	Prod = "prod" // data, keys and layer versions are kept, and protected from deletion
	Dev  = "dev"  // everything is deleted with its stack
)

// Networks, which decide how functions reach the services they call.
const (
	Isolated  = "isolated" // in a VPC without any way out but endpoints for DynamoDB and KMS
	Egress    = "egress"   // as Isolated, and the function that charges reaches the internet through NAT gateways
	NoNetwork = "none"     // outside a VPC
)

// Multi-factor authentication with an authenticator app.
const (
	MFAOptional = "optional" // users may turn it on
	MFARequired = "required"
	MFAOff      = "off"
)

// Config is what can be chosen about an installation. The zero value of each field means its documented default.
type Config struct {
	// Stage is [Prod] or [Dev]; "" means [Prod], the safe one. It does not rename the API's stage.
	Stage string
	// NamePrefix precedes the name of every stack and of every resource with a name of its own, so that two
	// installations fit into one account. It starts with a letter, but not with aws or ssm, and has at most 20
	// letters, digits and dashes.
	NamePrefix string
	// Architecture is the functions' instruction set, "arm64" or "x86_64"; "" means arm64.
	Architecture string
	// LayerArchitectures are the instruction sets that there is a layer version for; none means both. Architecture is
	// one of them.
	LayerArchitectures []string
	// Network is [Isolated], [Egress] or [NoNetwork]; "" means [Isolated].
	Network string
	// EgressDomains are the names that resolve in the network [Egress] besides those of DynamoDB and KMS, such as
	// "api.psp.example" or "*.psp.example". The names that they are aliases of have to be among them. None means that
	// no name outside AWS resolves.
	EgressDomains []string
	// OrderTokenDays is how many days the sample's tokens live; 0 means that they do not expire. An order that is not
	// paid by then cannot be paid any more.
	OrderTokenDays int
	// RevokePaid ends an order's token when the order is paid. The default keeps it.
	RevokePaid bool
	// WAF puts a web application firewall in front of the API. It costs extra, so the default is without.
	WAF bool
	// OrgID shares the layer with every account of this AWS organization; "" shares it with nobody.
	OrgID string
	// AllowedOrigins are the web origins whose scripts may call the API, such as "https://shop.example.com".
	// None means that no browser lets any do so.
	AllowedOrigins []string
	// MFA is [MFAOptional], [MFARequired] or [MFAOff]; "" means [MFAOptional].
	MFA string
	// ThreatProtection has Cognito refuse compromised passwords and risky sign-ins. It needs Cognito's Plus plan,
	// which is paid per user, so the default is without.
	ThreatProtection bool
	// BuildOS is "linux" or "darwin", what functions and extension are compiled for; "" means linux. It is for
	// running the system on the developer's own machine: Lambda runs linux only.
	BuildOS string
	// CodeSigning is the ARN of a version of an AWS Signer profile. Lambda then takes no code and no layer for the
	// function that reads cards that this profile has not signed. "" means that signatures are not checked.
	CodeSigning string
	// Account and Region are where to deploy; both "" leaves the choice to whoever deploys the templates.
	Account, Region string
	// ModuleDir is a directory inside the module whose programs to compile; "" means the working directory.
	// Tests set it to build a modified copy.
	ModuleDir string
}

var (
	stages        = []string{Prod, Dev}
	architectures = []string{string(tokenizerlayer.ARM64), string(tokenizerlayer.X86_64)}
	networks      = []string{Isolated, Egress, NoNetwork}
	factors       = []string{MFAOptional, MFARequired, MFAOff}
	systems       = []string{"linux", "darwin"}
	// A stack's name allows the least of all the names that the prefix becomes part of. SSM reserves two beginnings.
	namePrefix   = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9-]{0,19})?$`)
	reserved     = regexp.MustCompile(`^(?i:aws|ssm)`)
	organization = regexp.MustCompile(`^(o-[a-z0-9]{10,32})?$`)
	// Of two parts at least, so that nobody opens a whole top-level domain.
	domain = regexp.MustCompile(`^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)
	// https://docs.aws.amazon.com/signer/latest/api/API_SigningProfile.html
	signingProfile = regexp.MustCompile(
		`^(arn:aws[a-z-]*:signer:[a-z0-9-]+:[0-9]{12}:/signing-profiles/[A-Za-z0-9_]{2,64}/[A-Za-z0-9]{10})?$`)
	origin = regexp.MustCompile(`^https?://[a-z0-9.-]+(:[0-9]{1,5})?$`)
)

// Validate reports every problem at once, each with the context key, the value received and what to do.
func (c Config) Validate() error {
	problems := []error{
		oneOf("tokenizer:stage", c.Stage, stages),
		oneOf("tokenizer:architecture", c.Architecture, architectures),
		oneOf("tokenizer:network", c.Network, networks),
		oneOf("tokenizer:mfa", c.MFA, factors),
		oneOf("tokenizer:localBuildOS", c.BuildOS, systems),
		c.checkLayerArchitectures(),
		c.checkOrderTokenDays(),
	}
	problems = append(problems, c.checkEgressDomains()...)
	if !namePrefix.MatchString(c.NamePrefix) || reserved.MatchString(c.NamePrefix) {
		problems = append(problems, fmt.Errorf("tokenizer:namePrefix: got %q, want at most 20 letters, digits and "+
			"dashes, starting with a letter and not with aws or ssm: choose another", c.NamePrefix))
	}
	if !organization.MatchString(c.OrgID) {
		problems = append(problems,
			fmt.Errorf("tokenizer:orgId: got %q, want o- and 10 to 32 lower-case letters and digits: "+
				"see `aws organizations describe-organization`", c.OrgID))
	}
	if !signingProfile.MatchString(c.CodeSigning) {
		problems = append(problems,
			fmt.Errorf("tokenizer:codeSigning: got %q, want the ARN of a version of a signing profile, "+
				"arn:aws:signer:REGION:ACCOUNT:/signing-profiles/NAME/VERSION: see `aws signer get-signing-profile`",
				c.CodeSigning))
	}
	for _, o := range c.AllowedOrigins {
		if !origin.MatchString(o) {
			problems = append(problems,
				fmt.Errorf("tokenizer:allowedOrigins: got %q, want a web origin in lower case, without a path: "+
					"give them like https://shop.example.com, separated by commas", o))
		}
	}
	return inOrder(problems)
}

func (c Config) checkLayerArchitectures() error {
	own, got := cmp.Or(c.Architecture, architectures[0]), c.LayerArchitectures
	known := !slices.ContainsFunc(got, func(a string) bool { return !slices.Contains(architectures, a) })
	distinct := len(slices.Compact(slices.Sorted(slices.Values(got)))) == len(got)
	if len(got) == 0 || known && distinct && slices.Contains(got, own) {
		return nil
	}
	return fmt.Errorf("tokenizer:layerArchitectures: got %q, want one or both of %s, separated by commas, and among "+
		"them the functions' own, %s: leave it out for both",
		strings.Join(got, ","), strings.Join(architectures, ", "), own)
}

// maxTokenDays is the longest life of a token that the layer takes.
const maxTokenDays = 3650

func (c Config) checkOrderTokenDays() error {
	if c.OrderTokenDays >= 0 && c.OrderTokenDays <= maxTokenDays {
		return nil
	}
	return fmt.Errorf("tokenizer:orderTokenDays: got %d, want 1 to %d: leave it out for tokens that do not expire",
		c.OrderTokenDays, maxTokenDays)
}

func (c Config) checkEgressDomains() (problems []error) {
	if len(c.EgressDomains) > 0 && c.Network != Egress {
		problems = append(problems, fmt.Errorf("tokenizer:egressDomains: got %q, but only the network %s has a way "+
			"out: set tokenizer:network=%[2]s, or leave it out",
			strings.Join(c.EgressDomains, ","), Egress))
	}
	for _, name := range c.EgressDomains {
		if !domain.MatchString(name) || len(name) > 253 {
			problems = append(problems,
				fmt.Errorf("tokenizer:egressDomains: got %q, want a host name in lower case, of two or more parts, "+
					"in which * stands for the first part only: give them like api.psp.example,*.psp.example", name))
		}
	}
	return problems
}

// oneOf accepts the empty string as well: it stands for the default.
func oneOf(key, value string, allowed []string) error {
	if value == "" || slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s: got %q, want one of %s: set it with -c %s=%s or in cdk.json",
		key, value, strings.Join(allowed, ", "), key, allowed[0])
}

// inOrder joins errors so that the same mistakes always give the same message.
func inOrder(problems []error) error {
	problems = slices.DeleteFunc(problems, func(err error) bool { return err == nil })
	slices.SortFunc(problems, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return errors.Join(problems...)
}

// destroyable tells whether data may be deleted together with its stack.
func (c Config) destroyable() bool { return c.Stage == Dev }

func (c Config) architecture() tokenizerlayer.Architecture {
	return tokenizerlayer.Architecture(cmp.Or(c.Architecture, architectures[0]))
}

func (c Config) layerArchitectures() []tokenizerlayer.Architecture {
	var list []tokenizerlayer.Architecture
	for _, a := range c.LayerArchitectures {
		list = append(list, tokenizerlayer.Architecture(a))
	}
	return list
}

// rolePath is the IAM path below which all roles are that use the vault's keys.
func (c Config) rolePath() string { return "/" + c.NamePrefix + "tokenizer/" }

// Names without the prefix. The security team's stack has to know those of the application's tables, and of its
// function that reads cards, before the application's stack makes them.
const (
	orderTable      = "CustomerOrderTable"
	ledgerTable     = "SimulatedPaymentLedger"
	readingFunction = "AppStack-PaybillFunction"
	layerName       = "TokenizeData"
)

// natGateways is one for each zone, so that the loss of a zone is not the loss of the way out, or one where that
// matters less than its price.
func (c Config) natGateways() int {
	switch {
	case c.Network != Egress:
		return 0
	case c.destroyable():
		return 1
	}
	return 2
}

// firewallLogGroup is the name of the firewall's log group. AWS WAF demands how it starts.
func (c Config) firewallLogGroup() string { return "aws-waf-logs-" + c.NamePrefix + "tokenizer" }

// newStack makes a stack where the configuration says. Account and region stay open if it says nothing.
func (c Config) newStack(scope constructs.Construct, name, description string) awscdk.Stack {
	return awscdk.NewStack(scope, new(c.NamePrefix+name), &awscdk.StackProps{
		Env:                   &awscdk.Environment{Account: orNil(c.Account), Region: orNil(c.Region)},
		Description:           &description,
		TerminationProtection: new(!c.destroyable()),
	})
}

func orNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func pointers(values []string) *[]*string {
	list := make([]*string, len(values))
	for i := range values {
		list[i] = &values[i]
	}
	return &list
}

// output makes a stack output that scripts read; its logical id is exactly name.
func output(stack awscdk.Stack, name, description string, value *string) {
	awscdk.NewCfnOutput(stack, &name, &awscdk.CfnOutputProps{Description: &description, Value: value})
}
