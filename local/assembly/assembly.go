// Package assembly reads what `cdk synth` leaves (a cloud assembly: manifest, CloudFormation templates, staged assets) and
// resolves the templates' values, so that a program can create what they describe.
//
//	a, err := assembly.Load("cdk.out")
//	r := assembly.NewResolver(a, "123456789012", "us-east-1")
//	for _, stack := range a.Stacks { // each after those it depends on
//		order, err := stack.Order()
//		for _, id := range order { // likewise
//			properties, err := r.Resolve(stack, id, stack.Template.Resources[id].Properties)
//			… create it, then say what Ref and Fn::GetAtt answer from now on:
//			r.SetResource(stack, id, keyID, map[string]string{"Arn": keyARN})
//		}
//	}
//
// What these templates do not use is refused by name instead of half supported: conditions, stages (nested assemblies), Docker
// images, intrinsic functions other than those of [Resolver]. Parameters and rules are ignored, as the CDK adds them
// only to check its bootstrap version, and so is its AWS::CDK::Metadata resource, the one that comes with a condition.
//
// Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/template-reference.html and, for the
// files, the package cloud-assembly-schema of the AWS CDK.
package assembly

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// Larger files than this are refused. A template that CloudFormation takes has at most 1 MB.
const maxFile = 16 << 20

// Assembly is a cloud assembly that [Load] has read.
type Assembly struct {
	Stacks []*Stack // each after the stacks it depends on
}

// Stack is one stack of the app.
type Stack struct {
	Name     string // on CloudFormation, as in the pseudo parameter AWS::StackName
	Template Template

	assets map[string]string // directories by object key
}

// Template is the part of a CloudFormation template that describes resources. Values keep their JSON types: map[string]any,
// []any, string, bool, nil and, so that no digit changes, [json.Number].
type Template struct {
	Resources map[string]Resource // by logical id
	Outputs   map[string]Output
}

// Resource is a resource as the template has it: intrinsic functions are still to be resolved.
type Resource struct {
	Type       string // such as AWS::KMS::Key
	Properties map[string]any
	DependsOn  stringOrList
	Condition  string
}

// Output is an output as the template has it.
type Output struct {
	Value       any
	Export      struct{ Name any } // Name is nil where the output is not exported
	Description string
	Condition   string
}

// stringOrList is one string or a list of them, which mean the same.
type stringOrList []string

func (l *stringOrList) UnmarshalJSON(b []byte) error {
	if !bytes.HasPrefix(b, []byte(`"`)) {
		return json.Unmarshal(b, (*[]string)(l))
	}
	*l = []string{""}
	return json.Unmarshal(b, &(*l)[0])
}

type manifest struct {
	Version   string
	Artifacts map[string]artifact
	Missing   []any // context that the CDK CLI would have to look up in an account before the templates are complete
}

type artifact struct {
	Type         string
	Dependencies []string
	Properties   struct{ TemplateFile, StackName, File string }
}

// The types of artifacts that matter here.
const (
	stackArtifact  = "aws:cloudformation:stack"
	assetsArtifact = "cdk:asset-manifest"
	nestedArtifact = "cdk:cloud-assembly"
)

type assetManifest struct {
	Files map[string]struct {
		Source       struct{ Path, Packaging string }
		Destinations map[string]struct{ ObjectKey string }
	}
}

// reader reads the files of one assembly. It does not leave the directory, whatever the manifest says.
type reader struct {
	dir  string // absolute
	root *os.Root
}

// Load reads the cloud assembly in dir. Its errors name the file that is missing, malformed or asks for something that is
// not supported.
func Load(dir string) (*Assembly, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("cloud assembly: %w", err)
	}
	defer root.Close()
	r := reader{dir, root}
	a, err := r.load()
	if err != nil {
		return nil, fmt.Errorf("cloud assembly %s: %w", dir, err)
	}
	return a, nil
}

func (r reader) load() (*Assembly, error) {
	var m manifest
	if err := r.read("manifest.json", &m); err != nil {
		return nil, err
	}
	if m.Version == "" || len(m.Artifacts) == 0 {
		return nil, errors.New("manifest.json: no version or no artifacts: this is not what cdk synth writes")
	}
	if len(m.Missing) > 0 {
		return nil, errors.New("manifest.json: incomplete, the app looks things up in an account: run cdk synth with credentials first")
	}
	order, err := sorted(slices.Collect(maps.Keys(m.Artifacts)), func(id string) []string { return m.Artifacts[id].Dependencies })
	if err != nil {
		return nil, fmt.Errorf("manifest.json: artifacts: %w", err)
	}
	a := &Assembly{}
	for _, id := range order {
		switch m.Artifacts[id].Type {
		case nestedArtifact:
			return nil, fmt.Errorf("manifest.json: artifact %s is a CDK stage, which is not supported: put its stacks into the app itself", id)
		case stackArtifact:
			s, err := r.stack(m, id)
			if err != nil {
				return nil, err
			}
			a.Stacks = append(a.Stacks, s)
		}
	}
	if len(a.Stacks) == 0 {
		return nil, errors.New("manifest.json: the app has no stacks")
	}
	return a, nil
}

func (r reader) stack(m manifest, id string) (*Stack, error) {
	found := m.Artifacts[id]
	s := &Stack{Name: found.Properties.StackName, assets: map[string]string{}}
	if s.Name == "" { // the CDK writes it only where it differs
		s.Name = id
	}
	file := found.Properties.TemplateFile
	if err := r.read(file, &s.Template); err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for _, dependency := range found.Dependencies {
		if d := m.Artifacts[dependency]; d.Type == assetsArtifact {
			if err := r.assets(d.Properties.File, s.assets); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// check refuses what would be resolved wrongly, and drops the CDK's own metadata.
func (s *Stack) check() error {
	maps.DeleteFunc(s.Template.Resources, func(_ string, r Resource) bool { return r.Type == "AWS::CDK::Metadata" })
	if len(s.Template.Resources) == 0 {
		return errors.New("the template has no resources")
	}
	for id, resource := range s.Template.Resources {
		if resource.Type == "" {
			return fmt.Errorf("resource %s has no Type", id)
		}
		if resource.Condition != "" {
			return fmt.Errorf("resource %s has the condition %s: conditions are not supported", id, resource.Condition)
		}
	}
	for name, output := range s.Template.Outputs {
		if output.Condition != "" {
			return fmt.Errorf("output %s has the condition %s: conditions are not supported", name, output.Condition)
		}
	}
	return nil
}

// assets adds the directories that the file lists to those in into. Single files (templates are among them) have no use here.
func (r reader) assets(file string, into map[string]string) error {
	var list assetManifest
	if err := r.read(file, &list); err != nil {
		return err
	}
	for id, asset := range list.Files {
		if asset.Source.Packaging != "zip" {
			continue
		}
		info, err := r.root.Stat(asset.Source.Path)
		if err != nil {
			return fmt.Errorf("%s: asset %s: %w", file, id, err)
		}
		if !info.IsDir() {
			return fmt.Errorf("%s: asset %s: %s is not a directory", file, id, asset.Source.Path)
		}
		for _, destination := range asset.Destinations {
			into[destination.ObjectKey] = filepath.Join(r.dir, asset.Source.Path)
		}
	}
	return nil
}

// read decodes the JSON file; numbers stay as they are written.
func (r reader) read(name string, into any) error {
	f, err := r.root.Open(name)
	if err != nil {
		return err // names the file
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return err
	}
	if len(b) > maxFile {
		return fmt.Errorf("%s: larger than %d bytes", name, maxFile)
	}
	decoder := json.NewDecoder(bytes.NewReader(b))
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("%s: malformed: %w", name, err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return fmt.Errorf("%s: malformed: data after the end of the document", name)
	}
	return nil
}

// AssetPath is the absolute path of the directory that the CDK has staged for a function's or a layer's S3Key.
func (s *Stack) AssetPath(objectKey string) (string, error) {
	if dir, ok := s.assets[objectKey]; ok {
		return dir, nil
	}
	return "", fmt.Errorf("stack %s has no directory asset with the object key %q", s.Name, objectKey)
}
