package assembly

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// reader is a template that reads an SSM parameter, and publisher one that makes it.
const (
	reader = `{"Parameters":{"P":{"Type":"AWS::SSM::Parameter::Value<String>","Default":"/shared/layer"}},` +
		`"Resources":{"R":{"Type":"T"}}}`
	publisher = `{"Resources":{"S":{"Type":"AWS::SSM::Parameter","Properties":{"Name":"/shared/layer","Value":"v"}}}}`
	neither   = `{"Resources":{"R":{"Type":"T"}}}`
)

// stacksOf are the stacks of an assembly in their order, from templates and dependencies by name.
func stacksOf(t *testing.T, templates map[string]string, dependencies map[string]string) (names []string) {
	t.Helper()
	files := map[string]string{}
	var artifacts []string
	for name, template := range templates {
		files[name+".json"] = template
		dependency := ""
		if on := dependencies[name]; on != "" {
			dependency = `"` + on + `"`
		}
		artifacts = append(artifacts, `"`+name+`":{"type":"aws:cloudformation:stack","dependencies":[`+dependency+
			`],"properties":{"templateFile":"`+name+`.json"}}`)
	}
	files["manifest.json"] = `{"version":"54.0.0","artifacts":{` + strings.Join(artifacts, ",") + `}}`
	a, err := Load(writeFiles(t, files))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range a.Stacks {
		names = append(names, s.Name)
	}
	return names
}

func TestLoad_PutsStacksAfterThoseWhoseSSMParametersTheyRead(t *testing.T) {
	for name, tt := range map[string]struct {
		templates, dependencies map[string]string
		want                    []string
	}{
		"the reader's name is first": {
			map[string]string{"A": reader, "B": publisher}, nil, []string{"B", "A"}},
		"the publisher's name is first": {
			map[string]string{"A": publisher, "B": reader}, nil, []string{"A", "B"}},
		"the publisher needs a third one": {
			map[string]string{"A": reader, "B": publisher, "C": neither}, map[string]string{"B": "C"},
			[]string{"C", "B", "A"}},
		"what has to be before the reader": {
			map[string]string{"A": reader, "B": neither, "C": publisher}, map[string]string{"A": "B"},
			[]string{"B", "C", "A"}},
		"the publisher needs the reader": {
			map[string]string{"A": reader, "B": publisher, "C": neither}, map[string]string{"B": "C", "C": "A"},
			[]string{"A", "C", "B"}},
		"both publish what the other reads": {
			map[string]string{
				"A": strings.Replace(reader, `"R":`, `"S":{"Type":"AWS::SSM::Parameter","Properties":{"Name":"/x"}},"R":`, 1),
				"B": strings.Replace(strings.Replace(reader, "/shared/layer", "/x", 1), `"R":`,
					`"S":{"Type":"AWS::SSM::Parameter","Properties":{"Name":"/shared/layer"}},"R":`, 1),
			}, nil, []string{"B", "A"}},
		"a parameter that only has the name as its value": {
			map[string]string{"A": strings.Replace(reader, typeOfSSM, "String", 1), "B": publisher}, nil,
			[]string{"A", "B"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, stacksOf(t, tt.templates, tt.dependencies)); diff != "" {
				t.Errorf("order (-want +got):\n%s", diff)
			}
		})
	}
}

// An app that refers to the layer of another app has a part of an ARN that nobody knows.
func TestResolver_NamesTheSSMParameterOfWhichAPartIsMissing(t *testing.T) {
	s, r := oneStack(t, `{"Parameters":{"P":{"Type":"AWS::SSM::Parameter::Value<String>","Default":"/other/layer"}},
		"Resources":{"Thing":{"Type":"T"}}}`)
	r.Unknown = func(*Stack, string, string) string { return "unknown" }
	part := parse(t, `{"Fn::Select":["6",{"Fn::Split":[":",{"Ref":"P"}]}]}`)
	_, err := r.Resolve(s, "Here", part)
	if err == nil || !strings.Contains(err.Error(), `the SSM parameter "/other/layer", which no earlier stack makes`) {
		t.Errorf("got %v", err)
	}
	r.SetParameter("/other/layer", "a:b")
	if _, err := r.Resolve(s, "Here", part); err == nil || !strings.Contains(err.Error(), "there is no element") {
		t.Errorf("got %v", err)
	}
}
