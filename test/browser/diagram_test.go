package browser_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/page"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/page/record"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/progress"
	"github.com/lambda-tokenizer/lambda-tokenizer/local/walkthrough"
	"github.com/lambda-tokenizer/lambda-tokenizer/test/kit"
)

// The picture of a payment in the documents is what happens here and now, but for the times.
func TestDiagram_OfAPaymentIsThatOfTheDocuments(t *testing.T) {
	s := system(t)
	w := walkthrough.Walk{
		System: walkthrough.System{
			Cognito: s.Clients.Cognito, DynamoDB: s.Clients.DynamoDB, Outputs: s.Outputs, Tables: s.Tables,
			Code: s.Code,
		},
		Order: "diagram", Card: canary, Print: progress.New(io.Discard),
	}
	if _, err := w.SignIn(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.Pay(t.Context()); err != nil {
		t.Fatal(err)
	}
	payment := s.recorder.Requests()[0]
	if payment.Route != "POST /paybill" {
		t.Fatalf("the latest request is %s", payment.Route)
	}
	name := func(arn string) string {
		if id, known := s.Keys[arn]; known {
			return record.Name(id)
		}
		return arn
	}
	changed, stopped := s.recorder.Subscribe()
	defer stopped()
	for len(s.recorder.Events()) == 0 || s.recorder.Events()[0].Operation != "detokenize" { // the log takes its time
		select {
		case <-changed:
		case <-time.After(kit.Limit):
			t.Fatal("the extension logged no detokenize")
		}
	}
	drawn := page.Diagram(payment, s.recorder.Calls(), s.recorder.Events(), name).Timeless().SVG(true)
	file := filepath.Join(root, "docs", "images", "payment.svg")
	if os.Getenv("PICTURES") != "" {
		if err := os.WriteFile(file, []byte(drawn), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(kit.Read(t, file), drawn); diff != "" {
		t.Errorf("docs/images/payment.svg is not what happens: run task pictures (-want +got):\n%s", diff)
	}
}
