package assembly

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// maxDepth bounds how deep stacks are nested.
const maxDepth = 10

// template reads the template of a stack, and those of the stacks that are nested in it. The paths are those of the
// constructs in all of these, with the logical ids of what they made.
func (l *loader) template(s *Stack, file string, paths map[string]string, depth int) error {
	if err := l.read(file, &s.Template); err != nil {
		return err
	}
	if err := s.Template.check(l.anyApp); err != nil {
		return fmt.Errorf("%s: %w", l.file(file), err)
	}
	own := maps.Clone(paths)
	if l.anyApp {
		for _, path := range slices.Sorted(maps.Keys(paths)) {
			id, isOwn := own[path] // and not that of a nested stack
			template := s.templateOf(path, id)
			if !isOwn || template == "" {
				continue
			}
			if depth == maxDepth {
				return fmt.Errorf("%s: more than %d stacks are nested in each other", l.file(file), maxDepth)
			}
			inner := s.nest(path, id)
			if err := l.template(inner, template, take(own, inner.Path+"/"), depth+1); err != nil {
				return err
			}
		}
	}
	for path, id := range own {
		s.paths[id] = path
	}
	return nil
}

// nestedSuffix ends the name of the construct that the CDK puts beside a nested stack, for its resource in the
// template.
const nestedSuffix = ".NestedStack"

// templateOf is the file of the template of a nested stack, whose resource has this path and logical id; "" if it is no
// nested stack.
func (s *Stack) templateOf(path, id string) string {
	resource := s.Template.Resources[id]
	if resource.Type != "AWS::CloudFormation::Stack" || !strings.HasSuffix(filepath.Dir(path), nestedSuffix) {
		return ""
	}
	return s.templates[lastElement(resource.Properties["TemplateURL"])]
}

// nest makes the stack of such a resource. It shares the assets.
func (s *Stack) nest(path, id string) *Stack {
	inner := &Stack{
		Name: s.Name + "-" + id, Path: strings.TrimSuffix(filepath.Dir(path), nestedSuffix), Account: s.Account,
		Region: s.Region, assets: s.assets, paths: map[string]string{}, templates: s.templates,
	}
	if s.Nested == nil {
		s.Nested = map[string]*Stack{}
	}
	s.Nested[id] = inner
	return inner
}

// take moves what begins with a prefix out of a map.
func take(paths map[string]string, prefix string) map[string]string {
	taken := map[string]string{}
	for path, id := range paths {
		if strings.HasPrefix(path, prefix) {
			taken[path] = id
			delete(paths, path)
		}
	}
	return taken
}

// lastElement is the end of a URL, which is a text or is joined of texts.
func lastElement(url any) string {
	if call, ok := url.(map[string]any); ok {
		_, argument := intrinsic(call)
		if arguments, _ := argument.([]any); len(arguments) == 2 {
			if parts, _ := arguments[1].([]any); len(parts) > 0 {
				url = parts[len(parts)-1]
			}
		}
	}
	text, _ := url.(string)
	return text[strings.LastIndex(text, "/")+1:]
}

// All are the stacks with those that are nested in them.
func (a *Assembly) All() (all []*Stack) {
	var add func(s *Stack)
	add = func(s *Stack) {
		all = append(all, s)
		for _, id := range slices.Sorted(maps.Keys(s.Nested)) {
			add(s.Nested[id])
		}
	}
	for _, s := range a.Stacks {
		add(s)
	}
	return all
}
