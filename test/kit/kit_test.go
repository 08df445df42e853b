package kit

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test binary is also the program that the tests start: PROGRAM says what it does.
func TestMain(m *testing.M) {
	switch os.Getenv("PROGRAM") {
	case "":
		os.Exit(m.Run())
	case "ends":
		fmt.Fprintln(os.Stderr, "what was wrong")
		os.Exit(3)
	case "serves":
		fmt.Println("Serving")
	}
	never := make(chan os.Signal, 1)
	signal.Notify(never, syscall.SIGUSR1) // or Go would take the wait for a deadlock
	<-never
}

func started(t *testing.T, program string) *Process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PROGRAM="+program)
	p, err := StartProcess(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

func TestProcess_AwaitTellsHowItWentOn(t *testing.T) {
	for _, tt := range []struct {
		program string
		limit   time.Duration
		want    string // of the error
	}{
		{"serves", Limit, ""},
		{"ends", Limit, "ended early (exit status 3), after printing:\nwhat was wrong\n"},
		{"hangs", time.Millisecond, "did nothing for 1ms"},
	} {
		t.Run(tt.program, func(t *testing.T) {
			p := started(t, tt.program)
			err := p.Await(p.Stdout.Seen("Serving"), tt.limit)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want %q", err, tt.want)
			}
		})
	}
}

func TestProcess_EndsByInterruptAndKill(t *testing.T) {
	for name, end := range map[string]func(*Process) error{
		"signal: interrupt": (*Process).Interrupt,
		"signal: killed":    func(p *Process) error { p.Kill(); return p.Wait() },
	} {
		p := started(t, "serves")
		if err := p.Await(p.Stdout.Seen("Serving"), Limit); err != nil {
			t.Fatal(err)
		}
		if err := end(p); err == nil || err.Error() != name {
			t.Errorf("error = %v, want %s", err, name)
		}
	}
}

func TestBuffer_SeenIsClosedOnceTheTextIsComplete(t *testing.T) {
	var b Buffer
	seen := b.Seen("two words")
	fmt.Fprint(&b, "two wo")
	select {
	case <-seen:
		t.Error("half of the text was enough")
	default:
	}
	fmt.Fprint(&b, "rds")
	<-seen
	<-b.Seen("two") // written before
	line := b.SeenLine("words")
	select {
	case <-line:
		t.Error("a line that has not ended was enough")
	default:
	}
	fmt.Fprint(&b, ", more.\n")
	<-line
}

func TestBuild_HasTheRaceDetectorIfTheTestHas(t *testing.T) {
	info, err := buildinfo.ReadFile(Build(t, "test/bench/bare"))
	if err != nil {
		t.Fatal(err)
	}
	own, err := buildinfo.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	race := func(info *buildinfo.BuildInfo) bool {
		return slices.ContainsFunc(info.Settings, func(s debug.BuildSetting) bool {
			return s.Key == "-race" && s.Value == "true"
		})
	}
	if race(info) != race(own) {
		t.Errorf("with the race detector: the program %v, this test %v", race(info), race(own))
	}
}
