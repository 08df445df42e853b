package cloud

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestUnzip_WritesNothingOutside(t *testing.T) {
	for name, want := range map[string]string{
		"../outside": "escapes", "/outside": "outside", "a/../../outside": "escapes",
	} {
		var b bytes.Buffer
		archive := zip.NewWriter(&b)
		if _, err := archive.Create(name); err != nil {
			t.Fatal(err)
		}
		if err := archive.Close(); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		file, to := filepath.Join(dir, "a.zip"), filepath.Join(dir, "to")
		if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(to, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := unzip(file, to); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error = %v", name, err)
		}
		if _, err := os.Stat(filepath.Join(dir, "outside")); err == nil {
			t.Errorf("%s was written", name)
		}
	}
}

func TestReplaceExtension_ReplacesOneOfAnotherMachineOnly(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only a program for Linux tells its machine here")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	foreign := bytes.Clone(own)
	foreign[18], foreign[19] = 0xf3, 0 // e_machine is RISC-V
	built := filepath.Join(t.TempDir(), "extension")
	if err := os.WriteFile(built, []byte("for this machine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		before   []byte
		replaced bool
	}{"this machine": {own, false}, "another machine": {foreign, true}} {
		opt := t.TempDir()
		file := filepath.Join(opt, extensionFile)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, tt.before, 0o600); err != nil {
			t.Fatal(err)
		}
		var noted []string
		f := functions{extension: built, differs: func(s string) { noted = append(noted, s) }}
		if err := f.replaceExtension(opt); err != nil {
			t.Fatal(err)
		}
		after, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if (string(after) == "for this machine") != tt.replaced || (len(noted) == 1) != tt.replaced {
			t.Errorf("%s: replaced %v, noted %q", name, !tt.replaced, noted)
		}
	}
}
