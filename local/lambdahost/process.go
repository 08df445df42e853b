package lambdahost

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is a started child.
type process struct {
	name   string
	pid    int
	exited chan struct{} // closed when the child is gone and its output is written
	state  *os.ProcessState
}

// startProcess starts a program, whose environment is what it says and nothing else. What the child prints goes to out.
//
// The child leads a process group of its own, so that Ctrl-C at the terminal reaches only the host, which then shuts
// everything down in order. On Linux the child is also killed when the host dies. That signal comes when the *thread*
// that started the child ends, which the Go scheduler may cause at any time. So the goroutine that starts the child
// stays locked to its thread until the child is gone.
func startProcess(of program, out *lineWriter) (*process, error) {
	p := &process{name: of.name, exited: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		cmd, err := start(of, out)
		if err == nil {
			p.pid = cmd.Process.Pid
		}
		started <- err
		if err == nil {
			p.wait(cmd, out)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

func start(of program, out *lineWriter) (*exec.Cmd, error) {
	for attempt := 0; ; attempt++ {
		cmd := exec.Command(of.command[0], of.command[1:]...)
		cmd.Dir, cmd.Env = of.dir, of.environ
		cmd.Stdout, cmd.Stderr = out, out // the same writer: exec uses one pipe, so lines stay in order
		cmd.SysProcAttr = childAttributes()
		cmd.WaitDelay = 100 * time.Millisecond // a grandchild may hold the pipe open
		err := cmd.Start()
		// A process that is being forked elsewhere can hold a just written executable open for an instant
		// (golang.org/issue/22315).
		if errors.Is(err, syscall.ETXTBSY) && attempt < 20 {
			time.Sleep(5 * time.Millisecond)
			continue
		}
		return cmd, err
	}
}

func (p *process) wait(cmd *exec.Cmd, out *lineWriter) {
	_ = cmd.Wait()                            // ProcessState has the result
	_ = syscall.Kill(-p.pid, syscall.SIGKILL) // ends what the child started and left behind
	out.flush()
	p.state = cmd.ProcessState
	close(p.exited)
}

// signal sends a signal to the child and its process group. It returns false if they have ended.
func (p *process) signal(sig syscall.Signal) bool {
	select {
	case <-p.exited: // another process may have this number by now
		return false
	default:
		return syscall.Kill(-p.pid, sig) == nil
	}
}

// await waits for the child to exit by itself, kills it at the deadline, and returns when it is gone.
func (p *process) await(deadline time.Time) {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case <-p.exited:
	case <-timer.C:
		p.signal(syscall.SIGKILL)
		<-p.exited
	}
}

// maxLine bounds a line, in bytes, because a child may never print a newline.
const maxLine = 256 << 10

// lineWriter writes whole lines to w, each after the prefix and in a single Write, so that lines of different processes
// never mix. One goroutine uses it at a time.
type lineWriter struct {
	w      io.Writer
	prefix string
	rest   []byte
}

func (l *lineWriter) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		line, rest, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole && len(line) < maxLine {
			return len(p), nil
		}
		l.emit(line)
		l.rest = rest
	}
}

// flush writes a last line that has no newline.
func (l *lineWriter) flush() {
	if len(l.rest) > 0 {
		l.emit(l.rest)
		l.rest = nil
	}
}

// emit ignores errors, because a log that cannot be written must not stop the function.
func (l *lineWriter) emit(line []byte) {
	_, _ = l.w.Write(append(append([]byte(l.prefix), line...), '\n'))
}
