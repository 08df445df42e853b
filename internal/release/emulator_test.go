package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer"
)

// deployment is a stack made from the template, and what the test knows about it.
type deployment struct {
	moto
	name    string
	values  values
	made    installation // with the stand-ins, for the logical ids and the layer's content
	sums    map[tokenizerlayer.Architecture]string
	outputs map[string]string
	ids     map[string]string // of the resources, by logical id
}

// The template of a release and its layer deploy by plain calls of CloudFormation, twice into one account, and the
// resources are what the constructs promise. The server is moto (5.2.1), which has all types of resources in it, but
// not all of what they are. This test does not see:
//
//   - AWS::Lambda::LayerVersion: moto ignores LayerName and CompatibleArchitectures, and what refers to a layer version
//     gets no text. So the parameters layer-version-arn/* exist and cannot be read.
//   - AWS::KMS::Key: moto ignores KeyUsage and KeySpec: each key is one for encryption. Its DescribeKey fails.
//   - AWS::DynamoDB::Table: encryption and recovery. AWS::Logs::LogGroup: the key.
//   - The permissions boundary of a role.
//   - Deletion of AWS::IAM::ManagedPolicy: they stay.
func TestTemplate_DeploysByPlainCalls(t *testing.T) {
	server := startMoto(t)
	made, err := synthesize(t.TempDir(), "../..", parameters)
	if err != nil {
		t.Fatal(err)
	}
	template, err := json.Marshal(made.parametrized())
	if err != nil {
		t.Fatal(err)
	}
	server.rest(t, "s3", http.MethodPut, "/layers", nil, nil)
	sums := map[tokenizerlayer.Architecture]string{}
	for architecture, asset := range made.layers {
		name := filepath.Join(t.TempDir(), layerFile(architecture))
		if err := zipTree(name, asset); err != nil {
			t.Fatal(err)
		}
		content := []byte(kit.Read(t, name))
		sum := sha256.Sum256(content)
		sums[architecture] = base64.StdEncoding.EncodeToString(sum[:])
		server.rest(t, "s3", http.MethodPut, "/layers/"+layerFile(architecture), content, nil)
	}
	deploy := func(name string, v values) (*deployment, error) {
		d := &deployment{moto: server, name: name, values: v, made: made, sums: sums}
		return d, d.deploy(t, string(template))
	}
	first, err := deploy("tokenizer", values{rolePath: "/tokenizer/", reader: "card-reader"})
	if err != nil {
		t.Fatal(err)
	}
	first.check(t)
	others := values{prefix: "acme-", rolePath: "/acme/cards/", reader: "Pay_1"}
	second, err := deploy("acme", others)
	if err != nil {
		t.Fatal(err)
	}
	second.check(t)

	others = values{prefix: "more-", rolePath: "/more/", reader: "card-reader"}
	if _, err := deploy("more", others); err == nil || !strings.Contains(err.Error(), "log group already exists") {
		t.Errorf("a second reader of the same name: got %v", err)
	}
	second.delete(t)
	first.check(t)
}

// deploy makes the stack, with parameters only where the values are not the template's own.
func (d *deployment) deploy(t *testing.T, template string) error {
	t.Helper()
	form := url.Values{
		"StackName": {d.name}, "TemplateBody": {template}, "Capabilities.member.1": {"CAPABILITY_IAM"},
	}
	given := map[string]string{"LayerBucket": "layers"}
	if d.values.prefix != "" {
		given["Prefix"], given["RolePath"] = d.values.prefix, d.values.rolePath
		given["ReaderFunctionName"] = d.values.reader
	}
	for i, name := range slices.Sorted(maps.Keys(given)) {
		parameter := fmt.Sprintf("Parameters.member.%d.Parameter", i+1)
		form.Set(parameter+"Key", name)
		form.Set(parameter+"Value", given[name])
	}
	if err := d.query(t, "cloudformation", "CreateStack", form, nil); err != nil {
		return err
	}
	if err := d.await(t); err != nil {
		return err
	}
	return d.readResources(t)
}

// await asks until the stack is complete, and reads its outputs.
func (d *deployment) await(t *testing.T) error {
	t.Helper()
	ticks := time.NewTicker(50 * time.Millisecond) // CloudFormation has no event for it
	defer ticks.Stop()
	for end := time.After(kit.Limit); ; {
		var answer struct {
			Stack struct {
				StackStatus string
				Outputs     []struct{ OutputKey, OutputValue, ExportName string } `xml:"Outputs>member"`
			} `xml:"DescribeStacksResult>Stacks>member"`
		}
		err := d.query(t, "cloudformation", "DescribeStacks", url.Values{"StackName": {d.name}}, &answer)
		if err != nil {
			return err
		}
		if answer.Stack.StackStatus == "CREATE_COMPLETE" {
			d.outputs = map[string]string{}
			for _, output := range answer.Stack.Outputs {
				if output.ExportName != d.name+"-"+output.OutputKey {
					t.Errorf("the output %s is exported as %s", output.OutputKey, output.ExportName)
				}
				d.outputs[output.OutputKey] = output.OutputValue
			}
			return nil
		}
		if answer.Stack.StackStatus != "CREATE_IN_PROGRESS" {
			return fmt.Errorf("the stack %s is %s", d.name, answer.Stack.StackStatus)
		}
		select {
		case <-ticks.C:
		case <-end:
			return fmt.Errorf("the stack %s is %s for %v", d.name, answer.Stack.StackStatus, kit.Limit)
		}
	}
}

// readResources reads the ids of the resources. A resource that the server left out is an error: it does so with a
// warning only if it does not know the type.
func (d *deployment) readResources(t *testing.T) error {
	t.Helper()
	var answer struct {
		Resources []struct {
			LogicalID      string `xml:"LogicalResourceId"`
			PhysicalID     string `xml:"PhysicalResourceId"`
			ResourceStatus string
		} `xml:"DescribeStackResourcesResult>StackResources>member"`
	}
	err := d.query(t, "cloudformation", "DescribeStackResources", url.Values{"StackName": {d.name}}, &answer)
	if err != nil {
		return err
	}
	d.ids = map[string]string{}
	for _, resource := range answer.Resources {
		if resource.ResourceStatus == "CREATE_COMPLETE" {
			d.ids[resource.LogicalID] = resource.PhysicalID
		}
	}
	for id, resource := range d.made.resources() {
		if _, complete := d.ids[id]; !complete {
			return fmt.Errorf("the server did not make %s, which is an %s", id, resource["Type"])
		}
	}
	return nil
}

// check compares what the services say with what the template promises.
func (d *deployment) check(t *testing.T) {
	t.Helper()
	t.Run(d.name+" keys and tables", d.checkData)
	t.Run(d.name+" layer", d.checkLayer)
	t.Run(d.name+" parameters", d.checkParameters)
	t.Run(d.name+" roles", d.checkRoles)
}

// checkData looks at the keys behind the aliases, and at the tables.
func (d *deployment) checkData(t *testing.T) {
	for name, rotated := range map[string]bool{"token": true, "storage": true, "fingerprint": false} {
		var status struct{ KeyRotationEnabled bool }
		err := d.call(t, "kms", "TrentService.GetKeyRotationStatus", object{"KeyId": d.key(t, name)}, &status)
		if err != nil || status.KeyRotationEnabled != rotated {
			t.Errorf("rotation of %s is %v (%v)", name, status.KeyRotationEnabled, err)
		}
	}
	for name, want := range map[string][]string{
		tokenizerlayer.DefaultVaultTable: {"Hash_Key HASH", "Account_Id RANGE"},
		tokenizerlayer.DefaultStateTable: {"State_Key HASH", "Account_Id RANGE"},
		tokenizerlayer.DefaultIndexTable: {"Index_Key HASH"},
	} {
		var answer struct {
			Table struct {
				KeySchema                 []struct{ AttributeName, KeyType string }
				DeletionProtectionEnabled bool
				BillingModeSummary        struct{ BillingMode string }
			}
		}
		err := d.call(t, "dynamodb", "DynamoDB_20120810.DescribeTable", object{"TableName": d.values.prefix + name},
			&answer)
		if err != nil {
			t.Error(err)
			continue
		}
		var got []string
		for _, attribute := range answer.Table.KeySchema {
			got = append(got, attribute.AttributeName+" "+attribute.KeyType)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("key of %s (-want +got):\n%s", name, diff)
		}
		if !answer.Table.DeletionProtectionEnabled || answer.Table.BillingModeSummary.BillingMode != "PAY_PER_REQUEST" {
			t.Errorf("%s is %+v", name, answer.Table)
		}
	}
}

// key is the ARN of the key that an alias names.
func (d *deployment) key(t *testing.T, alias string) string {
	t.Helper()
	var list struct {
		Aliases []struct{ AliasName, TargetKeyID string }
	}
	if err := d.call(t, "kms", "TrentService.ListAliases", object{}, &list); err != nil {
		t.Fatal(err)
	}
	for _, one := range list.Aliases {
		if one.AliasName == "alias/"+d.values.prefix+"tokenizer/"+alias {
			return "arn:aws:kms:" + motoRegion + ":123456789012:key/" + one.TargetKeyID
		}
	}
	t.Fatalf("no key has the alias of %s: %v", alias, list.Aliases)
	return ""
}

// checkLayer compares the content of the layer versions with the files that were uploaded.
func (d *deployment) checkLayer(t *testing.T) {
	var list struct {
		Layers []struct {
			LayerName             string
			LatestMatchingVersion struct{ Description string }
		}
	}
	d.rest(t, "lambda", http.MethodGet, "/2018-10-31/layers", nil, &list)
	found := map[string]string{}
	for _, layer := range list.Layers {
		if !strings.HasPrefix(layer.LayerName, d.name+"-") { // moto's name, of the stack and the logical id
			continue
		}
		var version struct{ Content struct{ CodeSha256 string } }
		d.rest(t, "lambda", http.MethodGet, "/2018-10-31/layers/"+layer.LayerName+"/versions/1", nil, &version)
		_, described, _ := strings.Cut(layer.LatestMatchingVersion.Description, " for ")
		architecture, _, _ := strings.Cut(described, ",")
		found[architecture] = version.Content.CodeSha256
	}
	want := map[string]string{"arm64": d.sums[tokenizerlayer.ARM64], "x86_64": d.sums[tokenizerlayer.X86_64]}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("digests of the layer versions' content (-files +deployed):\n%s", diff)
	}
}

// checkParameters compares the SSM parameters with the resources that they name.
func (d *deployment) checkParameters(t *testing.T) {
	want := map[string]string{
		"vault-table": d.values.prefix + tokenizerlayer.DefaultVaultTable,
		"state-table": d.values.prefix + tokenizerlayer.DefaultStateTable,
		"index-table": d.values.prefix + tokenizerlayer.DefaultIndexTable,

		"token-key-arn/1": d.key(t, "token"), "fingerprint-key-arn/1": d.key(t, "fingerprint"),
		"storage-key-arn": d.key(t, "storage"),
	}
	for architecture, asset := range d.made.layers {
		digest := strings.TrimSpace(kit.Read(t, filepath.Join(asset, "tokenizer.digest")))
		want["layer-digest/"+string(architecture)] = digest
	}
	path := "/" + d.values.prefix + "tokenizer/"
	got := map[string]string{}
	for _, name := range d.parameterNames(t) {
		if !strings.HasPrefix(name, path+"layer-version-arn/") {
			var answer struct{ Parameter struct{ Value string } }
			if err := d.call(t, "ssm", "AmazonSSM.GetParameter", object{"Name": name}, &answer); err != nil {
				t.Fatal(err)
			}
			got[strings.TrimPrefix(name, path)] = answer.Parameter.Value
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("SSM parameters (-made +published):\n%s", diff)
	}
	if names := d.parameterNames(t); len(names) != len(want)+2 {
		t.Errorf("parameters are %v, want two of layer versions and %d more", names, len(want))
	}
}

// parameterNames are the names of the SSM parameters of this stack.
func (d *deployment) parameterNames(t *testing.T) (names []string) {
	t.Helper()
	path := "/" + d.values.prefix + "tokenizer/"
	in := object{"ParameterFilters": []object{{"Key": "Name", "Option": "BeginsWith", "Values": []string{path}}}}
	for {
		var page struct {
			Parameters []struct{ Name string }
			NextToken  string
		}
		if err := d.call(t, "ssm", "AmazonSSM.DescribeParameters", in, &page); err != nil {
			t.Fatal(err)
		}
		for _, one := range page.Parameters {
			names = append(names, one.Name)
		}
		if page.NextToken == "" {
			return names
		}
		in["NextToken"] = page.NextToken
	}
}

// checkRoles looks at the outputs, and at what the policies among them allow on which resources.
func (d *deployment) checkRoles(t *testing.T) {
	const account = "arn:aws:iam::123456789012:"
	want := map[string]string{
		"ParameterPath": "/" + d.values.prefix + "tokenizer/", "TokenizeRolePath": d.values.rolePath + "tokenize/",
		"ReaderFunction": d.values.reader, "ReaderLogGroup": "/aws/lambda/" + d.values.reader,
		"ReaderRoleArn":     account + "role" + d.values.rolePath + "detokenize/" + d.id(t, "ReaderRole"),
		"TokenizePolicyArn": d.id(t, "TokenizePolicy"), "RevokePolicyArn": d.id(t, "RevokePolicy"),
	}
	if diff := cmp.Diff(want, d.outputs); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
	var role struct {
		Path string `xml:"GetRoleResult>Role>Path"`
	}
	err := d.query(t, "iam", "GetRole", url.Values{"RoleName": {d.id(t, "ReaderRole")}}, &role)
	if err != nil || role.Path != d.values.rolePath+"detokenize/" {
		t.Errorf("the path of the reader's role is %q (%v)", role.Path, err)
	}
	var groups struct {
		LogGroups []struct{ RetentionInDays int }
	}
	err = d.call(t, "logs", "Logs_20140328.DescribeLogGroups",
		object{"logGroupNamePrefix": d.outputs["ReaderLogGroup"]}, &groups)
	if err != nil || len(groups.LogGroups) != 1 || groups.LogGroups[0].RetentionInDays != 365 {
		t.Errorf("the reader's log groups are %+v (%v)", groups.LogGroups, err)
	}

	vault := "arn:aws:dynamodb:" + motoRegion + ":123456789012:table/" + d.values.prefix +
		tokenizerlayer.DefaultVaultTable
	tokenizes := d.policy(t, d.outputs["TokenizePolicyArn"])
	for _, resource := range []string{vault, d.key(t, "token"), d.key(t, "storage")} {
		if !strings.Contains(tokenizes, `"`+resource+`"`) {
			t.Errorf("the policy does not name %s:\n%s", resource, tokenizes)
		}
	}
	var key struct{ Policy any } // moto answers with an object, AWS with a text
	in := object{"KeyId": d.key(t, "token"), "PolicyName": "default"}
	if err := d.call(t, "kms", "TrentService.GetKeyPolicy", in, &key); err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprint(key.Policy); !strings.Contains(text, account+"role"+d.values.rolePath+"tokenize/*") {
		t.Errorf("the policy of TokenKey does not name the path of the roles:\n%s", text)
	}
}

// id is the physical id of the resource that a construct made.
func (d *deployment) id(t *testing.T, construct string) string {
	t.Helper()
	for logical, physical := range d.ids {
		if strings.TrimRight(logical, "0123456789ABCDEF") == construct {
			return physical
		}
	}
	t.Fatalf("there is no %s among %v", construct, d.ids)
	return ""
}

// policy is the document of a managed policy.
func (d *deployment) policy(t *testing.T, arn string) string {
	t.Helper()
	var version struct {
		Document string `xml:"GetPolicyVersionResult>PolicyVersion>Document"`
	}
	if err := d.query(t, "iam", "GetPolicyVersion", url.Values{"PolicyArn": {arn}, "VersionId": {"v1"}},
		&version); err != nil {
		t.Fatal(err)
	}
	document, err := url.PathUnescape(version.Document)
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// delete deletes the stack. What holds data or is used by others stays.
func (d *deployment) delete(t *testing.T) {
	t.Helper()
	if err := d.query(t, "cloudformation", "DeleteStack", url.Values{"StackName": {d.name}}, nil); err != nil {
		t.Fatal(err)
	}
	t.Run(d.name+" after its deletion", func(t *testing.T) {
		var keys struct{ Keys []struct{ KeyID string } }
		if err := d.call(t, "kms", "TrentService.ListKeys", object{}, &keys); err != nil {
			t.Fatal(err)
		}
		for id, resource := range d.made.resources() {
			if resource["Type"] == "AWS::KMS::Key" && !strings.Contains(fmt.Sprint(keys.Keys), d.ids[id]) {
				t.Errorf("the key %s is deleted", id)
			}
		}
		for _, name := range []string{
			tokenizerlayer.DefaultVaultTable, tokenizerlayer.DefaultStateTable, tokenizerlayer.DefaultIndexTable,
		} {
			var table object
			if err := d.call(t, "dynamodb", "DynamoDB_20120810.DescribeTable",
				object{"TableName": d.values.prefix + name}, &table); err != nil {
				t.Errorf("the table %s is deleted: %v", name, err)
			}
		}
		d.checkLayer(t)
		if names := d.parameterNames(t); len(names) > 0 {
			t.Errorf("SSM parameters stay: %v", names)
		}
		role := url.Values{"RoleName": {d.id(t, "ReaderRole")}}
		if err := d.query(t, "iam", "GetRole", role, nil); err == nil {
			t.Error("the reader's role stays")
		}
	})
}
