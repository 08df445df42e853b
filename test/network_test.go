package test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/stacks"
)

func TestNetwork_LetsNothingInFromOutsideAndHTTPSOut(t *testing.T) {
	for _, name := range []string{"prod", "everything"} {
		assembly := configured(t, name)
		var got []string
		for id, group := range assembly.ofType(t, "AWS::EC2::SecurityGroup") {
			p := group.Properties
			if p["SecurityGroupIngress"] != nil {
				t.Errorf("%s: %s lets in %v", name, id, p["SecurityGroupIngress"])
			}
			got = append(got, hash.ReplaceAllString(id, "")+" out: "+assembly.text(t, p["SecurityGroupEgress"]))
		}
		for _, rule := range assembly.ofType(t, "AWS::EC2::SecurityGroupIngress") {
			got = append(got, "in: "+assembly.text(t, rule.Properties))
		}
		slices.Sort(got)
		want := []string{
			// The CDK's way to say none: a group without rules would get CloudFormation's, which allow all.
			"EndpointSecurityGroup out: CidrIp=255.255.255.255/32 Description=Disallow all traffic FromPort=252 IpProtocol=icmp ToPort=86",
			"FunctionSecurityGroup out: CidrIp=0.0.0.0/0 Description=HTTPS FromPort=443 IpProtocol=tcp ToPort=443",
			"in: Description=HTTPS from the functions FromPort=443 GroupId=${EndpointSecurityGroup.GroupId} IpProtocol=tcp " +
				"SourceSecurityGroupId=${FunctionSecurityGroup.GroupId} ToPort=443",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: security groups (-want +got):\n%s", name, diff)
		}
		if egress := assembly.anyOfType("AWS::EC2::SecurityGroupEgress"); len(egress) > 0 {
			t.Errorf("%s: rules out of a group beside its own: %v", name, egress)
		}
	}
}

// routes are where the subnets that a function runs in lead to.
func (a assembly) routes(t *testing.T, function resource) []string {
	t.Helper()
	config := function.Properties["VpcConfig"].(map[string]any)
	if got := a.text(t, config["SecurityGroupIds"]); got != "${FunctionSecurityGroup.GroupId}" {
		t.Errorf("a function has security groups %s", got)
	}
	var found []string
	for _, subnet := range referenced(config["SubnetIds"]) {
		for _, association := range a.ofType(t, "AWS::EC2::SubnetRouteTableAssociation") {
			if referenced(association.Properties["SubnetId"])[0] != subnet {
				continue
			}
			for _, route := range a.anyOfType("AWS::EC2::Route") {
				if cmp.Equal(route.Properties["RouteTableId"], association.Properties["RouteTableId"]) {
					found = append(found, a.text(t, route.Properties["DestinationCidrBlock"])+" via "+a.text(t,
						route.Properties["NatGatewayId"]))
				}
			}
		}
	}
	if len(referenced(config["SubnetIds"])) != 2 {
		t.Errorf("a function runs in %v, want two subnets", config["SubnetIds"])
	}
	slices.Sort(found)
	return found
}

func TestNetwork_IsolatedFunctionsHaveNoWayOut(t *testing.T) {
	for _, name := range []string{"prod", "dev"} {
		assembly := configured(t, name)
		for id, function := range assembly.ofType(t, "AWS::Lambda::Function") {
			if got := assembly.routes(t, function); len(got) > 0 {
				t.Errorf("%s: %s gets out by %v", name, id, got)
			}
		}
		for _, kind := range []string{"AWS::EC2::InternetGateway", "AWS::EC2::NatGateway", "AWS::EC2::Route"} {
			if got := assembly.anyOfType(kind); len(got) > 0 {
				t.Errorf("%s: %s: %v", name, kind, got)
			}
		}
	}
}

func TestNetwork_EgressIsForTheFunctionThatChargesOnly(t *testing.T) {
	for stage, test := range map[string]struct {
		assembly assembly
		want     []string
	}{
		stacks.Prod: {
			configured(t, "everything"),
			[]string{"0.0.0.0/0 via ${VpcNatSubnet1NATGateway}", "0.0.0.0/0 via ${VpcNatSubnet2NATGateway}"},
		},
		stacks.Dev: {synth(t, stacks.Config{Stage: stacks.Dev, Network: stacks.Egress}),
			[]string{"0.0.0.0/0 via ${VpcNatSubnet1NATGateway}", "0.0.0.0/0 via ${VpcNatSubnet1NATGateway}"}},
	} {
		assembly, want := test.assembly, test.want
		_, order := assembly.one(t, "AWS::Lambda::Function", "Order")
		_, paybill := assembly.one(t, "AWS::Lambda::Function", "Paybill")
		if got := assembly.routes(t, order); len(got) > 0 {
			t.Errorf("%s: the order function gets out by %v", stage, got)
		}
		if diff := cmp.Diff(want, assembly.routes(t, paybill)); diff != "" {
			t.Errorf("%s: the paybill function's way out (-want +got):\n%s", stage, diff)
		}
	}
}

func TestNetwork_HasNoPublicAddressAndTwoZones(t *testing.T) {
	for _, name := range []string{"prod", "everything"} {
		assembly := configured(t, name)
		zones := map[string]int{}
		for id, subnet := range assembly.ofType(t, "AWS::EC2::Subnet") {
			if subnet.Properties["MapPublicIpOnLaunch"] != false {
				t.Errorf("%s: %s gives out public addresses", name, id)
			}
			zones[assembly.text(t, subnet.Properties["AvailabilityZone"])]++
		}
		if len(zones) != 2 || zones["Fn::Select=0,Fn::GetAZs="] != zones["Fn::Select=1,Fn::GetAZs="] {
			t.Errorf("%s: subnets are in zones %v, want two, alike", name, zones)
		}
	}
}

func TestNetwork_NoneIsNone(t *testing.T) {
	assembly := configured(t, "no network")
	for _, template := range assembly.templates {
		for id, resource := range template.Resources {
			if strings.HasPrefix(resource.Type, "AWS::EC2::") || resource.Properties["VpcConfig"] != nil {
				t.Errorf("%s (%s) is part of a network", id, resource.Type)
			}
		}
	}
	for _, function := range []string{"Order", "Paybill"} {
		for _, statement := range assembly.roleStatements(t, function) {
			if strings.Contains(statement.actions, "ec2:") {
				t.Errorf("%s needs no network, but may: %s", function, statement)
			}
		}
	}
}

// The CDK's look-up of a known region's zones needs credentials, and writes what it found into the repository.
func TestNetwork_NothingIsLookedUp(t *testing.T) {
	dir := t.TempDir()
	if _, err := synthesize(dir, stacks.Config{Account: "123456789012", Region: "eu-central-1"}, nil); err != nil {
		t.Fatal(err)
	}
	var manifest struct{ Missing []any }
	if err := json.Unmarshal([]byte(read(t, filepath.Join(dir, "manifest.json"))), &manifest); err != nil ||
		len(manifest.Missing) > 0 {
		t.Errorf("context is missing: %v (%v)", manifest.Missing, err)
	}
	if _, err := os.Stat(filepath.Join(moduleRoot, "cdk.context.json")); err == nil {
		t.Error("there is a cdk.context.json")
	}
}
