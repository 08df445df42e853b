package assembly

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// withCondition is a template with a condition C, and others that it can refer to.
func withCondition(t *testing.T, definition string) (*Stack, *Resolver) {
	t.Helper()
	a, err := LoadApp(write(t, `{"Resources":{"Thing":{"Type":"T"},"Other":{"Type":"T","Condition":"C"}},
		"Parameters":{"Env":{"Type":"String","Default":"dev"},"Count":{"Type":"Number","Default":2},
			"Names":{"Type":"CommaDelimitedList","Default":"a, b"},"Open":{"Type":"String"}},
		"Mappings":{"M":{"us-east-1":{"x":"mapped"}}},
		"Conditions":{"True":{"Fn::Equals":[1,"1"]},"False":{"Fn::Not":[{"Condition":"True"}]},
			"C":`+definition+`}}`), "")
	if err != nil {
		t.Fatal(err)
	}
	r := NewResolver(a, "123456789012", "us-east-1")
	r.SetResource(a.Stacks[0], "Thing", "thing-1", map[string]string{"Arn": "arn:thing"})
	return a.Stacks[0], r
}

func TestHolds_EvaluatesConditions(t *testing.T) {
	for definition, want := range map[string]bool{
		`{"Fn::Equals":[{"Ref":"Env"},"dev"]}`:                                                true,
		`{"Fn::Equals":[{"Ref":"Env"},"prod"]}`:                                               false,
		`{"Fn::Equals":[{"Ref":"Count"},"2"]}`:                                                true,
		`{"Fn::Equals":[{"Ref":"AWS::Region"},{"Fn::Sub":"us-${X}"}]}`:                        false,
		`{"Fn::Equals":[{"Fn::Select":[1,{"Ref":"Names"}]},"b"]}`:                             true,
		`{"Fn::Equals":[{"Ref":"Names"},["a","b"]]}`:                                          true,
		`{"Fn::Equals":[{"Fn::FindInMap":["M",{"Ref":"AWS::Region"},"x"]},"mapped"]}`:         true,
		`{"Condition":"True"}`:                                                                true,
		`{"Condition":"False"}`:                                                               false,
		`{"Fn::And":[{"Condition":"True"},{"Fn::Not":[{"Condition":"False"}]}]}`:              true,
		`{"Fn::And":[{"Condition":"True"},{"Condition":"False"},{"Condition":"True"}]}`:       false,
		`{"Fn::Or":[{"Condition":"False"},{"Fn::Or":[{"Condition":"False"}]}]}`:               false,
		`{"Fn::Or":[{"Condition":"False"},{"Fn::Or":[{"Fn::Equals":["a","a"]}]}]}`:            true,
		`{"Fn::Not":[{"Fn::And":[{"Condition":"True"},{"Fn::Equals":["a",{"Ref":"Env"}]}]}]}`: true,
	} {
		stack, r := withCondition(t, definition)
		if strings.Contains(definition, "${X}") {
			stack, r = withCondition(t, strings.ReplaceAll(definition, "${X}", "${Env}"))
		}
		if got, err := r.Holds(stack, "C"); err != nil || got != want {
			t.Errorf("%s: got %v, %v", definition, got, err)
		}
	}
	stack, r := withCondition(t, `{"Condition":"False"}`)
	if got, err := r.Holds(stack, ""); err != nil || !got {
		t.Errorf("no condition: got %v, %v", got, err)
	}
}

func TestHolds_NamesWhatIsWrong(t *testing.T) {
	for definition, want := range map[string]string{
		`{"Fn::Equals":["a"]}`:                                "S/Conditions/C/Fn::Equals: want two values",
		`{"Fn::Equals":[{"Ref":"Thing"},"x"]}`:                "a condition cannot refer to a resource, such as Thing",
		`{"Fn::Equals":[{"Ref":"Open"},"x"]}`:                 "parameter Open of stack S has no value here: give it a default",
		`{"Fn::Equals":["{{resolve:ssm:/x}}","x"]}`:           "dynamic references",
		`{"Fn::Not":[]}`:                                      "S/Conditions/C/Fn::Not: want one condition",
		`{"Fn::Or":[]}`:                                       "S/Conditions/C/Fn::Or: want conditions",
		`{"Fn::Or":[true]}`:                                   "want Fn::Equals, Fn::And, Fn::Or, Fn::Not or a Condition",
		`{"Fn::Or":[{"Condition":"True"},{"Fn::Equals":[]}]}`: "S/Conditions/C/Fn::Or/Fn::Equals: want two values",
		`"yes"`: "S/Conditions/C: want Fn::Equals",
	} {
		stack, r := withCondition(t, definition)
		r.Unknown = func(*Stack, string, string) string { return "unknown" } // which no condition gets
		if got, err := r.Holds(stack, "C"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, %v; want %q", definition, got, err, want)
		}
	}
}

func TestResolve_ChoosesByConditions(t *testing.T) {
	for in, want := range map[string]string{
		`{"Fn::If":["True",{"Ref":"Thing"},{"Ref":"Other"}]}`:                                           `"thing-1"`,
		`{"Fn::If":["False",{"Ref":"Other"},"x"]}`:                                                      `"x"`,
		`{"a":{"Fn::If":["False",1,{"Ref":"AWS::NoValue"}]},"b":2}`:                                     `{"b":2}`,
		`[1,{"Fn::If":["True",{"Ref":"AWS::NoValue"},1]},{"Fn::If":["True",{"a":[2]},3]}]`:              `[1,{"a":[2]}]`,
		`{"Fn::Join":["-",[{"Fn::If":["True","a","b"]},{"Ref":"Env"},{"Fn::Length":{"Ref":"Names"}}]]}`: `"a-dev-2"`,
		`{"Fn::FindInMap":["M",{"Ref":"AWS::Region"},"x"]}`:                                             `"mapped"`,
		`{"Fn::FindInMap":["M","eu-west-1","x",{"DefaultValue":{"Ref":"Env"}}]}`:                        `"dev"`,
		`{"Statement":{"Condition":{"Bool":{"aws:SecureTransport":"false"}}}}`:                          `{"Statement":{"Condition":{"Bool":{"aws:SecureTransport":"false"}}}}`,
		`{"Condition":"True"}`: `{"Condition":"True"}`,
	} {
		stack, r := withCondition(t, `{"Condition":"False"}`)
		got, err := r.Resolve(stack, "Here", parse(t, in))
		if d := cmp.Diff(parse(t, want), got); d != "" || err != nil {
			t.Errorf("%s: %v %s", in, err, d)
		}
	}
}

func TestResolve_SaysThatAConditionIsFalse(t *testing.T) {
	stack, r := withCondition(t, `{"Condition":"False"}`)
	r.Unknown = func(*Stack, string, string) string { return "unknown" }
	_, err := r.Resolve(stack, "Here", parse(t, `{"Ref":"Other"}`))
	if want := "resource Other of stack S does not exist, because its condition C is false"; err == nil ||
		!strings.Contains(err.Error(), want) {
		t.Errorf("error = %v, want %q", err, want)
	}
}

// An output that does not exist exports nothing.
func TestResolve_ImportsFromTheOutputThatExists(t *testing.T) {
	a, err := LoadApp(write(t, `{"Conditions":{"Yes":{"Fn::Equals":[1,1]},"No":{"Fn::Equals":[1,2]}},"Outputs":{
		"A":{"Value":"a","Export":{"Name":"e"},"Condition":"No"},
		"B":{"Value":"b","Export":{"Name":"e"},"Condition":"Yes"}}}`),
		"")
	if err != nil {
		t.Fatal(err)
	}
	r := NewResolver(a, "123456789012", "us-east-1")
	got, err := r.Resolve(a.Stacks[0], "Here", parse(t, `{"Fn::ImportValue":"e"}`))
	if err != nil || got != "b" {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestLoadApp_NamesUnknownConditionsAndCycles(t *testing.T) {
	for template, want := range map[string]string{
		`{"Conditions":{"A":{"Condition":"B"},"B":{"Fn::Not":[{"Fn::Or":[{"Condition":"A"}]}]}}}`: "conditions: cycle: A -> B -> A",
		`{"Conditions":{"A":{"Fn::And":[{"Condition":"X"}]}}}`:                                    `conditions: A refers to "X", which does not exist`,
		`{"Resources":{"R":{"Type":"T","Condition":"X"}}}`:                                        `resource R refers to the condition "X"`,
		`{"Resources":{"R":{"Type":"T","Properties":{"a":[{"Fn::If":["X",1,2]}]}}}}`:              `resource R refers to the condition "X"`,
		`{"Outputs":{"O":{"Value":1,"Condition":"X"}}}`:                                           `output O refers to the condition "X"`,
		`{"Outputs":{"O":{"Value":{"Fn::If":["X",1,2]}}}}`:                                        `output O refers to the condition "X"`,
	} {
		if _, err := LoadApp(write(t, template), ""); err == nil ||
			!strings.Contains(err.Error(), "S.template.json: "+want) {
			t.Errorf("%s: error = %v, want %q", template, err, want)
		}
	}
}

func TestResolve_ReplacesDynamicReferences(t *testing.T) {
	stack, r := oneStack(t, things)
	r.SetParameter("/made", "value")
	const text = `"a {{resolve:ssm:/made}} {{resolve:ssm:/made:3}} b"`
	if got, err := r.String(stack, "Here", parse(t, text)); err != nil || got != "a value value b" {
		t.Errorf("got %q, %v", got, err)
	}
	r.Unknown = func(_ *Stack, id, attribute string) string { return "<" + id + attribute + ">" }
	const secret = "{{resolve:secretsmanager:name:SecretString:::}}"
	if got, err := r.String(stack, "Here", "x"+secret); err != nil || got != "x<"+secret+">" {
		t.Errorf("got %q, %v", got, err)
	}
}
