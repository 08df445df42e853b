package main

import (
	"cmp"
	"context"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

const repository = "https://github.com/lambda-tokenizer/lambda-tokenizer"

// object is a JSON object.
type object = map[string]any

// binary is a compiled Go program, and the file of the release that it is in.
type binary struct{ file, path string }

// module is a Go module inside a binary.
type module struct{ path, version string }

func (m module) purl() string { return "pkg:golang/" + m.path + "@" + m.version }

// modulesOf are those that a binary says it was made from, with Go's own library.
func modulesOf(b binary) ([]module, error) {
	info, err := buildinfo.ReadFile(b.path)
	if err != nil {
		return nil, fmt.Errorf("read what %s was made from: %w", b.file, err)
	}
	all := []module{{"std", strings.TrimPrefix(info.GoVersion, "go")}}
	for _, dep := range info.Deps {
		if dep.Replace != nil {
			dep = dep.Replace
		}
		all = append(all, module{dep.Path, dep.Version})
	}
	return all, nil
}

// describe writes what is about the files of a release: what is inside, under which licences, where it comes from, and
// their digests.
func describe(ctx context.Context, s source, dist string, binaries []binary) error {
	slices.SortFunc(binaries, func(a, b binary) int { return cmp.Compare(a.file, b.file) })
	inside := map[string][]module{}
	every := map[module]bool{}
	for _, b := range binaries {
		modules, err := modulesOf(b)
		if err != nil {
			return err
		}
		inside[b.file] = modules
		for _, m := range modules {
			every[m] = true
		}
	}
	modules := slices.SortedFunc(maps.Keys(every), func(a, b module) int { return cmp.Compare(a.purl(), b.purl()) })
	if err := writeLicences(ctx, s, filepath.Join(dist, licencesFile), modules); err != nil {
		return err
	}
	files, err := digests(os.DirFS(dist))
	if err != nil {
		return err
	}
	if err := writeJSON(filepath.Join(dist, sbomFile), sbom(s, files, inside, modules)); err != nil {
		return err
	}
	if files, err = digests(os.DirFS(dist)); err != nil {
		return err
	}
	if err := writeJSON(filepath.Join(dist, provenanceFile), provenance(s, files)); err != nil {
		return err
	}
	return writeSums(dist)
}

func writeSums(dist string) error {
	files, err := digests(os.DirFS(dist))
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(&text, "%x  %s\n", files[name], name)
	}
	return os.WriteFile(filepath.Join(dist, sumsFile), []byte(text.String()), 0o644)
}

// sbom lists what is inside the files that have others' code (CycloneDX 1.6, https://cyclonedx.org/docs/1.6/json/). It
// has no serial number and no time, which would differ with each build.
func sbom(s source, files map[string][]byte, inside map[string][]module, modules []module) object {
	components, dependencies := []object{}, []object{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		components = append(components, object{
			"type": "file", "bom-ref": "file:" + name, "name": name,
			"hashes": []object{{"alg": "SHA-256", "content": hex.EncodeToString(files[name])}},
		})
		uses := []string{}
		for _, m := range inside[name] {
			uses = append(uses, m.purl())
		}
		slices.Sort(uses)
		dependencies = append(dependencies, object{"ref": "file:" + name, "dependsOn": uses})
	}
	for _, m := range modules {
		components = append(components, object{
			"type": "library", "bom-ref": m.purl(), "purl": m.purl(), "name": m.path, "version": m.version,
		})
	}
	return object{
		"$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json", "bomFormat": "CycloneDX", "specVersion": "1.6",
		"version": 1,
		"metadata": object{"component": object{
			"type": "application", "bom-ref": "release", "name": "lambda-tokenizer", "version": s.revision,
			"licenses": []object{{"license": object{"id": "Apache-2.0"}}},
		}},
		"components": components, "dependencies": dependencies,
	}
}

// provenance says from which source and how the files were built (in-toto Statement v1 with SLSA Provenance v1,
// https://slsa.dev/spec/v1.0/provenance). It is not signed: whoever has the source checks it by building again.
func provenance(s source, files map[string][]byte) object {
	subjects := []object{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		subjects = append(subjects, object{"name": name, "digest": object{"sha256": hex.EncodeToString(files[name])}})
	}
	commit, _, _ := strings.Cut(s.revision, "+")
	return object{
		"_type": "https://in-toto.io/Statement/v1", "subject": subjects,
		"predicateType": "https://slsa.dev/provenance/v1",
		"predicate": object{
			"buildDefinition": object{
				"buildType":          repository + "/blob/main/RELEASING.md",
				"externalParameters": object{"repository": repository, "revision": s.revision},
				"internalParameters": object{
					"go": runtime.Version(), "flags": buildFlags, "environment": buildEnvironment,
					"extensionTags": "lambda.norpc",
				},
				"resolvedDependencies": []object{
					{"uri": "git+" + repository, "digest": object{"gitCommit": commit}},
				},
			},
			"runDetails": object{"builder": object{"id": repository + "/tree/main/internal/release"}},
		},
	}
}

var licenceName = regexp.MustCompile(`^(?i)(licen[cs]e|copying|notice|patents)`)

// writeLicences collects the licences of this project, of Go's library and of all modules. A module without one is an
// error: it could not be distributed.
func writeLicences(ctx context.Context, s source, name string, modules []module) error {
	root, err := output(ctx, s.dir, nil, "go", "env", "GOROOT")
	if err != nil {
		return err
	}
	var text strings.Builder
	add := func(title, dir string) error {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		found := false
		for _, entry := range entries {
			if entry.IsDir() || !licenceName.MatchString(entry.Name()) {
				continue
			}
			content, err := os.ReadFile(filepath.Join(dir, entry.Name()))
			if err != nil {
				return err
			}
			found = true
			fmt.Fprintf(&text, "==== %s: %s\n\n%s\n\n", title, entry.Name(), strings.TrimSpace(string(content)))
		}
		if !found {
			return fmt.Errorf("%s has no licence, so it cannot be part of a release", title)
		}
		return nil
	}
	dirs, err := moduleDirs(ctx, s, modules)
	if err != nil {
		return err
	}
	problems := []error{add("lambda-tokenizer", s.dir)}
	for _, m := range modules {
		if m.path == "std" {
			problems = append(problems, add("Go "+m.version, strings.TrimSpace(root)))
		} else {
			problems = append(problems, add(m.path+" "+m.version, dirs[m.path]))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	return os.WriteFile(name, []byte(text.String()), 0o644)
}

// moduleDirs are the directories with the modules' sources.
func moduleDirs(ctx context.Context, s source, modules []module) (map[string]string, error) {
	arguments := []string{"list", "-m", "-f", "{{.Path}} {{.Dir}}"}
	for _, m := range modules {
		if m.path != "std" {
			arguments = append(arguments, m.path)
		}
	}
	lines, err := output(ctx, s.dir, []string{"GOWORK=off"}, "go", arguments...)
	if err != nil {
		return nil, err
	}
	dirs := map[string]string{}
	for line := range strings.Lines(lines) {
		path, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
		dirs[path] = dir
	}
	return dirs, nil
}

// writeJSON writes a document for people, too. Its members are in alphabetical order.
func writeJSON(name string, document any) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer file.Close()
	encoder := json.NewEncoder(file)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ") // more would make the template too large to be deployed without a bucket
	if err := encoder.Encode(document); err != nil {
		return err
	}
	return file.Close()
}
