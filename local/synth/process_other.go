//go:build !linux

package synth

import "syscall"

// childAttributes cannot ask for a signal when this process is killed: only Linux has that.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
