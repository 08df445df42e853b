//go:build !linux

package lambdahost

import "syscall"

// childAttributes cannot ask for a signal when the host is killed: only Linux has that.
// Runtimes and extensions end by themselves when the Runtime API goes away.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
