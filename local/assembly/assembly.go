// Package assembly reads what `cdk synth` leaves (a cloud assembly: manifest, CloudFormation templates, staged assets)
// and resolves the templates' values, so that a program can create what they describe.
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
// If a template uses something that the app's templates do not use, the package returns an error that names it:
// conditions, stages (nested assemblies), and intrinsic functions that [Resolver] does not list. Rules are ignored,
// because the CDK adds them only to check its bootstrap version. So is its resource AWS::CDK::Metadata, which has a
// condition.
//
// Sources: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
// and, for the files, the package cloud-assembly-schema of the AWS CDK.
package assembly

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// schema is the newest major version of the schema of cloud assemblies that this package reads. The CDK CLI refuses
// newer ones, too, because nothing says what they mean.
const schema = 55

// maxFile bounds what is read of a file, in bytes. CloudFormation accepts templates of up to 1 MB.
const maxFile = 16 << 20

// Assembly is a cloud assembly that [Load] has read.
type Assembly struct {
	// Stacks are each after the stacks that it depends on, and after those that make the SSM parameters that it reads.
	Stacks []*Stack
}

// Stack is one stack of the app.
type Stack struct {
	Name            string // on CloudFormation, as in the pseudo parameter AWS::StackName
	Account, Region string // "" if the app leaves them to whoever deploys the template
	Template        Template

	assets map[string]asset  // by object key
	paths  map[string]string // of constructs, by logical id
	needs  []*Stack          // which it depends on
}

// asset is a directory or a zip file that the CDK has staged. In an assembly that was synthesized without building
// anything, it does not exist.
type asset struct {
	path string // absolute
	err  error  // why there is none
}

// Template is the part of a CloudFormation template that describes resources. Values keep their JSON types:
// map[string]any, []any, string, bool, nil and, so that no digit changes, [json.Number].
type Template struct {
	Resources  map[string]Resource // by logical id
	Outputs    map[string]Output
	Parameters map[string]Parameter
}

// Resource is a resource as the template has it: intrinsic functions are still to be resolved.
type Resource struct {
	Type       string // such as AWS::KMS::Key
	Properties map[string]any
	DependsOn  []string
	Condition  string
}

// Parameter is a parameter of a template. Nobody gives it another value than its default here. For the type
// AWS::SSM::Parameter::Value<String>, the default is the name of the SSM parameter that has the value.
type Parameter struct {
	Type    string
	Default any
}

// typeOfSSM is the type of a parameter whose value is that of an SSM parameter.
const typeOfSSM = "AWS::SSM::Parameter::Value<String>"

// Output is an output as the template has it.
type Output struct {
	Value       any
	Export      struct{ Name any } // nil where the output is not exported
	Description string
	Condition   string
}

type manifest struct {
	Version   string
	Artifacts map[string]struct {
		Type         string
		Dependencies []string
		Properties   struct{ TemplateFile, StackName, File string }
		Environment  string // of a stack, such as aws://123456789012/us-east-1
		// AdditionalMetadataFile says among other things which construct made which resource.
		AdditionalMetadataFile string
	}
	Missing []any // context that the CDK CLI would have to look up in an account before the templates are complete
}

type assetManifest struct {
	Files map[string]struct {
		Source       struct{ Path, Packaging string }
		Destinations map[string]struct{ ObjectKey string }
	}
}

// loader reads one assembly. It reads no files outside the directory, whatever the assembly's files say.
type loader struct {
	dir  string // absolute
	root *os.Root
	manifest
}

// Load reads the cloud assembly in dir. Its errors name the file that is missing, malformed or asks for what is not
// supported.
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
	a, err := (&loader{dir: dir, root: root}).load()
	if err != nil {
		return nil, fmt.Errorf("cloud assembly %s: %w", dir, err)
	}
	return a, nil
}

func (l *loader) load() (*Assembly, error) {
	if err := l.read("manifest.json", &l.manifest); err != nil {
		return nil, err
	}
	if version, _, _ := strings.Cut(l.Version, "."); newer(version) {
		return nil, fmt.Errorf("manifest.json: its schema has version %s, and the newest that is read here is %d: use a "+
			"newer release of this project, or synthesize with an older aws-cdk-lib", l.Version, schema)
	}
	if len(l.Missing) > 0 {
		return nil,
			errors.New("manifest.json: the app looks things up in an account: run cdk synth with credentials first")
	}
	order, err := sorted(slices.Collect(maps.Keys(l.Artifacts)), func(id string) []string {
		return l.Artifacts[id].Dependencies
	})
	if err != nil {
		return nil, fmt.Errorf("manifest.json: %w", err)
	}
	a := &Assembly{}
	byID := map[string]*Stack{}
	for _, id := range order {
		switch l.Artifacts[id].Type {
		case "cdk:cloud-assembly":
			return nil, fmt.Errorf(
				"manifest.json: %s is a CDK stage, which is not supported: put its stacks into the app itself", id)
		case "aws:cloudformation:stack":
			s, err := l.stack(id)
			if err != nil {
				return nil, err
			}
			for _, dependency := range l.Artifacts[id].Dependencies {
				if needed := byID[dependency]; needed != nil {
					s.needs = append(s.needs, needed)
				}
			}
			byID[id], a.Stacks = s, append(a.Stacks, s)
		}
	}
	if len(a.Stacks) == 0 {
		return nil, errors.New("manifest.json: there are no stacks: this is not what cdk synth writes")
	}
	a.Stacks = publishersFirst(a.Stacks)
	return a, nil
}

// newer tells whether a major version is one that this package does not know.
func newer(major string) bool {
	n, err := strconv.Atoi(major)
	return err == nil && n > schema
}

func (l *loader) stack(id string) (*Stack, error) {
	artifact := l.Artifacts[id]
	s := &Stack{Name: artifact.Properties.StackName, assets: map[string]asset{}, paths: map[string]string{}}
	if s.Name == "" { // the CDK writes it only where it differs
		s.Name = id
	}
	s.Account, s.Region = environment(artifact.Environment)
	if artifact.AdditionalMetadataFile != "" {
		if err := l.paths(artifact.AdditionalMetadataFile, s.paths); err != nil {
			return nil, err
		}
	}
	file := artifact.Properties.TemplateFile
	if err := l.read(file, &s.Template); err != nil {
		return nil, err
	}
	if err := s.Template.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for _, dependency := range artifact.Dependencies {
		if d := l.Artifacts[dependency]; d.Type == "cdk:asset-manifest" {
			if err := l.assets(d.Properties.File, s.assets); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// environment returns account and region of a stack. The CDK writes unknown-account and unknown-region where they are
// open.
func environment(uri string) (account, region string) {
	account, region, _ = strings.Cut(strings.TrimPrefix(uri, "aws://"), "/")
	return known(account), known(region)
}

func known(name string) string {
	if strings.HasPrefix(name, "unknown-") {
		return ""
	}
	return name
}

// paths adds the paths of the constructs, by the logical ids of what they made, to the map. The file is for people, so
// it may be gone.
func (l *loader) paths(file string, into map[string]string) error {
	var entries map[string][]struct {
		Type string
		Data any
	}
	if err := l.read(file, &entries); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for path, list := range entries {
		for _, entry := range list {
			if id, ok := entry.Data.(string); ok && entry.Type == "aws:cdk:logicalId" {
				into[id] = strings.TrimPrefix(path, "/")
			}
		}
	}
	return nil
}

// check returns an error for what would be resolved wrongly. It drops the CDK's own metadata.
func (t *Template) check() error {
	maps.DeleteFunc(t.Resources, func(_ string, r Resource) bool { return r.Type == "AWS::CDK::Metadata" })
	for id, resource := range t.Resources {
		if resource.Type == "" || resource.Condition != "" {
			return fmt.Errorf("resource %s lacks a type or has a condition, which is not supported", id)
		}
	}
	for name, output := range t.Outputs {
		if output.Value == nil || output.Condition != "" {
			return fmt.Errorf("output %s lacks a value or has a condition, which is not supported", name)
		}
	}
	if len(t.Resources) == 0 {
		return errors.New("there are no resources")
	}
	return nil
}

// assets adds the directories and zip files that an asset manifest lists to the map. It skips other files, such as
// templates.
func (l *loader) assets(file string, into map[string]asset) error {
	var list assetManifest
	if err := l.read(file, &list); err != nil {
		return err
	}
	for _, listed := range list.Files {
		isDir := listed.Source.Packaging == "zip"
		if !isDir && filepath.Ext(listed.Source.Path) != ".zip" {
			continue
		}
		staged := asset{path: filepath.Join(l.dir, listed.Source.Path)}
		if info, err := l.root.Stat(listed.Source.Path); err != nil || info.IsDir() != isDir {
			staged = asset{err: fmt.Errorf("%s: asset %q is not in the assembly: synthesize again, with all of its stacks",
				file, listed.Source.Path)}
		}
		for _, destination := range listed.Destinations {
			into[destination.ObjectKey] = staged
		}
	}
	return nil
}

func (l *loader) read(name string, into any) error {
	f, err := l.root.Open(name)
	if err != nil {
		return err // names the file
	}
	defer f.Close()
	decoder := json.NewDecoder(io.LimitReader(f, maxFile))
	decoder.UseNumber()
	err = decoder.Decode(into)
	if err == nil && decoder.More() {
		err = errors.New("data after the end of the document")
	}
	if err != nil {
		return fmt.Errorf("%s: malformed: %w", name, err)
	}
	return nil
}

// AssetPath is the absolute path of the directory, or of the file with the ending .zip, that the CDK has staged for a
// function's or a layer's S3Key. It is an error if the assembly has no such asset, as when it was synthesized without
// building anything.
func (s *Stack) AssetPath(objectKey string) (string, error) {
	if staged, ok := s.assets[objectKey]; ok {
		return staged.path, staged.err
	}
	return "", fmt.Errorf("stack %s has no asset of files with the object key %q", s.Name, objectKey)
}

// ConstructPath is the path of the construct that made a resource, such as AppStack/OrderRole/Resource. Where the
// assembly does not tell, it is the stack's name and the logical id.
func (s *Stack) ConstructPath(logicalID string) string {
	if path, ok := s.paths[logicalID]; ok {
		return path
	}
	return s.Name + "/" + logicalID
}

// Order lists the logical ids of the stack's resources, each after those that it refers to or depends on, in the same
// order every time. A cycle, or a reference to a resource that the template lacks, is an error that names it.
func (s *Stack) Order() ([]string, error) {
	order, err := sorted(slices.Collect(maps.Keys(s.Template.Resources)), func(id string) []string {
		resource := s.Template.Resources[id]
		needs := slices.Concat(resource.DependsOn, references(resource.Properties))
		return slices.DeleteFunc(needs, func(name string) bool {
			_, isParameter := s.Template.Parameters[name]
			return isParameter || strings.HasPrefix(name, "AWS::")
		})
	})
	if err != nil {
		return nil, fmt.Errorf("stack %s: %w", s.Name, err)
	}
	return order, nil
}

// sorted puts each id after those it needs, and otherwise by name.
func sorted(ids []string, needs func(id string) []string) ([]string, error) {
	var order, path []string
	done := map[string]bool{}
	var visit func(id string) error
	visit = func(id string) error {
		if done[id] {
			return nil
		}
		if i := slices.Index(path, id); i >= 0 {
			return fmt.Errorf("cycle: %s -> %s", strings.Join(path[i:], " -> "), id)
		}
		if !slices.Contains(ids, id) {
			return fmt.Errorf("%s refers to %q, which does not exist", path[len(path)-1], id)
		}
		path = append(path, id)
		for _, need := range slices.Sorted(slices.Values(needs(id))) {
			if err := visit(need); err != nil {
				return err
			}
		}
		path = path[:len(path)-1]
		done[id] = true
		order = append(order, id)
		return nil
	}
	for _, id := range slices.Sorted(slices.Values(ids)) {
		if err := visit(id); err != nil {
			return nil, err
		}
	}
	return order, nil
}
