package process

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
)

// asExtension makes the test's program an extension.
const asExtension = "BENCH_TEST_AS_EXTENSION"

func TestMain(m *testing.M) {
	if os.Getenv(asExtension) != "" {
		extension()
		return
	}
	os.Exit(m.Run())
}

// extension serves, registers, and waits for its end.
func extension() {
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("TOKENIZER_PORT"))
	if err != nil {
		return
	}
	go func() {
		_ = http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, r.Header.Get("X-Tokenizer-Token"))
		}))
	}()
	api := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2020-01-01/extension"
	for _, call := range [][2]string{{"POST", "/register"}, {"GET", "/event/next"}} {
		req, err := http.NewRequest(call[0], api+call[1], nil)
		if err != nil {
			return
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return
		}
		_ = resp.Body.Close()
	}
}

func TestStart_RunsAnExtensionUntilStop(t *testing.T) {
	e, err := Start(t.Context(), os.Args[0], Config{Services: "127.0.0.1:1", Extra: []string{asExtension + "=1"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	conns, err := e.Conns(2)
	if err != nil || len(conns) != 2 || e.Registered <= 0 {
		t.Fatal(err, len(conns), e.Registered)
	}
	if _, answer, err := conns[1].Do("GET", "/ping", nil); err != nil || string(answer) != SessionToken {
		t.Errorf("%s %v", answer, err)
	}
	e.Stop()
	if !e.cmd.ProcessState.Success() {
		t.Error("it did not end by itself:", e.cmd.ProcessState)
	}
}

func TestStart_FailsForAProgramThatEnds(t *testing.T) {
	_, err := Start(t.Context(), os.Args[0],
		Config{Extra: []string{asExtension + "=1", "AWS_LAMBDA_RUNTIME_API=127.0.0.1:1"}})
	if err == nil || !strings.Contains(err.Error(), "ended before it registered") {
		t.Error(err)
	}
	if _, err := Start(t.Context(), "/nowhere", Config{}); err == nil {
		t.Error("a program that is not there starts")
	}
}
