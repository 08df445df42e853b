package kit

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Process is a program that a test has started.
type Process struct {
	// Stdout and Stderr are what it has printed, unless the command said where that goes.
	Stdout, Stderr *Buffer

	cmd   *exec.Cmd
	ended chan struct{} // closed when it has ended, with err
	err   error
}

// StartProcess starts a command. The caller ends it with [Process.Interrupt] or [Process.Kill].
func StartProcess(cmd *exec.Cmd) (*Process, error) {
	p := &Process{Stdout: &Buffer{}, Stderr: &Buffer{}, cmd: cmd, ended: make(chan struct{})}
	if cmd.Stdout == nil {
		cmd.Stdout = p.Stdout
	}
	if cmd.Stderr == nil {
		cmd.Stderr = p.Stderr
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// Await waits until event happens. It returns an error with everything that was printed if the process ends before, or
// if the limit is over.
func (p *Process) Await(event <-chan struct{}, limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-event:
		return nil
	case <-p.ended:
		return p.trouble(fmt.Sprintf("ended early (%v)", p.err))
	case <-timer.C:
		return p.trouble(fmt.Sprintf("did nothing for %v", limit))
	}
}

// Wait waits for the end of the process, for at most [Limit], and returns an error if it is not a good one.
func (p *Process) Wait() error {
	timer := time.NewTimer(Limit)
	defer timer.Stop()
	select {
	case <-p.ended:
		return p.err
	case <-timer.C:
		p.Kill()
		return p.trouble(fmt.Sprintf("did not end in %v", Limit))
	}
}

// Signal sends a signal to the process.
func (p *Process) Signal(signal os.Signal) error { return p.cmd.Process.Signal(signal) }

// Interrupt ends the process as Ctrl-C does, and waits for its end.
func (p *Process) Interrupt() error {
	if err := p.Signal(syscall.SIGINT); err != nil {
		return err
	}
	return p.Wait()
}

// Kill ends the process at once, if it has not ended, and waits for that.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // an error says that it has ended
	<-p.ended
}

func (p *Process) trouble(what string) error {
	return fmt.Errorf("%s %s, after printing:\n%s%s", p.cmd.Path, what, p.Stdout, p.Stderr)
}
