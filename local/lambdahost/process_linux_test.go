package lambdahost

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"testing"
)

func TestProcesses_DieWithTheHost(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	cfg := testConfig(t, t.TempDir())
	cfg.Variables["FUNCTION"] = "lambda"
	described, err := json.Marshal(map[string]any{
		"Name":      cfg.Name,
		"ARN":       cfg.ARN,
		"Region":    cfg.Region,
		"TaskDir":   cfg.TaskDir,
		"Timeout":   cfg.Timeout,
		"Variables": cfg.Variables,
	})
	if err != nil {
		t.Fatal(err)
	}
	host := exec.Command(os.Args[0])
	host.Env = append(os.Environ(), "HOST="+string(described), "DIAL="+listener.Addr().String())
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	conn, err := listener.Accept() // the function is running, and will not ask for the next event
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := host.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = host.Wait()
	awaitEnd(t, conn)
}
