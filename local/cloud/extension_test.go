package cloud_test

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/walkthrough"
	"github.com/lambda-tokenizer/lambda-tokenizer/tokenizerlayer/client"
)

// tokenizer is a client of the extension that a function has, without the function.
func (s system) tokenizer(t *testing.T, function string, variables map[string]string) *client.Client {
	t.Helper()
	x, err := s.StartExtension(t.Context(), function, variables)
	if err != nil {
		t.Fatalf("%v\n%s", err, s.log)
	}
	t.Cleanup(x.Stop)
	c, err := client.New(client.Config{Port: x.Port, SessionToken: x.SessionToken})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestStartExtension_HasTheRightsOfItsFunction(t *testing.T) {
	s := deploy(t, load(t))
	order, paybill := s.tokenizer(t, "AppStack-Order", nil), s.tokenizer(t, "AppStack-Paybill", nil)
	made, err := order.Tokenize(t.Context(), client.TokenizeInput{Data: client.NewSecret(walkthrough.SampleCard)})
	if err != nil {
		t.Fatalf("order tokenizes: %v\n%s", err, s.log)
	}
	read := client.DetokenizeInput{Token: made.Token}
	if out, err := paybill.Detokenize(t.Context(), read); err != nil || out.Data.Reveal() != "************0000" {
		t.Errorf("paybill detokenizes: %v\n%s", err, s.log)
	}
	if trouble := s.Trouble(); len(trouble) > 0 {
		t.Errorf("a call was refused: %q", trouble)
	}
	if _, err := order.Detokenize(t.Context(), read); !errors.Is(err, client.ErrDenied) {
		t.Errorf("order detokenizes: error = %v, want ErrDenied", err)
	}
	if trouble := strings.Join(s.Trouble(), "\n"); !strings.Contains(trouble, "OrderRole") ||
		!strings.Contains(trouble, ": dynamodb:GetItem on ") ||
		!strings.Contains(trouble, "(function AppStack/OrderFunction, to which the layer is attached for tokenize)") {
		t.Errorf("the refused calls are %q", trouble)
	}
}

func TestStartExtension_TakesVariablesInPlaceOfTheFunctions(t *testing.T) {
	s := deploy(t, load(t))
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	x, err := s.StartExtension(t.Context(), "AppStack-Order", map[string]string{"TOKENIZER_PORT": strconv.Itoa(port)})
	if err != nil {
		t.Fatal(err)
	}
	if x.Port != port {
		t.Errorf("it listens on %d, want %d", x.Port, port)
	}
	// A setting that it lacks keeps it from working, but not from answering.
	broken := s.tokenizer(t, "AppStack-Order", map[string]string{"TOKENIZER_TABLE": ""})
	if _, err := broken.Ping(t.Context()); !errors.Is(err, client.ErrNotReady) {
		t.Errorf("without a table: error = %v, want ErrNotReady", err)
	}
	x.Stop()
	gone, err := client.New(client.Config{Port: x.Port, SessionToken: x.SessionToken})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gone.Ping(t.Context()); !errors.Is(err, client.ErrUnavailable) {
		t.Errorf("after Stop: error = %v, want ErrUnavailable", err)
	}
}

func TestStartExtension_WantsOneFunction(t *testing.T) {
	s := deploy(t, load(t))
	for name, want := range map[string]string{
		"Nobody": `no function's name begins with "Nobody"`, "AppStack-": "several functions",
	} {
		if _, err := s.StartExtension(t.Context(), name, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error = %v, want %s", name, err, want)
		}
	}
}
