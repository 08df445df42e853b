// Command testclock is both functions, with a clock that a test turns on. test/crash puts it in the place of their
// bootstraps. Nothing that is deployed contains it.
//
// A file named clock, beside the function's directory, says by how much the clock is ahead.
package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lambda-tokenizer/lambda-tokenizer/lambdas/internal/functions"
	"github.com/lambda-tokenizer/lambda-tokenizer/lambdas/internal/start"
)

func main() {
	run := functions.Order
	if strings.Contains(os.Getenv("AWS_LAMBDA_FUNCTION_NAME"), "Paybill") {
		run = functions.Paybill
	}
	os.Setenv("AWS_SDK_UA_APP_ID", "bootstrap") // by which its calls are told from the extension's
	start.Main(func(ctx context.Context) error { return run(ctx, turnedClock) })
}

func turnedClock() time.Time {
	b, err := os.ReadFile(filepath.Join(os.Getenv("LAMBDA_TASK_ROOT"), "..", "clock"))
	if err != nil {
		panic(err)
	}
	offset, err := time.ParseDuration(string(b))
	if err != nil {
		panic(err)
	}
	return time.Now().Add(offset)
}
