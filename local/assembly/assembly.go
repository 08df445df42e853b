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
// [Load] is for who looks at templates without resolving them: it refuses stages (nested assemblies), and resources and
// outputs that exist only under a condition, because nobody would notice. [LoadApp] reads every app, and
// [Resolver.Holds] evaluates conditions. Either way an error names what is not supported, such as an intrinsic function
// that [Resolver] does not list. Rules are ignored, because the CDK adds them only to check its bootstrap version. So
// is its resource AWS::CDK::Metadata.
//
// Sources: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
// and, for the files, the package cloud-assembly-schema of the AWS CDK.
package assembly

import (
	"cmp"
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
	Path            string // in the app, with the stages that it is in: Prod/AppStack
	Account, Region string // "" if the app leaves them to whoever deploys the template
	Template        Template
	Nested          map[string]*Stack // by the logical id of the resource that is the nested stack; only from [LoadApp]

	assets map[string]asset  // by object key
	paths  map[string]string // of constructs, by logical id
	needs  []*Stack          // which it depends on

	templates map[string]string // paths of JSON files in the assembly, by the end of their object key
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
	Conditions map[string]any                       // see [Resolver.Holds]
	Mappings   map[string]map[string]map[string]any // values by map, key and second key
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
		Properties   struct {
			TemplateFile, StackName, File string
			DirectoryName                 string // of a stage's assembly
		}
		DisplayName string // of a stack: its path in the app
		Environment string // of a stack, such as aws://123456789012/us-east-1
		// Metadata says among other things which construct made which resource. Newer releases of the CDK have it in a
		// file of its own.
		Metadata               metadata
		AdditionalMetadataFile string
	}
	Missing []any // context that the CDK CLI would have to look up in an account before the templates are complete
}

// metadata are entries by the path of a construct.
type metadata map[string][]struct {
	Type string
	Data any
}

type assetManifest struct {
	Files map[string]struct {
		Source       struct{ Path, Packaging string }
		Destinations map[string]struct{ ObjectKey string }
	}
}

// loader reads one assembly, or that of a stage within one. It reads no files outside the outermost directory, whatever
// the assembly's files say: stages share the assets of the app, which are in that.
type loader struct {
	dir    string // absolute, of the outermost assembly
	root   *os.Root
	base   string // the directory of this assembly, in dir; "" for the outermost
	anyApp bool
	manifest
}

// Load reads the cloud assembly in dir. Its errors name the file that is missing, malformed or asks for what is not
// supported.
func Load(dir string) (*Assembly, error) { return load(dir, false) }

// LoadApp is Load for an assembly that may have stages, conditions and empty stacks. If only is not "", the stacks are
// those whose path is that or begins with it, such as Prod or Prod/AppStack, and those that they depend on.
func LoadApp(dir, only string) (*Assembly, error) {
	a, err := load(dir, true)
	if err != nil || only == "" {
		return a, err
	}
	return a.only(strings.Trim(only, "/"))
}

func load(dir string, anyApp bool) (*Assembly, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("cloud assembly: %w", err)
	}
	defer root.Close()
	stacks, err := (&loader{dir: dir, root: root, anyApp: anyApp}).load()
	if err == nil && len(stacks) == 0 {
		err = errors.New("manifest.json: there are no stacks: this is not what cdk synth writes")
	}
	if err != nil {
		return nil, fmt.Errorf("cloud assembly %s: %w", dir, err)
	}
	return &Assembly{publishersFirst(stacks)}, nil
}

func (l *loader) load() (stacks []*Stack, err error) {
	if err := l.read("manifest.json", &l.manifest); err != nil {
		return nil, err
	}
	if version, _, _ := strings.Cut(l.Version, "."); newer(version) {
		return nil, fmt.Errorf("%s: its schema has version %s, and the newest that is read here is %d: use a "+
			"newer release of this project, or synthesize with an older aws-cdk-lib", l.file("manifest.json"), l.Version,
			schema)
	}
	if len(l.Missing) > 0 {
		return nil, fmt.Errorf("%s: the app looks things up in an account: run cdk synth with credentials first",
			l.file("manifest.json"))
	}
	order, err := sorted(slices.Collect(maps.Keys(l.Artifacts)), func(id string) []string {
		return l.Artifacts[id].Dependencies
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.file("manifest.json"), err)
	}
	byID := map[string]*Stack{}
	for _, id := range order {
		switch l.Artifacts[id].Type {
		case "cdk:cloud-assembly":
			inStage, err := l.stage(id)
			if err != nil {
				return nil, err
			}
			stacks = append(stacks, inStage...)
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
			byID[id], stacks = s, append(stacks, s)
		}
	}
	return stacks, nil
}

// stage reads the assembly of a stage, which is in a directory of its own.
func (l *loader) stage(id string) ([]*Stack, error) {
	if !l.anyApp {
		return nil, fmt.Errorf(
			"manifest.json: %s is a CDK stage, which is not supported: put its stacks into the app itself", id)
	}
	name := l.Artifacts[id].Properties.DirectoryName
	if !filepath.IsLocal(name) || filepath.Clean(name) == "." {
		return nil, fmt.Errorf("%s: the stage %s has no directory of its own", l.file("manifest.json"), id)
	}
	return (&loader{dir: l.dir, root: l.root, base: l.file(name), anyApp: true}).load()
}

// only are the stacks at or below a path, and those that they depend on.
func (a *Assembly) only(path string) (*Assembly, error) {
	wanted := map[*Stack]bool{}
	var want func(s *Stack)
	want = func(s *Stack) {
		if wanted[s] {
			return
		}
		wanted[s] = true
		for _, needed := range s.needs {
			want(needed)
		}
	}
	paths := make([]string, len(a.Stacks))
	for i, s := range a.Stacks {
		if paths[i] = s.Path; s.Path == path || strings.HasPrefix(s.Path, path+"/") {
			want(s)
		}
	}
	if len(wanted) == 0 {
		return nil, fmt.Errorf("the app has no stage and no stack %q: it has the stacks %s", path,
			strings.Join(paths, ", "))
	}
	return &Assembly{slices.DeleteFunc(a.Stacks, func(s *Stack) bool { return !wanted[s] })}, nil
}

// newer tells whether a major version is one that this package does not know.
func newer(major string) bool {
	n, err := strconv.Atoi(major)
	return err == nil && n > schema
}

func (l *loader) stack(id string) (*Stack, error) {
	artifact := l.Artifacts[id]
	s := &Stack{
		Name: cmp.Or(artifact.Properties.StackName, id), // the CDK writes it only where it differs
		Path: cmp.Or(artifact.DisplayName, id), assets: map[string]asset{}, paths: map[string]string{},
		templates: map[string]string{},
	}
	s.Account, s.Region = environment(artifact.Environment)
	paths := map[string]string{} // logical ids by path
	artifact.Metadata.paths(paths)
	if artifact.AdditionalMetadataFile != "" {
		var more metadata // which is for people, so the file may be gone
		if err := l.read(artifact.AdditionalMetadataFile, &more); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		more.paths(paths)
	}
	for _, dependency := range artifact.Dependencies {
		if d := l.Artifacts[dependency]; d.Type == "cdk:asset-manifest" {
			if err := l.assets(d.Properties.File, s); err != nil {
				return nil, err
			}
		}
	}
	return s, l.template(s, artifact.Properties.TemplateFile, paths, 0)
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

// paths adds the logical ids of what constructs made, by their paths, to the map.
func (m metadata) paths(into map[string]string) {
	for path, list := range m {
		for _, entry := range list {
			if id, ok := entry.Data.(string); ok && entry.Type == "aws:cdk:logicalId" {
				into[strings.TrimPrefix(path, "/")] = id
			}
		}
	}
}

// check returns an error for what would be resolved wrongly. It drops the CDK's own metadata.
func (t *Template) check(anyApp bool) error {
	maps.DeleteFunc(t.Resources, func(_ string, r Resource) bool { return r.Type == "AWS::CDK::Metadata" })
	for id, resource := range t.Resources {
		if resource.Type == "" || resource.Condition != "" && !anyApp {
			return fmt.Errorf("resource %s lacks a type or has a condition, which is not supported", id)
		}
	}
	for name, output := range t.Outputs {
		if output.Value == nil || output.Condition != "" && !anyApp {
			return fmt.Errorf("output %s lacks a value or has a condition, which is not supported", name)
		}
	}
	if len(t.Resources) == 0 && !anyApp {
		return errors.New("there are no resources")
	}
	return t.checkConditions()
}

// assets adds the directories and zip files that an asset manifest lists to the stack, and apart from these the files
// that may be templates. It skips other files.
func (l *loader) assets(file string, s *Stack) error {
	var list assetManifest
	if err := l.read(file, &list); err != nil {
		return err
	}
	for _, listed := range list.Files {
		isDir := listed.Source.Packaging == "zip"
		if !isDir && filepath.Ext(listed.Source.Path) != ".zip" {
			for _, destination := range listed.Destinations {
				s.templates[lastElement(destination.ObjectKey)] = listed.Source.Path
			}
			continue
		}
		name := l.file(listed.Source.Path)
		staged := asset{path: filepath.Join(l.dir, name)}
		if info, err := l.root.Stat(name); err != nil || info.IsDir() != isDir {
			advice := "synthesize again, with all of its stacks"
			if strings.HasPrefix(name, "../") {
				advice = "if this is the directory of a stage, name the one that it is in"
			}
			staged = asset{err: fmt.Errorf("%s: asset %q is not in the assembly: %s", l.file(file), listed.Source.Path,
				advice)}
		}
		for _, destination := range listed.Destinations {
			s.assets[destination.ObjectKey] = staged
		}
	}
	return nil
}

// file is the path of a file of this assembly in the outermost one.
func (l *loader) file(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(l.base, name)
}

func (l *loader) read(name string, into any) error {
	name = l.file(name)
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
// assembly does not tell, it is the stack's path and the logical id.
func (s *Stack) ConstructPath(logicalID string) string {
	if path, ok := s.paths[logicalID]; ok {
		return path
	}
	return cmp.Or(s.Path, s.Name) + "/" + logicalID
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
