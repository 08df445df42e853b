package progress

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPrinter_TellsThatAStepStillRuns(t *testing.T) {
	for _, tt := range []struct {
		name    string
		rewrite bool
		want    string
	}{
		{"no terminal", false, "a log line\n  ... build: 15 s\n  ... build: 45 s\n" +
			"ok    build                             100500 ms  done\n"},
		{"a terminal", true,
			"a log line\n" + rewritten(100) + "\r\x1b[Kok    build                             100500 ms  done\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				p := New(&out)
				p.rewrite = tt.rewrite
				err := p.Step("build", func() (string, error) {
					p.Printf("a log line")
					time.Sleep(100*time.Second + 500*time.Millisecond) // of synctest's clock
					return "done", nil
				})
				if err != nil {
					t.Error(err)
				}
				if diff := cmp.Diff(tt.want, out.String()); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

// rewritten is the line of the first n seconds.
func rewritten(n int) string {
	var all bytes.Buffer
	p := &Printer{out: &all, rewrite: true}
	for second := 1; second <= n; second++ {
		p.still("build", time.Duration(second)*time.Second)
	}
	return all.String()
}

func TestPrinter_NamesTheStepThatFails(t *testing.T) {
	var out bytes.Buffer
	err := New(&out).Step("build", func() (string, error) { return "", errors.New("no space") })
	if err == nil || err.Error() != "build: no space" {
		t.Errorf("error = %v", err)
	}
}

func TestPrinter_BeginsALineOfItsOwn(t *testing.T) {
	var out bytes.Buffer
	p := New(&out)
	for _, text := range []string{"whole\n", "broken off"} {
		if _, err := p.Write([]byte(text)); err != nil {
			t.Error(err)
		}
		p.Printf("a line")
	}
	if want := "whole\na line\nbroken off\na line\n"; out.String() != want {
		t.Errorf("printed %q, want %q", &out, want)
	}
}
