// Command bare is the smallest useful Lambda extension in Go: it listens, registers, and waits. It is the floor under
// the start-up time, the memory and the loopback requests of the tokenizer, which cannot do with less while it is
// written in Go with net/http.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
)

func main() {
	if err := run(os.Getenv); err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		os.Exit(1)
	}
}

func run(getenv func(string) string) error {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", getenv("TOKENIZER_PORT")))
	if err != nil {
		return err
	}
	// until the process ends
	go func() { _ = http.Serve(listener, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})) }()

	api := "http://" + getenv("AWS_LAMBDA_RUNTIME_API") + "/2020-01-01/extension"
	register, err := http.NewRequest("POST", api+"/register", strings.NewReader(`{"events":["SHUTDOWN"]}`))
	if err != nil {
		return err
	}
	register.Header.Set("Lambda-Extension-Name", "bare")
	registered, err := http.DefaultClient.Do(register)
	if err != nil {
		return err
	}
	defer registered.Body.Close()
	next, err := http.NewRequest("GET", api+"/event/next", nil)
	if err != nil {
		return err
	}
	next.Header.Set("Lambda-Extension-Identifier", registered.Header.Get("Lambda-Extension-Identifier"))
	event, err := http.DefaultClient.Do(next) // SHUTDOWN is the only event it asked for
	if err != nil {
		return err
	}
	return event.Body.Close()
}
