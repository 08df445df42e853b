package watch

import (
	"os"
	"path/filepath"
	"strings"
)

// OfApp is for the directory of an app: it ignores packages, caches, hidden directories such as .git, what the CDK
// writes and what editors write beside a file.
func OfApp(dir string) func(path string) bool {
	return func(path string) bool {
		parent := dir
		for name := range strings.SplitSeq(path, string(filepath.Separator)) {
			here := filepath.Join(parent, name)
			if temporary(name) || generated[name] || strings.HasPrefix(name, ".") && isDir(here) ||
				name != "cdk.out" && isFile(filepath.Join(here, "cdk.out")) { // as each cloud assembly has
				return true
			}
			parent = here
		}
		return false
	}
}

// OfAssembly is for a cloud assembly, which has nothing but what counts.
func OfAssembly(string) func(path string) bool {
	return func(path string) bool { return temporary(filepath.Base(path)) }
}

// generated are the names of directories that a program can make again.
var generated = map[string]bool{"node_modules": true, "cdk.out": true, "__pycache__": true}

// temporary tells the names of the files of editors, and of this program.
func temporary(name string) bool {
	hidden := strings.HasPrefix(name, ".")
	return strings.HasSuffix(name, "~") || strings.HasPrefix(name, "#") || strings.HasPrefix(name, ".#") ||
		hidden && strings.Contains(name, ".sw") || name == "4913" || name == ".DS_Store" ||
		strings.HasPrefix(name, "lambda-tokenizer-")
}

func isDir(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.IsDir()
}

func isFile(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().IsRegular()
}
