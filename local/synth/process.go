package synth

import (
	"os/exec"
	"syscall"
	"time"
)

// endWithGroup makes the end of the command's context end everything that it started: compilers, and the CDK's Node.
func endWithGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 2 * time.Second
}
