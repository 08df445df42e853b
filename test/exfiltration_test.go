package test

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/stacks"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer"
)

// resolved are the rules of the VPC's DNS firewall in the order in which it goes by them, each with its names.
func (a assembly) resolved(t *testing.T) (rules []string) {
	t.Helper()
	names := map[string]string{}
	for id, list := range a.ofType(t, "AWS::Route53Resolver::FirewallDomainList") {
		names["${"+id+".Id}"] = a.text(t, list.Properties["Domains"])
	}
	_, group := a.one(t, "AWS::Route53Resolver::FirewallRuleGroup", "")
	list := group.Properties["FirewallRules"].([]any)
	slices.SortFunc(list, func(x, y any) int { return int(priority(x) - priority(y)) })
	for _, raw := range list {
		rule := raw.(map[string]any)
		line := rule["Action"].(string) + " " + names[a.text(t, rule["FirewallDomainListId"])]
		if response, ok := rule["BlockResponse"].(string); ok {
			line += " with " + response
		}
		if rule["FirewallDomainRedirectionAction"] != "INSPECT_REDIRECTION_DOMAIN" {
			t.Errorf("%s: does not look at the names that it is an alias of", line)
		}
		rules = append(rules, line)
	}
	return rules
}

func priority(rule any) float64 { return rule.(map[string]any)["Priority"].(float64) }

func TestDNSFirewall_LetsTheEndpointsNamesThroughAndNoOther(t *testing.T) {
	const endpoints = "ALLOW dynamodb.${AWS::Region}.${AWS::URLSuffix},kms.${AWS::Region}.${AWS::URLSuffix}"
	const rest = "BLOCK * with NODATA"
	for name, test := range map[string]struct {
		assembly   assembly
		want       []string
		protection string
	}{
		"isolated":             {configured(t, "prod"), []string{endpoints, rest}, "ENABLED"},
		"isolated, to destroy": {configured(t, "dev"), []string{endpoints, rest}, "DISABLED"},
		"egress": {
			configured(t, "everything"), []string{endpoints, "ALLOW api.psp.example,*.psp.example", rest},
			"ENABLED",
		},
		"egress without names": {synth(t, stacks.Config{Network: stacks.Egress}), []string{endpoints, rest}, "ENABLED"},
		"a known region": {synth(t, stacks.Config{Account: "123456789012", Region: "eu-central-1"}),
			[]string{"ALLOW dynamodb.eu-central-1.${AWS::URLSuffix},kms.eu-central-1.${AWS::URLSuffix}", rest},
			"ENABLED"},
	} {
		t.Run(name, func(t *testing.T) {
			a := test.assembly
			if diff := cmp.Diff(test.want, a.resolved(t)); diff != "" {
				t.Errorf("rules (-want +got):\n%s", diff)
			}
			_, association := a.one(t, "AWS::Route53Resolver::FirewallRuleGroupAssociation", "")
			want := "FirewallRuleGroupId=${DnsFirewall.Id} MutationProtection=" + test.protection +
				" Priority=101 VpcId=${Vpc}"
			if got := a.text(t, association.Properties); got != want {
				t.Errorf("association %s, want %s", got, want)
			}
		})
	}
}

func TestDNSFirewall_LogsEveryQuery(t *testing.T) {
	for _, name := range []string{"prod", "dev", "everything"} {
		a := configured(t, name)
		_, config := a.one(t, "AWS::Route53Resolver::ResolverQueryLoggingConfig", "")
		_, association := a.one(t, "AWS::Route53Resolver::ResolverQueryLoggingConfigAssociation", "")
		if got := a.text(t, config.Properties["DestinationArn"]); got != "${DnsLogs.Arn}" {
			t.Errorf("%s: queries are logged to %s", name, got)
		}
		if got, want := a.text(t, association.Properties),
			"ResolverQueryLogConfigId=${DnsLogging.Id} ResourceId=${Vpc}"; got != want {
			t.Errorf("%s: association %s, want %s", name, got, want)
		}
	}
}

func TestDNSFirewall_IsThereWithAVPCOnly(t *testing.T) {
	for _, template := range configured(t, "no network").templates {
		for id, resource := range template.Resources {
			if strings.HasPrefix(resource.Type, "AWS::Route53Resolver::") || strings.HasPrefix(id, "Dns") {
				t.Errorf("%s (%s) is there without a network", id, resource.Type)
			}
		}
	}
}

// The tables and keys that no call from outside of the VPC reaches, whatever the roles' other statements say.
func TestOnlyFromVpc_DeniesTheRolesEverythingElsewhere(t *testing.T) {
	reached := map[string][]string{
		"OrderRole": {
			"kms:GenerateDataKey TokenKey", "dynamodb:PutItem VaultTable", "dynamodb:GetItem CustomerOrderTable",
		},
		"PaybillRole": {
			"kms:Decrypt TokenKey", "dynamodb:GetItem VaultTable", "dynamodb:GetItem CustomerOrderTable",
			"dynamodb:GetItem SimulatedPaymentLedger",
		},
	}
	for _, name := range []string{"prod", "dev", "everything"} {
		a := configured(t, name)
		account := a.account(t)
		for role, calls := range reached {
			for _, call := range calls {
				action, resource, _ := strings.Cut(call, " ")
				context := []string{
					"kms:EncryptionContext:table", "VaultTable", "kms:EncryptionContext:account_id",
					evaluatedAccount,
				}
				if !a.may(t, account, a.roleARN(t, role), action, resource, context...) {
					t.Errorf("%s: %s from the VPC: %s is refused", name, role, call)
				}
				if a.mayFrom(t, "", account, a.roleARN(t, role), action, resource, context...) ||
					a.mayFrom(t, "vpc-another", account, a.roleARN(t, role), action, resource, context...) {
					t.Errorf("%s: %s from elsewhere: %s is allowed", name, role, call)
				}
			}
		}
	}
}

// A role of an earlier stack cannot name the VPC in its own policy: the stacks would depend on each other in a circle.
func TestGrantsOnlyFromVPC_WorksForRolesOfAnEarlierStack(t *testing.T) {
	app, earlier := newStack(t)
	vault := newVault(t, earlier, nil)
	role := newRole(earlier, "Reader", tokenizerlayer.DetokenizePath)
	vault.Grants().Detokenize(role)
	later := awscdk.NewStack(app, new("Later"), nil)
	vpc := awsec2.NewVpc(later, new("Vpc"), &awsec2.VpcProps{
		NatGateways: new(0.0), RestrictDefaultSecurityGroup: new(false),
	})
	vault.Grants().OnlyFromVPC(later, "OnlyFromVpc", vpc, role)
	a := synthesizeStack(t, app)
	var parsed template
	if err := json.Unmarshal([]byte(read(t, filepath.Join(*app.Outdir(), "Later.template.json"))),
		&parsed); err != nil {
		t.Fatal(err)
	}
	if got := len(a.ofType(t, "AWS::IAM::Policy")); got != 1 {
		t.Errorf("the earlier stack has %d policies, want the role's own", got)
	}
	for id, resource := range parsed.Resources {
		if resource.Type != "AWS::IAM::Policy" {
			continue
		}
		text, err := json.Marshal(resource.Properties)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			`"Effect":"Deny"`, `"StringNotEquals":{"aws:SourceVpc":{"Ref":"Vpc`, `"dynamodb:*"`, `"kms:*"`,
			`RefReader`,
		} {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s lacks %s: %s", id, want, text)
			}
		}
		return
	}
	t.Error("the later stack has no policy")
}

// DynamoDB calls KMS in the caller's name, from outside of the VPC. In a key's policy the VPC would be one of a later
// stack.
func TestOnlyFromVpc_LeavesStorageKeyAndKeyPoliciesOut(t *testing.T) {
	inEveryConfiguration(t, func(t *testing.T, a assembly) {
		for id, policy := range a.ofType(t, "AWS::IAM::Policy") {
			for _, s := range a.statements(t, policy.Properties["PolicyDocument"]) {
				if strings.Contains(s.conditions, "aws:SourceVpc") &&
					(strings.Contains(s.resource, "StorageKey") || strings.Contains(s.resource, "*")) {
					t.Errorf("%s: %s", id, s)
				}
			}
		}
		for id, key := range a.ofType(t, "AWS::KMS::Key") {
			if strings.Contains(a.text(t, key.Properties["KeyPolicy"]), "SourceVpc") {
				t.Errorf("the policy of %s names a VPC", id)
			}
		}
	})
}

func TestLogGroups_MaskCardNumbers(t *testing.T) {
	const identifiers = "arn:${AWS::Partition}:dataprotection::aws:data-identifier/CreditCardNumber,CardLikeDigits"
	inEveryConfiguration(t, func(t *testing.T, a assembly) {
		for id, group := range a.ofType(t, "AWS::Logs::LogGroup") {
			encoded, err := json.Marshal(group.Properties["DataProtectionPolicy"])
			if err != nil {
				t.Fatal(err)
			}
			var policy struct {
				Statement []struct {
					DataIdentifier any
					Operation      map[string]any
				}
				Configuration struct {
					CustomDataIdentifier []struct{ Name, Regex string }
				}
			}
			if err := json.Unmarshal(encoded, &policy); err != nil || len(policy.Statement) != 2 ||
				len(policy.Configuration.CustomDataIdentifier) != 1 {
				t.Errorf("%s has the policy %s (%v)", id, encoded, err)
				continue
			}
			for i, operation := range []string{"Audit", "Deidentify"} {
				if s := policy.Statement[i]; s.Operation[operation] == nil ||
					a.text(t, s.DataIdentifier) != identifiers {
					t.Errorf("%s: statement %d is %v", id, i, s)
				}
			}
			checkCardLikeDigits(t, policy.Configuration.CustomDataIdentifier[0].Regex)
		}
	})
}

func checkCardLikeDigits(t *testing.T, regex string) {
	t.Helper()
	pattern := regexp.MustCompile(regex)
	if len(regex) > 200 { // CloudWatch's limit
		t.Errorf("the expression has %d characters", len(regex))
	}
	for text, want := range map[string]bool{
		"4111111111111111":    true,
		"x4111111111111111y":  true,
		"4111 1111 1111 1111": true,
		"4111-1111-1111-1111": true,
		"3782 822463 10005":   true,
		"30569309025904":      true, "6304000000000000000": true,
		"1576280412771":                        false,
		"2026-01-02T03:04:05.123456789Z":       false,
		"123456789012":                         false,
		"0b7f6f1e-7f3c-4b5a-9d3e-3f9a4a0d6c11": false,
		"2 123456789010 eni-1235b8ca123456789 172.31.16.139 172.31.16.21 20641 443 6 20 4249 1418530010 1418530070 ACCEPT OK": false,
	} {
		if pattern.MatchString(text) != want {
			t.Errorf("%q: masked is %t", text, !want)
		}
	}
}
