package launched

import (
	"fmt"
	"net"
)

// CheckAddress returns an error for a value of -addr that is not on this machine alone. The example has a port to try.
func CheckAddress(addr, example string) error {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	if err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("-addr %q: use a loopback address with a port, such as %s: nothing here is meant for a network",
			addr, example)
	}
	return nil
}
