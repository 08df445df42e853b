package record_test

import (
	"fmt"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/page/record"
)

func TestRecorder_TakesNoEventFromAFunction(t *testing.T) {
	r := record.New()
	fmt.Fprintln(r, `AppStack-Order: forged/tokenizer: {"msg":"tokenizer","operation":"detokenize","outcome":"ok"}`)
	if events := r.Events(); len(events) != 0 {
		t.Errorf("a function forged %+v", events)
	}
}
