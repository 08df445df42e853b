package main

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer"
)

// The names in a release.
const (
	sumsFile       = "SHA256SUMS"
	sbomFile       = "sbom.cdx.json"
	licencesFile   = "LICENCES.txt"
	provenanceFile = "provenance.intoto.json"
	templateFile   = "tokenizer.template.json"
	policiesDir    = "policies"
)

// layerFile is the name of the layer's zip file for an architecture.
func layerFile(architecture tokenizerlayer.Architecture) string {
	return "tokenizer-layer-" + string(architecture) + ".zip"
}

// buildFlags are those of the development server's binaries. The constructs compile the extension with the same.
var buildFlags = []string{"-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid="}

// buildEnvironment is what else decides the bytes of a binary.
var buildEnvironment = []string{
	"CGO_ENABLED=0", "GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS=", "GOEXPERIMENT=", "GOFIPS140=off", "GOWORK=off",
	"GOENV=off",
}

// incomplete ends the name of the directory in which a release is made. So what is half done is not taken for one.
const incomplete = ".incomplete"

// release makes a release in a directory that does not exist yet, or is empty.
func release(ctx context.Context, s source, dist string) error {
	dist, err := s.outOf(ctx, dist)
	if err != nil {
		return err
	}
	work := dist + incomplete
	if err := os.MkdirAll(filepath.Dir(dist), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(work, 0o755); errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("-out: %s is of a build that runs, or that was killed: remove it then", work)
	} else if err != nil {
		return err
	}
	defer os.RemoveAll(work) // which has another name by then if everything went well
	if err := build(ctx, s, work); err != nil {
		return err
	}
	return os.Rename(work, dist)
}

// outOf is the absolute path of the directory for a release. It is an error if the release could not be put there, or
// would be a part of the source.
func (s source) outOf(ctx context.Context, dist string) (string, error) {
	dist, err := filepath.Abs(dist)
	if err != nil {
		return "", err
	}
	if dist, err = resolved(dist); err != nil {
		return "", fmt.Errorf("-out: %w", err)
	}
	if entries, err := os.ReadDir(dist); err == nil && len(entries) > 0 {
		return "", fmt.Errorf("-out: %s is not empty: remove it, or name another directory", dist)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("-out: %w", err)
	}
	for _, path := range []string{dist, dist + incomplete} {
		if err := checkOutside(ctx, s.dir, path); err != nil {
			return "", fmt.Errorf("-out: %w", err)
		}
	}
	return dist, nil
}

// resolved is a path without symbolic links. Its end need not exist.
func resolved(path string) (string, error) {
	target, err := filepath.EvalSymlinks(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return target, err
	}
	if _, err := os.Lstat(path); err == nil {
		return "", fmt.Errorf("%s is a symbolic link to nothing: remove it, or name another directory", path)
	}
	parent, err := resolved(filepath.Dir(path))
	return filepath.Join(parent, filepath.Base(path)), err
}

// build makes all files of a release in an empty directory, whose path is absolute.
func build(ctx context.Context, s source, dist string) error {
	if err := os.Mkdir(filepath.Join(dist, policiesDir), 0o755); err != nil {
		return err
	}
	binaries, err := developmentServers(ctx, s, dist)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "release")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	template, err := synthesize(work, s.dir, parameters)
	if err != nil {
		return err
	}
	for architecture, asset := range template.layers {
		if err := zipTree(filepath.Join(dist, layerFile(architecture)), asset); err != nil {
			return err
		}
		binaries = append(binaries, binary{layerFile(architecture), filepath.Join(asset, "extensions", "tokenizer")})
	}
	parametrized := template.parametrized()
	if err := checkParametrized(parametrized); err != nil {
		return err
	}
	if err := writeJSON(filepath.Join(dist, templateFile), parametrized); err != nil {
		return err
	}
	if err := writePolicies(filepath.Join(work, "policies"), filepath.Join(dist, policiesDir)); err != nil {
		return err
	}
	if err := clients(ctx, s, dist); err != nil {
		return err
	}
	return describe(ctx, s, dist, binaries)
}

// developmentServers compiles the development server for the machines of developers.
func developmentServers(ctx context.Context, s source, dist string) (all []binary, err error) {
	for _, system := range []string{"darwin", "linux"} {
		for _, machine := range []string{"amd64", "arm64"} {
			name := "tokenizer-dev-" + system + "-" + machine
			path := filepath.Join(dist, name)
			arguments := append([]string{"build"}, buildFlags...)
			if _, err := output(ctx, s.dir, append(buildEnvironment, "GOOS="+system, "GOARCH="+machine), "go",
				append(arguments, "-o", path, "./tokenizerlayer/tokenizer-dev")...); err != nil {
				return nil, err
			}
			if err := os.Chmod(path, 0o755); err != nil {
				return nil, err
			}
			all = append(all, binary{name, path})
		}
	}
	return all, nil
}

// clients makes the packages for Python and Node.
func clients(ctx context.Context, s source, dist string) error {
	layer := filepath.Join(s.dir, "tokenizerlayer", "layer")
	node := filepath.Join(layer, "nodejs", "node_modules", "@lambda-tokenizer", "client")
	if _, err := output(ctx, filepath.Join(layer, "python"), []string{"PYTHONDONTWRITEBYTECODE=1"}, "python3", "-c",
		"import sys, build_backend; build_backend.build_wheel(sys.argv[1])", dist); err != nil {
		return err
	}
	staged, err := os.MkdirTemp("", "release")
	if err != nil {
		return err
	}
	defer os.RemoveAll(staged)
	if err := copyFiles(staged, node); err != nil {
		return err
	}
	_, err = output(ctx, staged, []string{"npm_config_update_notifier=false"}, "npm", "pack", "--silent",
		"--pack-destination", dist)
	return err
}

// copyFiles copies the files of a directory, with one mode for all: npm packs the modes of the files, which in a clone
// depend on the umask.
func copyFiles(target, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return err
		}
		name := filepath.Join(target, entry.Name())
		if err := os.WriteFile(name, content, 0o644); err != nil {
			return err
		}
		if err := os.Chmod(name, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// zipTime is the earliest that a zip file can hold.
var zipTime = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// zipTree writes a directory into a zip file, in the order of the names.
func zipTree(name, dir string) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer file.Close()
	archive := zip.NewWriter(file)
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		relative, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		header := &zip.FileHeader{Name: filepath.ToSlash(relative), Method: zip.Deflate, Modified: zipTime}
		header.SetMode(info.Mode())
		target, err := archive.CreateHeader(header)
		if err != nil {
			return err
		}
		content, err := os.Open(path)
		if err != nil {
			return err
		}
		defer content.Close()
		_, err = io.Copy(target, content)
		return err
	})
	if err != nil {
		return err
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return file.Close()
}
