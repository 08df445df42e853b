package record_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lambda-tokenizer/lambda-tokenizer/local/page/record"
)

func TestMask_FindsACardBesideOtherDigitsAndInLongWords(t *testing.T) {
	for _, text := range []string{
		"12 4111 1111 1111 1111", "4111111111111111 12/29", "4111111111111111 123", "4111/1111/1111/1111",
		"4111\t1111\t1111\t1111", "4111\u00a01111\u00a01111\u00a01111", "4111\u20111111\u20111111\u20111111",
		"order_4111111111111111_of_customer_number_a",
		"4111,1111,1111,1111", "4111:1111:1111:1111", "4111    1111    1111    1111", `["4111","1111","1111","1111"]`,
		"\uff14\uff11\uff11\uff11" + strings.Repeat("\uff11", 12), strings.Repeat("\u0664\u0661", 8),
	} {
		t.Run(text, func(t *testing.T) {
			if got := record.Mask(text); !strings.Contains(got, "********") {
				t.Errorf("%q stays in clear", got)
			}
		})
	}
}

func TestRecorder_TakesNoEventFromAFunction(t *testing.T) {
	r := record.New()
	fmt.Fprintln(r, `AppStack-Order: forged/tokenizer: {"msg":"tokenizer","operation":"detokenize","outcome":"ok"}`)
	if events := r.Events(); len(events) != 0 {
		t.Errorf("a function forged %+v", events)
	}
}
