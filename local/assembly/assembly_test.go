package assembly

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// testdata/cdk.out is what aws-cdk-lib 2.270.0 has written for two stacks: a key, a table and a layer that the other
// stack's function refers to (the layer weakly), and a REST API. The feature-flag report is left out of its manifest.
func loadCDK(t *testing.T) *Assembly {
	t.Helper()
	a, err := Load("testdata/cdk.out")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// write makes a cloud assembly of one stack from a template.
func write(t *testing.T, template string) string {
	t.Helper()
	return writeFiles(t, map[string]string{
		"manifest.json":   `{"version":"54.0.0","artifacts":{"S":{"type":"aws:cloudformation:stack","properties":{"templateFile":"S.template.json"}}}}`,
		"S.template.json": template,
	})
}

func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// oneStack is an assembly whose stack S has the resources, a Thing among them that exists.
func oneStack(t *testing.T, template string) (*Stack, *Resolver) {
	t.Helper()
	a, err := Load(write(t, template))
	if err != nil {
		t.Fatal(err)
	}
	r := NewResolver(a, "123456789012", "us-east-1")
	r.SetResource(a.Stacks[0], "Thing", "thing-1", map[string]string{"Arn": "arn:thing", "Endpoint.Port": "80"})
	return a.Stacks[0], r
}

const things = `{"Resources":{"Thing":{"Type":"T"},"Later":{"Type":"T"}}}`

func parse(t *testing.T, text string) any {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestStacks_ComeAfterThoseTheyDependOn(t *testing.T) {
	a := loadCDK(t)
	if len(a.Stacks) != 2 || a.Stacks[0].Name != "VaultStack" || a.Stacks[1].Name != "AppStack" {
		t.Fatalf("got %+v", a.Stacks)
	}
}

func TestStacks_HaveTheNameOfTheManifest(t *testing.T) {
	a, err := Load(writeFiles(t, map[string]string{
		"manifest.json": `{"artifacts":{"S":{"type":"aws:cloudformation:stack","properties":{"templateFile":"t.json","stackName":"prefix-S"}}}}`,
		"t.json":        things,
	}))
	if err != nil {
		t.Fatal(err)
	}
	if a.Stacks[0].Name != "prefix-S" {
		t.Errorf("got %q", a.Stacks[0].Name)
	}
}

// Deploy every resource of both stacks with made-up values: nothing the CDK writes for these constructs may be unknown.
func TestLoad_ResolvesAWholeCDKAppInItsOrder(t *testing.T) {
	a := loadCDK(t)
	r := NewResolver(a, "123456789012", "eu-west-1")
	properties := map[string]map[string]any{}
	for _, stack := range a.Stacks {
		order, err := stack.Order()
		if err != nil {
			t.Fatal(err)
		}
		if len(order) != len(stack.Template.Resources) {
			t.Errorf("%s: order has %d of %d resources", stack.Name, len(order), len(stack.Template.Resources))
		}
		for _, id := range order {
			v, err := r.Resolve(stack, id, stack.Template.Resources[id].Properties)
			if err != nil {
				t.Fatal(err)
			}
			properties[id] = v.(map[string]any)
			r.SetResource(stack, id, "ref:"+id, map[string]string{"Arn": "arn:" + id, "RootResourceId": "root"})
		}
	}

	fn := properties["Order702A5B72"]
	want := map[string]any{"Variables": map[string]any{"KEY": "arn:TokenKeyD1D1A236", "TABLE": "ref:TableCD117FA1"}}
	if d := cmp.Diff(want, fn["Environment"]); d != "" {
		t.Errorf("imported values: %s", d)
	}
	if d := cmp.Diff([]any{"ref:LayerB20D2F06"}, fn["Layers"]); d != "" {
		t.Errorf("weak reference: %s", d)
	}
	key := fn["Code"].(map[string]any)
	if key["S3Bucket"] != "cdk-hnb659fds-assets-123456789012-eu-west-1" {
		t.Errorf("Fn::Sub: got %v", key["S3Bucket"])
	}
	dir, err := a.Stacks[1].AssetPath(key["S3Key"].(string))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "bootstrap")); err != nil || !filepath.IsAbs(dir) {
		t.Errorf("asset directory %s: %v", dir, err)
	}
	if _, err := a.Stacks[0].AssetPath(key["S3Key"].(string)); err == nil {
		t.Error("the stack without the function has its asset")
	}
	statement := properties["TokenKeyD1D1A236"]["KeyPolicy"].(map[string]any)["Statement"].([]any)[0].(map[string]any)
	if d := cmp.Diff(map[string]any{"AWS": "arn:aws:iam::123456789012:root"}, statement["Principal"]); d != "" {
		t.Errorf("key policy: %s", d)
	}
	url, err := r.String(a.Stacks[1], "Outputs/PaymentMethodApiURL",
		a.Stacks[1].Template.Outputs["PaymentMethodApiURL"].Value)
	if want :=
		"https://ref:ApiF70053CD.execute-api.eu-west-1.amazonaws.com/ref:ApiDeploymentStagedev51EE5D56/"; err != nil ||
		url != want {
		t.Errorf("output: got %q, %v", url, err)
	}
}

func TestOrder_PutsNeedsFirst(t *testing.T) {
	tests := map[string]string{
		"Ref":              `"Properties":{"a":[{"b":{"Ref":"Z"}}]}`,
		"GetAtt":           `"Properties":{"a":{"Fn::GetAtt":["Z","Arn"]}}`,
		"Sub":              `"Properties":{"a":{"Fn::Sub":"x${AWS::Region}${Z.Arn}"}}`,
		"Sub's variable":   `"Properties":{"a":{"Fn::Sub":["${v}${!A}",{"v":{"Ref":"Z"}}]}}`,
		"unknown function": `"Properties":{"a":{"Fn::Cidr":[{"Ref":"Z"},1]}}`,
		"DependsOn":        `"DependsOn":["Z"]`,
	}
	for name, needing := range tests {
		t.Run(name, func(t *testing.T) {
			stack, _ := oneStack(t, `{"Resources":{"A":{"Type":"T",`+needing+`},"Z":{"Type":"T"}}}`)
			order, err := stack.Order()
			if d := cmp.Diff([]string{"Z", "A"}, order); d != "" || err != nil {
				t.Errorf("%v %s", err, d)
			}
		})
	}
}

func TestOrder_IsByNameOtherwise(t *testing.T) {
	resources := map[string]Resource{}
	for i := range 40 {
		resources[fmt.Sprintf("R%02d", i)] = Resource{Type: "T"}
	}
	order, err := (&Stack{Template: Template{Resources: resources}}).Order()
	if want := slices.Sorted(maps.Keys(resources)); err != nil || !slices.Equal(order, want) {
		t.Errorf("got %v, %v", order, err)
	}
}

func TestOrder_NamesTheCycleAndTheUnknown(t *testing.T) {
	for needing, want := range map[string]string{
		`"A":{"Type":"T","DependsOn":["B"]},"B":{"Type":"T","Properties":{"x":{"Ref":"C"}}},"C":{"Type":"T","DependsOn":["B"]}`: "cycle: B -> C -> B",
		`"A":{"Type":"T","DependsOn":["A"]}`:               "cycle: A -> A",
		`"A":{"Type":"T","Properties":{"x":{"Ref":"No"}}}`: `A refers to "No"`,
	} {
		stack, _ := oneStack(t, `{"Resources":{`+needing+`}}`)
		if _, err := stack.Order(); err == nil || !strings.Contains(err.Error(), want) ||
			!strings.Contains(err.Error(), "stack S") {
			t.Errorf("%s: got %v, want %q", needing, err, want)
		}
	}
}

func TestResolve_EvaluatesIntrinsics(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{
			"constants stay, numbers to the digit", `{"a":[1.10,12345678901234567890,true,null,"x"]}`,
			`{"a":[1.10,12345678901234567890,true,null,"x"]}`,
		},
		{"pseudo parameters",
			`[{"Ref":"AWS::AccountId"},{"Ref":"AWS::Region"},{"Ref":"AWS::Partition"},{"Ref":"AWS::URLSuffix"},{"Ref":"AWS::StackName"}]`,
			`["123456789012","us-east-1","aws","amazonaws.com","S"]`},
		{"stack id", `{"Fn::Select":[1,{"Fn::Split":["/",{"Ref":"AWS::StackId"}]}]}`, `"S"`},
		{"no value", `{"a":{"Ref":"AWS::NoValue"},"b":[1,{"Ref":"AWS::NoValue"},2]}`, `{"b":[1,2]}`},
		{"no value alone", `{"Ref":"AWS::NoValue"}`, `null`},
		{
			"ref and attributes",
			`[{"Ref":"Thing"},{"Fn::GetAtt":["Thing","Arn"]},{"Fn::GetAtt":["Thing","Endpoint.Port"]}]`,
			`["thing-1","arn:thing","80"]`,
		},
		{"join", `{"Fn::Join":["-",["a",{"Ref":"Thing"},1,true,{"Ref":"AWS::NoValue"}]]}`, `"a-thing-1-1-true"`},
		{"join of a split", `{"Fn::Join":["",{"Fn::Split":[":",{"Fn::GetAtt":["Thing","Arn"]}]}]}`, `"arnthing"`},
		{"split", `{"Fn::Split":[",","a,b,"]}`, `["a","b",""]`},
		{"select", `{"Fn::Select":["1",["a",{"Fn::Sub":"${Thing}!"}]]}`, `"thing-1!"`},
		{
			"sub", `{"Fn::Sub":"${Thing} ${Thing.Arn} ${Thing.Endpoint.Port} ${AWS::Region} ${!Literal} $x"}`,
			`"thing-1 arn:thing 80 us-east-1 ${Literal} $x"`,
		},
		{
			"sub with variables",
			`{"Fn::Sub":["${Thing}/${n}/${a.b}",{"Thing":"mine","n":{"Fn::GetAtt":["Thing","Arn"]},"a.b":7}]}`,
			`"mine/arn:thing/7"`,
		},
		{"base64", `{"Fn::Base64":{"Ref":"Thing"}}`, `"dGhpbmctMQ=="`},
		{"length", `{"Fn::Length":{"Fn::Split":[",","a,b"]}}`, `2`},
		{"json", `{"Fn::ToJsonString":{"a":["<",1.10,{"Ref":"Thing"}]}}`, `"{\"a\":[\"<\",1.10,\"thing-1\"]}"`},
		{"no topics", `{"Ref":"AWS::NotificationARNs"}`, `[]`},
		{"blocks", `{"Fn::Cidr":["10.0.0.0/16",3,"10"]}`, `["10.0.0.0/22","10.0.4.0/22","10.0.8.0/22"]`},
		{"blocks of 8 bits", `{"Fn::Cidr":["10.0.255.0/22",2]}`, `["10.0.252.0/24","10.0.253.0/24"]`},
		{"blocks of IPv6", `{"Fn::Cidr":["2001:db8::/56",2,64]}`, `["2001:db8::/64","2001:db8:0:1::/64"]`},
		{"zones", `{"Fn::Select":[1,{"Fn::GetAZs":""}]}`, `"us-east-1b"`},
		{"a member named Ref beside others is data", `{"Ref":"main","Repo":"x"}`, `{"Ref":"main","Repo":"x"}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			stack, r := oneStack(t, things)
			in := parse(t, test.in)
			got, err := r.Resolve(stack, "Here", in)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(parse(t, test.want), got); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(parse(t, test.in), in); d != "" {
				t.Errorf("the input has changed: %s", d)
			}
		})
	}
}

func TestResolve_NamesThePlaceOfAnError(t *testing.T) {
	tests := []struct{ in, want string }{
		{`{"a":[0,{"b":{"Fn::Transform":"x"}}]}`, "S/Here/a/1/b/Fn::Transform: this intrinsic function is not supported"},
		{`{"Fn::If":["c",1,2]}`, `S/Here/Fn::If: stack S has no condition "c"`},
		{`{"Fn::If":["c",1]}`, "S/Here/Fn::If: want a condition and two values"},
		{`{"Fn::If":[{"Ref":"c"},1,2]}`, "S/Here/Fn::If: want the name of a condition"},
		{`{"Fn::FindInMap":["M","a"]}`, "S/Here/Fn::FindInMap: want a mapping and two keys"},
		{`{"Fn::FindInMap":["M","a","b"]}`, `S/Here/Fn::FindInMap: the mapping "M" has no value for "a" and "b"`},
		{`{"Fn::Length":"x"}`, "S/Here/Fn::Length: want a list"},
		{`{"Fn::Cidr":["10.0.0.0/24",3,7]}`, "10.0.0.0/24 has no room for 3 blocks of 7 bits"},
		{`{"Fn::Cidr":["x",1,8]}`, `"x" is not a block of addresses`},
		{`{"Fn::Cidr":["10.0.0.0/24","many",8]}`, `"many" is not a number`},
		{`{"a":{"Fn::Sub":"x","b":1}}`, "S/Here/a/Fn::Sub: "},
		{`{"a":"{{resolve:ssm:/p}}"}`, "S/Here/a: dynamic references"},
		{`{"a":{"Ref":"BootstrapVersion"}}`, `S/Here/a/Ref: stack S has no resource or parameter "BootstrapVersion"`},
		{`{"a":{"Ref":"AWS::Nothing"}}`, `"AWS::Nothing"`},
		{`{"Ref":["Thing"]}`, "S/Here/Ref: "},
		{`{"Fn::GetAtt":["Thing","Other"]}`, "attribute Other of resource Thing (T) in stack S"},
		{`{"Fn::GetAtt":["Thing"]}`, "S/Here/Fn::GetAtt: "},
		{`{"Fn::GetAtt":"Thing"}`, "S/Here/Fn::GetAtt: "},
		{`{"Fn::Sub":"${Thing.No}"}`, "attribute No"},
		{`{"Fn::Sub":"${}"}`, "S/Here/Fn::Sub/"},
		{`{"Fn::Sub":[1,2,3]}`, "S/Here/Fn::Sub: "},
		{`{"Fn::Join":["",[["a"]]]}`, "S/Here/Fn::Join: "},
		{`{"Fn::Join":["","a"]}`, "S/Here/Fn::Join: "},
		{`{"Fn::Join":[["x"],["a"]]}`, "S/Here/Fn::Join: "},
		{`{"Fn::Join":"a"}`, "S/Here/Fn::Join: "},
		{`{"Fn::Split":[",",["a"]]}`, "S/Here/Fn::Split: "},
		{`{"Fn::Select":[2,["a","b"]]}`, `S/Here/Fn::Select: there is no element "2" in a list of 2`},
		{`{"Fn::Select":[-1,["a"]]}`, "S/Here/Fn::Select: "},
		{`{"Fn::ImportValue":"nobody"}`, `S/Here/Fn::ImportValue: no stack exports "nobody"`},
		{`{"Fn::GetStackOutput":{"StackName":"S","OutputName":"No"}}`, `stack S has no output "No"`},
		{`{"Fn::GetStackOutput":{"StackName":"X","OutputName":"No"}}`, `stack X has no output`},
		{`{"Fn::GetStackOutput":{"StackName":"S","OutputName":"O","Region":"eu-west-1"}}`, "regions"},
		{`{"Fn::GetStackOutput":{"StackName":"S","OutputName":"O","RoleArn":"r"}}`, "accounts"},
	}
	for _, test := range tests {
		stack, r := oneStack(t, things)
		if got, err := r.Resolve(stack, "Here", parse(t, test.in)); err == nil ||
			!strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, %v; want %q", test.in, got, err, test.want)
		}
	}
}

func TestResolve_NamesTheResourceThatDoesNotExistYet(t *testing.T) {
	stack, r := oneStack(t, `{"Resources":{"Thing":{"Type":"T"},"Later":{"Type":"T"}},
		"Outputs":{"Arn":{"Value":{"Fn::GetAtt":["Later","Arn"]},"Export":{"Name":"later"}}}}`)
	for in, attribute := range map[string]string{
		`{"a":{"Ref":"Later"}}`:                "Ref",
		`{"a":{"Fn::Sub":"${Later.Arn}"}}`:     "Arn",
		`{"a":[{"Fn::ImportValue":"later"}]}`:  "Arn",
		`{"a":{"Fn::GetAtt":["Later","Arn"]}}`: "Arn",
	} {
		_, err := r.Resolve(stack, "Here", parse(t, in))
		want := "resource Later of stack S does not exist yet: its " + attribute
		if err == nil || !strings.HasPrefix(err.Error(), "S/Here/a/") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error = %v, want %s", in, err, want)
		}
	}
}

// A stack finds out by SSM what an earlier stack made.
func TestResolve_TakesParametersFromSSM(t *testing.T) {
	stack, r := oneStack(t, `{"Resources":{"Thing":{"Type":"T"}},"Parameters":{
		"Table":{"Type":"AWS::SSM::Parameter::Value<String>","Default":"/tokenizer/vault-table"},
		"Missing":{"Type":"AWS::SSM::Parameter::Value<String>","Default":"/tokenizer/none"},
		"Typed":{"Type":"AWS::SSM::Parameter::Value<List<String>>","Default":"x"}}}`)
	r.SetParameter("/tokenizer/vault-table", "Vault")
	got, err := r.String(stack, "Here", parse(t, `{"Fn::Sub":"table/${Table}"}`))
	if err != nil || got != "table/Vault" {
		t.Errorf("got %q, %v", got, err)
	}
	for in, want := range map[string]string{
		`{"Ref":"Missing"}`: `names the SSM parameter "/tokenizer/none", which no earlier stack makes`,
		`{"Ref":"Typed"}`:   "only AWS::SSM::Parameter::Value<String> is supported",
		`{"Ref":"Nobody"}`:  `stack S has no resource or parameter "Nobody"`,
	} {
		if got, err := r.String(stack, "Here", parse(t, in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %q, %v; want %s", in, got, err, want)
		}
	}
}

func TestResolve_EndsWithOutputsThatReferToEachOther(t *testing.T) {
	stack, r := oneStack(t, `{"Resources":{"Thing":{"Type":"T"}},"Outputs":{
		"A":{"Value":{"Fn::ImportValue":"b"},"Export":{"Name":"a"}},
		"B":{"Value":{"Fn::GetStackOutput":{"StackName":"S","OutputName":"A"}},"Export":{"Name":"b"}}}}`)
	if _, err := r.Resolve(stack, "Here", parse(t, `{"Fn::ImportValue":"a"}`)); err == nil ||
		!strings.Contains(err.Error(), "cycle") {
		t.Errorf("got %v", err)
	}
	stack, r = oneStack(t,
		`{"Resources":{"Thing":{"Type":"T"}},"Outputs":{"A":{"Value":"x","Export":{"Name":{"Fn::ImportValue":"b"}}}}}`)
	if _, err := r.Resolve(stack, "Here", parse(t, `{"Fn::ImportValue":"a"}`)); err == nil ||
		!strings.Contains(err.Error(), "cycle") {
		t.Errorf("got %v", err)
	}
}

func TestResolve_TakesAWeakReferenceToOneStackOnly(t *testing.T) {
	stack, r := oneStack(t, `{"Resources":{"Thing":{"Type":"T"}},"Outputs":{"O":{"Value":"x"}}}`)
	for name, want := range map[string]any{"S": "x", "Other": nil} {
		got, err := r.Resolve(stack, "Here",
			parse(t, `{"Fn::GetStackOutput":{"StackName":"`+name+`","OutputName":"O","Region":{"Ref":"AWS::Region"}}}`))
		if got != want || (err != nil) != (want == nil) {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
}

func TestLoad_KeepsTheDigitsOfNumbers(t *testing.T) {
	stack, r := oneStack(t, `{"Resources":{"Thing":{"Type":"T","Properties":{"n":12345678901234567890,"m":1.10}}}}`)
	got, err := r.Resolve(stack, "Thing", stack.Template.Resources["Thing"].Properties)
	want := map[string]any{"n": json.Number("12345678901234567890"), "m": json.Number("1.10")}
	if d := cmp.Diff(any(want), got); d != "" || err != nil {
		t.Errorf("%v %s", err, d)
	}
}

func TestString_ConvertsScalarsOnly(t *testing.T) {
	stack, r := oneStack(t, things)
	for in, want := range map[string]string{`1.50`: "1.50", `true`: "true", `{"Ref":"Thing"}`: "thing-1"} {
		if got, err := r.String(stack, "Here", parse(t, in)); err != nil || got != want {
			t.Errorf("%s: got %q, %v", in, got, err)
		}
	}
	for _, in := range []string{`[]`, `{}`, `null`, `{"Ref":"AWS::NoValue"}`} {
		if got, err := r.String(stack, "Here", parse(t, in)); err == nil ||
			!strings.HasPrefix(err.Error(), "S/Here: ") {
			t.Errorf("%s: got %q, %v", in, got, err)
		}
	}
}

func TestLoad_DropsTheCDKsMetadata(t *testing.T) {
	stack, _ :=
		oneStack(
			t, `{"Resources":{"Thing":{"Type":"T"},"CDKMetadata":{"Type":"AWS::CDK::Metadata","Condition":"CDKMetadataAvailable"}},
		"Conditions":{"CDKMetadataAvailable":{"Fn::Or":[]}},
		"Parameters":{"BootstrapVersion":{"Type":"AWS::SSM::Parameter::Value<String>"}}}`)
	if _, ok := stack.Template.Resources["CDKMetadata"]; ok || len(stack.Template.Resources) != 1 {
		t.Errorf("got %v", stack.Template.Resources)
	}
}

func TestLoad_RefusesUnusableAssembliesByFile(t *testing.T) {
	withManifest := func(content string) string { return writeFiles(t, map[string]string{"manifest.json": content}) }
	stackWith := func(properties, more string) string {
		return `{"artifacts":{"S":{"type":"aws:cloudformation:stack","dependencies":["S.assets"],"properties":` +
			properties + `}` + more + `}}`
	}
	assets := `,"S.assets":{"type":"cdk:asset-manifest","properties":{"file":"S.assets.json"}}`
	tests := []struct{ dir, want string }{
		{filepath.Join(t.TempDir(), "none"), "none"},
		{t.TempDir(), "manifest.json"},
		{withManifest(`{`), "manifest.json: malformed"},
		{withManifest(`{} {}`), "manifest.json: malformed"},
		{withManifest(`{}`), "manifest.json: there are no stacks"},
		{withManifest(`{"missing":[{}]}`), "run cdk synth with credentials"},
		{withManifest(`{"artifacts":{"Stage":{"type":"cdk:cloud-assembly"}}}`), "Stage is a CDK stage"},
		{withManifest(`{"artifacts":{"A":{"dependencies":["A"]}}}`), "manifest.json: cycle"},
		{withManifest(
			`{"artifacts":{"S":{"type":"aws:cloudformation:stack","properties":{"templateFile":"gone.json"}}}}`),
			"gone.json"},
		{withManifest(
			`{"artifacts":{"S":{"type":"aws:cloudformation:stack","properties":{"templateFile":"../../etc/passwd"}}}}`),
			"escapes"},
		{write(t, `{"Resources":{"A":[]}}`), "S.template.json: malformed"},
		{write(t, `{}`), "S.template.json: there are no resources"},
		{write(t, `{"Resources":{"A":{}}}`), "S.template.json: resource A"},
		{write(t, `{"Resources":{"A":{"Type":"T","Condition":"C"}}}`), "S.template.json: resource A"},
		{
			write(t, `{"Resources":{"A":{"Type":"T"}},"Outputs":{"O":{"Value":1,"Condition":"C"}}}`),
			"S.template.json: output O",
		},
		{writeFiles(t, map[string]string{
			"manifest.json": stackWith(`{"templateFile":"t.json"}`, assets), "t.json": things,
		}), "S.assets.json"},
		{writeFiles(t,
			map[string]string{
				"manifest.json": `{"artifacts":{"S":{"type":"aws:cloudformation:stack","additionalMetadataFile":"m.json"}}}`,
				"m.json":        `[]`,
			}), "m.json: malformed"},
	}
	for _, test := range tests {
		if _, err := Load(test.dir); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %q", err, test.want)
		}
	}
}

func TestAssetPath_RefusesWhatIsNotInTheAssembly(t *testing.T) {
	a, err := Load(writeFiles(t, map[string]string{
		"manifest.json": `{"artifacts":{
			"S":{"type":"aws:cloudformation:stack","dependencies":["S.assets"],"properties":{"templateFile":"t.json"}},
			"S.assets":{"type":"cdk:asset-manifest","properties":{"file":"S.assets.json"}}}}`,
		"t.json": things,
		"S.assets.json": `{"files":{
			"a":{"source":{"path":"asset.a","packaging":"zip"},"destinations":{"d":{"objectKey":"not built"}}},
			"b":{"source":{"path":"/tmp","packaging":"zip"},"destinations":{"d":{"objectKey":"outside"}}}}}`,
	}))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"not built": `S.assets.json: asset "asset.a"`, "outside": `S.assets.json: asset "/tmp"`, "unknown": `"unknown"`,
	} {
		if dir, err := a.Stacks[0].AssetPath(key); err == nil || dir != "" || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %q, %v", key, dir, err)
		}
	}
}

func TestStack_KnowsConstructsAndEnvironment(t *testing.T) {
	stack := func(environment string) *Stack {
		a, err := Load(writeFiles(t, map[string]string{
			"manifest.json": `{"artifacts":{"S":{"type":"aws:cloudformation:stack","environment":"` + environment + `",
				"additionalMetadataFile":"m.json","properties":{"templateFile":"t.json"}}}}`,
			"t.json": things,
			"m.json": `{"/S/Vault/Thing/Resource":[{"type":"aws:cdk:creationStack","data":["x"]},{"type":"aws:cdk:logicalId","data":"Thing"}]}`,
		}))
		if err != nil {
			t.Fatal(err)
		}
		return a.Stacks[0]
	}
	open := stack("aws://unknown-account/unknown-region")
	if got := open.ConstructPath("Thing"); got != "S/Vault/Thing/Resource" {
		t.Errorf("path %q", got)
	}
	if got := open.ConstructPath("Later"); got != "S/Later" {
		t.Errorf("path of a resource without metadata: %q", got)
	}
	if open.Account != "" || open.Region != "" {
		t.Errorf("open environment: %q, %q", open.Account, open.Region)
	}
	if s := stack("aws://123456789012/eu-west-1"); s.Account != "123456789012" || s.Region != "eu-west-1" {
		t.Errorf("environment: %q, %q", s.Account, s.Region)
	}
}
