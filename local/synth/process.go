package synth

import (
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// runInGroup runs a command. The end of its context ends everything that it started: compilers, and the CDK's Node.
// What does not end when it is asked to, is killed. On Linux the command also ends if this process is killed. The
// system sends that signal when the thread ends that has started the command, so it is kept until then.
func runInGroup(cmd *exec.Cmd) error {
	cmd.SysProcAttr = childAttributes()
	asked := false
	cmd.Cancel = func() error {
		asked = true
		return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
	}
	cmd.WaitDelay = 2 * time.Second
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Run()
	if asked { // the group keeps its number until the last process in it has ended
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	return err
}
