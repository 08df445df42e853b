package synth

import (
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// runInGroup runs a command. The end of its context ends everything that it started: compilers, and the CDK's Node. On
// Linux the command also ends if this process is killed. The system sends that signal when the thread ends that has
// started the command, so it is kept until then.
func runInGroup(cmd *exec.Cmd) error {
	cmd.SysProcAttr = childAttributes()
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 2 * time.Second
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return cmd.Run()
}
