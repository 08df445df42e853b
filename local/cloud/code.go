package cloud

import (
	"archive/zip"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	goruntime "runtime"
	"strings"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/lambdahost/runtimes"
)

// Lambda's limits for code: 250 MB unzipped, from gettingstarted-limits.html. The number of files is the local run's.
const (
	maxCode  = 250 << 20
	maxFiles = 100_000
)

// functionName is a name that Lambda accepts. Directories are named after functions.
var functionName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// code returns the directory with a function's code.
func (f *functions) code(r *resource, name string) (string, error) {
	code := r.Object("Code")
	switch {
	case r.Str("PackageType") == "Image" || code["ImageUri"] != nil || code["DockerFile"] != nil:
		return "", errors.New("its code is a container image, which the local run does not start: give it code from a " +
			"folder or a zip file, such as lambda.Code_FromAsset")
	case code["ZipFile"] != nil:
		return f.inline(r, name)
	case code["S3Key"] == nil:
		return "", errors.New("Code names neither an asset nor inline code")
	}
	path, err := r.stack.AssetPath(code.Str("S3Key"))
	if err != nil {
		return "", err
	}
	return f.unzipped(path)
}

// inline writes inline code into the file that Lambda gives it.
func (f *functions) inline(r *resource, name string) (string, error) {
	file := "index.js"
	if strings.HasPrefix(r.Str("Runtime"), "python") {
		file = "index.py"
	}
	dir := filepath.Join(f.temp, name, "task")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, file), []byte(r.Object("Code").Str("ZipFile")), 0o600)
}

// unzipped returns the directory of an asset. A zip file is unpacked into a new one.
func (f *functions) unzipped(asset string) (string, error) {
	if filepath.Ext(asset) != ".zip" {
		return asset, nil
	}
	dir, err := os.MkdirTemp(f.temp, "asset-")
	if err != nil {
		return "", err
	}
	if err := unzip(asset, dir); err != nil {
		return "", fmt.Errorf("asset %s: %w", filepath.Base(asset), err)
	}
	return dir, nil
}

// unzip writes regular files, and nothing outside of dir.
func unzip(file, dir string) error {
	archive, err := zip.OpenReader(file)
	if err != nil {
		return err
	}
	defer archive.Close()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if len(archive.File) > maxFiles {
		return fmt.Errorf("it has more than %d files", maxFiles)
	}
	left := int64(maxCode)
	for _, entry := range archive.File {
		if !entry.Mode().IsRegular() {
			continue
		}
		n, err := extract(root, entry, left)
		if err != nil {
			return fmt.Errorf("%q: %w", entry.Name, err)
		}
		left -= n
	}
	return nil
}

// extract writes one file of at most limit bytes.
func extract(root *os.Root, entry *zip.File, limit int64) (n int64, err error) {
	if err := root.MkdirAll(filepath.Dir(entry.Name), 0o755); err != nil {
		return 0, err
	}
	from, err := entry.Open()
	if err != nil {
		return 0, err
	}
	defer from.Close()
	to, err := root.OpenFile(entry.Name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, entry.Mode().Perm()|0o600)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	n, err = io.Copy(to, io.LimitReader(from, limit+1))
	if n > limit {
		return n, fmt.Errorf("unpacked, the files have more than Lambda's limit of %d bytes", maxCode)
	}
	return n, err
}

// runtime finds the programs of a function's runtime.
func (f *functions) runtime(ctx context.Context, r *resource, name, opt string) (runtimes.Runtime, error) {
	found, err := f.finder.Find(ctx, r.Str("Runtime"), opt)
	if found.Note != "" {
		f.differs(name + ": " + found.Note)
	}
	return found, err
}

// extensionFile is the layer's extension, as the layer names it.
const extensionFile = "extensions/tokenizer"

// replaceExtension makes the layer's extension one that this machine can start.
func (f *functions) replaceExtension(opt string) error {
	file := filepath.Join(opt, extensionFile)
	if f.extension == "" || startsHere(file) {
		return nil
	}
	built, err := os.ReadFile(f.extension)
	if err != nil {
		return err
	}
	f.differs("the layer's extension is for another machine: one for this machine runs in its place")
	return os.WriteFile(file, built, 0o755)
}

// startsHere tells whether this machine can start a program. A file that is missing, or no program for Linux, needs no
// replacement.
func startsHere(file string) bool {
	program, err := elf.Open(file)
	if err != nil {
		return true
	}
	defer program.Close()
	machines := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}
	return goruntime.GOOS == "linux" && machines[goruntime.GOARCH] == program.Machine
}
