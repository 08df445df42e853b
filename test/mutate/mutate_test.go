package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
)

const sample = `package p

import "context"

const limit = 8

type wire struct {
	A int ` + "`json:\"a,omitempty\"`" + `
}

func do(ctx context.Context, b []byte, n int) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 5)
	defer cancel()
	if n >= limit && ready(b) {
		clear(b)
		return nil, ctx.Err()
	}
	for !ready(b) {
		n++
	}
	at := now().UTC()
	return b, nil
}
`

func TestMutantsOf_FindsEachKindOfFault(t *testing.T) {
	all, err := mutantsOf("p.go", sample)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range all {
		got = append(got, strings.TrimPrefix(m.id, "p.go "))
		if changed := m.apply(sample); changed == sample {
			t.Errorf("%s changes nothing", m.id)
		}
	}
	want := []string{
		"-: limit = 8 => limit = 9", "-: limit = 8 => limit = 7",
		"do: context.WithTimeout(ctx, 5) => context.WithCancel(ctx)",
		"do: ctx, cancel := context.WithTimeout(ctx, 5) => ctx, cancel := context.WithTimeout(ctx, 6)",
		"do: ctx, cancel := context.WithTimeout(ctx, 5) => ctx, cancel := context.WithTimeout(ctx, 4)",
		"do: defer cancel() => nothing",
		"do: n >= limit => n > limit", "do: n >= limit && ready(b) => n >= limit || ready(b)",
		"do: clear(b) => nothing",
		"do: return nil, ctx.Err() => return nil, nil", "do: !ready(b) => ready(b)", "do: n++ => nothing",
		"do: now().UTC() => now()",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMutantsOf_TellsTheSameFaultsApart(t *testing.T) {
	all, err := mutantsOf("p.go", "package p\n\nfunc f() { clear(a); clear(a) }\n")
	if err != nil || len(all) != 2 || all[0].id == all[1].id || all[0].start == all[1].start {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestChoose_IsTheSameForTheSameSeed(t *testing.T) {
	all, err := mutantsOf("p.go", sample)
	if err != nil {
		t.Fatal(err)
	}
	ids := func(seed uint64) (ids []string) {
		for _, m := range choose(all, 5, seed) {
			ids = append(ids, m.id)
		}
		return ids
	}
	if !slices.Equal(ids(1), ids(1)) || slices.Equal(ids(1), ids(2)) || len(ids(1)) != 5 ||
		len(choose(all, 0, 1)) != len(all) {
		t.Errorf("%v, %v", ids(1), ids(2))
	}
}

func TestReadSurvivors_WantsAReasonForEach(t *testing.T) {
	file := filepath.Join(t.TempDir(), "survivors.txt")
	for content, ok := range map[string]bool{"# a comment\n\na || b => a && b | the same\n": true, "a => b\n": false,
		"a => b | \n": false} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := readSurvivors(file)
		if (err == nil) != ok || ok && got["a || b => a && b"] != "the same" {
			t.Errorf("%q: %v, %v", content, got, err)
		}
	}
}

// Each patch of the list fits its file, as does each reason its fault: neither is left behind by a change of the code.
func TestLists_FitTheCode(t *testing.T) {
	root := filepath.Join("..", "..")
	patches, err := readPatches("patches")
	if err != nil || len(patches) < 30 {
		t.Fatalf("%d patches, %v", len(patches), err)
	}
	for _, p := range patches {
		source, err := os.ReadFile(filepath.Join(root, p.file))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.apply(string(source)); err != nil {
			t.Error(err)
		}
	}
	accepted, err := readSurvivors("survivors.txt")
	if err != nil {
		t.Fatal(err)
	}
	stale, err := staleEntries(root, accepted)
	if len(stale) > 0 || err != nil {
		t.Errorf("survivors.txt has faults that there are not: %s, error %v", strings.Join(stale, "\n"), err)
	}
	accepted["a.go f: 1 => 2"] = "a fault that there is not"
	if stale, err = staleEntries(root, accepted); !slices.Equal(stale, []string{"a.go f: 1 => 2"}) || err != nil {
		t.Errorf("of a list with a fault that there is not, %v are found, error %v", stale, err)
	}
}

// A survivor that is listed costs no point and fails nothing; one that is not does both.
func TestScore_TellsListedSurvivorsFromOthers(t *testing.T) {
	s, out := score{}, new(strings.Builder)
	for _, r := range []result{
		{ID: "a", Outcome: killed}, {ID: "b", Outcome: survived}, {ID: "c", Outcome: survived},
		{ID: "d", Outcome: killed}, {ID: "e", Outcome: invalid},
	} {
		s.add(r, map[string]string{"c": "the same", "d": "the same"}, out)
	}
	if diff := cmp.Diff(score{killed: 2, survived: 1, listed: 1, invalid: 1}, s); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	const printed = "  SURVIVED b\n  listed   c | the same\n  killed here, though it is listed: d\n"
	if out.String() != printed {
		t.Errorf("printed:\n%s", out)
	}
	const text = "4 faults: 2 killed (50 %), 1 listed, 1 survived; 1 more did not compile"
	if s.String() != text {
		t.Errorf("the score is %q", s)
	}
}

func TestParsePatches_RefusesWhatIsIncomplete(t *testing.T) {
	good := "# why\nin a.py\ntest ./p TestX\n-  a\n- b\n+  c\n"
	got, err := parsePatches("list", good)
	if err != nil || len(got) != 1 || got[0].before != " a\nb\n" || got[0].after != " c\n" || got[0].tests != "TestX" {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"in a.py\n- a\n", "test ./p TestX\n- a\n", "in a.py\ntest ./p\n- a\n",
		"in a.py\ntest ./p TestX\n", "a\n"} {
		if _, err := parsePatches("list", bad); err == nil {
			t.Errorf("%q passes", bad)
		}
	}
	if _, err := got[0].apply(" a\nb\n a\nb\n"); err == nil {
		t.Error("lines that stand twice are replaced")
	}
}

func TestOutcome_TellsThreeEnds(t *testing.T) {
	for output, want := range map[string]string{"FAIL p [build failed]": invalid, "--- FAIL: TestX": killed} {
		if got, err := outcome(t.Context(), []byte(output), os.ErrInvalid); got != want || err != nil {
			t.Errorf("%s: %s, %v", output, got, err)
		}
	}
	if got, err := outcome(t.Context(), nil, nil); got != survived || err != nil {
		t.Errorf("%s, %v", got, err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := outcome(ended, nil, os.ErrInvalid); err == nil {
		t.Error("a run that was interrupted has an outcome")
	}
}

// An outcome is kept for as long as it holds: a fault that was killed, whatever tests are added; one that survived,
// until they are.
func TestOutcomes_AreKeptAsLongAsTheyHold(t *testing.T) {
	file := filepath.Join(t.TempDir(), "outcomes")
	o, err := openOutcomes(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []result{{"a", killed, "s", "p"}, {"b", survived, "s", "p"}} {
		if err := o.add(r); err != nil {
			t.Fatal(err)
		}
	}
	o.close()
	if o, err = openOutcomes(file); err != nil {
		t.Fatal(err)
	}
	defer o.close()
	for _, tt := range []struct {
		id, source, pkg string
		want            bool
	}{{"a", "s", "p", true}, {"a", "s", "more tests", true}, {"a", "changed", "p", false}, {"b", "s", "p", true},
		{"b", "s", "more tests", false}, {"c", "s", "p", false}} {
		if _, ok := o.find(tt.id, tt.source, tt.pkg); ok != tt.want {
			t.Errorf("%+v: %v", tt, ok)
		}
	}
}

// A fault is put into a package of its own, whose test sees two of three.
func TestRunPackage_TellsWhatATestSees(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles a package several times")
	}
	root := t.TempDir()
	for name, content := range map[string]string{
		"go.mod": "module m\n\ngo 1.26\n", "p/p.go": "package p\n\nfunc f(n int) bool { return n > 1 }\n",
		"p/p_test.go": "package p\n\nimport \"testing\"\n\nfunc TestF(t *testing.T) {\n\tif f(1) || !f(3) {\n\t\tt.Error()\n\t}\n}\n",
	} {
		if err := os.MkdirAll(filepath.Join(root, "p"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	known, err := openOutcomes("")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), kit.Limit)
	defer cancel()
	got, err := runPackage(ctx, root, "p", false, options{parallel: 2}, known, nil)
	if err != nil {
		t.Fatal(err)
	}
	ends := map[string]string{}
	for _, r := range got {
		ends[r.ID] = r.Outcome
	}
	want := map[string]string{
		"p/p.go f: n > 1 => n >= 1":              killed,
		"p/p.go f: return n > 1 => return n > 2": survived,
		"p/p.go f: return n > 1 => return n > 0": killed,
	}
	if diff := cmp.Diff(want, ends); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	out := new(strings.Builder)
	if _, err := runPackage(ctx, root, "p", false, options{list: true, match: "n > 2"}, known, out); err != nil ||
		out.String() != "p/p.go f: return n > 1 => return n > 2\n" {
		t.Errorf("of the faults with n > 2, listed are %s, error %v", out, err)
	}
}
